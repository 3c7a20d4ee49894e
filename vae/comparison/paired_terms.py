"""What two models cost on the same images with the same noise: each term, the difference, and its error.

    d_i = term_B(x_i) − term_A(x_i);   difference = mean of d_i,   its standard error = s(d) / √n

What is hard about an image, and what is lucky about a draw of the noise, both models share: it falls out of d_i. Of two
runs that differ little the error of the difference is a small part of the errors of both.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from vae.bound.objective import with_rate
from vae.model.latent import LatentDistribution
from vae.model.random_draws import Drawn, Noise, Noted, Request
from vae.model.vae import Model

SEED = 0
MEANT = {
    "elbo": ("ELBO", "nats"),
    "distortion": ("Distortion", "nats"),
    "rate": ("Rate", "nats"),
    "squared_error": ("Squared error", "pixel²"),  # ‖x − E[x|z]‖²
}


@dataclass(frozen=True)
class Side:
    """What one of the models makes of n images; the terms are those of one draw of z each."""

    loc: NDArray[np.float32]  # (n, k) E_q[z]
    elbo: NDArray[np.float64]  # (n,) nats
    distortion: NDArray[np.float64]  # (n,) nats
    rate: NDArray[np.float64]  # (n,) nats
    squared_error: NDArray[np.float64]  # (n,) pixel²


@dataclass(frozen=True)
class Term:
    """Means over n images, each with its standard error."""

    name: str
    title: str
    unit: str
    a: float
    a_error: float
    b: float
    b_error: float
    difference: float  # B − A
    error: float  # of the difference, paired
    n: int

    @property
    def told_apart(self) -> bool:
        """Whether the difference is more than twice its error; two that are equal to the last bit are not."""
        return abs(self.difference) > 2 * self.error


def paired_terms(a: Side, b: Side) -> list[Term]:
    """Returns ELBO, distortion, rate and squared error of two models on the same images, nats and pixel²; errors of a
    single image are nan."""
    return [paired(name, getattr(a, name), getattr(b, name)) for name in MEANT]


def paired(name: str, a: NDArray[np.float64], b: NDArray[np.float64]) -> Term:
    """Returns one term from its values for n images, (n,) each."""
    title, unit = MEANT[name]
    (mean_a, error_a), (mean_b, error_b), (difference, error) = (_mean(values) for values in (a, b, b - a))
    return Term(name, title, unit, mean_a, error_a, mean_b, error_b, difference, error, len(a))


def _mean(values: NDArray[np.float64]) -> tuple[float, float]:
    n = len(values)
    return float(values.mean()), float(values.std(ddof=1)) / math.sqrt(n) if n > 1 else math.nan


@torch.no_grad()
def measure(models: tuple[Model, Model], batches: Iterable[Tensor]) -> Iterator[tuple[Side, Side]]:
    """Yields what both models make of each batch of images (B, channels, height, width), with the noise that they can
    share (see `common_noise`)."""
    generator = Generator().manual_seed(SEED)
    a, b = models
    for x in batches:
        qz_a, qz_b = a.encode(x), b.encode(x)
        noise_a, noise_b = common_noise(qz_a, qz_b, generator)
        yield _measured(a, x, qz_a, noise_a), _measured(b, x, qz_b, noise_b)


def _measured(model: Model, x: Tensor, qz_x: LatentDistribution, noise: Noise) -> Side:
    log_px_z, squared_error = model.decode(qz_x.sample((), noise)).log_prob_and_squared_error(x)
    terms = with_rate(model, qz_x, -log_px_z, squared_error)
    arrays = (terms.elbo, terms.distortion, terms.rate, terms.squared_error)
    return Side(qz_x.mean.numpy(), *(values.double().numpy() for values in arrays))


def joined(sides: list[Side]) -> Side:
    """Returns the batches of one model in one piece."""
    return Side(*(np.concatenate([getattr(side, name) for side in sides]) for name in Side.__dataclass_fields__))


def requests(qz_x: LatentDistribution) -> list[Request]:
    """Returns the random numbers that one draw of z needs."""
    noted = Noted(Generator().manual_seed(SEED))
    qz_x.sample((), noted)
    return noted.requests


def share_noise(qz_a: LatentDistribution, qz_b: LatentDistribution) -> bool:
    """Returns whether both draw z from noise of one kind: a standard normal number for each dimension, or a uniform
    one."""
    of_a, of_b = requests(qz_a), requests(qz_b)
    return len(of_a) == len(of_b) == 1 and _kind(of_a[0]) == _kind(of_b[0])


def _kind(request: Request) -> tuple[object, ...]:
    return request.kind, request.dtype, request.device, request.shape[:-1]


def common_noise(qz_a: LatentDistribution, qz_b: LatentDistribution, generator: Generator) -> tuple[Noise, Noise]:
    """Returns the noise of both for one draw of z: the same numbers where both draw from one kind of noise, of which
    the smaller latent takes the first dimensions; else numbers of their own."""
    if not share_noise(qz_a, qz_b):
        return generator, generator
    of_a, of_b = requests(qz_a)[0], requests(qz_b)[0]
    numbers = max(of_a, of_b, key=lambda request: request.shape[-1]).draw(generator)
    return Drawn([numbers[..., : of_a.shape[-1]]]), Drawn([numbers[..., : of_b.shape[-1]]])
