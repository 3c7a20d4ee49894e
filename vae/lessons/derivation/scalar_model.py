"""One pixel x, one latent dimension z: everything about log p(x) can be computed to the last digit.

p(z) = N(0, 1),  p(x|z) = N(f(z), c),  q(z|x) = N(m, s²)
f straight: f(z) = z, the posterior is normal, the gap can close.  f bent: f(z) = z² − 1, the posterior has two humps.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from vae.lessons.derivation.check import Check, normal, sampled, standard_error, trapezoid
from vae.model.kl import kl_univariate_parts

LOG_2PI = math.log(2 * math.pi)
REACH = 12.0  # standard deviations on either side of a mean; beyond, a normal density is below 1e-31
PRIOR_REACH = 9.0  # as far as the prior is integrated
PRIOR_DRAWS = 20_000


@dataclass(frozen=True)
class ScalarModel:
    """`noise` is c, the variance of the likelihood."""

    bent: bool = False
    noise: float = 0.5

    def decode(self, z: Tensor) -> Tensor:
        """f(z)."""
        return z * z - 1 if self.bent else z

    def log_px_z(self, x: float, z: Tensor) -> Tensor:
        """log p(x|z), nats."""
        return -0.5 * (LOG_2PI + math.log(self.noise) + (x - self.decode(z)) ** 2 / self.noise)

    def log_joint(self, x: float, z: Tensor) -> Tensor:
        """log p(x, z) = log p(x|z) + log p(z), nats."""
        return self.log_px_z(x, z) - 0.5 * (LOG_2PI + z * z)

    def mean_squared_error(self, x: float, m: Tensor, s: Tensor) -> Tensor:
        """E_q (x − f(z))² in closed form: moments of a normal distribution up to the fourth."""
        if not self.bent:
            return (x - m) ** 2 + s**2
        a = x + 1
        return a * a - 2 * a * (m**2 + s**2) + m**4 + 6 * m**2 * s**2 + 3 * s**4

    def best_scale(self, x: float, m: float) -> float:
        """The s of smallest E_q (x − f(z))² at this m: 0, or √((x + 1)/3 − m²) where a bent decoder needs width to
        reach x."""
        return math.sqrt(max(0.0, (x + 1) / 3 - m * m)) if self.bent else 0.0

    def distortion(self, x: float, m: Tensor, s: Tensor) -> Tensor:
        """−E_q log p(x|z), closed form, nats."""
        return 0.5 * (LOG_2PI + math.log(self.noise)) + self.mean_squared_error(x, m, s) / (2 * self.noise)

    def rate(self, m: Tensor, s: Tensor) -> Tensor:
        """KL(q ‖ p(z)), closed form, nats."""
        zero, one = torch.zeros_like(m), torch.ones_like(m)
        negative_entropy, cross_entropy = kl_univariate_parts(m, s, zero, one)
        return negative_entropy + cross_entropy

    def elbo(self, x: float, m: float, s: float) -> float:
        """−(distortion + rate), nats."""
        return -float(self.distortion(x, _t(m), _t(s)) + self.rate(_t(m), _t(s)))

    def log_evidence(self, x: float) -> tuple[float, float]:
        """log p(x) = log ∫ p(x, z) dz by quadrature, and its change when the grid is doubled, nats."""
        peak = float(self.log_joint(x, torch.linspace(-PRIOR_REACH, PRIOR_REACH, 1001, dtype=torch.float64)).max())
        mass, change = trapezoid(lambda z: (self.log_joint(x, z) - peak).exp(), -PRIOR_REACH, PRIOR_REACH)
        return peak + math.log(mass), change / mass

    def straight_evidence(self, x: float) -> float:
        """log p(x) = log N(x; 0, 1 + c), closed form for the straight decoder, nats."""
        return -0.5 * (LOG_2PI + math.log(1 + self.noise) + x * x / (1 + self.noise))

    def log_weights(self, x: float, m: float, s: float, samples: int, source: Generator) -> Tensor:
        """log w = log p(x, z) − log q(z|x) of draws z ~ q, (S,), nats."""
        z = m + s * normal((samples,), source)
        return self.log_joint(x, z) - log_normal(z, m, s)

    def gap(self, x: float, m: float, s: float) -> tuple[float, float]:
        """KL(q(z|x) ‖ p(z|x)) by quadrature, and its change when the grid is doubled, nats."""
        log_px, _ = self.log_evidence(x)

        def integrand(z: Tensor) -> Tensor:
            log_q = log_normal(z, m, s)
            return log_q.exp() * (log_q - (self.log_joint(x, z) - log_px))

        return trapezoid(integrand, m - REACH * s, m + REACH * s)

    def best_q(self, x: float, means: Tensor, scales: Tensor) -> tuple[float, float]:
        """The (m, s) of largest ELBO among the given values; of two equal ones the first."""
        m, s = torch.meshgrid(means, scales, indexing="ij")
        loss = self.distortion(x, m, s) + self.rate(m, s)
        i, j = divmod(int(loss.argmin()), len(scales))
        return float(means[i]), float(scales[j])


def log_normal(z: Tensor, m: float, s: float) -> Tensor:
    """log N(z; m, s²), nats."""
    return -0.5 * (LOG_2PI + ((z - m) / s) ** 2) - math.log(s)


@dataclass(frozen=True)
class Jensen:
    """The mean of the logarithm against the logarithm of the mean, nats."""

    elbo: Check  # closed form; the mean of log w over samples
    evidence: Check  # closed form (straight decoder) or integral (bent); the mean of p(x|z) over draws of the prior
    log_w: Tensor  # (S,)


def jensen(model: ScalarModel, x: float, m: float, s: float, samples: int, source: Generator) -> Jensen:
    log_w = model.log_weights(x, m, s, samples, source)
    exact = model.log_evidence(x)[0] if model.bent else model.straight_evidence(x)
    return Jensen(sampled(model.elbo(x, m, s), log_w), prior_evidence(model, x, exact, source), log_w)


def prior_evidence(model: ScalarModel, x: float, exact: float, source: Generator) -> Check:
    """log of the mean of p(x|z) over z ~ p(z), with the delta method's standard error: std(p)/(mean(p) √S).

    These weights are bounded, so the error can be trusted, which it cannot with a narrow q.
    """
    log_px_z = model.log_px_z(x, normal((PRIOR_DRAWS,), source))
    top = log_px_z.max()
    weights = (log_px_z - top).exp()
    mean = weights.mean()
    return Check(exact, float(top + mean.log()), standard_error(weights) / float(mean))


@dataclass(frozen=True)
class Identity:
    """log p(x) = ELBO + KL(q(z|x) ‖ p(z|x)), each of the three by its own computation, nats."""

    log_px: float  # quadrature over the prior's range
    elbo: float  # closed form
    gap: float  # quadrature over q's range
    error: float  # how much the two quadratures moved when their grids were doubled

    @property
    def check(self) -> Check:
        return Check(self.log_px, self.elbo + self.gap, self.error, abs(self.elbo))


def identity(model: ScalarModel, x: float, m: float, s: float) -> Identity:
    log_px, change = model.log_evidence(x)
    gap, gap_change = model.gap(x, m, s)
    return Identity(log_px, model.elbo(x, m, s), gap, change + gap_change)


@dataclass(frozen=True)
class Terms:
    """−ELBO = distortion + rate, each in closed form and from the same draws of z, nats."""

    distortion: Check
    rate: Check
    total: Check


def two_terms(model: ScalarModel, x: float, m: float, s: float, samples: int, source: Generator) -> Terms:
    z = m + s * normal((samples,), source)
    distortion = -model.log_px_z(x, z)
    rate = log_normal(z, m, s) - log_normal(z, 0.0, 1.0)
    exact = float(model.distortion(x, _t(m), _t(s))), float(model.rate(_t(m), _t(s)))
    return Terms(sampled(exact[0], distortion), sampled(exact[1], rate), sampled(sum(exact), distortion + rate))


def _t(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)
