"""Faults that are planted, each found with its number; and none in the runs that ship."""

from __future__ import annotations

import math
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.vae.diagnosis.made import DEMOS, copy_of, found_in, linear_run, trained, with_history, write_history
from vae.datasets import load_dataset
from vae.diagnosis.case import Case
from vae.diagnosis.findings import FINDINGS
from vae.diagnosis.findings.bits import codes_used, information
from vae.model.linear_gaussian import LinearGaussian, covariance_eigenvalues
from vae.runs import load_run

ASKED = ("bits", "collapsed", "converged", "noise_level", "overfitting")  # the others have files of tests of their own


@pytest.mark.parametrize("demo", ["demo-digits-2d", "demo-digits-8bits", "demo-mnist-10d"])
def test_nothing_is_found_in_the_runs_that_ship(demo: str) -> None:
    case = Case(load_run(DEMOS / demo))
    asked = [FINDINGS[name] for name in ASKED if not FINDINGS[name].why_not(case)]
    assert len(asked) >= 3
    for finding in asked:
        assert not finding.find(case).found, finding.name


# ---- collapsed dimensions


def digits() -> Tensor:
    data = load_dataset("digits")
    return data.to_float(data.train).flatten(1).double()


def collapsed_at(c: float, kept: int | None = None) -> tuple[LinearGaussian, Tensor]:
    """The best linear model of digits at this c with ten latents, of which `kept` (all: None) are used; and the
    eigenvalues of the data."""
    mean, values, vectors = covariance_eigenvalues(digits())
    stretch = (values[:10] - c).clamp(min=0).sqrt()
    if kept is not None:
        stretch[kept:] = 0
    return LinearGaussian(vectors[:, :10] * stretch, mean, torch.tensor(c, dtype=torch.float64)), values


@pytest.mark.parametrize(("c", "active"), [(0.2, 7), (0.5, 3)])
def test_the_law_of_collapse(c: float, active: int, tmp_path: Path) -> None:
    """maths.md, section 4, 3: as many active units as eigenvalues above c; what collapses so costs nothing."""
    solution, values = collapsed_at(c)
    assert int((values > c).sum()) == active
    found = found_in(linear_run(tmp_path, solution), "collapsed")
    assert (found.found, found.value, found.shown) == (True, 10 - active, f"{active} of 10")
    assert (found.numbers["active"], found.numbers["predicted"]) == (active, active)
    assert found.nats == pytest.approx(0, abs=1e-4)
    np.testing.assert_allclose(found.numbers["rate_per_dim"][active:], 0, atol=1e-5)


def test_a_direction_that_is_left_out_costs_what_it_would_add_to_log_px(tmp_path: Path) -> None:
    best, values = collapsed_at(0.2)
    poor, _ = collapsed_at(0.2, kept=5)
    x = digits()
    found = found_in(linear_run(tmp_path, poor), "collapsed")
    assert found.shown == "5 of 10"
    assert found.nats == pytest.approx(float((best.log_px(x) - poor.log_px(x)).mean()), rel=1e-3)
    ratios = values[5:7] / 0.2
    assert found.nats == pytest.approx(float(0.5 * (ratios - 1 - ratios.log()).sum()), rel=1e-3)


def test_what_is_spent_on_a_dimension_without_a_message_is_lost(tmp_path: Path) -> None:
    """Its mean is constant and its variance narrow: KL(N(½, 1/16) ‖ N(0, 1)) nats for nothing."""

    def numb(weights: dict[str, Tensor]) -> None:
        last = max(name for name in weights if name.startswith("encoder") and name.endswith("weight"))
        for name in (last, last.replace("weight", "bias")):
            weights[name][[1, 3]] = 0.0  # the mean of z1 and its log-variance
        weights[last.replace("weight", "bias")][1] = 0.5
        weights[last.replace("weight", "bias")][3] = math.log(1 / 16)

    found = found_in(copy_of("demo-digits-2d", tmp_path, numb), "collapsed")
    assert (found.found, found.shown) == (True, "1 of 2")
    assert "z1" in found.sentence
    assert found.nats == pytest.approx(0.5 * (1 / 16 + 0.25 - 1 + math.log(16)), abs=1e-4)


