"""Two runs compared on the same held-out images: terms, alignment, movement, neighbours; places for two maps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Generator, Tensor

from vae.bound.chunks import full_precision, rows_at_once
from vae.comparison import alignment, neighbours
from vae.comparison.alignment import Alignment, Array, Match, filled, in_prior_units
from vae.comparison.paired_terms import Side, Term, joined, measure, paired_terms, share_noise
from vae.comparison.same_images import other_images, why_not_comparable
from vae.errors import DataError
from vae.model.vae import Model
from vae.runs import Run
from vae.runs.own_numbers import why_no_likelihood
from vae.space.encodings import Images, images_of

MOST_IMAGES = 10_000
MOST_ROWS = 1000  # of one batch: how often progress is told
Progress = Callable[[float, str], None]
FIRST, SECOND = 0.5, 0.25  # share of the time that terms take, and each run's neighbours


class Stopped(Exception):
    """Nobody wants the comparison any more; raised by whoever is told of the progress."""


@dataclass(frozen=True)
class Places:
    """Where the codes of both runs lie on one plane, that of A; B's after the alignment."""

    a: Array  # (n, 2)
    b: Array  # (n, 2)
    axes: tuple[str, str]
    origin_a: Array | None  # (2,) of the prior's mean; None where it has no rings: bits, or one dimension
    origin_b: Array | None


@dataclass(frozen=True)
class Comparison:
    """B against A over n held-out images."""

    names: tuple[str, str]
    supports: tuple[str, str]  # of z: "real" or "binary"
    source: str  # a phrase: "360 held-out images of digits"
    terms: list[Term]
    noise: str  # a sentence: which noise both share
    incomparable: str  # a sentence: why distortion and ELBO do not compare; "" where they do
    a: Side
    b: Side
    alignment: Alignment
    matches: list[Match]
    movement: Array  # (n,) prior standard deviations
    movement_by_chance: Array  # the means of some pairs of runs that have nothing to do with one another
    kept: dict[int, Array]  # number of neighbours -> share of each image's neighbours that stayed, (n,)
    places: Places

    @property
    def n(self) -> int:
        return len(self.movement)


def compare(a: Run, b: Run, progress: Progress = lambda fraction, words: None, limit: int = MOST_IMAGES) -> Comparison:
    """Compares two runs, or one at two of its moments (a Run whose `model` is another), on the first `limit` held-out
    images.

    `progress(fraction, words)` is called several times a second; what it raises ends the work. Raises DataError where
    the images of both are not the same or not here, RunError where a run cannot be read.
    """
    if refusal := why_not_comparable(a, b):
        raise DataError(refusal)
    models = full_precision(a.model), full_precision(b.model)
    images = images_of(a, "test")
    n = min(limit, len(images.stored))
    sides = []
    for pair in measure(models, _batches(a, b, images, n, min(MOST_ROWS, *map(rows_at_once, models)))):
        sides.append(pair)
        progress(FIRST * sum(len(one.loc) for one, _ in sides) / n, "encoding and decoding the images with both")
    one, other = (joined(list(side)) for side in zip(*sides, strict=True))
    supports = [model.latent.support for model in models]
    codes_a, codes_b = (in_prior_units(side.loc, support) for side, support in zip((one, other), supports, strict=True))
    turns = supports != ["binary", "binary"]
    found = alignment.align(codes_a, codes_b, turns)
    return Comparison(
        names=(a.name, b.name),
        supports=(supports[0], supports[1]),
        source=f"{n:,} {images.source}",
        terms=paired_terms(one, other),
        noise=_about_noise(models, images, a),
        incomparable=_why_incomparable(a, b, models),
        a=one,
        b=other,
        alignment=found,
        matches=alignment.matches(codes_a, codes_b),
        movement=alignment.movement(codes_a, codes_b, found),
        movement_by_chance=alignment.movement_by_chance(codes_a, codes_b, turns),
        kept=_kept(codes_a, codes_b, progress),
        places=_places((codes_a, codes_b), (one.rate, other.rate), supports, found),
    )


