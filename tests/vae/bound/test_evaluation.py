"""What `evaluate` reports of held-out images."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Generator, Tensor, nn

from vae import Config, elbo_terms
from vae.bound.evaluation import evaluate, evaluate_exactly, sampled_elbo
from vae.bound.evidence import importance_evidence
from vae.bound.exact_evidence import ExactEvidence, exact_evidence
from vae.bound.metric import posterior_means
from vae.bound.metrics import active_units
from vae.bound.report import lines
from vae.datasets import Dataset
from vae.model.vae import Model, build_model
from vae.runs import load_run

Known = tuple[Model, Tensor, ExactEvidence]
DEMOS = Path(__file__).resolve().parents[3] / "checkpoints"


def linear_encoder(A: Tensor, make_dataset: Callable[..., Dataset]):
    """A model whose posterior means are A x, and images for it."""
    dataset = make_dataset("unit", train=30, test=230)
    model = build_model(Config(network="linear", likelihood="gaussian", hidden=(), latent_dim=len(A), C=3.0), (1, 3, 4))
    layer = next(m for m in model.encoder if isinstance(m, nn.Linear))
    with torch.no_grad():
        layer.weight[: len(A)] = A
    return model, dataset


def test_active_units_are_the_dimensions_whose_mean_varies(make_dataset: Callable[..., Dataset]) -> None:
    model, dataset = linear_encoder(torch.zeros(4, 12), make_dataset)
    x = dataset.to_float(dataset.test).flatten(1)
    spread = x[:, 0].std(correction=0).item()
    layer = next(m for m in model.encoder if isinstance(m, nn.Linear))
    with torch.no_grad():
        layer.weight[:4, 0] = torch.tensor([0.0, 0.099, 0.101, 3.0]) / spread  # variances 0, .0098, .0102, 9
        layer.bias[:4] = torch.tensor([5.0, 0.0, 0.0, 0.0])  # a constant is not activity
    variance = posterior_means(model, dataset).var(0, correction=0)
    assert variance.tolist() == pytest.approx([0, 0.099**2, 0.101**2, 9], rel=1e-4, abs=1e-9)
    assert active_units(model, dataset) == 2
    assert active_units(model, dataset, threshold=0.001) == 3


def test_evaluate_reports_means_over_held_out_images(make_dataset: Callable[..., Dataset]) -> None:
    A = torch.randn(2, 12, generator=Generator().manual_seed(0)) / 10
    model, dataset = linear_encoder(A, make_dataset)
    fractions: list[float] = []
    result = evaluate(model, dataset, samples=4000, seed=3, progress=fractions.append)
    assert result == evaluate(model, dataset, samples=4000, seed=3)
    assert (result["samples"], result["n"], result["active_units"]) == (4000, 230, active_units(model, dataset))
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert result["elbo"] == pytest.approx(-(result["distortion"] + result["rate"]))
    x = dataset.to_float(dataset.test)
    with torch.no_grad():
        terms = elbo_terms(model, x, 400, Generator().manual_seed(9))
        one_draw = elbo_terms(model, x, 1, Generator().manual_seed(10)).distortion - terms.distortion
        layer = next(m for m in model.decoder if isinstance(m, nn.Linear))
        W, b = layer.weight.double(), layer.bias.double()
    assert result["rate"] == pytest.approx(terms.rate.mean().item(), rel=1e-5)
    assert result["distortion"] == pytest.approx(
        terms.distortion.mean().item(), abs=4 * one_draw.std().item() / 230**0.5
    )
    covariance = W @ W.mT + torch.eye(12).double() / 6
    exact = torch.distributions.MultivariateNormal(b, covariance).log_prob(x.flatten(1).double()).mean().item()
    assert result["iw_bound"] > result["elbo"]
    many = evaluate(model, dataset, samples=4000, limit=30)
    first = torch.distributions.MultivariateNormal(b, covariance).log_prob(x[:30].flatten(1).double()).mean().item()
    assert many["n"] == 30
    assert many["iw_bound"] == pytest.approx(first, abs=5 * many["iw_standard_error"] + 0.02)
    assert result["iw_bound"] < exact + 5 * result["iw_standard_error"]
    assert 1 <= result["iw_ess_smallest"] <= result["iw_ess_median"] <= 4000


def test_the_error_of_a_mean_over_images_combines_the_errors_of_each(make_dataset: Callable[..., Dataset]) -> None:
    A = torch.randn(2, 12, generator=Generator().manual_seed(0)) / 10
    model, dataset = linear_encoder(A, make_dataset)
    results = [evaluate(model, dataset, samples=3000, limit=20, seed=seed) for seed in range(60)]
    for value, error in (("iw_bound", "iw_standard_error"), ("elbo", "elbo_standard_error")):
        spread = torch.tensor([r[value] for r in results], dtype=torch.float64).std().item()
        told = math.fsum(r[error] for r in results) / 60
        assert spread == pytest.approx(told, rel=0.35)
    assert all(r["iw_flagged"] == 0 for r in results)
    alone = evaluate(model, dataset, samples=1, limit=5)
    assert (alone["iw_standard_error"], alone["iw_flagged"]) == (None, 5)


def test_at_least_50_codes_are_drawn_for_the_elbo_of_an_image(
    make_dataset: Callable[..., Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted as they are drawn by q, beside the samples of the bound."""
    model, dataset = linear_encoder(torch.randn(2, 12, generator=Generator().manual_seed(0)) / 10, make_dataset)
    x = dataset.to_float(dataset.test[:20])
    decoded: list[int] = []
    decode = Model.decode
    monkeypatch.setattr(Model, "decode", lambda self, z: decoded.append(z[..., 0].numel()) or decode(self, z))
    sampled_elbo(model, x)
    assert sum(decoded) >= 50 * 20
    decoded.clear()
    result = evaluate(model, dataset, samples=7, limit=20)
    assert sum(decoded) >= (50 + 7) * 20
    assert "50 draws of z an image" in lines(result)[1]


