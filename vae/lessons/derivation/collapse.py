"""Why the posterior collapses: a latent dimension pays only where the data vary by more than the noise c.

The linear VAE, p(x|z) = N(W z + b, c I), has its optimum in closed form: a dimension per eigenvalue of the data's
covariance above c, the others equal to the prior (Lucas et al. 2019, "Don't blame the ELBO!").
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from vae.bound.metrics import ACTIVE_THRESHOLD
from vae.datasets import load_dataset
from vae.lessons.derivation.check import Check, normal
from vae.model.linear_gaussian import covariance_eigenvalues, predicted_active_units

LOG_2PI = math.log(2 * math.pi)


def digits() -> Tensor:
    """All 1797 digits as (1797, 64) numbers in [0, 1], float64."""
    data = load_dataset("digits")
    return torch.cat([data.to_float(part).flatten(1).double() for part in (data.train, data.test)])


@dataclass(frozen=True)
class Spectrum:
    """Images (n, D), their mean (D,), and the eigenvalues of their covariance, largest first (D,), with its
    directions (D, D) as columns."""

    x: Tensor
    mean: Tensor
    values: Tensor
    vectors: Tensor

    @property
    def covariance(self) -> Tensor:
        return self.vectors @ torch.diag(self.values) @ self.vectors.mT


def spectrum(x: Tensor) -> Spectrum:
    return Spectrum(x, *covariance_eigenvalues(x))


def negative_elbo(W: Tensor, cov: Tensor, c: float) -> Tensor:
    """Mean −ELBO per image with the best linear encoder and a diagonal q, nats; W (D, k), cov (D, D) of centred images.

    The encoder's optimum is m(x) = M⁻¹ Wᵀ x with M = WᵀW + c I, and variances 1/(1 + ‖wⱼ‖²/c); put in, it leaves
    (D/2) log 2πc + [tr S − tr(M⁻¹ Wᵀ S W)]/(2c) + ½ Σⱼ log(1 + ‖wⱼ‖²/c).
    """
    D, k = W.shape
    M = W.mT @ W + c * torch.eye(k, dtype=W.dtype)
    explained = torch.linalg.solve(M, W.mT @ cov @ W).diagonal().sum()
    rate_of_variances = 0.5 * torch.log1p(W.square().sum(0) / c).sum()
    return 0.5 * D * (LOG_2PI + math.log(c)) + (cov.diagonal().sum() - explained) / (2 * c) + rate_of_variances


def closed_form(values: Tensor, k: int, c: float) -> float:
    """The smallest −ELBO, nats: −log p(x) of N(b, WWᵀ + c I) with the first k eigenvalues above c kept, values (D,)."""
    kept = values[:k][values[:k] > c]
    rest = float(values.sum() - kept.sum())
    D, a = len(values), len(kept)
    return 0.5 * (D * LOG_2PI + float(kept.log().sum()) + (D - a) * math.log(c) + a + rest / c)


@dataclass(frozen=True)
class Collapse:
    """Predicted by the eigenvalues, and observed at the optimum that a search from random weights found."""

    predicted: int  # eigenvalues above c, k at most
    near: int  # of these, so little above c that Var(E[z]) stays below the threshold
    variances: list[Check]  # Var over the data of E_q[zⱼ], largest first: (λ − c)/λ or 0; observed. k of them
    loss: Check  # −ELBO per image, nats: closed form; observed
    observed: int  # dimensions whose Var over the data of E_q[z] is above ACTIVE_THRESHOLD

    @property
    def agrees(self) -> bool:
        return self.predicted - self.near <= self.observed <= self.predicted


def observe(data: Spectrum, k: int, c: float, source: Generator) -> Collapse:
    """Minimise the −ELBO of the linear VAE by L-BFGS from random weights and count what is used."""
    W = (0.1 * normal((len(data.values), k), source)).requires_grad_()
    cov = data.covariance
    search = torch.optim.LBFGS(
        [W], max_iter=800, history_size=20, tolerance_grad=1e-7, tolerance_change=1e-11, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        search.zero_grad()
        value = negative_elbo(W, cov, c)
        value.backward()
        return value

    search.step(closure)
    with torch.no_grad():
        reached = float(negative_elbo(W, cov, c))
        V = torch.linalg.solve(W.mT @ W + c * torch.eye(k, dtype=W.dtype), W.mT)
        variances = (V @ cov @ V.mT).diagonal().sort(descending=True).values
    expected = ((data.values[:k] - c) / data.values[:k]).clamp(min=0)
    return Collapse(
        predicted_active_units(data.values, c, k),
        int(((expected > 0) & (expected <= ACTIVE_THRESHOLD)).sum()),
        [Check(float(a), float(b), 1e-4) for a, b in zip(expected, variances, strict=True)],
        Check(closed_form(data.values, k, c), reached, 1e-6),
        int((variances > ACTIVE_THRESHOLD).sum()),
    )
