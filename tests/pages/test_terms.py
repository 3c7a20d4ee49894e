"""The Terms page: what it shows of runs and sweeps, its form, its jobs; and that a rerun reads only what changed."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from tests.pages.conftest import ROOT, RememberingEngine
from tests.pages.page_contract import page_opens
from ui import server
from ui.runs.owners import recorded_owner
from ui.terms import picked
from vae import runs
from vae.engines import batches
from vae.runs.sweep_mark import SweepMark, read_mark, write_mark
from vae.sweeps import points

TERMS = ROOT / "pages" / "terms.py"


def html(app: AppTest) -> str:
    return "\n".join(e.proto.body for e in app.get("html") if not e.proto.body.startswith("<style>"))


def record(step: int, C: float, rate: float, error: float) -> dict[str, Any]:
    test = {"rate": rate, "rate_error": 0.05, "squared_error": error, "squared_error_error": 0.04}
    test |= {"distortion": C * error - 50, "distortion_error": 0.5, "elbo": 50 - C * error - rate, "loss": 1.0}
    return {"step": step, "C": C, "train": test, "test": test | {"rate_per_dim": [rate, 0.001], "images": 360}}


@pytest.fixture
def sweep(make_run: Callable[..., Path]) -> list[Path]:
    """Runs at C = 2, 4, 8 of one sweep, E = 4 + 1/C, R = log C: dE/dR = −1/C."""
    paths = []
    for C in (2.0, 4.0, 8.0):
        lines = [record(step, C, math.log(C), 4 + 1 / C) for step in range(100, 113, 3)]
        path = make_run(f"try-C-{C:g}", "finished", history=lines, C=C, latent_dim=2)
        near = f"try-C-{2 * C:g}" if C < 8 else None
        write_mark(path, SweepMark("abc", "try", ("C",), near))
        paths.append(path)
    return paths


def opened(app: AppTest, **parameters: str) -> AppTest:
    return page_opens(app, TERMS, **parameters)


def test_cold_and_empty_it_says_what_a_sweep_is_and_offers_one(app: AppTest) -> None:
    page = opened(app)
    assert "No runs to lay out yet" in html(page)
    assert page.button(key="start-sweep").label == "Start the sweep"
    assert "<dt>Runs</dt><dd>8</dd>" in html(page)


def test_the_chosen_run_is_told_in_numbers_with_units_and_errors(app: AppTest, sweep: list[Path]) -> None:
    page = opened(app, run="try-C-4")
    told = html(page)
    assert "C = 4</p>" in told
    assert "<dd>1.39 ± 0.05 nats</dd>" in told
    assert "<dd>4.250 ± 0.040 px²</dd>" in told
    assert "theory −1/C = −0.2500 px² a nat; measured −0.2500 ± 0.0000, on training images −0.2500" in told
    assert "1 of 2 carry 0.01 nats or more; 2 predicted (linear decoder)" in told
    assert "converged" not in told
    assert page.selectbox(key="terms-sweep").options == ["try", "all runs"]


def test_a_run_that_has_not_converged_says_so_and_the_ends_have_no_slope(app: AppTest, sweep: list[Path]) -> None:
    runs.write_status(sweep[2], runs.Status("stopped", 112, total_steps=200))
    told = html(opened(app, run="try-C-8"))
    assert "Not taken as converged: it ended early (stopped)." in told
    assert "measured only between two runs of a sweep" in told


def test_an_address_that_names_nothing_here_opens_all_the_same(app: AppTest, sweep: list[Path]) -> None:
    page = opened(app, data="nothing", sweep="nobody's", run="../../x", colour="red")
    assert "settings that this page does not know (colour)" in html(page)
    assert "There is no run named “../../x”" in html(page)
    assert "C = 2</p>" in html(page)  # the highest ELBO
    page = opened(app, sweep="all runs", run="try-C-4")
    assert page.selectbox(key="terms-sweep").value == "all runs"
    assert "C = 4</p>" in html(page)


def test_names_of_others_are_shown_literally(app: AppTest, sweep: list[Path]) -> None:
    write_mark(sweep[1], SweepMark("abc", "<b>![x](http://evil/y)", ("C",)))
    page = opened(app, sweep="<b>![x](http://evil/y)")
    assert "<b>!" not in html(page)


def test_a_damaged_run_does_not_hide_the_others(app: AppTest, sweep: list[Path]) -> None:
    (sweep[0] / "config.json").write_text("{")
    (sweep[1] / "sweep.json").write_text("[]")
    assert "C = 8</p>" in html(opened(app))
    assert "run &#x27;try-C-4&#x27;: sweep.json cannot be read" in html(opened(app, run="try-C-4"))
    (sweep[2] / "history.jsonl").write_text("")
    assert "“try-C-8” has no held-out record yet" in html(opened(app, run="try-C-8"))


def test_a_sweep_starts_with_one_click_in_an_order_that_can_be_trained(
    app: AppTest, engine: RememberingEngine, browser_of: Callable[[str], str], runs_folder: Path
) -> None:
    page = opened(app)
    owner = browser_of("somebody")
    page.text_input(key="sweep-C-False").set_value("1..100:3").run()
    page.text_input(key="sweep-name").set_value("mine").run()
    page.checkbox(key="sweep-warm").check().run()
    assert "<dt>Runs</dt><dd>3</dd>" in html(page)
    page.button(key="start-sweep").click().run()
    assert not page.exception
    ((submitted, by),) = engine.submitted
    assert [path.name for path in submitted] == ["mine-C-100", "mine-C-10", "mine-C-1"]
    assert by == owner
    assert {recorded_owner(path) for path in submitted} == {owner}
    assert [mark and mark.warm_from for path in submitted if (mark := read_mark(path))] == [
        None, "mine-C-100", "mine-C-10",
    ]  # fmt: skip
    assert page.query_params["sweep"] == "mine"


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("sweep-C-False", "1..2", "C: expected a number, fit, or a range"),
        ("sweep-C-False", "-1", "C: expected a positive"),
        ("sweep-sizes-4", "2, x", "latent sizes: expected whole numbers"),
        ("sweep-rates", "fast", "learning rates: expected numbers"),
        ("sweep-sizes-4", "9999", "latent_dim: expected a whole number from 1 to 512"),
    ],
)
def test_a_sweep_that_cannot_be_is_refused_in_a_sentence(
    app: AppTest, key: str, value: str, sentence: str, engine: RememberingEngine
) -> None:
    page = opened(app)
    page.text_input(key=key).set_value(value).run()
    assert sentence in html(page)
    assert page.button(key="start-sweep").disabled


def test_points_are_added_where_the_curve_bends_to_the_same_sweep(
    app: AppTest, sweep: list[Path], engine: RememberingEngine, runs_folder: Path
) -> None:
    page = opened(app)
    page.button(key="add-points").click().run()
    assert not page.exception
    ((added, _),) = engine.submitted
    assert len(added) == 3
    Cs = [runs.read_config(path)[0].C for path in added]
    assert Cs == sorted(Cs, reverse=True)
    assert all(2 < C < 8 for C in Cs)
    assert [path.name for path in added] == [f"try-C-{C:g}" for C in Cs]
    marks = [read_mark(path) for path in added]
    assert {mark.id for mark in marks if mark} == {"abc"}
    named = {path.name: runs.read_config(path)[0].C for path in [*sweep, *added]}
    for C, mark in zip(Cs, marks, strict=True):
        assert mark is not None
        assert mark.warm_from == min((name for name in named if named[name] > C), key=lambda name: named[name])
    page.run()
    assert not [button for button in page.button if button.key == "add-points"]  # they are on their way


def test_runs_at_work_are_counted_and_stopped_one_or_all(
    app: AppTest, sweep: list[Path], engine: RememberingEngine
) -> None:
    locks = [runs.acquire(path) for path in sweep[:2]]
    runs.write_status(sweep[0], runs.Status("running", 56, total_steps=112, seconds_left=20.0))
    runs.write_status(sweep[1], runs.Status("queued", 0, total_steps=112))
    page = opened(app)
    assert "</b> local · 1 finished, 1 running, 1 waiting</p>" in html(page)
    assert page.get("progress")[0].proto.value == 50
    assert "about 60 s left" in html(page)  # 20 s of one that is half through, then a whole one
    page.button(key="stop-all").click().run()
    assert [path.name for path in engine.stopped] == ["try-C-4", "try-C-2"]  # before the place becomes free
    for lock in locks:
        lock.release()


def test_another_browser_can_neither_stop_nor_add(
    app: AppTest, sweep: list[Path], sit: Callable[[bool], None], engine: RememberingEngine
) -> None:
    lock = runs.acquire(sweep[0])
    runs.write_status(sweep[0], runs.Status("running", 56, total_steps=112))
    sit(False)
    page = opened(app)
    assert page.button(key="stop-all").disabled
    assert page.button(key="add-points").disabled
    lock.release()


def test_a_rerun_reads_only_the_runs_that_changed(
    app: AppTest, sweep: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    long_ago = time.time() - 100
    for path in sweep:
        for file in [*path.iterdir(), path]:
            os.utime(file, (long_ago, long_ago))
    page, read = opened(app), []
    real = points._INDEX._read
    monkeypatch.setattr(points._INDEX, "_read", lambda path: read.append(path.name) or real(path))
    page.run()
    assert read == []
    runs.append_history(sweep[1], record(115, 4.0, 1.5, 4.2))
    page.run()
    assert set(read) == {"try-C-4"}


def test_words_of_slopes_name_the_plane_in_which_the_law_holds() -> None:
    row = {
        "slope_theory": -2.0, "slope_measured": -1.9, "slope_error": 0.01, "slope_training": None, "weights_C": True,
    }  # fmt: skip
    words = picked.slope_words(row)
    assert words == "theory −1/C = −2.0000 nats of distortion a nat; measured −1.9000 ± 0.0100"
    assert picked.slope_words(row | {"slope_theory": None}) == ""


def test_the_engine_is_chosen_where_there_are_several_and_told_why_one_is_not_here(
    app: AppTest, engine: RememberingEngine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ELBO_ROOM_ENGINES", "")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setattr("shutil.which", lambda name: None)
    page = opened(app)
    assert not [box for box in page.selectbox if box.key == "sweep-engine"]
    (tmp_path / "engines.json").write_text('{"ray": {"address": "http://head:8265"}, "slurm": {}}')
    monkeypatch.setenv("ELBO_ROOM_ENGINES", str(tmp_path / "engines.json"))
    asked: list[str | None] = []
    monkeypatch.setattr(server, "engine", lambda name=None: asked.append(name) or engine)
    page.run()
    choice = page.selectbox(key="sweep-engine")
    assert (choice.options, choice.value) == (["this machine", "Ray"], "local")
    assert "slurm: its command sbatch is not on this machine" in html(page)
    choice.select("ray").run()
    assert "ray says how many go at a time" in html(page)
    asked.clear()
    page.button(key="start-sweep").click().run()
    assert asked[0] == "ray"
    assert len(engine.submitted) == 1


def test_a_run_that_a_cluster_has_is_stopped_there(
    app: AppTest, sweep: list[Path], engine: RememberingEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches.create(sweep[0].parent, "slurm", [[sweep[0]]])
    lock = runs.acquire(sweep[0])
    runs.write_status(sweep[0], runs.Status("queued", 0, total_steps=112))
    asked: list[str | None] = []
    monkeypatch.setattr(server, "engine", lambda name=None: asked.append(name) or engine)
    page = opened(app)
    assert "</b> slurm · 2 finished, 0 running, 1 waiting</p>" in html(page)
    page.button(key="stop-all").click().run()
    assert asked[0] == "slurm"
    assert [path.name for path in engine.stopped] == ["try-C-2"]
    assert server.names_of(["try-C-2", "try-C-4"]) == {"try-C-2": "slurm", "try-C-4": "local"}
    lock.release()