@pytest.mark.parametrize("samples", [1, 2])
def test_a_gap_that_is_no_bound_is_not_printed(samples: int, make_dataset: Callable[..., Dataset]) -> None:
    """The bound with one sample is the ELBO, above or below the other one by noise."""
    model, dataset = linear_encoder(torch.randn(2, 12, generator=Generator().manual_seed(0)) / 10, make_dataset)
    result = evaluate(model, dataset, samples=samples, limit=20)
    for moved in (-0.243, 0.243):
        told = next(line for line in lines(result | {"iw_bound": result["elbo"] + moved}) if line.startswith("gap"))
        if samples == 1 or moved < 0:
            assert re.match(r"gap ≥ +0\.000  as every KL is: this bound lies no higher than the ELBO", told)
        else:
            assert re.match(r"gap ≥ +0\.243  = log p\(x\) − ELBO", told)


def test_bits_that_may_have_missed_a_code_are_told() -> None:
    run = load_run(DEMOS / "demo-digits-8bits")
    result = evaluate(run.model, run.dataset(), 100, limit=50, proposal="q")
    assert result["iw_unseen"] == 50
    assert result["iw_standard_error"] is None
    assert "50 of them: a few codes were drawn again and again" in "\n".join(lines(result))


def test_the_elbo_is_within_its_error_of_the_closed_form(make_dataset: Callable[..., Dataset]) -> None:
    model, dataset = linear_encoder(torch.randn(2, 12, generator=Generator().manual_seed(0)), make_dataset)
    x = dataset.to_float(dataset.test[:100])
    drawn, exact = sampled_elbo(model, x, generator=Generator().manual_seed(1)), exact_evidence(model, x)
    off = (drawn.elbo - exact.elbo) / drawn.standard_error
    assert off.std().item() == pytest.approx(1, abs=0.25)
    assert abs(float((drawn.elbo - exact.elbo).mean())) < 4 * drawn.mean_error
    torch.testing.assert_close(drawn.rate, exact.rate)


@pytest.fixture(scope="module")
def known() -> Callable[[str], Known]:
    """A shipped run, half of its held-out images, and what is exact about them."""

    @functools.cache
    def look(name: str) -> Known:
        run = load_run(DEMOS / name)
        x = run.dataset().to_float(run.dataset().test[:180])
        return run.model, x, exact_evidence(run.model, x)

    return look


@pytest.mark.parametrize(("samples", "seed"), [(200, 0), (2000, 1)])
@pytest.mark.parametrize(
    ("name", "proposal"),
    [
        ("demo-digits-2d", "mixture"), ("demo-digits-2d", "refined"), ("demo-digits-2d", "q"),
        ("demo-digits-8bits", "mixture"), ("demo-digits-8bits", "q"),
    ],
)  # fmt: skip
def test_on_shipped_runs_what_is_told_is_true_within_three_errors_or_flagged(
    name: str, proposal: str, samples: int, seed: int, known: Callable[[str], Known]
) -> None:
    model, x, exact = known(name)
    assert exact.converged
    told = importance_evidence(model, x, samples, Generator().manual_seed(seed), proposal=proposal)
    true = (told.iw_bound - exact.log_px).abs() <= 3 * told.standard_error
    assert float((true | told.flagged).double().mean()) >= 0.95
    believed = ~told.flagged  # a flagged image may lie nats too low: its far mode was never drawn
    if proposal == "q":
        return  # the rule is all that it keeps: its far mode may lie where no weight tells of it
    off = (told.iw_bound - exact.log_px)[believed]
    assert float(off.abs().sum()) <= 0.1 * max(1, len(off))
    assert float(off.abs().max() if len(off) else 0) < 2
    if samples == 2000:
        assert float(told.flagged.double().mean()) < 0.4  # something is claimed


