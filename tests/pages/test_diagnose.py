"""The Diagnose page in Python: what it says and offers in each state of a diagnosis."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from tests.vae.made_up import FOUND, RESULTS, keep, with_holes
from ui.diagnose import work
from ui.diagnose.words import detail_rows
from ui.live.processes import Processes
from ui.style import plain
from vae import runs
from vae.diagnosis.process import diagnose_run, weights_of
from vae.diagnosis.results import Result, folder_of, read_diagnosis, read_status

START, WARM = Processes._take, work.warm
DEMOS = Path(__file__).resolve().parents[2] / "checkpoints"


class Worker:
    """A process that only stands for one."""

    def __init__(self, *started: Any) -> None:
        self.started = started
        self.killed = False

    def exit_code(self) -> int | None:
        return -9 if self.killed else None

    def kill(self) -> None:
        self.killed = True


@pytest.fixture(autouse=True)
def workers(monkeypatch: pytest.MonkeyPatch) -> list[Worker]:
    """What would have been started, instead of processes."""
    started: list[Worker] = []
    holder = Processes()
    monkeypatch.setattr(work, "_holder", lambda: holder)
    monkeypatch.setattr(work, "warm", lambda: None)
    monkeypatch.setattr(Processes, "_take", lambda *asked: started.append(Worker(*asked)) or started[-1])
    return started


@pytest.fixture
def demo(runs_folder: Path) -> Path:
    ignore = shutil.ignore_patterns("projections", "diagnosis")
    return Path(shutil.copytree(DEMOS / "demo-digits-2d", runs_folder / "two", ignore=ignore))


def show(app: AppTest, **parameters: str) -> AppTest:
    app.run()
    app.query_params["run"] = "two"
    for name, value in parameters.items():
        app.query_params[name] = value
    app.switch_page("../pages/diagnose.py").run()
    assert not app.exception
    return app


def html(app: AppTest) -> str:
    return "\n".join(e.proto.body for e in app.get("html") if not e.proto.body.startswith("<style>"))


def title(app: AppTest) -> str:
    found = re.search(r'<h1 class="er-title"><bdi>(.*?)</bdi>', html(app))
    assert found
    return found.group(1)


def buttons(app: AppTest) -> list[str]:
    return [button.label for button in app.button]


def links(app: AppTest) -> dict[str, str]:
    """Of each page link its words and where it leads."""
    return {link.proto.label: f"{link.proto.page}?{link.proto.query_string}" for link in app.get("page_link")}


def test_a_run_that_nobody_has_looked_at_is_looked_at(app: AppTest, demo: Path, workers: list[Worker]) -> None:
    show(app)
    assert [worker.started[1].parent.parent for worker in workers] == [demo]
    assert read_status(folder_of(demo, weights_of(demo))).state == "starting"
    assert title(app) == "two: looking"
    assert "Stop" in buttons(app)
    app.run()
    assert len(workers) == 1  # it is under way


def test_findings_appear_while_it_works(app: AppTest, demo: Path, workers: list[Worker]) -> None:
    folder = keep(demo, RESULTS[:2], "working", finding="holes", words="training <b>", fraction=0.4)
    lock = runs.acquire(folder)
    try:
        show(app)
        assert title(app) == "two: 1 finding, 0.9 nats at stake so far"
        assert '<progress max="1" value="0.400">' in html(app)
        assert "2 of 8 done. holes: training &lt;b&gt;" in html(app)
        app.button(key="diagnose-stop").click().run()
        assert (folder / "stop").exists()
    finally:
        lock.release()
    assert workers == []


def test_what_was_found_comes_by_nats_then_what_is_fine_then_what_does_not_apply(app: AppTest, demo: Path) -> None:
    keep(demo)
    show(app)
    assert title(app) == "two: 2 findings, 2.9 nats at stake"
    assert "360 held-out images of digits · 4.2 s, kept with these weights" in html(app)
    rows = [name for name in buttons(app) if name in ("Holes in the prior", "Overfitting", "Every dimension is used")]
    assert rows == ["Holes in the prior", "Overfitting", "Every dimension is used"]
    assert re.findall(r'data-kind="(\w+)"', html(app)) == ["found", "found", "fine"]
    assert "</span> found" in html(app)
    assert "</span> fine" in html(app)  # a word each, not colour alone
    (folded,) = app.expander
    assert (folded.label, folded.proto.expanded) == ("Do not apply to this run (1)", False)
    assert "The codes of this run are no bits." in html(app)
    assert links(app)[r"Show on the \*Map\*"] == "map?colour=hole&run=two"
    assert links(app)["Fewer dimensions"] == "train?from=two"  # a run in the address would be shown
    assert "Fly" not in links(app)
    assert "Fly" in html(app)  # a page that is not there is no link
    assert [button.proto.label for button in app.get("download_button")] == ["Save report", "JSON"]
    assert "Stop" not in buttons(app)


def test_a_row_opens_by_a_press_and_by_the_address(app: AppTest, demo: Path) -> None:
    keep(demo)
    show(app)
    assert "Threshold" not in html(app)
    app.button(key="open-holes").click().run()
    assert app.query_params["finding"] == "holes"
    details = html(app)
    assert "<dt>Value</dt><dd>2.01 ± 0.02, at most 9.8 nats</dd>" in details
    assert "<dt>Threshold</dt><dd>0.5 nats</dd>" in details
    assert "<dt>Protocol and source</dt><dd>a held-out classifier</dd>" in details
    assert "<dt>mutual information</dt><dd>4.25</dd>" in details
    assert "… (12 in all)" in details
    app.button(key="open-holes").click().run()
    assert "finding" not in app.query_params
    assert "Threshold" not in html(app)
    show(app, finding="collapsed")
    assert "<dt>Question</dt><dd>Is every latent dimension used?</dd>" in html(app)
    show(app, finding="bits")
    assert app.expander[0].proto.expanded
    show(app, finding="<b>x</b>")
    assert "There is no finding “&lt;b&gt;x&lt;/b&gt;”." in html(app)


def test_newer_weights_are_said_and_one_press_away(app: AppTest, demo: Path, workers: list[Worker]) -> None:
    old = keep(demo)
    weights = (demo / runs.WEIGHTS).read_bytes()
    from safetensors.torch import load, save

    changed = {name: value * 1.5 for name, value in load(weights).items()}
    runs.save_checked(demo, {runs.WEIGHTS: save(changed, metadata={"step": "999"})})
    show(app)
    assert workers == []  # a run that trains would be diagnosed without end
    assert title(app) == "two: 2 findings, 2.9 nats at stake"
    assert "The run has newer weights than these findings." in html(app)
    assert f"kept with older weights ({old.name})" in html(app)
    app.button(key="diagnose-start").click().run()
    assert [worker.started[2][-1] for worker in workers] == [weights_of(demo)]
    assert title(app) == "two: looking"


def test_a_stopped_one_goes_on(app: AppTest, demo: Path, workers: list[Worker]) -> None:
    keep(demo, RESULTS[:2], "stopped")
    show(app)
    assert workers == []
    assert "Stopped with 2 of the findings; what was found stays." in html(app)
    assert title(app) == "two: 1 finding, 0.9 nats at stake"
    (button,) = [button for button in app.button if button.label == "Go on"]
    button.click().run()
    assert len(workers) == 1
    assert len(read_diagnosis(folder_of(demo, weights_of(demo))).results) == 2  # kept


def test_a_failed_one_says_why(app: AppTest, demo: Path, workers: list[Worker]) -> None:
    keep(demo, (), "failed", message="run 'two' has <b>newer</b> weights by now")
    show(app)
    assert "run &#x27;two&#x27; has &lt;b&gt;newer&lt;/b&gt; weights by now" in html(app)
    assert "Try again" in buttons(app)
    keep(demo, (dataclasses.replace(RESULTS[1], answer=None, failed="Out of memory."),))
    show(app)
    assert 'data-kind="failed"' in html(app)
    assert "Out of memory." in html(app)
    assert "Try again" in buttons(app)
    assert workers == []


@pytest.mark.parametrize("damage", ["status.json", "holes.json", "a picture"])
def test_damaged_files_are_a_sentence_and_hide_nothing_else(app: AppTest, demo: Path, damage: str) -> None:
    folder = keep(demo)
    if damage == "a picture":
        values = json.loads((folder / "holes.json").read_text())
        values["answer"]["picture"] = '<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'
        (folder / "holes.json").write_text(json.dumps(values))
    else:
        (folder / damage).write_text("[" * 2000)
    show(app)
    assert "cannot be read" in html(app)
    assert "Try again" in buttons(app)
    assert "Overfitting" in buttons(app)
    assert "alert(1)" not in html(app)


def test_a_folder_that_takes_nothing_is_a_sentence(app: AppTest, demo: Path, workers: list[Worker]) -> None:
    (demo / "diagnosis").symlink_to(demo / "nowhere")
    show(app)
    assert "the diagnosis cannot be kept in two/diagnosis" in html(app)
    assert "Diagnose" in buttons(app)
    assert title(app) == "two: nothing known yet"
    assert workers == []


def test_a_busy_server_says_so_and_starts_it_later(
    app: AppTest, demo: Path, workers: list[Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    holder = work._holder()
    holder.workers = {Path("a"): Worker(), Path("b"): Worker()}  # type: ignore[dict-item]
    show(app)
    assert "2 runs are being diagnosed already" in html(app)
    holder.workers.pop(Path("a"))
    app.button(key="diagnose-start").click().run()
    assert len(workers) == 1
    assert title(app) == "two: looking"


def test_one_that_does_not_listen_is_killed(demo: Path) -> None:
    assert work.start_diagnosis(demo) == ""
    folder = folder_of(demo, weights_of(demo))
    worker = work._holder().workers[folder]
    work._holder().kill_after(folder, 0.05)
    assert worker.exit_code() == -9
    assert work._holder().living() == {}


def test_a_real_process_ends_with_the_server(demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Processes, "_take", START)
    assert work.start_diagnosis(demo) == ""
    (worker,) = work._holder().living().values()
    assert worker.exit_code() is None
    work.stop_all()
    assert worker.exit_code() is not None


def test_the_spare_process_takes_the_next_run(demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Processes, "_take", START)
    WARM()
    spare = work._holder().spare
    assert spare is not None
    WARM()
    assert work._holder().spare is spare  # one is enough
    assert work.start_diagnosis(demo) == ""
    ((folder, worker),) = work._holder().living().items()
    assert worker is spare
    assert work._holder().spare is None
    end = time.monotonic() + 120
    while read_status(folder).state == "starting":
        assert worker.exit_code() is None, (folder / "log.txt").read_text()
        assert time.monotonic() < end
        time.sleep(0.05)
    assert read_status(folder).weights == weights_of(demo)
    WARM()
    waiting = work._holder().spare
    assert waiting is not None
    work.stop_all()
    while worker.exit_code() is None or waiting.exit_code() is None:  # killed, and perhaps not yet gone
        assert time.monotonic() < end + 60
        time.sleep(0.05)


def test_the_map_of_holes_is_there_where_its_scores_are(app: AppTest, demo: Path) -> None:
    folder = keep(demo, (*RESULTS[:2], with_holes(2)))
    show(app)
    assert links(app)["Show on the Map"] == "map?run=two&colour=hole"
    (folder / "holes.npz").unlink()
    assert "Show on the Map" not in links(show(app))


def test_texts_of_others_are_no_markup() -> None:
    assert plain("a *b* [c](http://d) $e$ :red[f]") == "a \\*b\\* \\[c\\]\\(http\\://d\\) \\$e\\$ \\:\u2060red\\[f\\]"
    rows = detail_rows(Result("x", "Q?", dataclasses.replace(FOUND, numbers={"a": {"b_c": None, "d": -0.5}})))
    assert rows["a"] == "b c –; d −0.5"


def test_the_real_findings_of_a_run_are_shown(app: AppTest, demo: Path, workers: list[Worker], quick: None) -> None:
    import threading

    diagnose_run(demo, None, False, threading.Event())
    show(app)
    results = read_diagnosis(folder_of(demo, weights_of(demo))).results
    answered = [result.answer for result in results.values() if result.answer]
    assert answered
    for answer in answered:
        assert plain(answer.title) in buttons(app)
    assert workers == []
