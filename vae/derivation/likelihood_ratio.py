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

from vae.codebook import all_codes
from vae.derivation.check import Check, normal, sampled

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
    """∇L by enumeration beside estimates from the same S codes."""

    exact: Tensor  # (k,)
    plain: list[Check]  # without a baseline, one per bit
    baseline: list[Check]  # with the mean of the other draws' f taken off
    plain_length: Check  # along the direction of the exact gradient: its length
    baseline_length: Check
    printed: Tensor  # (k,) the printed rule by enumeration
    printed_sampled: list[Check]  # the printed rule from the same codes
    variance_ratio: float  # of one draw: without the baseline over with it, summed over bits; nan if all draws agree

    @property
    def printed_error(self) -> float:
        """‖printed − exact‖ / ‖exact‖."""
        return float((self.printed - self.exact).norm() / self.exact.norm())


def compare(model: BitModel, logits: Tensor, samples: int, source: Generator) -> Comparison:
    uniform = torch.rand(samples, len(logits), generator=source, dtype=torch.float64)
    z = (uniform < logits.sigmoid()).double()
    direction = score(logits, z)
    f = log_q(logits, z) - model.log_joint(z)
    others = (f.sum() - f) / (samples - 1)
    plain, steadied = direction * f[:, None], direction * (f - others)[:, None]
    printed = direction * -model.log_joint(z)[:, None]
    exact = gradient(model, logits)
    length = float(exact.norm())
    along = exact / length
    return Comparison(
        exact,
        _checks(exact, plain),
        _checks(exact, steadied),
        sampled(length, plain @ along),
        sampled(length, steadied @ along),
        printed_gradient(model, logits),
        _checks(exact, printed),
        float(plain.var(0).sum() / steadied.var(0).sum()) if bool((z != z[0]).any()) else math.nan,
    )


def _checks(exact: Tensor, values: Tensor) -> list[Check]:
    return [sampled(float(exact[j]), values[:, j]) for j in range(len(exact))]


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