@pytest.fixture(scope="module")
def digits() -> tuple[dict[str, Any], dict[str, Any]]:
    """What `evaluate` says of the run in two dimensions with q alone, and with the grid."""
    run = load_run(DEMOS / "demo-digits-2d")
    sampled = evaluate(run.model, run.dataset(), 200, limit=100, proposal="q")
    return sampled, sampled | evaluate_exactly(run.model, run.dataset(), sampled)


def test_a_right_grid_wins_over_a_bound_that_is_only_a_bound(
    digits: tuple[dict[str, Any], dict[str, Any]], known: Callable[[str], Known]
) -> None:
    sampled, told = digits
    assert sampled["iw_flagged"] > 20
    assert sampled["iw_standard_error"] is None
    assert told["converged"]
    assert sampled["iw_bound"] < told["log_px"] - 1
    assert told["log_px_error"] < 0.01
    difference = known("demo-digits-2d")[2].grid_difference
    assert difference is not None
    difference = difference[:100]
    assert float(difference.max()) > 0.01  # an image; the mean is what counts
    assert told["worst_image"] == int(difference.argmax())
    assert told["log_px_error"] == pytest.approx(float(difference.mean()))
    assert (told["elbo"], told["elbo_standard_error"]) == (told["exact_elbo"], 0)


def test_a_grid_loses_where_its_own_error_is_larger_than_the_bounds_doubt() -> None:
    zeros = torch.zeros(2, dtype=torch.float64)
    grid = ExactEvidence(zeros - 50, zeros + 60, zeros, zeros + 10, "quadrature", torch.tensor([0.01, 0.05]).double())
    assert (grid.error, grid.worst, grid.converged) == (pytest.approx(0.03), 1, False)
    assert grid.better_than(-50, 0.04)
    assert not grid.better_than(-50, 0.02)
    assert grid.better_than(-51, None)  # it may lie so far below
    assert not grid.better_than(-49, None)  # a bound lies below log p(x), in expectation: this grid is wrong


def test_a_grid_too_coarse_is_told_without_its_error_and_the_bound_stands(
    digits: tuple[dict[str, Any], dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vae.bound.exact_evidence.GRID", {2: (17, 33)})
    run, (sampled, _) = load_run(DEMOS / "demo-digits-2d"), digits
    told = sampled | evaluate_exactly(run.model, run.dataset(), sampled)
    assert not told["converged"]
    assert told["ways_differ"] > 0.1
    assert told["elbo"] == sampled["elbo"]
    text = "\n".join(lines(told))
    line = next(line for line in text.splitlines() if line.startswith("log p(x) ≈"))
    assert "±" not in line
    assert f"the gap in two ways differs by {told['ways_differ']:.3f} nats" in text
    assert re.search(r"gap ≥ +(-?[\d.]+)", text)[1] == f"{round(told['iw_bound'], 3) - round(told['elbo'], 3):.3f}"  # type: ignore[index]


def test_printed_numbers_add_up_to_the_last_digit(digits: tuple[dict[str, Any], dict[str, Any]]) -> None:
    sampled, with_grid = digits
    number = r"(-?[\d.]+)"
    for shift in range(20):  # of the digits that rounding cuts
        moved = {k: v + shift * 1.37e-4 if k in ("elbo", "iw_bound") else v for k, v in sampled.items()}
        text = "\n".join(lines(moved))
        elbo, error, distortion, rate = map(
            Decimal,
            re.search(rf"ELBO +{number} ± {number} .*distortion {number} \+ rate {number}", text).groups(),  # type: ignore[union-attr]
        )
        bound = Decimal(re.search(rf"log p\(x\) ≥ +{number}", text)[1])  # type: ignore[index]
        gap = Decimal(re.search(rf"gap ≥ +{number}", text)[1])  # type: ignore[index]
        assert gap == bound - elbo
        assert elbo == -(distortion + rate)
        assert error > 0
    assert f"{sampled['iw_flagged']} of 100 images: there the bound is only a bound" in text
    assert "±" not in text.splitlines()[2]
    exact = "\n".join(lines(with_grid))
    log_px, error, elbo, gap = (
        Decimal(re.search(pattern, exact)[1])  # type: ignore[index]
        for pattern in (
            rf"log p\(x\) = +{number}", rf"log p\(x\) = .* ± {number}", rf"ELBO +{number}", rf"gap = +{number}",
        )
    )  # fmt: skip
    assert gap == log_px - elbo
    assert 0 < error < Decimal("0.01")
    assert "go by the importance bound" not in exact
    assert "at least" in exact
    assert "log n = 5.886" in exact
