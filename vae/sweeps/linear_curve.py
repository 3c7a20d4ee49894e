"""The curve that a linear decoder traces as C goes, in closed form from the variances of the data.

At noise variance c = 1/(2C) the best linear decoder is probabilistic PCA (Tipping & Bishop 1999): along the i-th
principal direction, of variance λᵢ, its weight is wᵢ² = λᵢ − c where λᵢ > c, and 0 where not: there the dimension has
collapsed. p(z|x) factorises along these directions, with

    variance c/λᵢ,  mean of squares (λᵢ − c) vᵢ / λᵢ²,  squared error (c/λᵢ)² vᵢ + (λᵢ − c) c/λᵢ

where vᵢ is the variance of the images that are looked at along that direction, about the mean that was learned; on the
training images vᵢ = λᵢ, so that R = ½ Σ log(λᵢ/c) and E = n c + Σ of the others: dE/dR = −2c = −1/C.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from vae.errors import ConfigError

if TYPE_CHECKING:  # torch, which pages need not wait for
    from torch import Tensor

    from vae.datasets import Dataset

MOST_IMAGES = 10_000  # of each part
MOST_VALUES = 2**27  # numbers of the images at once: 1 GB in float64
WIDE = 2000  # pixels from which on the images' own products are decomposed, which are fewer


@dataclass(frozen=True)
class Linear:
    """Where the best linear decoder stands at one C: nats and pixel² per image."""

    C: float
    rate: float
    squared_error: float
    distortion: float
    active: int


@dataclass(frozen=True)
class LinearDecoder:
    """All linear decoders of `k` latent dimensions for one dataset. `learned`: λ, the variances of the training images
    along their principal directions, from large to small; `seen`: v, those of the images that are looked at, the same
    directions; `rest`: their mean square in all other directions, pixel²; D pixels."""

    learned: Tensor  # (m,) float64
    seen: Tensor  # (m,)
    rest: float
    D: int
    k: int

    def at(self, C: float) -> Linear:
        """Returns where the decoder stands that is best at this C."""
        c, n = 1 / (2 * C), self.active(C)
        learned, seen, others = self.learned[:n], self.seen[:n], self.seen[n:].sum() + self.rest
        weight = (learned - c) / learned  # the share of a direction that its code explains
        rate = 0.5 * (-(c / learned).log() - 1 + c / learned + weight * seen / learned).sum()
        error = float(((c / learned).square() * seen + weight * c).sum() + others)
        return Linear(C, float(rate), error, C * error + 0.5 * self.D * math.log(math.pi / C), n)

    def active(self, C: float) -> int:
        """Returns how many dimensions are used at this C: as many as the data have variances above c."""
        from vae.model.linear_gaussian import predicted_active_units

        return predicted_active_units(self.learned, 1 / (2 * C), min(self.k, len(self.learned)))

    def between(self, low: float, high: float, count: int = 200) -> list[Linear]:
        """Returns the curve from one C to another, in equal ratios."""
        ratio = (high / low) ** (1 / max(1, count - 1))
        return [self.at(low * ratio**index) for index in range(count)]


@dataclass(frozen=True)
class Spectrum:
    """The variances of a dataset, training and held-out images, along the training images' principal directions."""

    learned: Tensor
    seen: Tensor
    rest: float
    D: int

    def decoder(self, k: int) -> LinearDecoder:
        """Returns the linear decoders of `k` latent dimensions."""
        return LinearDecoder(self.learned, self.seen, self.rest, self.D, k)

    @cached_property
    def total(self) -> float:
        """The mean square of the held-out images about the training images' mean, pixel²: the error at rate 0."""
        return float(self.seen.sum()) + self.rest


def spectrum(train: Tensor, test: Tensor) -> Spectrum:
    """Returns the variances of images (n, D) and (m, D), in any floating type. Wide images are decomposed by their
    products with one another: all variances that n images can have, and nothing is lost in `rest`."""
    import torch

    train, test = train.double(), test.double()
    mean = train.mean(0)
    y, seen = train - mean, test - mean
    if train.shape[1] <= WIDE or len(train) > train.shape[1]:
        values, vectors = torch.linalg.eigh(y.T @ y / len(y))
    else:
        values, left = torch.linalg.eigh(y @ y.T / len(y))
        kept = values > values[-1] * 1e-12
        values, left = values[kept], left[:, kept]
        vectors = y.T @ left / (values * len(y)).sqrt()
    values, vectors = values.flip(0).clamp(min=0), vectors.flip(1)
    along = (seen @ vectors).square().mean(0)
    rest = float(seen.square().sum(1).mean() - along.sum())
    return Spectrum(values, along, max(0.0, rest), train.shape[1])


def spectrum_of(dataset: Dataset) -> Spectrum:
    """Returns the variances of a dataset's first images. Raises ConfigError for images too large for it."""
    D = dataset.info.pixels
    most = min(MOST_IMAGES, MOST_VALUES // D, MOST_IMAGES if D <= WIDE else WIDE)
    if most < 2:
        raise ConfigError(f"linear decoder: images of {D:,} values are too large for its closed form")
    import torch

    generator = torch.Generator().manual_seed(0)
    parts = (dataset.to_float(images[:most], generator).flatten(1) for images in (dataset.train, dataset.test))
    return spectrum(*parts)