# ---- noise level


@pytest.mark.parametrize("factor", [10.0, 0.1])
def test_c_ten_times_off(factor: float, tmp_path: Path) -> None:
    def off(weights: dict[str, Tensor]) -> None:
        weights["likelihood.log_C"] -= math.log(factor)  # C = 1/(2c)

    good = found_in(load_run(DEMOS / "demo-digits-2d"), "noise_level")
    run = copy_of("demo-digits-2d", tmp_path, off)
    found = found_in(run, "noise_level")
    assert found.found
    assert found.value == pytest.approx(good.value / factor, rel=1e-5)  # the decoder's means are the same
    assert found.numbers["best_c"] == pytest.approx(good.numbers["best_c"], rel=1e-5)
    assert ("too large" in found.title) == (factor > 1)
    # what another c is worth, asked of the model itself: the same images and codes, its distortion at both C
    data, model, generator = run.dataset(), run.model, torch.Generator().manual_seed(0)
    x = data.to_float(data.train[np.unique(np.linspace(0, 1436, 360).round()).astype(int)])
    z = model.encode(x).sample((), generator)
    now = float(-model.decode(z).log_prob(x).double().mean())
    model.likelihood.set_C(found.numbers["best_C"])
    assert found.nats == pytest.approx(now + float(model.decode(z).log_prob(x).double().mean()), rel=2e-3)


def test_where_the_squared_error_is_left_by_pixel_and_by_frequency(tmp_path: Path) -> None:
    """A decoder that always gives the same image f leaves x − f, whose transform NumPy knows."""

    def blind(weights: dict[str, Tensor]) -> None:
        last = max(name for name in weights if name.startswith("decoder") and name.endswith("weight"))
        weights[last][:] = 0.0

    run = copy_of("demo-digits-2d", tmp_path, blind)
    found = found_in(run, "noise_level")
    data = run.dataset()
    x = data.to_float(data.train[np.unique(np.linspace(0, 1436, 360).round()).astype(int)])[:, 0].double().numpy()
    left = x - run.model.decode(torch.zeros(1, 2)).mean[0, 0].double().numpy()
    assert found.numbers["best_c"] == pytest.approx((left**2).mean(), rel=1e-5)
    np.testing.assert_allclose(found.arrays["residual"][0], (left**2).mean(0), rtol=1e-4)
    power = (np.abs(np.fft.fft2(left)) ** 2).mean(0) / 64  # of each mode; together D times the mean square
    frequency = np.abs(np.fft.fftfreq(8))
    fine = np.maximum(frequency[:, None], frequency[None]) > 0.25
    assert found.numbers["fine_share"] == pytest.approx(power[fine].sum() / power.sum(), rel=1e-4)
    assert found.numbers["fine_share_of_noise"] == pytest.approx(fine.mean())
    assert found.arrays["spectrum"][0] == pytest.approx(power[0, 0], rel=1e-4)
    ring = [power[0, 1], power[1, 0], power[1, 1], power[0, 7], power[7, 0], power[1, 7], power[7, 1], power[7, 7]]
    assert found.arrays["spectrum"][1] == pytest.approx(np.mean(ring), rel=1e-4)


# ---- how the training went


