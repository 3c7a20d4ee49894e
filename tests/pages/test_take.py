"""The Take away page over the registry: rows, why not, making, what is said of it, the address."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from html import escape
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from tests.pages.page_contract import page_opens
from ui import navigation
from ui.runs import owners
from ui.take import work as module
from ui.take.work import Job, Work
from vae import runs
from vae.errors import RunError
from vae.exports import exports
from vae.exports.export import Export, Progress
from vae.exports.process import ExportWork
from vae.exports.work_folder import ExportStatus, made_file, write_status
from vae.runs import Run

DEMO = Path(__file__).resolve().parents[2] / "checkpoints" / "demo-digits-2d"
PAGE = str(navigation.FOLDER / "take.py")


class InThisProcess(Work):
    """Makes at once what is ordered, but what is held back."""

    def __init__(self) -> None:
        super().__init__()
        self.held = False

    def _advance(self) -> None:
        for folder in self._waiting() if not self.held else []:
            run, name, kind, out = self.jobs.pop(folder).command[-4:]
            ExportWork(folder, threading.Event()).run(Path(run), name, kind, Path(out))


def write(run: Run, kind: str, file: Path, progress: Progress) -> dict[str, Any]:
    if kind == "broken":
        raise RunError("it broke; mend it")
    file.write_text(f"{run.name} {kind} {runs.content_hash(run.path, runs.WEIGHTS)}")
    return {"frames": 7}


def why_not(run: Run, kind: str) -> str:
    if kind == "bug":
        raise ValueError("a bug")
    return "the run kept no moments" if kind == "training" else ""


GIF = Export("Animation <b>", "As *moving* pictures.", ".gif", write, {
    "walk": "a walk", "training": "the training", "broken": "what breaks", "bug": "what raises",
}, why_not)  # fmt: skip


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch, runs_folder: Path) -> Iterator[InThisProcess]:
    made = InThisProcess()
    monkeypatch.setattr(module, "work", lambda: made)
    monkeypatch.setattr("ui.take.rows.work", lambda: made)
    monkeypatch.setitem(exports.EXPORTS, "gif", lambda: GIF)
    yield made
    made.held = False


@pytest.fixture
def run(runs_folder: Path) -> Path:
    shutil.copytree(DEMO, runs_folder / "one", ignore=shutil.ignore_patterns("projections", "diagnosis"))
    return runs_folder / "one"


@pytest.fixture
def page(app: AppTest, work: InThisProcess, run: Path) -> AppTest:
    return opened(app, run="one")


def opened(app: AppTest, **address: str) -> AppTest:
    return page_opens(app, PAGE, **address)


def html(app: AppTest) -> str:
    return "\n".join(e.proto.body for e in app.get("html") if not e.proto.body.startswith("<style>"))


def address(app: AppTest) -> dict[str, Any]:
    """As it is, whichever of its two forms AppTest has it in."""
    return {name: one[0] if isinstance(one, list) else one for name, one in app.query_params.items()}


def press(app: AppTest, key: str) -> AppTest:
    app.button(key=key).click().run()
    assert not app.exception, app.exception[0].message
    return app


def file_of(work: InThisProcess, run: Path, kind: str) -> Path:
    folder = module.folder_for(run, "gif", kind)
    file = made_file(folder, work.status(folder))
    assert file is not None
    return file


def test_every_format_has_a_row_with_its_words(page: AppTest) -> None:
    text = html(page)
    for name in exports.EXPORTS:
        assert page.button(key=f"take-make-{name}").label == "Make"
    assert "<h2>Table (CSV)</h2>" in text
    assert "<h2>Animation &lt;b&gt;</h2><p>As *moving* pictures.</p>" in text
    assert "A walk." in text
    assert "as it was saved last, of step 3,368" in text


def test_a_made_file_is_offered_with_its_size_and_facts(page: AppTest, work: InThisProcess, run: Path) -> None:
    press(page, "take-make-gif")
    file = file_of(work, run, "walk")
    assert file.read_text() == f"one walk {runs.content_hash(run, runs.WEIGHTS)}"
    text = html(page)
    assert f'href="exports/{file.parent.name}/one-walk.gif" download="one-walk.gif"' in text
    assert f"{file.stat().st_size} bytes" in text
    assert "one-walk.gif · of step 3,368 · frames: 7" in text
    assert page.button(key="take-make-gif").label == "Make again"
    assert address(page) == {"run": "one", "format": "gif", "kind": "walk"}
    assert not list(run.glob("**/*.gif"))


def test_whoever_comes_later_finds_it(page: AppTest, app: AppTest, work: InThisProcess) -> None:
    press(page, "take-make-gif")
    other = AppTest.from_file(str(navigation.FOLDER.parent / "ui" / "frame.py"), default_timeout=120)
    assert "one-walk.gif" in html(opened(other, run="one"))


def test_why_not_is_said_of_the_chosen_kind(page: AppTest) -> None:
    assert "the run kept no moments" not in html(page)
    opened(page, run="one", format="gif", kind="training")
    assert '<div class="er-take" data-there="no"><h2>Animation' in html(page)
    assert '<p class="er-take-why">the run kept no moments</p>' in html(page)
    assert page.button(key="take-make-gif").disabled
    assert not page.button(key="take-make-csv").disabled


@pytest.mark.parametrize("kind", ["walk", "training"])
def test_the_address_brings_format_and_kind_back(page: AppTest, kind: str) -> None:
    opened(page, run="one", format="gif", kind=kind)
    assert page.session_state["take-kind-gif"] == kind
    assert f"python -m vae export one --format gif --what {kind}" in html(page)


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ({"format": "<b>docx"}, "There is no format “&lt;b&gt;docx”"),
        ({"format": "gif", "kind": "<i>tea"}, "There is no “&lt;i&gt;tea” of this format"),
        ({"nonsense": "1"}, "settings that this page does not know (nonsense)"),
    ],
)
def test_what_the_address_should_not_hold_is_said(page: AppTest, address: dict[str, str], sentence: str) -> None:
    assert sentence in html(opened(page, run="one", **address))
    assert set(page.query_params) <= {"run", "format"}


def test_a_failure_is_one_sentence_and_can_be_tried_again(page: AppTest) -> None:
    opened(page, run="one", format="gif", kind="broken")
    press(page, "take-make-gif")
    assert "it broke; mend it" in html(page)
    assert page.button(key="take-make-gif").label == "Try again"


def test_a_format_with_a_bug_spoils_no_other(page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent() -> Export:
        raise ImportError("no such package")

    monkeypatch.setitem(exports.EXPORTS, "onnx", absent)
    opened(page, run="one", format="gif", kind="bug")
    assert html(page).count(escape("This format cannot be made here; the server's log says why.")) == 2
    assert not page.button(key="take-make-csv").disabled


def test_progress_stop_and_the_one_at_a_time(page: AppTest, work: InThisProcess, run: Path) -> None:
    work.held = True
    press(page, "take-make-gif")
    assert "waiting: 2 other files are being made, this one is next" in html(page)
    press(page, "take-make-csv")
    assert "A file is being made for you already: wait until it is done, or stop it." in html(page)
    press(page, "take-stop-gif")
    assert "Stopped; nothing was kept." in html(page)
    assert not work.jobs
    press(page, "take-make-csv")
    assert "A file is being made" not in html(page)


def test_the_bar_shows_how_far_it_is(page: AppTest, work: InThisProcess, run: Path) -> None:
    folder = module.folder_for(run, "gif", "walk")
    work.held = True
    work.order(Job(folder, ("x",), "another browser"))
    work.processes.workers[folder] = object()  # type: ignore[assignment]
    write_status(folder, ExportStatus("working", 0.4567, "frame <3> of 7"))
    text = html(page.run())
    assert '<progress max="1" value="0.457"' in text
    assert "46%, frame &lt;3&gt; of 7" in text


def test_only_who_asked_and_the_teacher_may_stop_it(
    page: AppTest, work: InThisProcess, run: Path, sit: Callable[[bool], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    work.held = True
    work.order(Job(module.folder_for(run, "gif", "walk"), ("x",), "another browser"))
    sit(False)
    page.run()
    assert "Another browser asked for it." in html(page)
    assert "take-stop-gif" not in [button.key for button in page.button]
    monkeypatch.setattr(owners, "is_teacher", lambda: True)
    press(page.run(), "take-stop-gif")
    assert not work.jobs


def test_of_a_run_at_work_the_newest_save_is_taken_and_the_one_before_stays_at_hand(
    page: AppTest, work: InThisProcess, run: Path
) -> None:
    runs.write_status(run, runs.Status(state="queued", step=3368, heartbeat=time.time()))
    page.run()
    assert "This run is still training: its newest save, of step 3,368, is taken." in html(page)
    press(page, "take-make-gif")
    before = file_of(work, run, "walk")
    with open(run / "history.jsonl", "a") as history:
        history.write('{"step": 3400, "train": {"rate": 1.0}}\n')
    page.run()
    assert before.parent.name in html(page)
    assert page.button(key="take-make-gif").label == "Make of the newest save"
    press(page, "take-make-gif")
    assert file_of(work, run, "walk").parent != before.parent
    assert page.button(key="take-make-gif").label == "Make again"


def test_a_folder_that_takes_nothing_is_said(
    page: AppTest, work: InThisProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(folder: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "prepare", full)
    press(page, "take-make-gif")
    assert escape("The server's disk is full; make room, and try again.") in html(page)


def test_a_run_that_is_gone_is_said_on_the_page(page: AppTest, run: Path) -> None:
    shutil.rmtree(run)
    assert "There is no run named “one”" in html(page.run())


def test_a_run_without_a_model_leaves_its_history(
    app: AppTest, work: InThisProcess, make_run: Callable[..., Path]
) -> None:
    make_run("history-only")
    opened(app, run="history-only", format="csv", kind="history")
    assert "Made on this server from the run as it was saved last, and kept here" in html(app)
    assert app.button(key="take-make-bundle").disabled
    press(app, "take-make-csv")
    assert "history-only-history.csv" in html(app)


def test_homes_menu_leads_here(app: AppTest, work: InThisProcess, run: Path) -> None:
    app.run().menu_button(key="menu-one").click("Take away").run()
    assert not app.exception
    assert address(app) == {"run": "one"}
    assert "Take it along" in html(app)
