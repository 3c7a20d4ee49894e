"""The objectives that have a name: what is minimised, (B,) nats.

A new one is an `Objective`, here or in another file, and one line in OBJECTIVES.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from vae.bound.objective import ElboTerms, Objective, elbo_terms, log_weights, with_rate
from vae.model.random_draws import Noise
from vae.model.vae import Model


class Elbo(Objective):
    """loss = C · distortion + rate with S samples; at C = 1 it is −ELBO. For a Gaussian the weight stays 1."""

    name = "elbo"
    takes_weight = True

    @staticmethod
    def loss(model: Model, x: Tensor, samples: int, weight: Tensor, generator: Noise) -> tuple[Tensor, ElboTerms]:
        terms = elbo_terms(model, x, samples, generator)
        return weight * terms.distortion + terms.rate, terms


class ImportanceWeighted(Objective):
    """loss = −(importance bound with K samples) (Burda et al. 2015). K = 1 is the ELBO with a sampled rate."""

    name = "iwae"
    takes_weight = False

    @staticmethod
    def loss(model: Model, x: Tensor, samples: int, weight: Tensor, generator: Noise) -> tuple[Tensor, ElboTerms]:
        log_w, log_px_z, squared_error, qz_x = log_weights(model, x, samples, generator)
        terms = with_rate(model, qz_x, -log_px_z.mean(0), squared_error.mean(0))
        return math.log(samples) - torch.logsumexp(log_w, 0), terms


OBJECTIVES: dict[str, type[Objective]] = {objective.name: objective for objective in (Elbo, ImportanceWeighted)}
