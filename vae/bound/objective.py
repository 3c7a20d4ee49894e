"""What an objective is, and the bounds it is made of. Per-observation tensors in nats; whoever trains or reports takes
the mean over observations last.

F5   −ELBO = distortion + rate, distortion = −E_q log p(x|z), rate = KL(q(z|x) ‖ p(z))
F14  importance bound: log (1/K) Σ_s w_s, w_s = p(x|z_s) p(z_s) / q(z_s|x); its expectation is ≤ log p(x)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch
from torch import Tensor

from vae.config import check_count, plain
from vae.model.latent import LatentDistribution
from vae.model.random_draws import Noise
from vae.model.vae import Model, check_model


@dataclass(frozen=True)
class ElboTerms:
    """The two halves of −ELBO for each observation, at weight 1."""

    distortion: Tensor  # (B,) −E_q log p(x|z), nats, the normalising constant included
    rate: Tensor  # (B,) KL(q(z|x) ‖ p(z)), nats
    rate_per_dim: Tensor | None  # (B, k) nats; None where q does not factorise
    squared_error: Tensor  # (B,) E_q ‖x − E[x|z]‖², pixel²
    marginal_rate_per_dim: Tensor  # (B, k) nats, KL(q(z_i|x) ‖ p(z_i)): rate_per_dim where there is one; for reading

    @property
    def elbo(self) -> Tensor:
        """The ELBO, (B,) nats, higher is better."""
        return -(self.distortion + self.rate)


def elbo_terms(model: Model, x: Tensor, samples: int = 1, generator: Noise = None) -> ElboTerms:
    """Returns the distortion from `samples` draws of z (F7) and the rate in closed form, of x (B, channels, height,
    width) on the support. Raises ConfigError for what is no model, or no number of samples.

    The standard error of the distortion falls as 1/√samples; one sample is what training uses.
    """
    check_model(model)
    check_samples(samples)
    qz_x = model.encode(x)
    px_z = model.decode(draw(model, qz_x, samples, generator))  # z (S, B, k)
    log_px_z, squared_error = px_z.log_prob_and_squared_error(x)  # (S, B)
    return with_rate(model, qz_x, -sample_mean(log_px_z), sample_mean(squared_error))


def iw_bound(model: Model, x: Tensor, samples: int, generator: Noise = None) -> Tensor:
    """Returns F14 with K = `samples`: (B,) nats. K = 1 is a one-sample ELBO whose rate is sampled too. Raises
    ConfigError as `elbo_terms` does."""
    check_model(model)
    check_samples(samples)
    log_w, *_ = log_weights(model, x, samples, generator)
    return torch.logsumexp(log_w, 0) - math.log(samples)


class Objective(Protocol):
    name: ClassVar[str]
    takes_weight: ClassVar[bool]  # whether C may weight the distortion

    @staticmethod
    def loss(model: Model, x: Tensor, samples: int, weight: Tensor, generator: Noise) -> tuple[Tensor, ElboTerms]:
        """Returns the loss (B,) and, from the same samples, the terms of the ELBO."""


def log_weights(
    model: Model, x: Tensor, samples: int, generator: Noise = None
) -> tuple[Tensor, Tensor, Tensor, LatentDistribution]:
    """Returns log w (K, B), nats, with its ingredients log p(x|z) (K, B), ‖x − E[x|z]‖² (K, B) and q(z|x)."""
    qz_x = model.encode(x)
    z = draw(model, qz_x, samples, generator)  # (K, B, k)
    log_px_z, squared_error = model.decode(z).log_prob_and_squared_error(x)
    return log_px_z + model.prior().log_prob(z) - qz_x.log_prob(z), log_px_z, squared_error, qz_x


def draw(model: Model, qz_x: LatentDistribution, samples: int, generator: Noise = None) -> Tensor:
    """Draws z (samples, B, k) from q(z|x), with a path to q's parameters where the latent has one."""
    sample = qz_x.rsample if model.latent.reparameterised else qz_x.sample
    return sample((samples,), generator)


def sample_mean(values: Tensor) -> Tensor:
    """Returns the mean over the samples' axis, (S, B) -> (B,). A single sample, as in training, is its own: no kernel
    runs."""
    return values[0] if len(values) == 1 else values.mean(0)


def with_rate(model: Model, qz_x: LatentDistribution, distortion: Tensor, squared_error: Tensor) -> ElboTerms:
    """Returns the terms with the closed-form rate of q(z|x) beside a distortion and a squared error, both (B,)."""
    rate_per_dim = model.latent.rate_per_dim(qz_x)
    if rate_per_dim is not None:
        return ElboTerms(distortion, rate_per_dim.sum(-1), rate_per_dim, squared_error, rate_per_dim)
    with torch.no_grad():
        marginal = model.latent.marginal_rate_per_dim(qz_x)
    return ElboTerms(distortion, model.latent.rate(qz_x), None, squared_error, marginal)


def check_samples(samples: int) -> None:
    """Raises ConfigError unless `samples` is a whole number as `Config.samples` may be."""
    check_count("samples", plain("samples", samples))
