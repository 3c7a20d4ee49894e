"""What every objective, estimator and metric keeps to, and every distortion of an image; see tests/vae/contracts.py."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor

from tests.vae.conftest import LinearGaussian, linear_gaussian
from vae import Config
from vae.bound.estimators import Estimator
from vae.bound.metrics import Metric
from vae.bound.objectives import OBJECTIVES
from vae.datasets import Dataset
from vae.model.vae import Model, build_model

ROWS = 4000  # copies of each image, with draws of their own


def normal(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=Generator().manual_seed(seed))


def near(found: Tensor, expected: Tensor | float) -> None:
    """The mean over the rows of `found`, (rows, n), is `expected` (n), within five of its own errors."""
    error = found.std(0) / len(found) ** 0.5
    assert ((found.mean(0) - expected).abs() < 5 * error + 1e-9).all()


# ---- objectives


def toy(best: bool) -> tuple[LinearGaussian, Tensor]:
    """A linear Gaussian with orthogonal columns, so that q can be the posterior, and is where `best`; images."""
    Q = torch.linalg.qr(normal(0, 6, 3)).Q * torch.tensor([2.0, 1.0, 0.5])
    made, x = linear_gaussian(Q, normal(1, 6), 0.4, (1, 2, 3)), normal(2, 5, 1, 2, 3)
    made.set_best_diagonal_posterior()
    if not best:
        _, covariance = made.posterior(x)
        A = covariance @ Q.mT / made.c
        made.set_posterior(A, 0.3 - A @ made.b, 2 * covariance.diagonal())
    return made, x


def objective_is_a_bound(cls: Any) -> None:
    """−E[loss] is log p(x) where q is the posterior, and below it elsewhere; its terms are those of the ELBO."""
    one = torch.ones((), dtype=torch.float64)
    for best in (True, False):
        made, x = toy(best)
        with torch.no_grad():
            loss, terms = cls.loss(made.model, x.repeat(ROWS, 1, 1, 1), 4, one, Generator().manual_seed(0))
            assert loss.shape == (ROWS * len(x),)
            log_px, bound = made.log_evidence(x), -loss.reshape(ROWS, -1)
            near(terms.elbo.reshape(ROWS, -1), made.elbo(x))
            if best:
                near(bound, log_px)
            else:
                assert (bound.mean(0) < log_px - 0.05).all()


# ---- estimators


def estimate_has_the_objectives_value(cls: type[Estimator], objective: str, latent: str, samples: int) -> None:
    """Whatever an estimator does to the gradient, the loss that it gives is the objective's, in the mean."""
    config = Config(latent=latent, latent_dim=3, likelihood="bernoulli", hidden=(5,), activation="tanh", seed=3)
    model = build_model(config, (1, 2, 2)).double().requires_grad_(False)
    for parameter in model.parameters():  # away from q = p, where much cancels
        parameter *= 3
    x = (normal(1, 3, 1, 2, 2) > 0).double().repeat(ROWS, 1, 1, 1)
    weight = torch.tensor(0.7 if OBJECTIVES[objective].takes_weight else 1.0, dtype=torch.float64)
    estimated, _ = cls(OBJECTIVES[objective]).double().loss(model, x, samples, weight, Generator().manual_seed(1))
    own, _ = OBJECTIVES[objective].loss(model, x, samples, weight, Generator().manual_seed(2))
    difference = (estimated.detach() - own).reshape(ROWS, 3)
    assert own.reshape(ROWS, 3).std(0).max() > 0.01  # there is something to average
    near(difference, 0.0)


# ---- the distortion of each image


@torch.no_grad()
def expected_distortion(model: Model, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """E_q[−log p(x|z)] of each image, its variance over one draw of z, and −log p(x|E_q[z]), each (n,) float64: by
    Gauss and Hermite's nodes, for two dimensions and a diagonal normal q."""
    places, weights = np.polynomial.hermite_e.hermegauss(24)
    nodes = torch.cartesian_prod(*[torch.from_numpy(places)] * 2).unsqueeze(1)  # (576, 1, 2)
    mass = torch.cartesian_prod(*[torch.from_numpy(weights)] * 2).prod(1) / (2 * math.pi)
    qz_x = model.encode(x)
    z = qz_x.mean.double() + qz_x.scale.double() * nodes  # type: ignore[attr-defined]
    cost = torch.stack([-model.decode(row.to(x.dtype)).log_prob(x).double() for row in z])  # (576, n)
    mean = mass @ cost
    return mean, mass @ cost.square() - mean.square(), -model.decode(qz_x.mean).log_prob(x).double()


def distortion_is_its_expectation(
    distortion: Callable[[Model, Tensor], Tensor], model: Model, x: Tensor, draws: int
) -> None:
    """The distortion (n,) of x, from so many draws of z each, is off its expectation by its own error and no more.

    Each image counts by how far its posterior mean's cost lies below, in errors: together they tell a draw from the
    mean by at least six, and four are let pass.
    """
    expected, variance, at_the_mean = expected_distortion(model, x)
    error = (variance / draws).sqrt()
    weight = (expected - at_the_mean) / error**2
    whole = float((weight * error).square().sum().sqrt())
    assert float((weight * (expected - at_the_mean)).sum()) > 6 * whole, "too few images: the mean would pass"
    scores = (distortion(model, x).double() - expected) / error
    assert abs(float((weight * error * scores).sum())) < 4 * whole, "off its expectation"
    assert 0.6 < float(scores.square().mean()) < 1.6, "its spread is not that of so many draws"


# ---- metrics


def metric_is_a_number_with_unit_and_sentence(metric: Metric, model: Model, dataset: Dataset) -> None:
    """The same number each time, which JSON can hold, and one sentence without a place left open."""
    first, second = (metric.measure(model, dataset) for _ in range(2))
    assert first == second
    assert np.isfinite(float(first))
    assert metric.unit
    assert metric.unit == metric.unit.strip()
    about = metric.about.format(found=first)
    assert re.fullmatch(r"[A-Z‖].{10,}[^.]\.", about), about
    assert ". " not in about, about
