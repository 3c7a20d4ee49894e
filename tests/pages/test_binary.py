"""The binary laboratory in Python: which runs it takes, what its parts are given, and what each widget changes."""

from __future__ import annotations

import csv
import io
import json
import math
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from ui.binary import laboratory as laboratory_module
from ui.binary.job import Bench, Job, bench, own_job
from ui.binary.race import Setting, Standing, elbo_chart, entropy_chart, run_race, words
from ui.binary.table import COLOURS, decades, estimator_table, significant, table_csv
from ui.runs.run_view import RunView
from vae import runs
from vae.lessons.gradient_table import BY_ALL_CODES, STUDIED, Row
from vae.model.vae import build_model

Make = Callable[..., Path]


@pytest.fixture
def make_trained(make_run: Make) -> Make:
    """An ended run with weights; of 3 bits where nothing else is said."""

    def make(name: str, **settings: Any) -> Path:
        from safetensors.torch import save

        settings = {
            "latent": "bernoulli", "latent_dim": 3, "hidden": (8,), "likelihood": "bernoulli", "C": 1.0,
            "binarize": "threshold", **settings,
        }  # fmt: skip
        path = make_run(name, **settings)
        model = build_model(runs.read_config(path)[0], (1, 8, 8))
        runs.save_checked(path, {runs.WEIGHTS: save(model.state_dict(), metadata={"step": "9"})})
        return path

    return make


