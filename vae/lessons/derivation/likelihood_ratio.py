"""F13: the gradient of L = −ELBO through bits, by enumeration and by sampling.

∇L = E_q[∇ log q(z) · f(z)],  f = log q(z) − log p(z) − log p(x|z);  with logits l: ∂ log q / ∂lⱼ = zⱼ − σ(lⱼ)
p(z) = Ber(½)^k,  p(x|z) = N(x; A (2z − 1), c I)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from vae.lessons.derivation.check import Check, bernstein, normal
from vae.model.bit_codes import all_codes

PIXELS = 3  # few, so that the likelihood is not so peaked that it hides the missing term


@dataclass(frozen=True)
class BitModel:
    """x (D,), A (D, k), noise c; q has `logits` (k,)."""

    x: Tensor
    A: Tensor
    noise: float

    def log_px_z(self, z: Tensor) -> Tensor:
        """z (n, k) of 0 and 1 -> (n,) nats."""
        error = (self.x - (2 * z - 1) @ self.A.mT).square().sum(-1)
        return -error / (2 * self.noise) - 0.5 * len(self.x) * math.log(2 * math.pi * self.noise)

    def log_joint(self, z: Tensor) -> Tensor:
        """log p(z) + log p(x|z), nats."""
        return self.log_px_z(z) - z.shape[-1] * math.log(2)

    @property
    def codes(self) -> Tensor:
        """(2^k, k)."""
        return all_codes(self.A.shape[1], self.A.device, self.A.dtype)


def toy(bits: int, source: Generator, noise: float = 1.0) -> tuple[BitModel, Tensor]:
    """A random model, an x of it, and random logits for q."""
    A = normal((PIXELS, bits), source)
    z = (torch.rand(bits, generator=source, dtype=torch.float64) < 0.5).double()
    x = A @ (2 * z - 1) + math.sqrt(noise) * normal((PIXELS,), source)
    return BitModel(x, A, noise), normal((bits,), source)


def log_q(logits: Tensor, z: Tensor) -> Tensor:
    """log q(z) = Σⱼ zⱼ lⱼ − softplus(lⱼ), z (n, k) -> (n,) nats."""
    return (z * logits - F.softplus(logits)).sum(-1)


def score(logits: Tensor, z: Tensor) -> Tensor:
    """∇ log q(z) for each code, (n, k)."""
    return z - logits.sigmoid()


def elbo(model: BitModel, logits: Tensor) -> Tensor:
    """By enumeration, nats; differentiable."""
    log_weights = log_q(logits, model.codes)
    return (log_weights.exp() * (model.log_joint(model.codes) - log_weights)).sum()


def entropy(logits: Tensor) -> float:
    """Of q, nats."""
    return float((F.softplus(logits) - logits * logits.sigmoid()).sum())


def gradient(model: BitModel, logits: Tensor) -> Tensor:
    """F13 by enumeration: ∇L, (k,)."""
    log_weights = log_q(logits, model.codes)
    f = log_weights - model.log_joint(model.codes)
    return (log_weights.exp() * f) @ score(logits, model.codes)


def printed_gradient(model: BitModel, logits: Tensor) -> Tensor:
    """−E_q[∇ log q (log p(z) + log p(x|z))] by enumeration: log q is missing in the bracket. (k,)"""
    weights = log_q(logits, model.codes).exp()
    return (weights * -model.log_joint(model.codes)) @ score(logits, model.codes)


@dataclass(frozen=True)
class Comparison:
    """∇L by enumeration beside estimates from the same S codes. How far those scatter is a sum over all codes too: the
    draws themselves may all be one code, and know nothing of the others."""

    exact: Tensor  # (k,)
    plain: list[Check]  # without a baseline, one per bit
    baseline: list[Check]  # with the mean of the other draws' f taken off
    plain_length: Check  # along the direction of the exact gradient: its length
    baseline_length: Check
    printed: Tensor  # (k,) the printed rule by enumeration
    printed_sampled: list[Check]  # the printed rule from the same codes
    variance_ratio: float  # of the estimate: without the baseline over with it, summed over bits

    @property
    def printed_error(self) -> float:
        """‖printed − exact‖ / ‖exact‖."""
        return float((self.printed - self.exact).norm() / self.exact.norm())


def compare(model: BitModel, logits: Tensor, samples: int, source: Generator) -> Comparison:
    uniform = torch.rand(samples, len(logits), generator=source, dtype=torch.float64)
    drawn, every = (_terms(model, logits, z) for z in ((uniform < logits.sigmoid()).double(), model.codes))
    scores, f = drawn.scores, drawn.f[:, None]
    plain, printed = scores * f, scores * drawn.printed[:, None]
    steadied = samples / (samples - 1) * scores * (f - f.mean())  # f less the mean of the other draws' f
    exact = gradient(model, logits)
    length, weights = exact.norm(), log_q(logits, model.codes).exp()
    along = (exact / length)[:, None]
    alone = scatter(every.scores * every.f[:, None], weights, samples)
    with_others = scatter_of_covariance(every.scores, every.f, weights, samples)
    alone_along = scatter(every.scores @ along * every.f[:, None], weights, samples)
    with_others_along = scatter_of_covariance(every.scores @ along, every.f, weights, samples)
    return Comparison(
        exact,
        _checks(exact, plain, alone),
        _checks(exact, steadied, with_others),
        _checks(length[None], plain @ along, alone_along)[0],
        _checks(length[None], steadied @ along, with_others_along)[0],
        printed_gradient(model, logits),
        _checks(exact, printed, scatter(every.scores * every.printed[:, None], weights, samples)),
        float(alone.variance.sum() / with_others.variance.sum()),
    )


@dataclass(frozen=True)
class _Terms:
    """Of codes (n, k): ∇ log q (n, k); the bracket of F13 and that of the printed rule, (n,)."""

    scores: Tensor
    f: Tensor
    printed: Tensor


def _terms(model: BitModel, logits: Tensor, z: Tensor) -> _Terms:
    log_joint = model.log_joint(z)
    return _Terms(score(logits, z), log_q(logits, z) - log_joint, -log_joint)


@dataclass(frozen=True)
class Scatter:
    """Of an estimate from S draws: its variance, and how far it strays in all but one of 370 samples. (k,) each."""

    variance: Tensor
    reach: Tensor


NEVER = 1e-11  # of a code: 256 such codes and 30,000 draws, and one sample in 10,000 holds one


def scatter(values: Tensor, weights: Tensor, samples: int) -> Scatter:
    """Of the mean of S draws; `values` (n, k) of every code and its probability (n,)."""
    centred = values - weights @ values
    variance = weights @ centred.square()
    farthest = centred[weights > NEVER].abs().amax(0)
    return Scatter(variance / samples, bernstein(variance, farthest, samples))


def scatter_of_covariance(a: Tensor, f: Tensor, weights: Tensor, samples: int) -> Scatter:
    """Of the mean of a (f − mean of the other draws' f), for a of mean 0: the sample covariance of a (n, k) and f (n,).

    Its variance is [E a²f² − (S − 2)/(S − 1) (E af)² + E a² E f²/(S − 1)]/S, f centred. It is S/(S − 1) times the mean
    of a f less the product of the means of a and of f, whose three reaches together bound its own.
    """
    f = (f - weights @ f)[:, None]
    product, squares = weights @ (a * f), weights @ (a * f).square()
    pairs = (weights @ a.square()) * (weights @ f.square())
    variance = (squares - (samples - 2) / (samples - 1) * product.square() + pairs / (samples - 1)) / samples
    of_product, of_a, of_f = (scatter(values, weights, samples).reach for values in (a * f, a, f))
    reach = (samples * (of_product + of_a * of_f) + product.abs()) / (samples - 1)
    return Scatter(variance.clamp(min=0), reach)


def _checks(exact: Tensor, values: Tensor, spread: Scatter) -> list[Check]:
    """A Check per column of `values` (S, k)."""
    sizes = values.abs().amax(0)
    columns = zip(exact, values.mean(0), spread.variance.sqrt(), sizes, spread.reach, strict=True)
    return [Check(*map(float, column)) for column in columns]


@dataclass(frozen=True)
class Driven:
    """Where q ends when its logits follow a rule (exact expectations, no sampling): nats."""

    elbo: float
    entropy: float


def drive(model: BitModel, logits: Tensor, printed: bool, steps: int = 500, rate: float = 0.1) -> Driven:
    """Adam on the logits with the right gradient or the printed one."""
    logits = logits.clone().requires_grad_()
    adam = torch.optim.Adam([logits], lr=rate)
    rule = printed_gradient if printed else gradient
    for _ in range(steps):
        logits.grad = rule(model, logits.detach())
        adam.step()
    end = logits.detach()
    return Driven(float(elbo(model, end)), entropy(end))
