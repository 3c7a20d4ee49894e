"""How noisy and how biased any estimator of gradients is: by drawing, beside the gradient by enumeration.

It knows nothing of the estimators but their names: the biases and variances that `vae.lessons.gradient_table` knows in
closed form are held against it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from vae.bound.estimator import Estimator
from vae.bound.estimators import RunningMean
from vae.lessons.gradient_study import enumerated_gradient, estimates, warm
from vae.model.bit_codes import all_codes, check_bits
from vae.model.latent import IndependentBernoulli
from vae.model.vae import Model


@dataclass(frozen=True)
class GradientStudy:
    """From `draws` independent estimates."""

    exact: Tensor  # (B, k) by enumeration
    mean: Tensor  # (B, k)
    variance: Tensor  # (B, k) of one estimate
    draws: int

    @property
    def total_variance(self) -> float:
        """Summed over the k logits, mean over images: E‖g − E g‖²."""
        return float(self.variance.sum(-1).mean())

    @property
    def relative_bias(self) -> float:
        """‖E g − exact‖ / ‖exact‖ over all images, what noise alone would leave taken out; 0 where noise covers it."""
        noise = self.variance.sum() / self.draws
        off = ((self.mean - self.exact).square().sum() - noise).clamp(min=0).sqrt()
        return float(off / self.exact.norm()) if off > 0 else 0.0

    @property
    def relative_noise(self) -> float:
        """What noise alone leaves of ‖mean − exact‖ / ‖exact‖: a bias below it cannot be told from none."""
        noise = (self.variance.sum() / self.draws).sqrt()
        return float(noise / self.exact.norm()) if noise > 0 else 0.0


def enumerated_bound_gradient(model: Model, x: Tensor, samples: int) -> Tensor:
    """∂ E[−L_K] / ∂ logits of the importance bound F14 by the sum over all K-tuples of codes, (B, k), nats.

    Raises ConfigError where the tuples are too many to go through.
    """
    check_bits(samples * model.k)
    with torch.no_grad():
        logits = model.encode(x).logits  # type: ignore[attr-defined]
        codes = all_codes(model.k, x.device, x.dtype)
        log_joint = model.decode(codes).log_prob_table(x) + model.prior().log_prob(codes).unsqueeze(1)  # (2^k, B)
    tuples = all_codes(samples * model.k, x.device, x.dtype).reshape(-1, samples, model.k)
    chosen = index_of(tuples)  # (n, K)
    with torch.enable_grad():
        leaf = logits.clone().requires_grad_()
        log_q = IndependentBernoulli(leaf).log_prob(codes.unsqueeze(1))  # (2^k, B)
        bound = torch.logsumexp((log_joint - log_q)[chosen], 1) - math.log(samples)
        (gradient,) = torch.autograd.grad(-(log_q[chosen].sum(1).exp() * bound).sum(), leaf)
    return gradient


def study(
    estimator: Estimator,
    model: Model,
    x: Tensor,
    draws: int,
    weight: float = 1.0,
    samples: int = 1,
    generator: Generator | None = None,
) -> GradientStudy:
    """Mean and variance of `draws` estimates beside the exact gradient of the estimator's own objective; x: images, the
    model's latent is binary. A running mean settles first."""
    if isinstance(estimator, RunningMean):
        warm(estimator, model, x, weight)
    g = estimates(estimator, model, x, draws, weight, samples, generator)
    of_the_bound = estimator.objectives == ("iwae",)
    exact = enumerated_bound_gradient(model, x, samples) if of_the_bound else enumerated_gradient(model, x, weight)
    return GradientStudy(exact, g.mean(0), g.var(0), draws)


def index_of(codes: Tensor) -> Tensor:
    """The row of `all_codes` for each code: (..., k) of 0 and 1 -> (...), int64."""
    places = 2 ** torch.arange(codes.shape[-1] - 1, -1, -1, device=codes.device)
    return (codes.long() * places).sum(-1)


def log_probability(name: str, qz_x: IndependentBernoulli, z: Tensor) -> Tensor:
    """Of the joint draw z (K, B, k) of the estimator of this name: (B,), nats.

    Independent codes; all codes at once, the one draw of `exact`; or DisARM's antithetic pair, per bit: both 1 with
    2p − 1 if that is above 0, both 0 with 1 − 2p, each mixed pair with min(p, 1 − p).
    """
    if name == "exact":
        return torch.zeros_like(qz_x.logits[:, 0])
    if name != "disarm":
        return qz_x.log_prob(z).sum(0)
    p = qz_x.mean
    both = torch.where(z[0] == 1, 2 * p - 1, 1 - 2 * p).clamp(min=0)
    return torch.where(z[0] == z[1], both, torch.minimum(p, 1 - p)).log().sum(-1)
