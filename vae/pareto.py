"""Whether importance weights can be believed: the shape of the generalised Pareto law of the largest ones.

Weights w ≥ t above a high threshold t follow P(w − t > y) = (1 + k y/σ)^(−1/k). For k ≥ ½ the weights have no variance,
for k ≥ 1 no mean; above .7 the mean of any feasible number of weights is off by more than it tells (Vehtari, Simpson,
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
FLAT = 1e-6  # relative spread of the tail below which its weights are equal but for rounding


def tail_length(samples: int) -> int:
    """How many of the largest weights the shape is fitted to; 0 where there are too few."""
    M = int(min(0.2 * samples, 3 * math.sqrt(samples)))
    return M if M >= FEWEST else 0


def pareto_shape(log_w: Tensor) -> Tensor:
    """(n,) float64, from the tail's weights and the next one below, log_w (M + 1, n) in any order.

    NaN where M < FEWEST. Equal weights have no tail: 0.
    """
    if len(log_w) - 1 < FEWEST:
        return torch.full(log_w.shape[1:], math.nan, dtype=torch.float64, device=log_w.device)
    ordered = log_w.double().sort(0).values
    w = (ordered - ordered[-1]).exp()
    flat = 1 - w[0] < FLAT
    excess = (w[1:] - w[0]).clamp(min=SMALLEST)
    shape = _fit(torch.where(flat, torch.linspace(0, 1, len(w))[1:, None].to(w), excess))
    return torch.where(flat, 0.0, shape)


def _fit(y: Tensor) -> Tensor:
    """Zhang & Stephens's estimate of k for excesses y (M, n) in ascending order: the likelihood of θ = k/σ, profiled in
    k(θ) = mean log(1 + θ y), averaged over a grid of θ."""
    M = len(y)
    grid = torch.arange(1, 31 + int(math.sqrt(M)), dtype=y.dtype, device=y.device) - 0.5
    quartile = y[int(M / 4 + 0.5) - 1]
    b = 1 / y[-1] + (1 - (len(grid) / grid).sqrt()[:, None]) / (3 * quartile)  # −θ, (m, n)
    k = torch.log1p(-b.unsqueeze(1) * y).mean(1)
    log_likelihood = M * ((-b / k).log() - k - 1)
    b = (torch.softmax(log_likelihood, 0) * b).sum(0)
    return (M * torch.log1p(-b * y).mean(0) + PRIOR_WEIGHT * PRIOR_SHAPE) / (M + PRIOR_WEIGHT)