def test_overfitting_is_as_large_and_as_old_as_it_is(tmp_path: Path) -> None:
    """A loss that falls to 100 at epoch 40 and then rises by .05 nats an epoch: at 100 it has lost 3."""
    noise = np.random.default_rng(1).normal(0, 0.02, 200)
    epochs = np.linspace(0.5, 100, 200)
    fall = 30 * np.exp(-epochs / 6)
    held_out = 100 + fall + 0.05 * (epochs - 40).clip(0) + noise
    training = 100 + fall - 0.05 * epochs
    run = with_history(copy_of("demo-digits-2d", tmp_path), held_out.tolist(), training.tolist(), 100)
    found = found_in(run, "overfitting")
    assert found.found
    window = 20  # a tenth of the values: the mean of the last is 4.75 epochs old, and the lowest mean .25 higher
    assert found.value == pytest.approx(3 - 0.05 * (window - 1) / 4, abs=0.15)
    assert found.nats == found.value
    assert found.numbers["since"] == pytest.approx(40, abs=5)
    assert found.standard_error == pytest.approx(0.02 * math.sqrt(2 / window), rel=0.5)
    assert found.threshold == pytest.approx(0.4)
    assert not found_in(run, "converged").found  # more training is no cure


def test_a_model_that_learns_sixty_images_by_heart(tmp_path: Path) -> None:
    data = load_dataset("digits")
    np.savez(tmp_path / "few.npz", x_train=data.train[:60, 0].numpy() / 16, x_test=data.test[:120, 0].numpy() / 16)
    path = trained(
        tmp_path, "few", tmp_path / "few.npz", hidden=(128,), epochs=250, lr=3e-3, latent_dim=8, batch_size=30, C="fit",
        record_every=20,
    )  # fmt: skip
    run = load_run(path)
    found = found_in(run, "overfitting")
    records = [line for line in run.history if line.get("test")]
    lowest = min(records, key=lambda line: line["test"]["loss"])
    assert found.found
    assert found.value == pytest.approx(records[-1]["test"]["loss"] - lowest["test"]["loss"], rel=0.3)
    assert found.numbers["since"] == pytest.approx(lowest["epoch"], rel=0.5)
    gap = found.numbers["gap"]
    assert gap["elbo"] == pytest.approx(gap["distortion"] + gap["rate"], rel=1e-6)
    assert gap["elbo"] > 5 * gap["elbo_error"] > 0


@pytest.mark.parametrize("held_out", [True, False])
def test_a_run_cut_off_in_mid_plunge(held_out: bool, tmp_path: Path) -> None:
    """200 e^(−t/10) at t = 10: the slope is −20/e nats an epoch, between that at 9 and that at 10."""
    epochs = np.linspace(0.1, 10, 100)
    losses = 100 + 200 * np.exp(-epochs / 10) + np.random.default_rng(2).normal(0, 0.05, 100)
    run = with_history(copy_of("demo-digits-2d", tmp_path), losses.tolist(), losses.tolist(), 10)
    if not held_out:
        write_history(run.path, [line | ({"test": None} if "test" in line else {}) for line in run.history])
    found = found_in(load_run(run.path), "converged")
    assert found.found
    assert -20 * math.exp(-0.9) < found.value < -20 * math.exp(-1.0)
    slope = np.polyfit(epochs[-11:], losses[-11:], 1)[0]
    assert found.value == pytest.approx(slope, rel=0.02)
    assert found.nats == pytest.approx(-found.value, rel=1e-6)  # a tenth is one epoch
    assert "training loss" in found.sentence or held_out


def test_a_training_that_is_stopped_early_is_found(tmp_path: Path) -> None:
    path = trained(tmp_path, "cut", Path("digits"), hidden=(64,), epochs=10, record_every=11, batch_size=128, C="fit")
    found = found_in(load_run(path), "converged")
    assert found.found
    assert found.nats > 0.1


def test_what_came_before_c_was_turned_does_not_count(tmp_path: Path) -> None:
    run = with_history(copy_of("demo-digits-2d", tmp_path), [100.0] * 30 + [120.0] * 30, [100.0] * 60, 60)
    assert found_in(run, "overfitting").found
    lines = run.history
    write_history(run.path, [*lines[:31], {"step": 305, "knob": "C", "value": 2.0}, *lines[31:]])
    assert not found_in(load_run(run.path), "overfitting").found


