"""How noisy and how biased a gradient estimator is, measured against the gradient by enumeration.

The gradient looked at is ∂ loss / ∂ logits of q(z|x), (B, k) in nats: what an estimator hands to the encoder.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from vae.bound.estimators import ESTIMATORS, Estimator, Exact, RunningMean
from vae.bound.objectives import OBJECTIVES
from vae.model.bit_codes import all_codes, check_bits, index_of
from vae.model.latents import IndependentBernoulli
from vae.model.vae import Model

WARMING = 256  # estimates from which a running mean is taken
ROWS_AT_ONCE = 20_000  # images times draws times codes


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


@torch.no_grad()
def enumerated_gradient(model: Model, x: Tensor, weight: float = 1.0) -> Tensor:
    """∂ E_q[f] / ∂ logits by the sum over all codes, (B, k), nats; see `vae.bound.estimators` for f."""
    return estimates(make("exact"), model, x, 1, weight)[0]


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


@torch.no_grad()
def enumerated_variance(model: Model, x: Tensor, samples: int, weight: float = 1.0, printed: bool = False) -> Tensor:
    """Variance of one likelihood-ratio estimate by the sums over all codes, (B, k), nats²; float64.

    samples = 1: ∂ log q · f, with log q left out of f for the `printed` rule. More: each code judged against the mean f
    of the others (RLOO), which is the sample covariance of a = ∂ log q and f, of variance
    [E a²f² − (S − 2)/(S − 1) (E af)² + E a² E f²/(S − 1)]/S, f centred.
    """
    q: IndependentBernoulli = model.encode(x)  # type: ignore[assignment]
    codes = all_codes(model.k, x.device, x.dtype)
    log_q = q.log_prob(codes.unsqueeze(1)).double()  # (2^k, B)
    log_px_z = model.decode(codes).log_prob_table(x).double()
    f = (0 if printed else log_q) - model.prior().log_prob(codes).double().unsqueeze(1) - weight * log_px_z
    p, a = log_q.exp().unsqueeze(-1), codes.double().unsqueeze(1) - q.mean.double()  # (2^k, B, 1), (2^k, B, k)
    f = (f if samples == 1 else f - (p.squeeze(-1) * f).sum(0)).unsqueeze(-1)
    product, squares = (p * a * f).sum(0), (p * (a * f).square()).sum(0)
    if samples == 1:
        return squares - product.square()
    pairs = (p * a.square()).sum(0) * (p * f.square()).sum(0)
    S = samples
    return ((squares - (S - 2) / (S - 1) * product.square() + pairs / (S - 1)) / S).clamp(min=0)


def warm(estimator: Estimator, model: Model, x: Tensor, weight: float = 1.0) -> Estimator:
    """Let what an estimator remembers (a running mean) settle on these images."""
    estimator.train()
    estimates(estimator, model, x, WARMING, weight, generator=Generator(x.device).manual_seed(0))
    return estimator.eval()


def make(name: str) -> Estimator:
    """An estimator for looking at: for its own objective, with nothing remembered from training."""
    kind = ESTIMATORS[name]
    return kind(OBJECTIVES[kind.objectives[0]]).eval()


def estimates(
    estimator: Estimator,
    model: Model,
    x: Tensor,
    draws: int,
    weight: float = 1.0,
    samples: int = 1,
    generator: Generator | None = None,
) -> Tensor:
    """`draws` independent estimates of the gradient, (draws, B, k). The model's own gradients are left alone."""
    with torch.no_grad():
        logits = model.encode(x).logits  # type: ignore[attr-defined]
    per_draw = len(x) * estimator.decoded(samples, model.k)
    C = torch.tensor(weight, dtype=x.dtype, device=x.device)
    parts = []
    for at_once in _portions(draws, 1 if isinstance(estimator, Exact) else max(1, ROWS_AT_ONCE // per_draw)):
        leaf = logits.repeat(at_once, 1).requires_grad_()
        with torch.enable_grad():
            many = x.repeat(at_once, 1, 1, 1)
            loss, _ = estimator.loss_at(model, IndependentBernoulli(leaf), many, samples, C, generator)
            (gradient,) = torch.autograd.grad(loss.sum(), leaf)
        parts.append(gradient.reshape(at_once, *logits.shape))
    return torch.cat(parts)


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


def _portions(total: int, most: int) -> list[int]:
    return [min(most, total - done) for done in range(0, total, most)]
