"""KL divergences of normal distributions, by formula and by quadrature or sampling.

F4  KL = (negative entropy) + (cross-entropy) = log(s2/s1) + (s1² + (m1−m2)²)/(2 s2²) − ½
F1  KL = ½ [log(det S2/det S1) − k + tr(S2⁻¹ S1) + (m1−m2)ᵀ S2⁻¹ (m1−m2)]
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from vae.lessons.derivation.check import Check, normal, sampled, trapezoid
from vae.lessons.derivation.scalar_model import REACH, log_normal
from vae.model.kl import kl_normal, kl_standard_normal, kl_univariate_parts


@dataclass(frozen=True)
class Parts:
    """The KL of two 1-D normal distributions and its two parts, nats."""

    negative_entropy: Check
    cross_entropy: Check
    total: Check


def kl_1d(m1: float, s1: float, m2: float, s2: float) -> Parts:
    """F4 against quadrature. s1, s2 are standard deviations."""
    numbers = [torch.tensor(value, dtype=torch.float64) for value in (m1, s1, m2, s2)]
    negative_entropy, cross_entropy = (float(part) for part in kl_univariate_parts(*numbers))

    def mean_of(log_density: tuple[float, float], sign: float) -> tuple[float, float]:
        return trapezoid(
            lambda z: sign * log_normal(z, m1, s1).exp() * log_normal(z, *log_density),
            m1 - REACH * s1,
            m1 + REACH * s1,
        )

    first, second = mean_of((m1, s1), 1.0), mean_of((m2, s2), -1.0)
    size = abs(cross_entropy)
    return Parts(
        Check(negative_entropy, *first),
        Check(cross_entropy, *second, size),
        Check(negative_entropy + cross_entropy, first[0] + second[0], first[1] + second[1], size),
    )


def covariance_2d(s1: float, s2: float, correlation: float) -> Tensor:
    """[[s1², r s1 s2], [r s1 s2, s2²]]."""
    off = correlation * s1 * s2
    return torch.tensor([[s1 * s1, off], [off, s2 * s2]], dtype=torch.float64)


@dataclass(frozen=True)
class Sampled2d:
    """The KL of two 2-D normal distributions, nats, and the draws z ~ the first, (S, 2)."""

    kl: Check
    without_correlation: float  # what F3's diagonal form gives when the off-diagonal numbers are left out
    z: Tensor


def kl_2d(loc1: Tensor, cov1: Tensor, loc2: Tensor, cov2: Tensor, samples: int, source: Generator) -> Sampled2d:
    """F1 by Cholesky against the mean of log p₁(z) − log p₂(z) over z ~ p₁."""
    exact = float(kl_normal(loc1, cov1, loc2, cov2))
    z = loc1 + normal((samples, 2), source) @ torch.linalg.cholesky(cov1).mT
    log_ratio = log_normal_full(z, loc1, cov1) - log_normal_full(z, loc2, cov2)
    diagonal = float(kl_normal(loc1, cov1.diagonal(), loc2, cov2.diagonal()))
    return Sampled2d(sampled(exact, log_ratio), diagonal, z)


def log_normal_full(z: Tensor, loc: Tensor, cov: Tensor) -> Tensor:
    """log N(z; loc, cov) by torch.distributions; z (S, k) -> (S,), nats."""
    return torch.distributions.MultivariateNormal(loc, cov).log_prob(z)


@dataclass(frozen=True)
class Rate:
    """KL(N(m, diag s²) ‖ N(0, I)), nats."""

    per_dim: list[Check]
    total: Check


def rate(loc: Tensor, scale: Tensor, samples: int, source: Generator) -> Rate:
    """F3 per dimension against the mean of log q(z) − log p(z) over z ~ q. loc, scale (k,)."""
    exact = kl_standard_normal(loc, 2 * scale.log())
    noise = normal((samples, len(loc)), source)
    z = loc + scale * noise
    log_ratio = 0.5 * (z**2 - noise**2) - scale.log()  # (S, k)
    per_dim = [sampled(float(exact[i]), log_ratio[:, i]) for i in range(len(loc))]
    return Rate(per_dim, sampled(float(exact.sum()), log_ratio.sum(-1)))
