"""F7: the error of an S-sample estimate of the distortion falls as 1/√S."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Generator

from vae.lessons.derivation.check import Check, normal
from vae.lessons.derivation.scalar_model import ScalarModel

SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
REPEATS = 2000  # estimates of each size


@dataclass(frozen=True)
class Law:
    """How far estimates of S samples scatter, measured on `REPEATS` of them, nats."""

    sizes: list[int]
    spread: list[Check]  # σ/√S by formula; the standard deviation of the estimates
    slope: Check  # −½; the straight line through the logarithms of the spreads
    mean: Check  # the closed form; the mean of all estimates of one sample


def measure(model: ScalarModel, x: float, m: float, s: float, source: Generator) -> Law:
    mean, second, fourth = distortion_moments(model, x, m, s)
    blocks = normal((REPEATS, SIZES[-1]), source)
    values = -model.log_px_z(x, m + s * blocks)  # (R, S): every size uses the front of the same block
    spread = []
    for size in SIZES:
        exact = math.sqrt(second / size)
        kurtosis = 3 + (fourth / second**2 - 3) / size  # of a mean of `size` draws
        error = 0.5 * exact * math.sqrt((kurtosis - 1) / REPEATS)  # of a standard deviation of R values
        spread.append(Check(exact, float(values[:, :size].mean(1).std()), error))
    ones = Check(mean, float(values[:, 0].mean()), math.sqrt(second / REPEATS))
    return Law(list(SIZES), spread, _slope(spread), ones)


def distortion_moments(model: ScalarModel, x: float, m: float, s: float) -> tuple[float, float, float]:
    """Mean, variance and fourth central moment over z ~ q of −log p(x|z) = (x − f(z))²/(2c) + constant, closed form.

    (x − f(m + s ε))² is a polynomial of ε, and E[ε^2j] = 1·3·5···(2j − 1).
    """
    r = [x + 1 - m * m, -2 * m * s, -s * s] if model.bent else [x - m, -s]  # coefficients of 1, ε, ε²
    value = [coefficient / (2 * model.noise) for coefficient in _product(r, r)]
    mean = _expectation(value)
    centred = [value[0] - mean, *value[1:]]
    square = _product(centred, centred)
    constant = 0.5 * math.log(2 * math.pi * model.noise)
    return mean + constant, _expectation(square), _expectation(_product(square, square))


def _expectation(coefficients: list[float]) -> float:
    """Of a polynomial of ε ~ N(0, 1)."""
    return sum(a * math.prod(range(1, power, 2)) for power, a in enumerate(coefficients) if power % 2 == 0)


def _product(a: list[float], b: list[float]) -> list[float]:
    """Coefficients of the product of two polynomials."""
    result = [0.0] * (len(a) + len(b) - 1)
    for i, p in enumerate(a):
        for j, q in enumerate(b):
            result[i + j] += p * q
    return result


def _slope(spread: list[Check]) -> Check:
    """Of log spread against log S. The estimates of neighbouring sizes share draws, so the points move together: their
    errors are counted as if they were one, which makes the slope's error too large rather than too small."""
    x = torch.tensor([math.log(size) for size in SIZES], dtype=torch.float64)
    y = torch.tensor([math.log(check.estimate) for check in spread], dtype=torch.float64)
    relative = torch.tensor([check.error / check.formula for check in spread], dtype=torch.float64)
    lever = (x - x.mean()) / ((x - x.mean()) ** 2).sum()
    return Check(-0.5, float(lever @ y), float(lever.abs() @ relative))
