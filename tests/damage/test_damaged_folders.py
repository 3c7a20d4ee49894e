"""Whatever lies in one run's folder: no page with an exception box, no route with a 500, no command with a traceback;
its neighbours are listed."""

from __future__ import annotations

import contextlib
import json
import signal
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient
from streamlit.testing.v1 import AppTest

from tests.damage.conftest import BITS, GROUPED, GROUPS, SOUND, Damaged, of_file
from ui import server
from ui.live import cache
from ui.live.codes import codes_routes
from ui.live.live import routes
from ui.live.map import map_routes
from ui.live.processes import Processes
from ui.live.run_watcher import RunWatcher
from ui.map import fits
from ui.room import identity
from ui.runs import owners
from ui.runs.gallery import read_card
from vae import runs
from vae.__main__ import main
from vae.engines.base import State
from vae.engines.states import log_tail
from vae.errors import RunError
from vae.runs.sweep_mark import read_mark

ROOT = Path(__file__).resolve().parents[2]
FILES = (
    "config",
    "status",
    "knobs",
    "manifest",
    "owner",
    "origin",
    "sweep",
    "history",
    "live",
    "weights",
    "state",
    "replay",
    "heldout",
    "map",
)
SHOWN = (*(file for file in FILES if file not in GROUPED), *GROUPS)
PAGES = {"train": "run", "explore": "run", "map": "run", "diagnose": "run", "binary": "run", "terms": "run"}
ZEROS = "0" * 64


