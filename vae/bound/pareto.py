"""Whether importance weights can be believed: the shape of the generalised Pareto law of the largest ones.

Weights above a high threshold t follow P(w − t > y) = (1 + k y/σ)^(−1/k). For k ≥ ½ the weights have no variance, for
k ≥ 1 no mean; above .7 the mean of any feasible number of weights is off by more than it tells (Vehtari, Simpson,
Gelman, Yao & Gabry 2024, "Pareto smoothed importance sampling"; the fit is Zhang & Stephens 2009).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

TOO_HEAVY = 0.7
FEWEST = 5  # weights that a shape is fitted to
PRIOR_WEIGHT, PRIOR_SHAPE = 10, 0.5  # a shape of ½ worth so many weights steadies short tails, as in PSIS
SMALLEST = 1e-290  # excess over the threshold, as a share of the largest weight: float64 goes no further
EQUAL = 1e-4  # relative difference of two weights below which they are one but for float32's rounding


def tail_length(samples: int) -> int:
    """How many of the largest weights the shape is fitted to; 0 where there are too few."""
    M = int(min(0.2 * samples, 3 * math.sqrt(samples)))
    return M if M >= FEWEST else 0


def pareto_shape(log_w: Tensor) -> Tensor:
    """(n,) float64, from the tail's weights and the next one below, log_w (M + 1, n) in any order.

    NaN where there is no such law: M < FEWEST, or most of these weights are equal. Those of a proposal that is p(z|x)
    itself do no harm; those of a few codes of bits, drawn again and again, tell nothing (`Evidence.unseen`).
    """
    if len(log_w) - 1 < FEWEST:
        return torch.full(log_w.shape[1:], math.nan, dtype=torch.float64, device=log_w.device)
    ordered = log_w.double().sort(0).values
    discrete = (ordered.diff(dim=0) < EQUAL).double().mean(0) > 0.5
    w = (ordered - ordered[-1]).exp()
    return torch.where(discrete, math.nan, _fit((w[1:] - w[0]).clamp(min=SMALLEST)))


def _fit(y: Tensor) -> Tensor:
    """Zhang & Stephens's estimate of k for excesses y (M, n) in ascending order: the likelihood of −θ = k/σ, profiled
    in k(θ) = mean log(1 − θ y), averaged over a grid of θ."""
    M = len(y)
    grid = torch.arange(1, 31 + int(math.sqrt(M)), dtype=y.dtype, device=y.device) - 0.5
    quartile = y[int(M / 4 + 0.5) - 1]
    theta = 1 / y[-1] + (1 - (len(grid) / grid).sqrt()[:, None]) / (3 * quartile)  # (m, n)
    k = torch.log1p(-theta.unsqueeze(1) * y).mean(1)
    log_likelihood = M * ((-theta / k).log() - k - 1)
    theta = (torch.softmax(log_likelihood, 0) * theta).sum(0)
    return (M * torch.log1p(-theta * y).mean(0) + PRIOR_WEIGHT * PRIOR_SHAPE) / (M + PRIOR_WEIGHT)
