"""F10: a Gaussian likelihood is a weighted squared error plus a constant.

−log N(x; f, c I) = C ‖x − f‖² + (D/2) log(2πc),  C = 1/(2c);  smallest at C = D / (2 · mean ‖x − f‖²)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from scipy.special import gammainccinv, gammaincinv  # comes with scikit-learn
from torch import Generator, Tensor

from vae.lessons.derivation.check import STANDARD_ERRORS, Check, normal

BEYOND_THREE = 0.5 * math.erfc(STANDARD_ERRORS / math.sqrt(2))  # how often a normal number lies so far up


def constant(D: int, c: float) -> float:
    """(D/2) log(2πc), nats."""
    return 0.5 * D * math.log(2 * math.pi * c)


def loss(C: Tensor | float, D: int, squared_error: float) -> Tensor:
    """C · squared_error + (D/2) log(π/C), nats; C may be many values."""
    C = torch.as_tensor(C, dtype=torch.float64)
    return C * squared_error + 0.5 * D * (math.log(math.pi) - C.log())


def optimum(D: int, squared_error: float) -> float:
    """The C of smallest loss."""
    return D / (2 * squared_error)


@dataclass(frozen=True)
class Noise:
    """Images that miss their reconstruction by noise of variance `truth` in each of D pixels."""

    mean_squared_error: float  # of ‖x − f‖², pixel²
    density: Check  # C ‖x − f‖² + constant of the first image; the sum of D one-pixel log densities
    best: Check  # D / (2 · mean); the smallest loss on a grid of C, doubled
    truth: Check  # the true variance; 1 / (2 · best C), the mean squared error per pixel, which estimates it


def measure(D: int, C: float, truth: float, images: int, source: Generator) -> Noise:
    """D pixels, the likelihood's C, the noise's true variance, number of images."""
    residual = math.sqrt(truth) * normal((images, D), source)
    squared = residual.square().sum(1)
    mean = float(squared.mean())
    c = 1 / (2 * C)
    pixels = torch.distributions.Normal(torch.zeros(D, dtype=torch.float64), math.sqrt(c)).log_prob(residual[0])
    first = C * float(squared[0])
    exact = first + constant(D, c)
    best = optimum(D, mean)
    return Noise(
        mean,
        Check(exact, -float(pixels.sum()), 0.0, abs(first) + abs(constant(D, c))),
        Check(best, *_smallest(D, mean)),
        Check(truth, 1 / (2 * best), variance_error(truth, 1 / (2 * best), images * D)),
    )


def variance_error(truth: float, estimate: float, count: int) -> float:
    """The error of a mean of `count` squares of N(0, truth): a third of the way from the truth to the quantile that
    three standard errors of a normal estimate reach, on the estimate's side. For many squares truth · √(2/count).

    The mean is truth · χ²/count, which leans far to one side for few squares: a plain standard error would be exceeded
    three times over far more often than three of a normal one.
    """
    quantile = gammainccinv if estimate > truth else gammaincinv
    return truth * abs(2 * float(quantile(count / 2, BEYOND_THREE)) / count - 1) / STANDARD_ERRORS


def _smallest(D: int, squared_error: float) -> tuple[float, float]:
    """The C of smallest loss on a fine grid (no derivative used), and the grid's step. The loss is convex in log C, so
    a grid whose best place is no end of it holds the smallest; else the grid moves on to that end."""
    low, high, passes = -8.0, 12.0, 0  # log C
    best, step = 0.0, 0.0
    while passes < 3:  # each pass looks between the neighbours of the last one's best place
        grid = torch.linspace(low, high, 401, dtype=torch.float64)
        at = int(loss(grid.exp(), D, squared_error).argmin())
        best, step = float(grid[at]), (high - low) / 400
        if at in (0, 400):
            low, high = best - (high - low) / 2, best + (high - low) / 2
        else:
            low, high, passes = best - step, best + step, passes + 1
    return math.exp(best), math.exp(best) * step


def density_at_zero(D: int, c: float) -> float:
    """−log N(0; 0, c I) by torch.distributions: an image that is met exactly, nats."""
    zero = torch.zeros(D, dtype=torch.float64)
    return -float(torch.distributions.Normal(zero, math.sqrt(c)).log_prob(zero).sum())
