"""The likelihoods p(x|z) that have a name. Everything in nats, summed over pixels.

A new one is a `Likelihood`, here or in another file, and one line in LIKELIHOODS.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from vae.model.likelihood import EVENT, Likelihood, PixelDistribution
from vae.model.logits import bernoulli_log_prob, continuous_bernoulli_log_prob, continuous_bernoulli_mean


class BernoulliPixels(PixelDistribution):
    def __init__(self, logits: Tensor) -> None:
        self.logits = logits

    @property
    def mean(self) -> Tensor:
        return self.logits.sigmoid()

    def log_prob(self, x: Tensor) -> Tensor:
        return bernoulli_log_prob(self.logits, x)[0]

    def log_prob_and_squared_error(self, x: Tensor) -> tuple[Tensor, Tensor]:
        log_prob, residual = bernoulli_log_prob(self.logits, x)
        return log_prob, residual.square().sum(EVENT)

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
    """Density λ^x (1−λ)^(1−x) · l / tanh(l/2) on [0, 1], l = logit λ (Loaiza-Ganem & Cunningham 2019)."""

    def __init__(self, logits: Tensor) -> None:
        self.logits = logits

    @property
    def mean(self) -> Tensor:
        return continuous_bernoulli_mean(self.logits)

    def log_prob(self, x: Tensor) -> Tensor:
        return continuous_bernoulli_log_prob(self.logits, x)[0]

    def log_prob_and_squared_error(self, x: Tensor) -> tuple[Tensor, Tensor]:
        log_prob, residual = continuous_bernoulli_log_prob(self.logits, x)
        return log_prob, residual.square().sum(EVENT)

    def log_prob_table(self, x: Tensor) -> Tensor:
        logits = self.logits.to(x.dtype)
        at_zero = continuous_bernoulli_log_prob(logits, torch.zeros_like(logits))[0]  # −A(l)
        return logits.flatten(1) @ x.flatten(1).T + at_zero[:, None]

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
