"""The table of estimators beside sums over all codes."""

from __future__ import annotations

import pytest
import torch

from vae.config import Config
from vae.lessons.gradient_study import enumerated_gradient, enumerated_variance, estimates, make
from vae.lessons.gradient_table import BY_ALL_CODES, STUDIED, Row, rows
from vae.model.bit_codes import all_codes
from vae.model.latent import IndependentBernoulli
from vae.model.vae import Model, build_model

K = 3


@pytest.fixture
def model() -> Model:
    config = Config(likelihood="bernoulli", latent="bernoulli", latent_dim=K, network="mlp", hidden=(8,), seed=2)
    made = build_model(config, (1, 2, 2)).double().eval().requires_grad_(False)
    made.encoder[-1].bias.copy_(torch.tensor([1.5, -0.7, 0.4]))  # type: ignore[index, operator, union-attr]
    return made


@pytest.fixture
def x() -> torch.Tensor:
    return (torch.rand(3, 1, 2, 2, generator=torch.Generator().manual_seed(0)) > 0.5).double()


def table(model: Model, x: torch.Tensor, *names: str, draws: int = 4000) -> dict[str, Row]:
    return {row.name: row for row in rows(model, x, names, draws, seed=1)}


def test_every_estimator_of_the_elbo_has_a_row(model: Model, x: torch.Tensor) -> None:
    found = table(model, x, *STUDIED, draws=50)
    assert set(found) == {
        "exact",
        "score",
        "running-mean",
        "rloo-2",
        "rloo-4",
        "disarm",
        "straight-through",
        "concrete",
        "printed",
    }
    assert (found["exact"].codes, found["rloo-4"].codes, found["score"].codes) == (8, 4, 1)
    assert found["exact"].variance == found["exact"].bias == found["exact"].noise == 0


def test_the_variance_is_that_of_the_sum_over_all_codes(model: Model, x: torch.Tensor) -> None:
    """E‖g‖² − ‖E g‖² of the score function, g = f(z) (z − σ(l)), mean over images."""
    codes = all_codes(K, dtype=torch.float64)
    q = IndependentBernoulli(model.encode(x).logits)  # type: ignore[attr-defined]
    log_q = q.log_prob(codes.unsqueeze(1))  # (8, B)
    f = log_q - model.prior().log_prob(codes).unsqueeze(1) - model.decode(codes.unsqueeze(1)).log_prob(x)
    g = f.unsqueeze(-1) * (codes.unsqueeze(1) - q.mean)
    p = log_q.exp().unsqueeze(-1)
    exact = ((p * g.square()).sum(0) - (p * g).sum(0).square()).sum(-1).mean()
    found = table(model, x, "score", draws=2)["score"]
    assert found.variance == pytest.approx(float(exact), rel=1e-12)


@pytest.mark.parametrize("name", BY_ALL_CODES)
def test_a_variance_by_all_codes_is_that_of_many_draws(name: str, model: Model, x: torch.Tensor) -> None:
    g = estimates(make(name), model, x, 20_000, generator=torch.Generator().manual_seed(3))
    exact = enumerated_variance(model, x, BY_ALL_CODES[name], printed=name == "printed")
    assert table(model, x, name, draws=2)[name].variance == pytest.approx(float(exact.sum(-1).mean()), rel=1e-12)
    assert torch.allclose(g.var(0), exact, rtol=0.15, atol=1e-4)


def test_draws_that_are_all_one_code_invent_no_bias(model: Model, x: torch.Tensor) -> None:
    model.encoder[-1].bias.copy_(torch.full((K,), -9.0))  # type: ignore[index, operator, union-attr]
    found = table(model, x, *STUDIED, draws=100)
    for name in ("score", "rloo-2", "rloo-4", "disarm", "running-mean"):
        assert (found[name].bias, found[name].known) == (0.0, True)
    assert found["score"].variance > 0 < found["rloo-2"].variance  # though no draw showed any
    assert not found["straight-through"].known


def test_the_printed_rule_is_off_by_the_gradient_of_the_rate(model: Model, x: torch.Tensor) -> None:
    logits = model.encode(x).logits.requires_grad_()  # type: ignore[attr-defined]
    (missing,) = torch.autograd.grad(model.latent.rate(IndependentBernoulli(logits)).sum(), logits)
    exact = enumerated_gradient(model, x)
    found = table(model, x, "printed", draws=10)["printed"]
    assert found.bias == pytest.approx(float(missing.norm() / exact.norm()), rel=1e-12)
    assert found.noise == 0
    assert found.bias > 0.05


def test_bias_is_told_from_noise(model: Model, x: torch.Tensor) -> None:
    found = table(model, x, "rloo-4", "straight-through")
    assert found["rloo-4"].bias == 0 < found["rloo-4"].noise
    assert found["straight-through"].bias > 4 * found["straight-through"].noise


def test_one_seed_one_table(model: Model, x: torch.Tensor) -> None:
    assert table(model, x, "rloo-2", "running-mean", draws=100) == table(model, x, "rloo-2", "running-mean", draws=100)
