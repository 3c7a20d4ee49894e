"""How noisy and how biased a gradient estimator is, measured against the gradient by enumeration.

The gradient studied is ∂ loss / ∂ logits of q(z|x), (B, k) in nats: what an estimator hands to the encoder.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Generator, Tensor

from vae.bound.estimators import ESTIMATORS, Estimator, Exact
from vae.bound.objectives import OBJECTIVES
from vae.model.bit_codes import all_codes
from vae.model.latents import IndependentBernoulli
from vae.model.vae import Model

WARMING = 256  # estimates from which a running mean is taken
ROWS_AT_ONCE = 20_000  # images times draws times codes


@torch.no_grad()
def enumerated_gradient(model: Model, x: Tensor, weight: float = 1.0) -> Tensor:
    """Returns ∂ E_q[f] / ∂ logits by the sum over all codes, (B, k), nats; see `vae.bound.estimators` for f."""
    return estimates(make("exact"), model, x, 1, weight)[0]


@torch.no_grad()
def enumerated_variance(model: Model, x: Tensor, samples: int, weight: float = 1.0, printed: bool = False) -> Tensor:
    """Returns the variance of one likelihood-ratio estimate by the sums over all codes, (B, k), nats²; float64.

    samples = 1: ∂ log q · f, with log q left out of f for the `printed` rule. More: each code judged against the mean f
    of the others (RLOO), which is the sample covariance of a = ∂ log q and f, of variance
    [E a²f² − (S − 2)/(S − 1) (E af)² + E a² E f²/(S − 1)]/S, f centred.
    """
    q = bits_of(model, x)
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


def bits_of(model: Model, x: Tensor) -> IndependentBernoulli:
    """Returns q(z|x) of a model whose latent is bits, for images x (B, channels, height, width)."""
    return cast(IndependentBernoulli, model.encode(x))


def warm(estimator: Estimator, model: Model, x: Tensor, weight: float = 1.0) -> Estimator:
    """Lets what an estimator remembers (a running mean) settle on these images."""
    estimator.train()
    estimates(estimator, model, x, WARMING, weight, generator=Generator(x.device).manual_seed(0))
    return estimator.eval()


def make(name: str) -> Estimator:
    """Returns an estimator to be studied: for its own objective, with nothing remembered from training."""
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
    """Returns `draws` independent estimates of the gradient, (draws, B, k), and leaves the model's own alone."""
    with torch.no_grad():
        logits = bits_of(model, x).logits
    per_draw = len(x) * estimator.decoded(samples, model.k)
    C = torch.tensor(weight, dtype=x.dtype, device=x.device)
    blocks = []
    for at_once in _portions(draws, 1 if isinstance(estimator, Exact) else max(1, ROWS_AT_ONCE // per_draw)):
        leaf = logits.repeat(at_once, 1).requires_grad_()
        with torch.enable_grad():
            many = x.repeat(at_once, 1, 1, 1)
            loss, _ = estimator.loss_at(model, IndependentBernoulli(leaf), many, samples, C, generator)
            (gradient,) = torch.autograd.grad(loss.sum(), leaf)
        blocks.append(gradient.reshape(at_once, *logits.shape))
    return torch.cat(blocks)


def _portions(total: int, most: int) -> list[int]:
    return [min(most, total - done) for done in range(0, total, most)]
