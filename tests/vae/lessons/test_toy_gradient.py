"""The race on a toy: its curves are exact, its best is the best, and the printed rule loses it."""

from __future__ import annotations

import math

import pytest
import torch

from vae.lessons.gradient_study import enumerated_gradient
from vae.lessons.toy_gradient import Toy, best_elbo, elbo_and_entropy, make_toy, printed_gradient, race


@pytest.fixture
def toy() -> Toy:
    return make_toy(bits=4, pixels=3, noise=4.0, seed=0)


def ends(toy: Toy, *names: str, steps: int = 300) -> dict[str, tuple[float, float]]:
    laps = list(race(toy, names, steps, rate=0.1, copies=4, seed=0, every=100))
    assert [lap[names[0]].step for lap in laps] == [0, 100, 200, 300]
    return {name: (lap.elbo, lap.entropy) for name, lap in laps[-1].items()}


def test_the_evidence_of_the_toy_is_a_gaussian_mixture(toy: Toy) -> None:
    mean = toy.model.decode(toy.codes).mean.flatten(1)
    components = torch.distributions.Normal(mean, 2.0).log_prob(toy.x.flatten(1)).sum(1)
    assert toy.log_px == pytest.approx(float(components.logsumexp(0)) - 4 * math.log(2), abs=1e-12)


def test_the_elbo_of_a_curve_is_that_of_the_model(toy: Toy) -> None:
    """Distortion and rate by the latent's own formula."""
    logits = torch.tensor([[0.3, -1.2, 2.0, 0.0]], dtype=torch.float64)
    elbo, entropy = elbo_and_entropy(toy, logits)
    q = toy.model.latent.posterior(logits)
    weights = q.log_prob(toy.codes).exp()
    distortion = -(weights * toy.model.decode(toy.codes).log_prob(toy.x)).sum()
    rate = toy.model.latent.rate(q)
    assert float(elbo) == pytest.approx(-float(distortion + rate), abs=1e-12)
    assert float(entropy) == pytest.approx(4 * math.log(2) - float(rate), abs=1e-12)
    assert float(elbo) < toy.log_px


def test_the_printed_gradient_lacks_that_of_the_rate(toy: Toy) -> None:
    logits = torch.tensor([[0.3, -1.2, 2.0, 0.5]], dtype=torch.float64).requires_grad_()
    elbo, entropy = elbo_and_entropy(toy, logits)
    (right,) = torch.autograd.grad(-elbo.sum(), logits, retain_graph=True)
    (of_entropy,) = torch.autograd.grad(entropy.sum(), logits)
    assert torch.allclose(printed_gradient(toy, logits.detach()), right + of_entropy, rtol=0, atol=1e-12)
    assert float((of_entropy).norm()) > 0.1


def test_the_gradient_of_the_race_is_the_enumerated_one(toy: Toy) -> None:
    """The exact estimator's first step goes where the enumerated gradient points."""
    toy.model.encoder.requires_grad_(False)
    logits = toy.model.encode(toy.x).logits.detach().requires_grad_()  # type: ignore[attr-defined]
    (by_sum,) = torch.autograd.grad(-elbo_and_entropy(toy, logits)[0].sum(), logits)
    assert torch.allclose(by_sum, enumerated_gradient(toy.model, toy.x), rtol=0, atol=1e-12)


def test_the_exact_gradient_reaches_the_best_and_the_printed_rule_collapses(toy: Toy) -> None:
    best = best_elbo(toy)
    found = ends(toy, "exact", "rloo-4", "printed")
    assert best < toy.log_px
    assert found["exact"][0] == pytest.approx(best, abs=0.01)
    assert best - 0.5 < found["rloo-4"][0] < best + 1e-9
    assert found["printed"][0] < best - 0.5
    assert found["printed"][1] < 0.3 < found["exact"][1]
