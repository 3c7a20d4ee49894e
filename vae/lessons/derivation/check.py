"""A number by its formula beside the same number by sampling or quadrature, and whether the two agree."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

STANDARD_ERRORS = 3.0  # the two agree within so many errors
BEYOND = math.erfc(STANDARD_ERRORS / math.sqrt(2))  # how often a normal estimate of a right formula lies farther off
RARE = 5.0  # up to here it may still be chance: one in 1.7 million
ROUNDING = 1e-12  # of float64 after some thousand operations, relative to the size of the terms


@dataclass(frozen=True)
class Check:
    """`estimate` knows `formula` up to `error`: a standard error (sampling), or how much the number moved when the grid
    was doubled (quadrature). `size`: of the largest term that went into either, which sets the rounding. `reach`: how
    far the estimate of a right formula may lie off, where that is not STANDARD_ERRORS of them (see `bernstein`)."""

    formula: float
    estimate: float
    error: float
    size: float = 1.0
    reach: float | None = None

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
        return self._within(1.0)

    @property
    def possible(self) -> bool:
        """They agree, or a rare sample could still explain the difference."""
        return self._within(RARE / STANDARD_ERRORS)

    def _within(self, factor: float) -> bool:
        reach = STANDARD_ERRORS * self.error if self.reach is None else self.reach
        return self.exact or self.difference <= factor * max(reach, STANDARD_ERRORS * self._rounding)

    @property
    def _rounding(self) -> float:
        return ROUNDING * max(1.0, abs(self.size), abs(self.formula), abs(self.estimate))


def sampled(formula: float, values: Tensor) -> Check:
    """`values` (S,) are independent draws whose mean should be `formula`."""
    return Check(formula, float(values.mean()), standard_error(values), float(values.abs().max()))


def standard_error(values: Tensor) -> float:
    """Of the mean of `values` (S,), S > 1."""
    return float(values.std()) / math.sqrt(len(values))


def bernstein(variance: Tensor, farthest: Tensor, samples: int) -> Tensor:
    """How far the mean of S independent draws strays from its expectation, in at most a share BEYOND of all samples:
    the ε of 2 exp(−S ε² / (2 variance + ⅔ farthest ε)) = BEYOND. `farthest`: the largest distance of a draw from the
    mean. Holds for few draws of a lopsided quantity too, where the standard error promises too much."""
    L = math.log(2 / BEYOND)
    part = L * farthest / (3 * samples)
    return part + (part.square() + 2 * variance * L / samples).sqrt()


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
