"""The Suspects page: from nothing to a table, its kinds, marks, and the form of a run without them."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import save
from streamlit.testing.v1 import AppTest

from tests.pages.page_contract import page_opens
from ui import navigation
from ui.runs.run_view import RunView
from ui.suspects import actions, work
from vae import Config, load_run, runs, train
from vae.diagnosis.results import read_status
from vae.diagnosis.suspects.marks import FILE, change_marks, read_marks
from vae.diagnosis.suspects.process import Asked, look_for_suspects
from vae.diagnosis.suspects.results import folder_of, folder_to_show, request_suspects

PAGE = str(navigation.FOLDER / "suspects.py")
DEMO = navigation.FOLDER.parent / "checkpoints" / "demo-digits-2d"


@pytest.fixture(scope="module")
def looked_through(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small run whose suspects were looked for."""
    config = Config(dataset="digits", latent_dim=2, epochs=3, hidden=(32,), threads=1)
    path = train(config, progress=False).finish().save("digits", tmp_path_factory.mktemp("runs")).path
    look_for_suspects(path, Asked("test", 10), threading.Event())
    return path


@pytest.fixture
def run(runs_folder: Path, looked_through: Path) -> Path:
    return Path(shutil.copytree(looked_through, runs_folder / "one"))


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """What was asked of the processes, none of which starts."""
    found: list[tuple[str, ...]] = []

    def start(path: Path, evidence: str = "", second: str = "") -> str:
        found.append((path.name, evidence, second))
        return ""

    monkeypatch.setattr(work, "start", start)
    return found


def opened(app: AppTest, **query: str) -> AppTest:
    return page_opens(app, PAGE, **query)


def table(app: AppTest) -> dict[str, Any]:
    """What the browser's table was given."""
    found = [
        json.loads(proto.json)
        for element in walk(app.main)
        if getattr(proto := getattr(element, "proto", None), "component_name", "") == "elbo_room_suspects_table"
    ]
    return dict(found[0])


def walk(block: Any) -> Any:
    for child in block.children.values():
        yield child
        if hasattr(child, "children"):
            yield from walk(child)


def words(app: AppTest) -> str:
    return " ".join(element.proto.body for element in walk(app.main) if element.type == "html")


def test_a_run_that_nobody_looked_through_is_looked_through_once(
    app: AppTest, runs_folder: Path, asked: list[tuple[str, ...]]
) -> None:
    shutil.copytree(DEMO, runs_folder / "demo", ignore=shutil.ignore_patterns("suspects", "projections"))
    opened(app, run="demo")
    assert asked == [("demo", "", "")]
    app.run()
    assert len(asked) == 1  # who stopped it is not overruled
    app.button(key="again").click().run()
    assert len(asked) == 2


def test_a_run_that_trains_on_is_looked_through_when_somebody_asks(
    app: AppTest, run: Path, asked: list[tuple[str, ...]]
) -> None:
    shutil.rmtree(run / "suspects")
    runs.write_status(run, runs.Status(state="queued"))
    opened(app, run="one")
    assert asked == []
    assert "The run trains on" in words(app)
    app.button(key="again").click().run()
    assert asked == [("one", "", "")]


def test_scores_of_older_weights_stay_and_say_so(app: AppTest, run: Path, asked: list[tuple[str, ...]]) -> None:
    newer(run)
    runs.write_status(run, runs.Status(state="queued"))
    opened(app, run="one")
    assert table(app)["all"] == 1437
    assert app.button(key="suspects-evidence").disabled
    assert "The run has newer weights than these numbers" in words(app)
    assert app.button(key="again").label == "Look again with the newest weights"
    app.button(key="again").click().run()
    assert asked == [("one", "", "")]


def newer(run: Path) -> str:
    """Gives the run other weights; returns their SHA-256."""
    weights = {name: value + 0.01 for name, value in load_run(run).model.state_dict().items()}
    runs.save_checked(run, {runs.WEIGHTS: save(weights)})
    sha = runs.content_hash(run, runs.WEIGHTS)
    assert sha is not None
    return sha


def test_weights_that_change_before_the_work_begins_are_looked_through(run: Path) -> None:
    old = runs.content_hash(run, runs.WEIGHTS)
    assert old is not None
    shutil.rmtree(run / "suspects")
    request_suspects(run, old)
    sha = newer(run)
    assert folder_to_show(run, sha) == folder_of(run, old)  # it starts there
    assert look_for_suspects(run, Asked(), threading.Event(), old) == folder_of(run, sha)
    assert work.is_whole(folder_of(run, sha))
    assert read_status(folder_of(run, old)).state == "stopped"
    assert folder_to_show(run, newer(run)) == folder_of(run, sha)


def test_the_table_shows_a_page_of_rows_with_three_pictures_each(app: AppTest, run: Path) -> None:
    found = table(opened(app, run="one"))
    assert (found["part"], found["found"], found["pages"], len(found["rows"])) == ("train", 1437, 58, 25)
    assert all(len(row["pictures"]) == 3 for row in found["rows"])
    assert len(json.dumps(found)) < 60_000
    last = table(opened(app, run="one", page="58"))
    assert len(last["rows"]) == 1437 - 57 * 25
    assert table(opened(app, run="one", page="900"))["page"] == 58


