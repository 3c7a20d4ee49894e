"""A number by its formula beside the same number by sampling or quadrature, and whether the two agree."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

STANDARD_ERRORS = 3.0  # the two agree within so many errors: 997 of 1,000 right formulas do with a fresh sample
RARE = 5.0  # up to here it may still be chance: one in 1.7 million
ROUNDING = 1e-12  # of float64 after some thousand operations, relative to the size of the terms


@dataclass(frozen=True)
class Check:
    """`estimate` knows `formula` up to `error`: a standard error (sampling), or how much the number moved when the grid
    was doubled (quadrature). `size`: of the largest term that went into either, which sets the rounding."""

    formula: float
    estimate: float
    error: float
    size: float = 1.0

    @property
    def difference(self) -> float:
        return abs(self.formula - self.estimate)

    @property
    def exact(self) -> bool:
        """They are the same up to rounding."""
        return self.difference <= self._rounding

    @property
    def errors_apart(self) -> float:
        """The difference in units of the error; rounding is no difference."""
        return 0.0 if self.exact else self.difference / max(self.error, self._rounding)

    @property
    def agrees(self) -> bool:
        return self.errors_apart <= STANDARD_ERRORS

    @property
    def _rounding(self) -> float:
        return ROUNDING * max(1.0, abs(self.size), abs(self.formula), abs(self.estimate))


def sampled(formula: float, values: Tensor) -> Check:
    """`values` (S,) are independent draws whose mean should be `formula`."""
    return Check(formula, float(values.mean()), standard_error(values), float(values.abs().max()))


def standard_error(values: Tensor) -> float:
    """Of the mean of `values` (S,), S > 1."""
    return float(values.std()) / math.sqrt(len(values))


def trapezoid(f: Callable[[Tensor], Tensor], low: float, high: float, points: int = 2001) -> tuple[float, float]:
    """∫ f over [low, high] with 2·points − 1 places, and how much that moved from the grid of `points`.

    For smooth f that vanishes at both ends the error falls faster than any power of the number of points.
    """
    t = torch.linspace(low, high, 2 * points - 1, dtype=torch.float64)
    values = f(t)
    step = (high - low) / (2 * points - 2)
    fine = step * float(values.sum() - 0.5 * (values[0] + values[-1]))
    coarse = 2 * step * float(values[::2].sum() - 0.5 * (values[0] + values[-1]))
    return fine, abs(fine - coarse)


def generator(seed: int) -> torch.Generator:
    """Random numbers of one seed, apart from torch's global state."""
    return torch.Generator().manual_seed(seed)


def normal(shape: tuple[int, ...], source: torch.Generator) -> Tensor:
    """Independent standard normal numbers, float64."""
    return torch.randn(shape, generator=source, dtype=torch.float64)
