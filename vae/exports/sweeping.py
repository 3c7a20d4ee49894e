"""Codes along which a picture moves: through each dimension in turn, and from image to image."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vae.runs import Run

ALIVE = 0.01  # nats of rate, below which a dimension carries nothing; as Explore has it
REACH = 2.5  # of a real dimension to both sides of the prior's mean; as the traversal sheet has it
MOST_DIMENSIONS = 10
PARALLEL = 1e-7  # radians between two directions below which the arc between them is straight
Codes = NDArray[np.float32]


@dataclass(frozen=True)
class Stop:
    """A code and the words below its picture."""

    z: Codes  # (k,)
    words: str


def rates_of(run: Run) -> list[float] | None:
    """Returns the nats of each dimension over held-out images by the newest record, of the marginals where q does not
    factorise; None where no record tells."""
    for line in reversed(run.history):
        test: dict[str, Any] = line.get("test") or {}
        found = test.get("rate_per_dim") or test.get("marginal_rate_per_dim")
        if found and len(found) == run.config.latent_dim:
            return [rate or 0.0 for rate in found]
    return None


def chosen_dimensions(rates: Sequence[float] | None, k: int) -> list[int]:
    """Returns the dimensions that carry something, the most informative first, MOST_DIMENSIONS at most; the first ones
    where nobody knows."""
    if rates is None:
        return list(range(min(k, MOST_DIMENSIONS)))
    order = sorted(range(k), key=lambda i: -rates[i])
    return [i for i in order if rates[i] >= ALIVE][:MOST_DIMENSIONS] or order[:1]


def through_dimensions(dimensions: Sequence[int], rates: Sequence[float] | None, k: int, frames: int) -> list[Stop]:
    """Returns the way through each dimension from 0 to both ends and back, so many frames each, the others at 0."""
    stops = []
    for i in dimensions:
        told = "" if rates is None else f"   {rates[i]:.2f} nats"
        for frame in range(frames):
            z = np.zeros(k, np.float32)
            z[i] = REACH * math.sin(2 * math.pi * frame / frames)
            stops.append(Stop(z, f"z{i} = {signed(float(z[i]))}{told}"))
    return stops


def through_bits(dimensions: Sequence[int], rates: Sequence[float] | None, code: Codes) -> list[Stop]:
    """Returns the code, then with each bit flipped in turn, the code again between two."""
    stops = []
    for i in dimensions:
        z = code.copy()
        z[i] = 1 - z[i]
        told = "" if rates is None else f"   {rates[i]:.2f} nats"
        stops += [Stop(code, "the code of an image"), Stop(z, f"z{i} flipped to {z[i]:.0f}{told}")]
    return stops


def between(a: Codes, b: Codes, frames: int) -> list[tuple[float, Codes]]:
    """Returns the spherical way from one code to another, with its place in [0, 1] at each of the frames, eased at both
    ends."""
    places = [0.5 - 0.5 * math.cos(math.pi * frame / (frames - 1)) for frame in range(frames)]
    return [(t, spherical(a, b, t)) for t in places]


def spherical(a: Codes, b: Codes, t: float) -> Codes:
    """Returns the code along the great circle at constant speed, its length evenly from that of a to that of b;
    straight where a direction is missing, or both are one."""
    a64, b64 = a.astype(np.float64), b.astype(np.float64)
    lengths = float(np.linalg.norm(a64)), float(np.linalg.norm(b64))
    straight = ((1 - t) * a64 + t * b64).astype(np.float32)
    if 0 in lengths:
        return straight
    u, v = a64 / lengths[0], b64 / lengths[1]
    angle = 2 * math.atan2(float(np.linalg.norm(u - v)), float(np.linalg.norm(u + v)))
    across = v - float(v @ u) * u
    if math.pi - angle < PARALLEL:  # opposite: through the axis that is most across u
        axis = int(np.abs(u).argmin())
        across = np.eye(len(u))[axis] - u[axis] * u
    size = float(np.linalg.norm(across))
    if angle < PARALLEL or size < 1e-12:
        return straight
    length = (1 - t) * lengths[0] + t * lengths[1]
    return (length * (math.cos(t * angle) * u + math.sin(t * angle) * across / size)).astype(np.float32)


def flips(a: Codes, b: Codes, order: Sequence[int], most: int) -> list[tuple[float, Codes]]:
    """Returns the way from bits to bits, those that differ flipped one after another in this order, several at once
    where it would take more than `most` steps, with the share that is done."""
    differing = [i for i in order if a[i] != b[i]]
    steps = min(most, len(differing)) or 1
    way = []
    for step in range(steps + 1):
        code, done = a.copy(), differing[: round(step / steps * len(differing))]
        code[done] = b[done]
        way.append((step / steps, code))
    return way


def one_of_each(labels: NDArray[np.int64] | None, n: int, most: int) -> list[int]:
    """Returns indices of images of different labels, in the order of the labels; the first images where there are
    none."""
    if labels is None:
        return list(range(min(n, most)))
    firsts = dict(sorted({int(label): i for i, label in reversed(list(enumerate(labels)))}.items()))
    rest = (i for i in range(n) if i not in firsts.values())
    return list(itertools.islice(itertools.chain(firsts.values(), rest), min(n, most)))


def signed(value: float) -> str:
    """Returns `+1.25` or `-0.50`: a hyphen, for the font of the frames has no minus."""
    return f"{value:+.2f}"