def test_kind_class_part_and_k_are_in_the_address(app: AppTest, run: Path) -> None:
    opened(app, run="one")
    app.button_group(key="suspects-kind").set_value("label").run()
    assert app.query_params["kind"] == "label"
    all_of_kind = table(app)["found"]
    assert all(row["suggested"] is not None for row in table(app)["rows"])
    app.selectbox(key="suspects-label").select(7).run()
    assert app.query_params["label"] == "7"
    assert 0 < table(app)["found"] < all_of_kind
    assert all(row["label"] == "7" for row in table(app)["rows"])
    app.selectbox(key="suspects-k").select(5).run()
    assert all(row["differ"].endswith("of 5") for row in table(app)["rows"])
    app.button_group(key="suspects-part").set_value("test").run()
    assert (app.query_params["part"], table(app)["all"]) == ("test", 360)
    assert not app.exception


def test_marks_lie_with_the_run_and_lead_to_a_form_without_them(
    app: AppTest, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = table(opened(app, run="one"))["rows"][0]
    sent = {"run": "one", "action": "mark", "index": first["index"], "marked": True}
    monkeypatch.setattr(actions, "read_action", lambda name: {n: v for n, v in sent.items() if n != "run"})
    view = RunView(run)
    from ui.live.cache import weights_sha
    from ui.suspects.shown import listed_shown
    from ui.suspects.view import SuspectsView

    listed = listed_shown(run, weights_sha(run), SuspectsView())
    assert listed is not None
    actions.act(view, SuspectsView(), listed)
    row = ("train", listed.row(first["index"]))
    assert read_marks(run, view.data) == {row: ""}
    app.run()
    assert table(app)["rows"][0]["marked"] is True
    opened(app, run="one", kind="marked")
    assert [shown["index"] for shown in table(app)["rows"]] == [first["index"]]
    app.button(key="suspects-unmark-all").click().run()
    assert read_marks(run, view.data) == {}
    change_marks(run, view.data, {row: "", ("test", int(view.run.dataset().test_rows[0])): ""})
    app.query_params.clear()
    app.query_params["from"], app.query_params["without"] = "one", "marked"
    app.switch_page(str(navigation.FOLDER / "train.py")).run()
    assert not app.exception
    assert "Without 2 images that were marked." in words(app)
    assert "1,436 to train, 359 held out" in words(app)
    app.button(key="start").click().run()
    made = next(path for path in runs.list_runs(run.parent) if path.name != "one")
    config, data = runs.read_config(made)
    assert (data["train"], data["test"]) == (1436, 359)
    assert row[1] not in runs.load_run(made).dataset().train_rows.tolist()
    assert config.hidden == (32,)


def test_rows_can_be_taken_back_into_the_form(app: AppTest, run: Path) -> None:
    view = RunView(run)
    change_marks(run, view.data, {("train", int(view.run.dataset().train_rows[0])): ""})
    app.run()
    app.query_params["from"], app.query_params["without"] = "one", "marked"
    app.switch_page(str(navigation.FOLDER / "train.py")).run()
    app.button(key="take-back").click().run()
    assert "1,437 to train" in words(app)
    assert "left out" not in words(app)


def test_marks_on_a_run_of_others_stay_in_the_session(app: AppTest, run: Path, sit: Callable[[bool], None]) -> None:
    sit(False)
    opened(app, run="one")
    assert "stay in this browser's session" in words(app).replace("&#x27;", "'")
    app.button(key="suspects-mark-all").click().run()
    assert not (run / FILE).exists()
    assert table(app)["rows"][0]["marked"] is True


def test_log_px_is_shown_where_it_is_known_and_asked_for_where_not(
    app: AppTest, run: Path, asked: list[tuple[str, ...]]
) -> None:
    found = table(opened(app, run="one", part="test", sort="log_px"))
    assert all(row["log_px"] for row in found["rows"])
    assert "log p(x) of 360 of 360 images" in words(app)
    opened(app, run="one", part="train")
    app.button(key="suspects-evidence").click().run()
    assert asked[-1] == ("one", "train", "")


def test_damaged_scores_and_marks_are_said_in_a_sentence(app: AppTest, run: Path) -> None:
    (run / FILE).write_text("{")
    assert "suspects.json cannot be read" in words(opened(app, run="one"))
    (run / FILE).unlink()
    folder = folder_of(run, str(runs.content_hash(run, runs.WEIGHTS)))
    (folder / "scores.npz").write_bytes(b"nothing")
    assert "scores.npz cannot be read" in words(opened(app, run="one"))


def test_an_address_shows_no_file_of_the_server_to_those_who_do_not_sit_at_it(
    app: AppTest, run: Path, tmp_path: Path, sit: Callable[[bool], None]
) -> None:
    file = str(tmp_path / "secret.npy")
    np.save(file, np.arange(60 * 64, dtype=np.uint8).reshape(60, 8, 8))
    for here in (True, False):
        sit(here)
        opened(app, run="one", part="second", second=file)
        assert ("suspects-second-start" in [one.key for one in app.button]) == here
        assert ("(second, part); it was left out" in words(app)) != here


def test_names_of_others_are_text(app: AppTest, run: Path) -> None:
    """An address with markup shows it as it is."""
    app = opened(app, run="one", sort="<script>", second="<img src=x>")
    assert "<script>" not in words(app)
    assert not app.exception
