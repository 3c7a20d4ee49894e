"""The loss that the trainer minimises, against its closed form for a linear VAE on one digit.

loss = C·E_q‖x − f(z)‖² + (D/2) log(2πc) + KL(q(z|x) ‖ p(z));  for f(z) = W z + b and q = N(m, diag v):
E_q‖x − f(z)‖² = ‖x − W m − b‖² + Σⱼ vⱼ ‖wⱼ‖²
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Generator, Tensor

from vae.bound.objectives import OBJECTIVES
from vae.config import Config
from vae.lessons.derivation.check import Check, sampled
from vae.lessons.derivation.collapse import Spectrum
from vae.lessons.derivation.gaussian_noise import constant
from vae.model.kl import kl_standard_normal
from vae.model.latent import RealDistribution
from vae.model.linear_gaussian import LinearGaussian, best_at
from vae.model.vae import Model, build_model


@dataclass(frozen=True)
class Loss:
    """One digit's loss, nats: closed form beside the trainer's own function on S draws of z."""

    weighted_squared_error: Check
    constant: float
    rate: Check
    total: Check
    reconstruction: Tensor  # (D,) E[x|z] at the posterior's mean
    squared_error: float  # pixel², closed form


def linear_vae(best: LinearGaussian, side: int) -> Model:
    """Returns a linear VAE of this project with the weights of its optimum (see `collapse`), float64."""
    c, k = float(best.c), best.W.shape[1]
    config = Config(network="linear", likelihood="gaussian", C=1 / (2 * c), latent_dim=k, hidden=())
    model = build_model(config, (1, side, side)).double()
    model.likelihood.set_C(1 / (2 * c))  # again, now in float64
    M = best.W.square().sum(0) + c  # the columns of W are orthogonal: a diagonal matrix
    V = best.W.mT / M[:, None]
    encoder, decoder = (_linear(half) for half in (model.encoder, model.decoder))
    with torch.no_grad():
        decoder.weight.copy_(best.W)
        decoder.bias.copy_(best.b)
        encoder.weight.zero_()
        encoder.weight[:k] = V
        encoder.bias[:k] = -V @ best.b
        encoder.bias[k:] = (c / M).log()
    return model


def _linear(half: torch.nn.Module) -> torch.nn.Linear:
    (layer,) = (module for module in half.modules() if isinstance(module, torch.nn.Linear))
    return layer


@torch.no_grad()
def measure(data: Spectrum, image: Tensor, k: int, C: float, samples: int, source: Generator) -> Loss:
    """Compares the trainer's loss with its closed form; image (D,) in [0, 1], D a square number."""
    side, c = round(len(image) ** 0.5), 1 / (2 * C)
    best = best_at(data.x, k, c)
    model = linear_vae(best, side)
    x = image.reshape(1, 1, side, side)
    qz_x = cast(RealDistribution, model.encode(x))
    m, v = qz_x.mean, qz_x.variance  # (1, k)
    distortion = -float(best.expected_log_px_z(image[None], m, v))
    fixed = constant(len(image), c)
    rate = float(kl_standard_normal(m, v.log()).sum())
    weight = torch.ones((), dtype=torch.float64)
    batch = x.expand(samples, 1, side, side)  # S copies, one draw of z for each
    loss, terms = OBJECTIVES["elbo"].loss(model, batch, 1, weight, source)
    return Loss(
        sampled(distortion - fixed, C * terms.squared_error),
        fixed,
        Check(rate, float(terms.rate.mean()), 0.0),
        sampled(distortion + rate, loss),
        best.b + best.W @ m[0],
        (distortion - fixed) / C,
    )