@pytest.fixture(autouse=True)
def no_results_kept() -> Iterator[None]:
    yield
    st.cache_resource.clear()


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work is waited for, as AppTest has no timers; the best q of a race is looked for in fewer steps."""
    monkeypatch.setattr("ui.binary.job.SOON", 110.0)
    monkeypatch.setattr("vae.lessons.toy_gradient.SEARCH_STEPS", 20)


def laboratory(app: AppTest, **parameters: str) -> AppTest:
    app.run()
    for name, value in {"race-steps": 100, "race-bits": 4, "lab-draws": 100, "lab-images": 2}.items():
        app.session_state[name] = value
    for name, value in parameters.items():
        app.query_params[name] = value
    app.switch_page("../pages/binary.py").run()
    assert not app.exception
    return app


def html(app: AppTest) -> str:
    return "\n".join(e.proto.body for e in app.get("html") if not e.proto.body.startswith("<style>"))


def given(app: AppTest) -> list[tuple[str, dict[str, Any]]]:
    """Name and data of each component."""

    def walk(block: Any) -> Any:
        for element in block:
            if hasattr(element, "children"):
                yield from walk(element.children.values())
            elif hasattr(getattr(element, "proto", None), "component_name"):
                yield element.proto

    protos = walk(app.main.children.values())
    return [(p.component_name.removeprefix("elbo_room_"), json.loads(p.json)) for p in protos]


def variances(app: AppTest) -> dict[str, float]:
    found = re.findall(r'data-estimator="([^"]+)".*?data-value="([^"]+)"', html(app))
    return {name: float(value) for name, value in found}


def figures(app: AppTest) -> list[str]:
    return [data["svg"] for name, data in given(app) if name == "learn_lesson_figure"]


def test_the_newest_run_with_bits_opens(app: AppTest, make_trained: Make) -> None:
    make_trained("bits")
    make_trained("normal", latent="normal")
    laboratory(app)
    assert app.selectbox(key="chosen-run").options == ["bits"]
    assert ("bits_laboratory", {"run": "bits", "start": {}, "support": "binary"}) in given(app)
    found = variances(app)
    assert set(found) == set(STUDIED)
    assert 0 == found["exact"] < found["rloo-4"] < found["score"]
    assert len(figures(app)) == 2


def test_a_link_gives_the_component_its_code(app: AppTest, make_trained: Make) -> None:
    make_trained("bits")
    laboratory(app, run="bits", z="1_0_1", image="3", order="plain", heat="yes", seed="4")
    start = dict(given(app))["bits_laboratory"]["start"]
    assert start == {"z": "1_0_1", "image": "3", "order": "plain", "heat": "yes", "seed": "4"}


@pytest.mark.parametrize(("z", "said"), [("1_2", "each number should be 0 or 1"), ("1_0_1_1", "it holds 4 numbers")])
def test_a_code_that_is_none_is_said(app: AppTest, make_trained: Make, z: str, said: str) -> None:
    make_trained("bits")
    laboratory(app, run="bits", z=z, colour="label")
    assert said in html(app)
    assert "does not know (colour)" in html(app)
    assert dict(given(app))["bits_laboratory"]["start"] == {}


def test_a_run_without_bits_is_refused_and_the_race_is_there(app: AppTest, make_trained: Make) -> None:
    make_trained("bits")
    make_trained("normal", latent="normal")
    laboratory(app, run="normal")
    assert "is not binary" in html(app)
    assert "bits_laboratory" not in dict(given(app))
    assert len(figures(app)) == 2


def test_every_setting_of_the_measurement_changes_it(app: AppTest, make_trained: Make) -> None:
    import torch
    from safetensors.torch import save

    path = make_trained("bits")
    model = build_model(runs.read_config(path)[0], (1, 8, 8))
    torch.nn.init.constant_(model.encoder[-1].bias, 1.0)  # type: ignore[index, arg-type, union-attr]
    runs.save_checked(path, {runs.WEIGHTS: save(model.state_dict())})
    laboratory(app)
    before = variances(app)
    for kind, key, value in (
        ("select_slider", "lab-draws", 200), ("number_input", "lab-seed", 7), ("select_slider", "lab-images", 4),
        ("segmented_control", "lab-weights", "initial"),
    ):  # fmt: skip
        getattr(app, kind)(key=key).set_value(value).run()
        assert not app.exception
        after = variances(app)
        assert set(after) == set(STUDIED)
        assert all(after[name] != before[name] for name in ("disarm", "straight-through")), key
        of_the_model = key in ("lab-weights", "lab-images")  # what all codes say depends on no draw
        assert all((after[name] != before[name]) == of_the_model for name in BY_ALL_CODES), key
        before = after


def test_every_setting_of_the_race_changes_it(app: AppTest) -> None:
    laboratory(app)
    before = figures(app)
    for kind, key, value in (
        ("slider", "race-bits", 5), ("slider", "race-pixels", 4), ("select_slider", "race-noise", 1.0),
        ("select_slider", "race-rate", 0.05), ("number_input", "race-seed", 3),
        ("pills", "race-names", ["disarm", "printed"]), ("select_slider", "race-steps", 200),
    ):  # fmt: skip
        getattr(app, kind)(key=key).set_value(value).run()
        assert not app.exception
        after = figures(app)
        assert len(after) == 2
        assert after != before, key
        before = after


def test_a_race_needs_somebody_who_runs(app: AppTest) -> None:
    laboratory(app)
    app.pills(key="race-names").set_value([]).run()
    assert "Choose at least one" in html(app)
    assert figures(app) == []


def test_long_work_shows_how_far_it_is_and_can_be_stopped(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    go = threading.Event()

    def slow(setting: Setting) -> Iterator[tuple[float, Standing]]:
        whole = list(run_race(setting))
        yield 0.25, whole[12][1]
        go.wait(300)
        yield from whole

    monkeypatch.setattr("ui.binary.job.SOON", 1.0)
    monkeypatch.setattr("ui.binary.race.run_race", slow)
    laboratory(app)
    until(lambda: app.session_state["job-race"].result is not None)
    app.button(key="job-stop-race").click().run()
    go.set()
    limit = time.monotonic() + 120
    while not _has(app, "job-again-race"):
        app.run()
        assert time.monotonic() < limit
    assert "this is as far as it got" in html(app)
    app.button(key="job-again-race").click().run()
    assert not app.exception
    assert not _has(app, "job-again-race")


def _has(app: AppTest, key: str) -> bool:
    return any(button.key == key for button in app.button)


def test_more_bits_than_can_be_summed_are_said(app: AppTest, make_trained: Make) -> None:
    make_trained("bits", latent_dim=15)
    laboratory(app)
    said = [one.value for one in app.markdown if "out of reach" in one.value]
    assert len(said) == 1
    assert "$2^{15}$ codes" in said[0]
    assert variances(app) == {}
    assert "lab-weights" not in [one.key for one in app.segmented_control]
    assert not {"lab-images", "lab-draws"} & {one.key for one in app.select_slider}
    assert "lab-seed" not in [one.key for one in app.number_input]


@pytest.mark.parametrize(("numbers", "options"), [(8 * 64 * 5, ["1", "2", "4"]), (1, None)])
def test_only_images_within_reach_are_offered(
    app: AppTest, make_trained: Make, monkeypatch: pytest.MonkeyPatch, numbers: int, options: list[str] | None
) -> None:
    monkeypatch.setattr(laboratory_module, "NUMBERS", numbers)
    make_trained("bits")
    app.session_state["lab-images"] = 8
    laboratory(app)
    offered = {one.key: one.options for one in app.select_slider}
    assert offered.get("lab-images") == options
    assert set(variances(app)) == set(STUDIED)


def test_C_is_the_weight_of_a_bernoulli_and_a_gaussian_has_its_own(make_trained: Make) -> None:
    history = [{"step": 1, "C": 2.5, "train": {"elbo": 0.0}, "test": None}]
    assert laboratory_module.weight_of(RunView(make_trained("weighted", history=history))) == 2.5
    gaussian = make_trained("gaussian", likelihood="gaussian", C=36.0, binarize="none")
    assert laboratory_module.weight_of(RunView(gaussian)) == 1.0


# ---- work in a thread


def waited(job: Job) -> Job:
    job.wait(120)
    assert not job.running
    return job


def test_a_job_keeps_what_it_had_when_it_is_stopped() -> None:
    go = threading.Event()

    def work() -> Iterator[tuple[float, int]]:
        yield 0.25, 1
        go.wait(300)
        yield 0.5, 2
        yield 1.0, 3

    job = Job("one", work, Bench())
    limit = time.monotonic() + 120
    while job.result != 1 and time.monotonic() < limit:
        time.sleep(0.01)
    job.stop()
    go.set()
    assert (waited(job).result, job.done_share, job.stopped) == (1, 0.25, True)


def test_a_job_that_fails_says_so() -> None:
    def work() -> Iterator[tuple[float, int]]:
        yield 0.5, 1
        raise ValueError("no")

    assert str(waited(Job("one", work, Bench())).error) == "no"


class Held:
    """Work that goes on when it is let go."""

    def __init__(self) -> None:
        self.go, self.begun = threading.Event(), 0

    def __call__(self) -> Iterator[tuple[float, str]]:
        self.begun += 1
        yield 0.5, "half"
        assert self.go.wait(300)
        yield 1.0, "whole"


def until(condition: Callable[[], bool]) -> None:
    limit = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.01)


def test_one_visitor_stops_and_changes_nothing_of_another() -> None:
    work, other = Held(), Held()
    ann: dict[str, Any] = {}
    ben: dict[str, Any] = {}
    first = own_job(ann, "race", 1, work)
    until(lambda: first.result == "half")
    second = own_job(ben, "race", 1, work)
    assert second is not first
    assert second.waiting
    assert own_job(ben, "race", 1, work) is second
    third = own_job(ann, "race", 2, other)  # Ann moves a slider
    assert first.stopped
    assert not second.stopped
    work.go.set()
    other.go.set()
    assert (waited(first).result, waited(second).result, second.stopped) == ("half", "whole", False)
    assert waited(third).result == "whole"


def test_a_finished_result_serves_all_who_wait_for_it_or_ask_later() -> None:
    work, states = Held(), [{} for _ in range(3)]
    jobs = [own_job(state, "race", 1, work) for state in states[:2]]
    work.go.set()
    assert [waited(job).result for job in jobs] == ["whole", "whole"]
    late = own_job(states[2], "race", 1, work)
    assert not late.running
    assert (late.result, late.done_share, work.begun) == ("whole", 1.0, 1)


def test_a_waiting_job_can_be_stopped() -> None:
    line, work = Bench(), Held()
    with line.turn:
        job = Job("one", work, line)
        assert job.running
        assert job.waiting
        job.stop()
        waited(job)
    assert (job.result, job.error, work.begun) == (None, None, 0)


def test_waiting_and_stopping_meanwhile_are_said(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ui.binary.job.SOON", 0.01)
    with bench().turn:
        laboratory(app)
        assert "Waiting for another measurement" in html(app)
        app.button(key="job-stop-race").click().run()
        waited(app.session_state["job-race"])
        app.run()
        assert "Stopped before there was anything to show" in html(app)
        assert _has(app, "job-again-race")


# ---- what is drawn

ROWS = [Row("score", 1, 3906.45, 0.0, 13.7, True), Row("exact", 256, 0.0, 0.0, 0.0, True),
        Row("printed", 1, 61.7, 0.68, 0.0, True), Row("rloo-4", 4, 0.0737, 0.0, 0.06, True),
        Row("concrete", 1, 0.95, 0.592, 0.103)]  # fmt: skip


def test_the_table_is_in_order_of_variance_and_tells_bias_from_noise() -> None:
    table = estimator_table(ROWS)
    assert re.findall(r'data-estimator="([^"]+)"', table) == ["exact", "rloo-4", "concrete", "printed", "score"]
    assert "none <small>± 0.0600</small>" in table
    assert "not distinguishable from 0 <small>± 0.300</small>" in estimator_table(
        [Row("concrete", 1, 0.95, 0.592, 0.3)]
    )
    assert "unknown <small>all draws" in estimator_table([Row("straight-through", 1, 0.0, 0.592, 0.0)])
    assert "0.592 <small>± 0.103</small>" in table
    assert "0.680 <small>known exactly</small>" in table
    assert "3,910" in table
    lines = list(csv.reader(io.StringIO(table_csv(ROWS))))
    assert lines[0] == ["estimator", "codes", "total_variance", "relative_bias", "noise_of_bias"]
    assert lines[4] == ["rloo-4", "4", "0.0737", "0", "0.06"]


def test_the_axis_is_logarithmic() -> None:
    assert decades([0.0, 0.0737, 3906.0]) == (-2, 4)
    assert decades([0.0]) == (0, 1)
    widths = dict(re.findall(r'data-estimator="([^"]+)".*?style="width:([\d.]+)%"', estimator_table(ROWS)))
    assert float(widths["score"]) == pytest.approx(100 * (math.log10(3906.45) + 2) / 6, abs=0.06)
    assert float(widths["exact"]) == 0


def test_every_estimator_has_a_colour() -> None:
    assert set(COLOURS) == set(STUDIED)


def test_significant_digits() -> None:
    assert [significant(v) for v in (0, 3906.45, 0.0737222, 61.7177, 1.0)] == ["0", "3,910", "0.0737", "61.7", "1.00"]


def test_the_race_is_drawn_as_far_as_it_is() -> None:
    setting = Setting(("exact", "printed"), 4, 3, 4.0, 0.1, 100, 0)
    standings: list[tuple[float, Standing]] = list(run_race(setting))
    assert standings[0][0] == 0.0
    assert standings[-1][0] == 1.0
    assert len(standings[-1][1].laps["exact"]) == 51
    for _, standing in (standings[0], standings[-1]):
        assert "est-printed" in elbo_chart(standing)
        assert "est-printed" in entropy_chart(standing)
    last = standings[-1][1]
    assert f"printed {last.laps['printed'][-1].elbo:.2f}".replace("-", "−") in words(last)