def _batches(a: Run, b: Run, images: Images, n: int, rows: int) -> Iterator[Tensor]:
    """The images as both models see them. DataError where one sees others."""
    of_b = images_of(b, "test")
    generator = Generator().manual_seed(0)
    if len(of_b.stored) < n or len(images.stored) != len(of_b.stored):
        raise DataError(other_images(a, b, f"{len(images.stored):,} and {len(of_b.stored):,} of them"))
    for start in range(0, n, rows):
        x, same = (of.to_float(of.stored[start : min(n, start + rows)], generator) for of in (images, of_b))
        if not torch.equal(x, same):
            raise DataError(other_images(a, b, "their pixels differ"))
        yield x


def _about_noise(models: tuple[Model, Model], images: Images, a: Run) -> str:
    x = images.to_float(images.stored[:1], Generator().manual_seed(0))
    k_a, k_b = (model.k for model in models)
    if not share_noise(*(model.encode(x) for model in models)):
        return "Both see the same images; one draws normal numbers, the other bits, so each has noise of its own."
    if k_a == k_b:
        return "Both see the same images and draw z with the same noise."
    return f"Both see the same images; the noise of the first {min(k_a, k_b)} dimensions of z is the same."


def _why_incomparable(a: Run, b: Run, models: tuple[Model, Model]) -> str:
    for run in (a, b):
        if why := why_no_likelihood(run.config, run.data):
            return f"“{run.name}”: {why}"
    masses = [model.likelihood.support == "binary" for model in models]
    if masses[0] != masses[1]:
        return (
            "One likelihood gives probabilities of pixels that are 0 or 1, the other densities: their ELBOs and "
            "distortions are not in one unit. The rates and the squared errors compare."
        )
    return ""


def _kept(codes_a: Array, codes_b: Array, progress: Progress) -> dict[int, Array]:
    numbers, words = neighbours.offered(len(codes_a)), "looking for the neighbours of each image"
    near_a = neighbours.nearest(codes_a, max(numbers), lambda done: progress(FIRST + SECOND * done, words))
    near_b = neighbours.nearest(codes_b, max(numbers), lambda done: progress(FIRST + SECOND * (1 + done), words))
    return {k: neighbours.kept(near_a, near_b, k) for k in numbers}


def _places(codes: tuple[Array, Array], rates: tuple[Array, Array], supports: list[str], found: Alignment) -> Places:
    k = len(found.mean_a)
    same = [filled(codes[0], k), found.to_a(codes[1])]  # both in the space of A
    if k == 1:
        one, other = (np.column_stack([z[:, 0], rate]) for z, rate in zip(same, rates, strict=True))
        return Places(one, other, ("z0", "rate in nats"), None, None)
    mean, rows, axes = _plane(same[0], codes[0].shape[1])
    one, other = ((z - mean) @ rows.T for z in same)
    zero = np.zeros((1, k))
    middles = ((place - mean) @ rows.T for place in (zero, found.to_a(zero)))
    origins = [None if support == "binary" else at[0] for at, support in zip(middles, supports, strict=True)]
    return Places(one, other, axes, *origins)


def _plane(codes: Array, k_a: int) -> tuple[Array, Array, tuple[str, str]]:
    """The plane of A through its mean: (k,), two orthonormal rows (2, k), the names of the axes."""
    k = codes.shape[1]
    if k_a <= 2:
        return np.zeros(k), np.eye(2, k), ("z0", "z1" if k_a == 2 else "")
    mean = codes.mean(0)
    _, scales, rows = np.linalg.svd(codes - mean, full_matrices=False)
    share = 100 * scales**2 / max(float((scales**2).sum()), 1e-300)
    names = tuple(f"{word} component of A, {share[i]:.0f} %" for i, word in enumerate(("first", "second")))
    return mean, rows[:2], (names[0], names[1])