def test_the_last_record_takes_other_images_and_is_not_compared(tmp_path: Path) -> None:
    run = with_history(copy_of("demo-digits-2d", tmp_path), [100.0] * 30 + [106.0], [100.0] * 31, 31)
    assert found_in(run, "overfitting").value == pytest.approx(2)  # a third of three values
    lines = run.history
    lines[-1]["test"]["images"] = 10_000
    write_history(run.path, lines)
    assert found_in(load_run(run.path), "overfitting").value == 0


def test_without_an_error_in_the_history_that_of_the_codes_stands_in(tmp_path: Path) -> None:
    run = with_history(copy_of("demo-digits-2d", tmp_path), [100.0] * 30, [100.0] * 30, 30)
    lines = run.history
    for line in lines[1:]:
        del line["test"]["elbo_error"]
    write_history(run.path, lines)
    codes = Case(load_run(run.path)).codes
    spread = (codes.rate + codes.distortion).astype(float).std()
    assert found_in(load_run(run.path), "overfitting").threshold == pytest.approx(2 * spread / 20)  # of 400 images


# ---- bits


def spoilt_bits(weights: dict[str, Tensor]) -> None:
    """z1 never tells anything (½), z2 is always 1, z4 is z3 again."""
    last = max(name for name in weights if name.startswith("encoder") and name.endswith("weight"))
    bias = last.replace("weight", "bias")
    for name in (last, bias):
        weights[name][[1, 2]] = 0.0
        weights[name][4] = weights[name][3]
    weights[bias][2] = 20.0


def test_dead_bits_and_copies(tmp_path: Path) -> None:
    run = copy_of("demo-digits-8bits", tmp_path, spoilt_bits)
    found = found_in(run, "bits")
    assert (found.found, found.value, found.shown) == (True, 3.0, "6 of 8")
    assert found.numbers["dead"] == [1, 2]
    assert found.numbers["copies"] == [[3, 4]]
    data = run.dataset()
    with torch.no_grad():
        p = run.model.encode(data.to_float(data.test)).logits.sigmoid().double().numpy()
    joint = {
        (a, b): np.where(a, p[:, 3], 1 - p[:, 3]) * np.where(b, p[:, 4], 1 - p[:, 4])
        for a, b in product((0, 1), repeat=2)
    }
    cells = {key: values.mean() for key, values in joint.items()}
    ends = [sum(v for (a, b), v in cells.items() if (a, b)[at] == 1) for at in (0, 1)]
    sides = [(1 - end, end) for end in ends]
    shared = sum(v * math.log(v / (sides[0][a] * sides[1][b])) for (a, b), v in cells.items())
    assert found.nats == pytest.approx(math.log(2) + shared, abs=1e-3)  # log 2: what it costs that z2 is always 1


def test_codes_used_and_perplexity_by_enumeration() -> None:
    """Three bits, of which two are sure and one is fair: two codes of each image; and beyond the table by draws."""
    p = np.array([[0.0, 0.0, 0.5], [1.0, 0.0, 0.5], [1.0, 1.0, 0.5], [1.0, 1.0, 0.5]])
    used = codes_used(p, np.random.default_rng(0))
    masses = np.array([1, 1, 1, 1, 2, 2]) / 8
    assert used.perplexity == pytest.approx(math.exp(-(masses * np.log(masses)).sum()))
    np.testing.assert_allclose(information(p), [math.log(4) - 0.75 * math.log(3), math.log(2), 0], atol=1e-9)
    many = codes_used(np.tile(p, (5000, 5)), np.random.default_rng(0))
    assert many.perplexity <= 20_000
    wide = np.concatenate([np.tile(p, (5000, 1)), np.ones((20_000, 13))], 1)  # sixteen bits, thirteen of them sure
    drawn = codes_used(wide, np.random.default_rng(0))
    assert abs(drawn.perplexity - used.perplexity) < 4 * drawn.error + 0.01
    assert drawn.codes == used.codes
