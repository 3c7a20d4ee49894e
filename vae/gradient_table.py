"""Every gradient estimator for bits side by side: how noisy, how biased, at what cost. See `vae.gradient_study`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from vae.estimators import ESTIMATORS, RunningMean
from vae.gradient_study import enumerated_gradient, estimates, make, warm
from vae.latents import IndependentBernoulli
from vae.model import Model

STUDIED = tuple(name for name, kind in ESTIMATORS.items() if "bernoulli" in kind.latents and "elbo" in kind.objectives)


@dataclass(frozen=True)
class Row:
    """One estimator. Variance in nats², of one estimate, summed over logits, mean over images."""

    name: str
    codes: int  # decoded per image and estimate
    variance: float
    bias: float  # ‖E g − exact‖ / ‖exact‖, what noise would leave taken out
    noise: float  # what noise alone leaves of it: a smaller bias cannot be told from none


def rows(model: Model, x: Tensor, names: Sequence[str], draws: int, seed: int, weight: float = 1.0) -> Iterator[Row]:
    """A row per estimator, from `draws` estimates, each beginning with the seed.

    Two biases are known without sampling: that of `exact`, and that of the printed rule, which leaves out
    E_q[∂ log q · log q], with logits l the gradient l σ′(l) of the rate.
    """
    exact = enumerated_gradient(model, x, weight)
    for name in names:
        codes = ESTIMATORS[name].decoded(1, model.k)
        if name == "exact":
            yield Row(name, codes, 0.0, 0.0, 0.0)
            continue
        g = _draws(model, x, name, draws, seed, weight)
        off, noise = g.mean(0) - exact, g.var(0).sum() / draws
        if name == "printed":
            off, noise = _left_out(model, x), torch.zeros(())
        bias = (off.square().sum() - noise).clamp(min=0).sqrt() / exact.norm()
        yield Row(name, codes, float(g.var(0).sum(-1).mean()), float(bias), float(noise.sqrt() / exact.norm()))


@torch.no_grad()
def _left_out(model: Model, x: Tensor) -> Tensor:
    """l σ(l) (1 − σ(l)), (B, k)."""
    q: IndependentBernoulli = model.encode(x)  # type: ignore[assignment]
    return q.logits * q.mean * (1 - q.mean)


def _draws(model: Model, x: Tensor, name: str, draws: int, seed: int, weight: float) -> Tensor:
    """(draws, B, k), float64."""
    estimator = make(name)
    if isinstance(estimator, RunningMean):
        warm(estimator, model, x, weight)
    generator = Generator(x.device).manual_seed(seed)
    return estimates(estimator, model, x, draws, weight, generator=generator).double()
