"""What a likelihood p(x|z) is: what the decoder's output means. Everything in nats, summed over pixels.

It declares the support of x and how many parameters the decoder gives per pixel, and turns these,
(..., P, channels, height, width), into a distribution of batch shape (...) and event shape (channels, height, width).
Data belong to a likelihood when their support lies within its own: binary ⊂ unit ⊂ real.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import torch
from torch import Generator, Tensor, nn

SUPPORTS = ("binary", "unit", "real")  # {0, 1} ⊂ [0, 1] ⊂ ℝ
EVENT = (-3, -2, -1)  # channels, height, width


def contains(outer: str, inner: str) -> bool:
    """Returns whether data of support `inner` are possible values under a likelihood of support `outer`."""
    return SUPPORTS.index(inner) <= SUPPORTS.index(outer)


class PixelDistribution:
    """p(x|z) as a decoder answers with it: independent pixels. `mean` has shape (..., channels, height, width)."""

    def __repr__(self) -> str:
        shape = tuple(self.mean.shape)
        return f"{type(self).__name__}(batch {shape[:-3]}, pixels {shape[-3:]})"

    @property
    @abstractmethod
    def mean(self) -> Tensor: ...

    @abstractmethod
    def log_prob(self, x: Tensor) -> Tensor:
        """Returns log p(x|z) summed over pixels, (...), nats; the leading axes of x and of the distribution
        broadcast."""

    @abstractmethod
    def log_prob_table(self, x: Tensor) -> Tensor:
        """Returns log p(x_j|z_i) of every image under every code: from batch shape (n,) and x (B, ...) to (n, B), nats.

        Each likelihood here is Σ x η(z) − A(z), up to a term in x alone: one matrix product. Computed with x's digits:
        where a sharp Gaussian cancels large numbers, x in float64 keeps what float32 would lose.
        """

    @abstractmethod
    def sample(self, generator: Generator | None = None) -> Tensor: ...

    def squared_error(self, x: Tensor) -> Tensor:
        """Returns ‖x − E[x|z]‖² summed over pixels, (...), pixel²."""
        return (x - self.mean).square().sum(EVENT)

    def squared_error_table(self, x: Tensor) -> Tensor:
        """Returns ‖x_j − E[x|z_i]‖², (n, B), pixel², as `log_prob_table`: ‖m‖² − 2 m·x + ‖x‖²."""
        mean, x = self.mean.flatten(1).to(x.dtype), x.flatten(1)
        return mean.square().sum(1, keepdim=True) - 2 * mean @ x.T + x.square().sum(1)

    def log_prob_and_squared_error(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Returns `log_prob` and `squared_error` of x for one pass over the pixels, both (...); no gradient goes
        through the squared error."""
        with torch.no_grad():
            squared_error = self.squared_error(x)
        return self.log_prob(x), squared_error


class Likelihood(nn.Module):
    """Base: no parameters of its own; C is a weight outside (the knobs'), and what is asked about it does nothing.

    `owns_C`, which pages are told too, says that C belongs to the model as the noise level of a normal density of
    variance c = 1/(2C): −log p(x|z) = C‖x − E[x|z]‖² + (D/2) log(2πc). Only such a C can be fitted.
    """

    name: ClassVar[str]
    support: ClassVar[str]
    parameters_per_pixel: ClassVar[int] = 1
    owns_C: ClassVar[bool] = False
    gives_pixels: ClassVar[bool] = False  # whether a parameter is a pixel's value in the data's units, not a logit

    C: float = 1.0  # as a likelihood weighs itself
    fit: bool = False  # whether C is learned
    log_C: nn.Parameter | None

    def __init__(self) -> None:
        super().__init__()
        self.register_parameter("log_C", None)

    @abstractmethod
    def forward(self, parameters: Tensor) -> PixelDistribution: ...

    def set_C(self, C: float | str) -> None:
        """Takes a C: a number fixes it, "fit" learns it from where it stands."""

    def project(self, spread: Tensor) -> None:
        """Keeps a fitted C below its bound, which belongs to data of this spread."""

    def start(self, mean: Tensor, standardised: Tensor) -> Tensor:
        """Returns a decoder's first answer, with which p(x|z) has this mean, (channels, ...), which is also given
        standardised: (P, channels, ...), or without its first axis where P is 1. Here logits of means from 0.01 to
        0.99, not so far out that they hardly learn."""
        return torch.logit(mean.clamp(0.01, 0.99))
