"""Every gradient estimator for bits side by side: how noisy, how biased, at what cost. See `gradient_study`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from vae.bound.estimators import ESTIMATORS, RunningMean
from vae.lessons.gradient_study import bits_of, enumerated_gradient, enumerated_variance, estimates, make, warm
from vae.model.latents import LATENTS
from vae.model.vae import Model

STUDIED = tuple(
    name for name, kind in ESTIMATORS.items() if kind.takes(LATENTS["bernoulli"]) and "elbo" in kind.objectives
)


BY_ALL_CODES = {"score": 1, "rloo-2": 2, "rloo-4": 4, "printed": 1}  # variance known: codes of one estimate


@dataclass(frozen=True)
class Row:
    """One estimator. Variance in nats², of one estimate, summed over logits, mean over images."""

    name: str
    codes: int  # decoded per image and estimate
    variance: float
    bias: float  # ‖E g − exact‖ / ‖exact‖; unless it is known, what noise would leave is taken out
    noise: float  # what noise alone leaves of it: a smaller bias cannot be distinguished from none
    known: bool = False  # the bias, without sampling


def rows(model: Model, x: Tensor, names: Sequence[str], draws: int, seed: int, weight: float = 1.0) -> Iterator[Row]:
    """Yields a row per estimator, from `draws` estimates, each beginning with the seed.

    Known without sampling are the bias of every unbiased estimator, and that of the printed rule, which leaves out
    E_q[∂ log q · log q], with logits l the gradient l σ′(l) of the rate; and the variances of BY_ALL_CODES. Draws may
    all be one code, and know nothing of the others: a variance taken from them alone would be 0.
    """
    exact = enumerated_gradient(model, x, weight)
    length = float(exact.norm())
    for name in names:
        kind = ESTIMATORS[name]
        codes = kind.decoded(1, model.k)
        if name == "exact":
            yield Row(name, codes, 0.0, 0.0, 0.0, True)
            continue
        if name in BY_ALL_CODES:
            variance = enumerated_variance(model, x, BY_ALL_CODES[name], weight, name == "printed")
        else:
            g = _draws(model, x, name, draws, seed, weight)
            variance = g.var(0)
        noise = variance.sum() / draws
        total = float(variance.sum(-1).mean())
        if name == "printed":
            yield Row(name, codes, total, float(_left_out(model, x).norm()) / length, 0.0, True)
        elif kind.unbiased:
            yield Row(name, codes, total, 0.0, float(noise.sqrt()) / length, True)
        else:
            bias = ((g.mean(0) - exact).square().sum() - noise).clamp(min=0).sqrt()
            yield Row(name, codes, total, float(bias) / length, float(noise.sqrt()) / length)


@torch.no_grad()
def _left_out(model: Model, x: Tensor) -> Tensor:
    """What the printed rule leaves out of the gradient, l σ(l) (1 − σ(l)), (B, k)."""
    q = bits_of(model, x)
    return q.logits * q.mean * (1 - q.mean)


def _draws(model: Model, x: Tensor, name: str, draws: int, seed: int, weight: float) -> Tensor:
    """Draws the estimates, (draws, B, k) float64."""
    estimator = make(name)
    if isinstance(estimator, RunningMean):
        warm(estimator, model, x, weight)
    generator = Generator(x.device).manual_seed(seed)
    return estimates(estimator, model, x, draws, weight, generator=generator).double()
