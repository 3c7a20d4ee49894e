"""Likelihoods p(x|z): what the decoder's output means. Everything in nats, summed over pixels.

A new likelihood is one module here and one line in LIKELIHOODS. It declares the support of x and how many
parameters the decoder gives per pixel, and turns these, (..., P, channels, height, width), into a distribution of
batch shape (...) and event shape (channels, height, width). Data belong to a likelihood when their support lies
within its own: binary ⊂ unit ⊂ real.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import ClassVar

import torch
import torch.nn.functional as F
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


class BernoulliPixels(PixelDistribution):
    def __init__(self, logits: Tensor) -> None:
        self.logits = logits

    @property
    def mean(self) -> Tensor:
        return self.logits.sigmoid()

    def log_prob(self, x: Tensor) -> Tensor:
        logits, x = torch.broadcast_tensors(self.logits, x)
        return -F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(EVENT)

    def log_prob_table(self, x: Tensor) -> Tensor:
        logits = self.logits.flatten(1).to(x.dtype)
        return logits @ x.flatten(1).T - F.softplus(logits).sum(1, keepdim=True)

    def sample(self, generator: Generator | None = None) -> Tensor:
        return (_uniform(self.logits, generator) < self.mean).to(self.logits.dtype)


class Bernoulli(Likelihood):
    """F11: log p(x|z) = Σ x log p + (1−x) log(1−p), p = sigmoid(logit); x in {0, 1}."""

    name = "bernoulli"
    support = "binary"

    def forward(self, parameters: Tensor) -> BernoulliPixels:
        return BernoulliPixels(parameters.squeeze(-4))


class GaussianPixels(PixelDistribution):
    def __init__(self, loc: Tensor, log_C: Tensor) -> None:
        self.loc, self.log_C = loc, log_C

    @property
    def mean(self) -> Tensor:
        return self.loc

    def log_prob(self, x: Tensor) -> Tensor:
        return self.log_prob_and_squared_error(x)[0]

    def log_prob_and_squared_error(self, x: Tensor) -> tuple[Tensor, Tensor]:
        squared_error = self.squared_error(x)
        D = self.loc.shape[-3:].numel()
        log_normaliser = 0.5 * D * (self.log_C - math.log(math.pi))  # −(D/2) log(2πc)
        return log_normaliser - self.log_C.exp() * squared_error, squared_error.detach()

    def log_prob_table(self, x: Tensor) -> Tensor:
        log_C = self.log_C.to(x.dtype)
        normaliser = 0.5 * self.loc.shape[-3:].numel() * (log_C - math.log(math.pi))
        return normaliser - log_C.exp() * self.squared_error_table(x)

    def sample(self, generator: Generator | None = None) -> Tensor:
        noise = torch.randn(self.loc.shape, generator=generator, device=self.loc.device, dtype=self.loc.dtype)
        return self.loc + (-0.5 * (math.log(2) + self.log_C)).exp() * noise


class Gaussian(Likelihood):
    """F10: −log p(x|z) = C‖x − f(z)‖² + (D/2) log(2πc), C = 1/(2c), so 2πc = π/C; x in ℝ^D.

    log C is kept, not c: C = 1 is exact. `fit` learns it with the decoder; its best value is D / (2 E‖x − f(z)‖²).
    """

    name = "gaussian"
    support = "real"
    owns_C = True
    gives_pixels = True
    LOG_C_MAX = math.log(1e6)  # c ≥ 5e-7 spread²: a decoder that fits exactly would otherwise send C to infinity

    def __init__(self) -> None:
        super().__init__()
        self.log_C: nn.Parameter = nn.Parameter(torch.zeros(()), requires_grad=False)

    def set_C(self, C: float | str) -> None:
        self.fit = C == "fit"
        if not self.fit:
            self.log_C.data.fill_(math.log(float(C)))

    def start(self, mean: Tensor, standardised: Tensor) -> Tensor:
        return standardised

    @property
    def C(self) -> float:  # type: ignore[override]  # it stands in log C
        return math.exp(float(self.log_C.detach()))

    @torch.no_grad()
    def project(self, spread: Tensor) -> None:
        if self.fit:
            self.log_C.clamp_(max=self.LOG_C_MAX - 2 * spread.log())

    def forward(self, parameters: Tensor) -> GaussianPixels:
        return GaussianPixels(parameters.squeeze(-4), self.log_C)


class ContinuousBernoulliPixels(PixelDistribution):
    """Density λ^x (1−λ)^(1−x) · l / tanh(l/2) on [0, 1], l = logit λ (Loaiza-Ganem & Cunningham 2019).

    Mean 1/(1−e^−l) − 1/l. Both have a removable singularity at l = 0 (λ = ½); a Taylor series stands in around it.
    """

    NEAR = 0.3  # |l| below which the series is used: it is exact to float32's last digit there

    def __init__(self, logits: Tensor) -> None:
        self.logits = logits
        self.near = logits.abs() < self.NEAR
        self.far_logits = torch.where(self.near, torch.ones_like(logits), logits)  # keeps gradients finite

    @property
    def mean(self) -> Tensor:
        l2, far = self.logits.square(), self.far_logits
        series = 0.5 + self.logits / 12 * (1 - l2 / 60 * (1 - l2 / 42))
        return torch.where(self.near, series, -1 / torch.expm1(-far) - 1 / far)

    def log_normaliser(self) -> Tensor:
        """Returns log(l / tanh(l/2)) per pixel, nats; log 2 at l = 0."""
        l2, far = self.logits.square(), self.far_logits.abs()
        series = math.log(2) + l2 / 12 * (1 - l2 * 7 / 120 * (1 - l2 * 31 / 441))
        return torch.where(self.near, series, far.log() - torch.tanh(0.5 * far).log())

    def log_prob(self, x: Tensor) -> Tensor:
        logits, x = torch.broadcast_tensors(self.logits, x)
        cross_entropy = F.binary_cross_entropy_with_logits(logits, x, reduction="none")
        return (self.log_normaliser() - cross_entropy).sum(EVENT)

    def log_prob_table(self, x: Tensor) -> Tensor:
        logits = self.logits.flatten(1).to(x.dtype)
        constant = (self.log_normaliser().flatten(1).to(x.dtype) - F.softplus(logits)).sum(1, keepdim=True)
        return logits @ x.flatten(1).T + constant

    def sample(self, generator: Generator | None = None) -> Tensor:
        """Draws by the inverse CDF of −|l|, log1p(u (e^−|l| − 1)) / −|l|, mirrored where l > 0."""
        steep = self.logits.abs().clamp(min=1e-4)  # below that the density is flat to float32's last digits
        x = torch.log1p(_uniform(self.logits, generator) * torch.expm1(-steep)) / -steep
        return torch.where(self.logits > 0, 1 - x, x).clamp(0, 1)


class ContinuousBernoulli(Likelihood):
    """log p(x|z) = Σ x log λ + (1−x) log(1−λ) + log(l/tanh(l/2)); x in [0, 1]."""

    name = "continuous-bernoulli"
    support = "unit"
    FARTHEST = 128.0  # |l| of a start; ±100 have the means 0.99 and 0.01

    def start(self, mean: Tensor, standardised: Tensor) -> Tensor:
        """Returns the logits that have this mean, by bisection: the mean rises with the logit."""
        mean = mean.clamp(0.01, 0.99)
        low, high = torch.full_like(mean, -self.FARTHEST), torch.full_like(mean, self.FARTHEST)
        for _ in range(40):
            middle = (low + high) / 2
            below = ContinuousBernoulliPixels(middle).mean < mean
            low, high = torch.where(below, middle, low), torch.where(below, high, middle)
        return (low + high) / 2

    def forward(self, parameters: Tensor) -> ContinuousBernoulliPixels:
        return ContinuousBernoulliPixels(parameters.squeeze(-4))


def _uniform(like: Tensor, generator: Generator | None) -> Tensor:
    return torch.rand(like.shape, generator=generator, device=like.device, dtype=like.dtype)


LIKELIHOODS: dict[str, type[Likelihood]] = {
    likelihood.name: likelihood for likelihood in (Bernoulli, Gaussian, ContinuousBernoulli)
}