@pytest.fixture
def visiting(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Make this folder the folder of runs."""
    monkeypatch.setattr(fits, "warm", lambda: None)
    monkeypatch.setattr(Processes, "_take", lambda *_: SimpleNamespace(exit_code=lambda: 0))
    monkeypatch.setattr(owners, "visitor_id", lambda cookies: "")
    monkeypatch.setattr(server, "engine", lambda name=None: Idle())
    monkeypatch.setattr("ui.binary.job.SOON", 110.0)  # no thread outlives a test
    monkeypatch.setattr("vae.lessons.toy_gradient.SEARCH_STEPS", 1)  # of the race, which is of no run
    monkeypatch.setattr("ui.binary.laboratory.DRAWS", (100, 200))
    monkeypatch.setattr("ui.binary.laboratory.NUMBERS", 20_000)  # one image

    def visit(root: Path) -> None:
        monkeypatch.setenv("ELBO_ROOM_RUNS", str(root))
        identity.signing_key.cache_clear()

    return visit


class Idle:
    """An engine in which nothing waits."""

    def queued(self, *_: Any) -> list[Any]:
        return []

    def state(self, path: Path) -> State:
        return State()

    def log_tail(self, path: Path) -> str:
        return log_tail(path)


@pytest.fixture(autouse=True)
def nothing_kept() -> Iterator[None]:
    yield
    cache.forget()


def shown(damaged: Damaged, file: str) -> list[tuple[str, Path]]:
    """Name and folder of the damaged runs of one of SHOWN."""
    if file in GROUPS:
        return list(damaged.grouped[file].items())
    return [(name, damaged.alone[name]) for name in of_file(damaged.alone, file)]


def readable(path: Path) -> bool:
    """Whether more than the sentence about its config is shown of a run."""
    try:
        runs.read_config(path)
    except RunError:
        return False
    return True


def marked(path: Path) -> bool:
    """Whether it can be told which sweep a run belongs to, if to any."""
    try:
        read_mark(path)
    except RunError:
        return False
    return True


def test_the_table_is_large_and_about_every_file(damaged: Damaged) -> None:
    assert len(damaged.alone) > 300
    assert [file for file in FILES if not of_file(damaged.alone, file)] == []
    assert sum(len(of_file(damaged.alone, file)) for file in FILES) == len(damaged.alone)
    assert {each for names in damaged.damages.values() for each in names} == {
        name for file in GROUPED for name in of_file(damaged.alone, file)
    }
    refused = [name for name, root in damaged.alone.items() if not readable(root / name)]
    assert len([name for name in refused if name.startswith("config")]) > 80
    assert readable(damaged.everything / SOUND)


def text_of(app: AppTest) -> str:
    bodies = [element.proto.body for element in app.get("html")]
    return "\n".join(body for body in bodies if not body.startswith("<style>"))


def test_home_shows_a_card_for_each(damaged: Damaged, visiting: Callable[[Path], None]) -> None:
    visiting(damaged.everything)
    app = AppTest.from_file(str(ROOT / "ui" / "frame.py"), default_timeout=120)
    app.session_state["shown"] = 1000
    app.run()
    assert not app.exception
    cards = {card.name: card for card in map(read_card, runs.list_runs())}
    assert SOUND in cards
    assert cards[SOUND].state == "finished"
    assert text_of(app).count('<p class="er-card-name">') == len(cards)
    for name, card in cards.items():
        assert (card.state == "damaged") == bool(card.problem) == (not readable(card.path)), name
        assert "log says why" not in card.problem, "an error that is none of ours"


def problems_of_page(app: AppTest, page: str, name: str) -> list[str]:
    """Exception boxes of a page that shows this run."""
    for parameter in list(app.query_params):
        del app.query_params[parameter]
    app.query_params["run"] = name
    app.switch_page(f"../pages/{page}.py").run()
    shown = name in text_of(app) or any(box.value == name for box in app.selectbox)
    return [element.message for element in app.exception] + ([] if shown else ["the run is not named on the page"])


@pytest.mark.parametrize("file", SHOWN)
def test_no_page_has_an_exception_box(file: str, damaged: Damaged, visiting: Callable[[Path], None]) -> None:
    """A run whose config is refused shows its sentence everywhere; of the others every page is opened."""
    failures: dict[str, Any] = {}
    visiting(damaged.alone["live-empty"])
    app = AppTest.from_file(str(ROOT / "ui" / "frame.py"), default_timeout=120).run()
    for name, root in shown(damaged, file):
        visiting(root)
        for page in PAGES if readable(root / name) else ("train",):
            if found := problems_of_page(app, page, name):
                failures[f"{page} of {damaged.damages.get(name, name)}"] = found
    assert not failures, "\n".join(f"{where}: {what}" for where, what in failures.items())


@pytest.mark.parametrize("page", ["explore", "map", "binary", "train", "diagnose", "suspects"])
def test_a_sound_run_is_shown_beside_all_of_them(page: str, damaged: Damaged, visiting: Callable[[Path], None]) -> None:
    visiting(damaged.everything)
    app = AppTest.from_file(str(ROOT / "ui" / "frame.py"), default_timeout=120).run()
    name = BITS if page == "binary" else SOUND
    assert problems_of_page(app, page, name) == []
    assert "er-problem" not in text_of(app)
    if page != "train":
        offered = next(box.options for box in app.selectbox if name in box.options)
        assert len([option for option in offered if option.endswith("(cannot be opened)")]) > 80
        del app.query_params["run"]  # the first choice is one that can be opened
        assert not app.switch_page(f"../pages/{page}.py").run().exception
        assert "er-problem" not in text_of(app)


def addresses(name: str, sha: str) -> Iterator[tuple[str, str]]:
    """Method and address of every route about a run."""
    for address in (
        "preview", "thumbnail.png", "decoder", f"decoder/{sha}", "decode?z=0.5,-1", f"codes/{sha}",
        f"codes/{sha}?part=train", f"images/{sha}?count=2", f"plane/{sha}", f"posterior/{sha}?index=0",
        f"layout/{sha}?method=pca",
    ):  # fmt: skip
        yield "GET", f"/runs/{name}/{address}"
    yield "POST", f"/runs/{name}/encode/{sha}?method=pca"


@pytest.fixture
def picture() -> bytes:
    import io

    import numpy as np
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(np.eye(8, dtype=np.uint8) * 255).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("file", SHOWN)
def test_no_route_has_a_500(file: str, damaged: Damaged, visiting: Callable[[Path], None], picture: bytes) -> None:
    failures = {}
    app = Starlette(routes=[*routes, *codes_routes, *map_routes])
    client = TestClient(app)
    for name, root in shown(damaged, file):
        visiting(root)
        sha = ZEROS
        with contextlib.suppress(RunError):
            sha = runs.content_hash(root / name, runs.WEIGHTS) or ZEROS
        for method, address in addresses(name, sha):
            try:
                answer = client.request(method, address, content=picture if method == "POST" else None)
                if answer.status_code >= 500 or (answer.status_code != 200 and len(answer.text) < 10):
                    failures[address] = f"{answer.status_code} {answer.text[:100]}"
            except Exception:
                failures[address] = traceback.format_exc(limit=-2)
    assert not failures, "\n".join(f"{where}: {what}" for where, what in failures.items())


@pytest.mark.parametrize("file", FILES)
def test_what_is_sent_to_a_browser_that_watches_is_json(file: str, damaged: Damaged) -> None:
    failures = {}
    for name in of_file(damaged.alone, file):
        try:
            news = RunWatcher(damaged.alone[name] / name)._look()
            json.dumps(news.status, allow_nan=False).encode()
            for line in json.loads(f"[{news.lines.json}]") if news.lines else []:
                assert type(line["step"]) is int
        except Exception:
            failures[name] = traceback.format_exc(limit=-2)
    assert not failures, "\n".join(f"{where}: {what}" for where, what in failures.items())


def test_list_names_every_run(
    damaged: Damaged, visiting: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    visiting(damaged.everything)
    assert main(["list", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)["runs"]}
    for path in runs.list_runs():
        row = rows.pop(path.name)
        assert (row["state"] == "damaged") == (not (readable(path) and marked(path)))
        if row["state"] == "damaged":
            assert path.name in row["message"]
            assert any(word in row["message"] for word in ("config.json", "manifest.json", "sweep.json", "newer"))
    assert rows == {}
    assert main(["list"]) == 0
    assert SOUND in capsys.readouterr().out


COMMANDS = {
    "evaluate": ("--samples", "2", "--limit", "3"),
    "project": ("--method", "pca"),
    "resume": ("--epochs", "3"),
    "pack": (),
}


@pytest.mark.parametrize("file", SHOWN)
def test_no_command_has_a_traceback(
    file: str,
    damaged: Damaged,
    visiting: Callable[[Path], None],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    one_thread: None,
) -> None:
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    failures = {}
    for name, root in shown(damaged, file):
        visiting(root)
        for command, options in COMMANDS.items():
            try:
                code = main([command, name, *options])
            except Exception:
                failures[f"{command} {name}"] = traceback.format_exc(limit=-3)
                continue
            told = capsys.readouterr()
            if code not in (0, 1, 2) or "Traceback" in told.err or (code and len(told.err.strip()) < 10):
                failures[f"{command} {name}"] = f"{code}: {told.err}"
    assert not failures, "\n".join(f"{where}: {what}" for where, what in failures.items())
