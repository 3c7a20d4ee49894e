"""The evidence panel: its numbers are those of the core, and it looks only at weights that are new."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
import torch
from streamlit.testing.v1 import AppTest

from ui.train import evidence_track
from ui.train.evidence_panel import bars, curve, facts, how, what_moved
from ui.train.evidence_track import Point, Track, measure, plan
from ui.train.halves import half_at, halves_trained
from vae import runs
from vae.bound.evidence import importance_evidence
from vae.bound.exact_evidence import exact_evidence
from vae.config import Config
from vae.model.vae import Model, build_model
from vae.runs import load_run

DEMO = Path(__file__).resolve().parents[2] / "checkpoints" / "demo-digits-8bits"
SCRIPT = """
from ui.runs.run_view import RunView
from ui.train.evidence_panel import evidence_panel
from vae import runs
evidence_panel(RunView(runs.run_path("bits")))
"""


@pytest.fixture(autouse=True)
def nothing_kept() -> Iterator[None]:
    yield
    st.cache_resource.clear()


@pytest.fixture
def bits(runs_folder: Path) -> Path:
    return Path(shutil.copytree(DEMO, runs_folder / "bits"))


def small(latent: str, k: int, network: str = "mlp", likelihood: str = "gaussian") -> Model:
    hidden = None if network == "linear" else (8,)
    config = Config(likelihood=likelihood, C=2.0, latent=latent, latent_dim=k, network=network, hidden=hidden)
    return build_model(config, (1, 8, 8)).eval()


def html(app: AppTest) -> str:
    return "\n".join(e.proto.body for e in app.get("html"))


def test_off_it_computes_nothing(bits: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Track, "look", lambda self: pytest.fail("nobody asked"))
    app = AppTest.from_string(SCRIPT, default_timeout=120).run()
    assert not app.exception
    assert [toggle.value for toggle in app.toggle] == [False]


@pytest.mark.parametrize("part", ["test", "train"])
def test_on_it_shows_the_exact_numbers_of_the_saved_weights(
    bits: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    monkeypatch.setattr("ui.train.evidence_panel.SOON", 100.0)
    app = AppTest.from_string(SCRIPT, default_timeout=120).run()
    app.toggle[0].set_value(True).run()
    app.segmented_control[0].set_value(part).run()
    assert not app.exception
    run = load_run(DEMO)
    dataset = run.dataset()
    exact = exact_evidence(run.model, dataset.to_float((dataset.test if part == "test" else dataset.train)[:100]))
    said = html(app)
    for number, digits in ((exact.log_px, 3), (exact.elbo, 3), (exact.kl_to_posterior, 3)):
        assert f"{float(number.mean()):.{digits}f}".replace("-", "−") in said
    assert f"first 100 {'held-out' if part == 'test' else 'training'} images" in said
    assert "the sum over all codes" in said


def test_a_track_measures_each_weights_once_and_not_too_often(bits: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from safetensors.torch import load, save

    def save_step(step: int) -> None:
        weights = load(runs.read_checked(bits, runs.WEIGHTS))
        weights = {name: value * 1.01 for name, value in weights.items()}
        runs.save_checked(bits, {runs.WEIGHTS: save(weights, metadata={"step": str(step)})})

    clock = [1000.0]
    monkeypatch.setattr(evidence_track.time, "monotonic", lambda: clock[0])
    track = Track(bits, "test")
    track.look()
    track.wait(120)
    clock[0] += 100
    track.look()
    assert not track.busy
    assert len(track.points) == 1
    save_step(5000)
    track.look()
    track.wait(120)
    assert [point.step for point in track.points] == [3368, 5000]
    save_step(6000)
    clock[0] += 0.9 * evidence_track.EVERY
    track.look()
    assert not track.busy
    clock[0] += evidence_track.EVERY
    track.look()
    track.wait(120)
    assert [point.step for point in track.points] == [3368, 5000, 6000]
    save_step(4000)  # the run went back
    clock[0] += 100
    track.look()
    track.wait(120)
    assert [point.step for point in track.points] == [3368, 4000]


def test_what_cannot_be_read_is_said(bits: Path) -> None:
    (bits / runs.WEIGHTS).write_bytes(b"no weights")
    track = Track(bits, "test")
    track.look()
    track.wait(120)
    assert track.points == []
    assert "damaged" in track.problem


def test_the_way_is_planned_by_what_it_costs() -> None:
    assert plan(small("bernoulli", 8)) == ("all codes", 100)
    assert plan(small("normal", 10, "linear")) == ("closed form", 100)
    assert plan(small("normal", 2)) == ("quadrature", 25)
    assert plan(small("normal", 10)) == ("importance bound", 100)
    wide = build_model(Config(likelihood="bernoulli", latent_dim=2, hidden=(400,)), (1, 28, 28)).eval()
    assert plan(wide) == ("importance bound", 100)
    wider = build_model(Config(likelihood="bernoulli", latent_dim=2, hidden=(2000, 2000)), (1, 28, 28)).eval()
    method, images = plan(wider)
    assert method == "importance bound"
    assert 1 <= images < 20


def test_the_image_that_a_grid_moved_most_is_named_by_its_row_in_the_data(runs_folder: Path) -> None:
    path = Path(shutil.copytree(DEMO.parent / "demo-digits-2d", runs_folder / "plane"))
    track = Track(path, "test")
    track.look()
    track.wait(120)
    run = load_run(path)
    dataset = run.dataset()
    difference = exact_evidence(run.model, dataset.to_float(dataset.test[:25])).grid_difference
    assert difference is not None
    worst = int(difference.argmax())
    row = f"{int(dataset.test_rows[worst]):,}"
    told = facts(track.points[-1])["finer grid moved log p(x) by"]
    assert told.endswith(f"at most, image {worst} (row {row} of digits)")


def test_a_gap_that_is_only_a_bound_is_never_below_nothing() -> None:
    below = Point(7, -20.243, -20.0, None, None, "importance bound", 5, flagged=5)
    assert facts(below)["gap: log p(x) − ELBO"] == "≥ 0.000"
    assert facts(replace(below, log_px=-19.5))["gap: log p(x) − ELBO"] == "≥ 0.500"


def test_an_estimate_is_named_as_one_and_has_its_error() -> None:
    model = small("normal", 10)
    with torch.no_grad():  # q and the posterior are near the prior
        model.likelihood.set_C(0.01)  # type: ignore[operator]
        list(model.encoder.children())[-1].weight.zero_()  # type: ignore[operator]
    x = torch.rand(20, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    heard: list[float] = []
    point = measure(model, x, 7, "importance bound", heard.append)
    again = importance_evidence(model, x, 200, torch.Generator().manual_seed(5))
    error = float(again.standard_error.square().sum().sqrt() / 20)
    assert heard == [0.5, 1.0]
    assert point.error is not None
    assert abs(point.log_px - float(again.iw_bound.mean())) < 6 * (error + point.error)
    assert (point.kl, point.flagged) == (None, 0)
    assert point.error > 0
    assert point.elbo_error > 0
    assert "±" in facts(point)["ELBO"]
    assert point.effective is not None
    assert facts(point)["effective samples of 200"] == "median {:.0f}, smallest {:.0f}".format(*point.effective)
    assert "±" in facts(point)["log p(x)"]
    assert "importance bound with 200 samples" in how(point)


def test_the_exact_gap_is_there_twice() -> None:
    x = torch.rand(5, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    point = measure(small("normal", 3, "linear"), x, 7, "closed form", lambda _: None)
    assert point.kl == pytest.approx(point.gap, abs=1e-4)
    rows = {name: Decimal(value.replace("−", "-")) for name, value in facts(point).items()}
    assert rows["gap: log p(x) − ELBO"] == rows["log p(x)"] - rows["ELBO"]
    assert abs(rows["gap: log p(x) − ELBO"] - rows["gap: KL(q ‖ posterior)"]) <= Decimal("0.001")
    bar = re.search(r"log p\(x\) ([-\d.]+) = ELBO ([-\d.]+) \+ gap ([\d.]+)", bars(point))
    assert bar is not None
    assert Decimal(bar[1]) == Decimal(bar[2]) + Decimal(bar[3])


def test_where_a_bound_is_only_a_bound_no_error_is_told() -> None:
    x = torch.rand(20, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    model = small("normal", 10)
    model.likelihood.set_C(100.0)  # type: ignore[operator]
    point = measure(model, x, 7, "importance bound", lambda _: None)
    told = importance_evidence(model, x, 200, torch.Generator().manual_seed(1))
    assert told.flagged.all()
    assert (point.flagged, point.error) == (20, None)
    rows = facts(point)
    assert rows["log p(x)"].startswith("≥ ")
    assert rows["gap: log p(x) − ELBO"].startswith("≥ ")
    assert "±" not in rows["log p(x)"]
    assert "20 of 20 images have too few effective samples" in how(point)
    assert "log p(x), a bound" in bars(point)


def test_a_grid_says_how_far_it_moved_and_claims_no_more_than_it_knows() -> None:
    x = torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    model = small("normal", 1)
    exact = exact_evidence(model, x)
    assert exact.grid_difference is not None
    point = measure(model, x, 7, "quadrature", lambda _: None)
    assert point.kl is not None
    assert point.error == float(exact.grid_difference.mean())
    assert point.grid_difference == float(exact.grid_difference.max())
    assert point.worst == int(exact.grid_difference.argmax())
    assert f"at most, image {point.worst}" in facts(point)["finer grid moved log p(x) by"]
    assert "rate in closed form and the distortion at nodes of q’s own" in how(point)
    assert "posterior itself" not in how(point)
    codes = measure(small("bernoulli", 3), x, 7, "all codes", lambda _: None)
    assert codes.grid_difference is None
    assert not any("grid" in name for name in facts(codes))
    assert "sum over the codes" in how(codes)
    assert "posterior itself" not in how(codes)


def test_where_the_grid_is_too_coarse_an_estimate_stands_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    from vae.bound import exact_evidence as core

    monkeypatch.setattr(core, "GRID", {1: (5, 9), 2: (5, 9)})
    x = torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    config = Config(likelihood="gaussian", C=1e6, latent_dim=1, network="mlp", hidden=(8,))
    model = build_model(config, (1, 8, 8)).eval()
    point = measure(model, x, 7, "quadrature", lambda _: None)
    assert (point.kl, point.method) == (None, "importance bound")
    estimate = measure(model, x, 7, "importance bound", lambda _: None)
    assert (point.log_px, point.error) == (estimate.log_px, estimate.error)
    assert facts(point)["log p(x)"].startswith("≥ ")
    assert "too coarse for this C" in how(point)
    assert point.ways_differ == pytest.approx(exact_evidence(model, x).ways_differ)
    assert f"the gap in two ways differs by {point.ways_differ:,.3f} nats" in how(point)
    assert "importance bound with 200 samples estimates it" in how(point)
    assert "log p(x), a bound" in bars(point)


def test_a_grid_with_its_own_error_stands_where_the_bound_is_worse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vae.bound.exact_evidence.CONVERGED", 0.0)
    run = load_run(DEMO.parent / "demo-digits-2d")
    x = run.dataset().to_float(run.dataset().test[80:100])
    point = measure(run.model, x, 7, "quadrature", lambda _: None)
    assert point.method == "quadrature"
    assert point.error is not None
    assert point.error > 0
    assert "±" in facts(point)["log p(x)"]


def at(step: int, log_px: float, elbo: float) -> Point:
    return Point(step, log_px, elbo, 0.0, log_px - elbo, "all codes", 100)


LINES: list[dict[str, Any]] = [
    {"step": 50, "knob": "C", "value": 2.0}, {"step": 100, "knob": "part", "value": "encoder"},
    {"step": 100, "train": None}, {"step": 300, "knob": "part", "value": "decoder"},
]  # fmt: skip


def test_which_half_trained_is_read_from_the_history() -> None:
    changes = halves_trained(LINES)
    assert changes == [(0, "both"), (100, "encoder"), (300, "decoder")]
    assert [half_at(changes, step) for step in (0, 100, 101, 300, 301)] == [
        "both", "both", "encoder", "encoder", "decoder",
    ]  # fmt: skip


def test_what_a_stretch_did_is_said_with_its_numbers() -> None:
    points = [at(90, -20, -23), at(120, -19, -22), at(200, -19, -20.5)]
    changes = halves_trained(LINES[:2])
    assert what_moved(points, changes) == (
        "Only the encoder trains since step 100. Measured from step 120 to 200, log p(x) moved by +0.000 nats, the gap "
        "by −1.500 nats."
    )
    assert what_moved(points[:2], changes) == ""
    grown = [*points[:2], at(200, -19, -23)]
    assert "while it closes on training images" in what_moved(grown, changes)
    assert "while it closes" not in what_moved(grown, changes, "train")
    svg = curve([*points, at(400, -18, -21)], halves_trained(LINES))
    assert all(word in svg for word in ("encoder only", "decoder only"))
    assert "both halves" not in svg  # too short a stretch for words
