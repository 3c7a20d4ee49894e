"""KL divergences between normal distributions, and between bits and fair bits, in nats, closed form.

F1  KL(N(m1,S1) ‖ N(m2,S2)) = ½ [log(det S2 / det S1) − k + tr(S2⁻¹ S1) + (m1−m2)ᵀ S2⁻¹ (m1−m2)]
F3  KL(N(m,diag v) ‖ N(0,I)) = ½ Σᵢ (mᵢ² + vᵢ − 1 − log vᵢ), v = variance
F12 KL(Π Ber(σ(lᵢ)) ‖ Ber(½)^k) = Σᵢ [σ(lᵢ) lᵢ − softplus(lᵢ)] + k log 2
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from vae.errors import ConfigError
from vae.model.tensors import check_tensor


def kl_normal(loc1: Tensor, cov1: Tensor, loc2: Tensor, cov2: Tensor) -> Tensor:
    """F1: KL(N(loc1, cov1) ‖ N(loc2, cov2)), nats, of shape loc1.shape[:-1].

    loc1, loc2: (..., k), the same shape. cov1, cov2: (..., k) are variances, (..., k, k) are covariance matrices;
    the two may differ in kind. Nothing else broadcasts. Raises ConfigError on other shapes or when a covariance is
    not positive definite.
    """
    for name, value in (("loc1", loc1), ("cov1", cov1), ("loc2", loc2), ("cov2", cov2)):
        check_tensor(name, value, f"{name}.double() makes them")
    if loc1.shape != loc2.shape or loc1.ndim < 1:
        raise ConfigError(f"kl_normal: loc1 and loc2 must have one shape (..., k), got {_s(loc1)} and {_s(loc2)}")
    for name, cov in (("cov1", cov1), ("cov2", cov2)):
        if cov.shape not in (loc1.shape, (*loc1.shape, loc1.shape[-1])):
            k = loc1.shape[-1]
            raise ConfigError(
                f"{name}: expected variances {_s(loc1)} or matrices {(*loc1.shape, k)} as loc1 has it, got {_s(cov)}"
            )
    if cov1.shape == cov2.shape == loc1.shape:
        if not bool((cov1 > 0).all() and (cov2 > 0).all()):
            raise ConfigError("kl_normal: every variance must be above 0 (these are variances, not log-variances)")
        ratio = cov1 / cov2
        return 0.5 * (ratio - 1 - ratio.log() + (loc1 - loc2) ** 2 / cov2).sum(-1)
    return kl_normal_of_factors(loc1, _cholesky("cov1", cov1, loc1), loc2, _cholesky("cov2", cov2, loc2))


def kl_normal_of_factors(loc1: Tensor, L1: Tensor, loc2: Tensor, L2: Tensor) -> Tensor:
    """F1 with S = L Lᵀ, L (..., k, k) lower triangular with a positive diagonal: no digit of L is lost in a product."""
    trace = torch.linalg.solve_triangular(L2, L1, upper=False).pow(2).sum((-2, -1))  # tr(S2⁻¹ S1) = ‖L2⁻¹ L1‖²
    shift = torch.linalg.solve_triangular(L2, (loc1 - loc2).unsqueeze(-1), upper=False).pow(2).sum((-2, -1))
    log_det = 2 * (_log_diagonal(L2) - _log_diagonal(L1))
    return 0.5 * (log_det - loc1.shape[-1] + trace + shift)


def kl_standard_normal(loc: Tensor, log_variance: Tensor) -> Tensor:
    """F3 per dimension: ½ (m² + v − 1 − log v), nats, of loc's shape.

    `expm1` keeps the digits that v − 1 would lose in float32 when v is close to 1.
    """
    return 0.5 * (loc * loc + torch.expm1(log_variance) - log_variance)


def kl_bernoulli_half(logits: Tensor) -> Tensor:
    """F12 per bit: KL(Ber(σ(l)) ‖ Ber(½)) = log 2 − H(σ(l)), nats, of logits' shape; from 0 to log 2.

    It is even in l and goes as l²/8 around 0, where σ(l) l − softplus(l) + log 2 would cancel to float32's rounding:
    a series stands in there. Written in |l|, so that nothing overflows.
    """
    size = logits.abs()
    near = size < 0.1
    l2 = torch.where(near, logits, torch.zeros_like(logits)).square()
    series = l2 / 8 * (1 - l2 / 8 * (1 - l2 / 9 * (1 - l2 * 17 / 160 * (1 - l2 * 62 / 595))))
    size = torch.where(near, torch.ones_like(size), size)  # keeps the other branch's gradient finite
    exact = math.log(2) - F.softplus(-size) - size * torch.sigmoid(-size)
    return torch.where(near, series, exact)


def kl_univariate_parts(loc1: Tensor, scale1: Tensor, loc2: Tensor, scale2: Tensor) -> tuple[Tensor, Tensor]:
    """F4 in its two parts, nats: (negative entropy of the first, cross-entropy to the second); their sum is
    log(s2/s1) + (s1² + (m1−m2)²)/(2 s2²) − ½. All arguments of one shape; scales are standard deviations."""
    log_2pi = torch.log(torch.tensor(2 * torch.pi, dtype=loc1.dtype, device=loc1.device))
    negative_entropy = -0.5 * (1 + log_2pi) - scale1.log()
    cross_entropy = 0.5 * log_2pi + scale2.log() + (scale1**2 + (loc1 - loc2) ** 2) / (2 * scale2**2)
    return negative_entropy, cross_entropy


def _cholesky(name: str, cov: Tensor, loc: Tensor) -> Tensor:
    if cov.shape == loc.shape:
        cov = torch.diag_embed(cov)
    L, info = torch.linalg.cholesky_ex(cov)  # reads one triangle only
    asymmetric = (cov - cov.mT).abs() > 1e-4 * cov.abs().amax((-2, -1), keepdim=True)  # more than rounding leaves
    if bool((info != 0).any() or asymmetric.any()):
        raise ConfigError(f"{name}: every covariance must be symmetric and positive definite; at least one is not")
    return L


def _log_diagonal(L: Tensor) -> Tensor:
    return L.diagonal(dim1=-2, dim2=-1).log().sum(-1)


def _s(tensor: Tensor) -> tuple[int, ...]:
    return tuple(tensor.shape)
