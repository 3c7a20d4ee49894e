"""Drawing z ~ N(m, Σ) from ε ~ N(0, I): the two right ways, and two ways in print that fail.

F8  z = m + s ⊙ ε, a number of ε per dimension          F9  z = m + L ε, L Lᵀ = Σ, a matrix product
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from vae.lessons.derivation.check import Check, normal

RIGHT = 1e-9  # of a covariance, relative: rounding of an eigendecomposition


def square_root(cov: Tensor) -> Tensor:
    """Σ^½, the symmetric matrix whose square is Σ."""
    values, vectors = torch.linalg.eigh(cov)
    return vectors @ torch.diag(values.clamp(min=0).sqrt()) @ vectors.mT


def diagonal(loc: Tensor, cov: Tensor, samples: int, source: Generator) -> Tensor:
    """F8 with s² the diagonal of Σ."""
    return loc + cov.diagonal().sqrt() * normal((samples, len(loc)), source)


def full(loc: Tensor, cov: Tensor, samples: int, source: Generator) -> Tensor:
    """F9."""
    return loc + normal((samples, len(loc)), source) @ torch.linalg.cholesky(cov).mT


def one_number(loc: Tensor, cov: Tensor, samples: int, source: Generator) -> Tensor:
    """Wrong: ε ~ N(0, 1), one number for all dimensions."""
    return loc + cov.diagonal().sqrt() * normal((samples, 1), source)


def elementwise(loc: Tensor, cov: Tensor, samples: int, source: Generator) -> Tensor:
    """Wrong: m + ε ⊙ Σ^½. Only the diagonal of Σ^½ can enter an elementwise product that gives a vector."""
    return loc + square_root(cov).diagonal() * normal((samples, len(loc)), source)


WAYS = {"diagonal": diagonal, "full": full, "one-number": one_number, "elementwise": elementwise}


@dataclass(frozen=True)
class Draw:
    """What a way of drawing gives. Matrices (k, k)."""

    z: Tensor  # (S, k)
    wanted: Tensor
    measured: Tensor  # sample covariance
    exact: Tensor  # the covariance that this way has with infinitely many samples
    check: Check  # ‖measured − wanted‖ / ‖wanted‖ (Frobenius): 0, up to what S samples leave

    @property
    def relative_error(self) -> float:
        """Of these draws."""
        return self.check.estimate

    @property
    def exact_error(self) -> float:
        """What infinitely many draws leave: ‖exact − wanted‖ / ‖wanted‖."""
        return float((self.exact - self.wanted).norm() / self.wanted.norm())

    @property
    def right(self) -> bool:
        """By algebra, up to rounding: draws cannot decide it where the error is small beside what they leave."""
        return self.exact_error <= RIGHT

    @property
    def rank(self) -> int:
        """Of the sample covariance."""
        return int(torch.linalg.matrix_rank(self.measured, rtol=1e-9))


def wanted(way: str, cov: Tensor) -> Tensor:
    """The covariance that is asked for: the diagonal way and the one-number way are meant for a diagonal Σ."""
    return torch.diag(cov.diagonal()) if way in ("diagonal", "one-number") else cov


def exact_covariance(way: str, cov: Tensor) -> Tensor:
    """The covariance of z by algebra."""
    if way == "one-number":
        s = cov.diagonal().sqrt()
        return torch.outer(s, s)
    if way == "elementwise":
        return torch.diag(square_root(cov).diagonal() ** 2)
    return wanted(way, cov)


def draw(way: str, loc: Tensor, cov: Tensor, samples: int, source: Generator) -> Draw:
    """`way` is a key of WAYS; loc (k,), cov (k, k)."""
    z = WAYS[way](loc, cov, samples, source)
    aim = wanted(way, cov)
    measured = torch.cov(z.mT)
    size = float(aim.norm())
    relative = float((measured - aim).norm()) / size
    return Draw(z, aim, measured, exact_covariance(way, cov), Check(0.0, relative, sampling_error(aim, samples) / size))


def sampling_error(cov: Tensor, samples: int) -> float:
    """√E‖sample covariance − Σ‖² (Frobenius) for S normal draws: √((tr²Σ + ‖Σ‖²)/(S − 1))."""
    return math.sqrt((float(cov.trace()) ** 2 + float(cov.norm()) ** 2) / (samples - 1))
