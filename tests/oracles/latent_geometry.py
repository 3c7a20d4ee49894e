"""Paths, sheets and directions in the latent space. Pure functions on arrays, float64 inside; k is the last axis.

The page computes the same in `ui/static/`: interpolation/paths.js, sheets/codes.js, latent/normal.js and
attributes/direction.js: the tests of both sides read one file of numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vae.errors import ConfigError

Array = NDArray[np.float64]
PARALLEL = 1e-7  # radians between two directions below which the arc between them is straight


def lerp(a: ArrayLike, b: ArrayLike, t: ArrayLike) -> Array:
    """The straight path (1 − t) a + t b; a, b (k,), t (T,) -> (T, k)."""
    a, b, t = _code(a, "a"), _code(b, "b"), np.asarray(t, float)[..., None]
    return (1 - t) * a + t * b


def slerp(a: ArrayLike, b: ArrayLike, t: ArrayLike) -> Array:
    """The spherical path; a, b (k,), t (T,) -> (T, k).

    The direction moves along the great circle from a/‖a‖ to b/‖b‖ at constant angular speed (Shoemake 1985),

        u(t) = [sin((1 − t) Ω) a/‖a‖ + sin(t Ω) b/‖b‖] / sin Ω,   cos Ω = a·b / (‖a‖ ‖b‖),

    and the length goes evenly, ‖z(t)‖ = (1 − t) ‖a‖ + t ‖b‖: between codes of one length it stays constant. Slerp on
    the codes as they are (White 2016) is the same for equal lengths, and blows up for unequal ones near Ω = π.
    Exactly opposite directions have no one great circle: the path then passes through the axis that is most across a.
    Where a direction is missing (a code is 0, or k = 1 with opposite signs) the path is the straight one.
    """
    a, b, t = _code(a, "a"), _code(b, "b"), np.asarray(t, float)
    length_a, length_b = float(np.linalg.norm(a)), float(np.linalg.norm(b))
    if length_a == 0 or length_b == 0:
        return lerp(a, b, t)
    start, across, angle = _arc(a / length_a, b / length_b)
    if angle < PARALLEL or across is None:
        return lerp(a, b, t)
    turned = np.cos(t * angle)[..., None] * start + np.sin(t * angle)[..., None] * across
    return ((1 - t) * length_a + t * length_b)[..., None] * turned


def _arc(u: Array, v: Array) -> tuple[Array, Array | None, float]:
    """u, the unit vector at right angles to u towards v, and the angle between unit vectors u and v.

    The angle is 2 atan2(‖u − v‖, ‖u + v‖), which keeps its digits where arccos loses them, at 0 and π.
    """
    angle = 2 * math.atan2(float(np.linalg.norm(u - v)), float(np.linalg.norm(u + v)))
    across = v - (u @ v) * u
    if math.pi - angle < PARALLEL:
        across = np.eye(len(u))[np.abs(u).argmin()]
        across = across - (u @ across) * u
    length = float(np.linalg.norm(across))
    return u, (across / length if length > 1e-12 else None), angle


def norm_range(k: int, share: float = 0.9) -> tuple[float, float]:
    """Between which lengths ‖z‖ a share of the draws from N(0, I_k) lies, the tails cut off evenly.

    ‖z‖² is chi-squared with k degrees of freedom: exact for k ≤ 2, else its quantiles by Wilson & Hilferty (1931),
    χ² ≈ k (1 − h + q √h)³, h = 2/(9k); then within 0.03 at k = 3, within 0.003 from k = 10 on.
    """
    if k < 1 or not 0 < share < 1:
        raise ConfigError(f"norm_range: expected k ≥ 1 and 0 < share < 1, got k = {k}, share = {share}")
    return _norm_quantile(k, (1 - share) / 2), _norm_quantile(k, (1 + share) / 2)


def _norm_quantile(k: int, p: float) -> float:
    if k == 1:
        return NormalDist().inv_cdf((1 + p) / 2)
    if k == 2:
        return math.sqrt(-2 * math.log1p(-p))
    h = 2 / (9 * k)
    return math.sqrt(k * max(0.0, 1 - h + NormalDist().inv_cdf(p) * math.sqrt(h)) ** 3)


def traversal_values(count: int, spacing: Literal["even", "quantiles"] = "even", bound: float = 2.5) -> Array:
    """The values of one dimension that a traversal shows, (count,), ascending and symmetric about 0.

    even: from −bound to bound. quantiles: the prior's, at probabilities (i + ½)/count, so that each value stands for
    an equal share of N(0, 1). An odd count holds the prior's mean.
    """
    if count < 2:
        raise ConfigError(f"count: expected 2 or more, got {count}")
    if spacing == "even":
        return np.array([bound * (2 * i - (count - 1)) / (count - 1) for i in range(count)])
    if spacing == "quantiles":
        return np.array([NormalDist().inv_cdf((i + 0.5) / count) for i in range(count)])
    raise ConfigError(f"spacing: expected even or quantiles, got {spacing!r}")


def traversal_codes(z: ArrayLike, values: ArrayLike, dimensions: ArrayLike) -> Array:
    """Codes of a traversal sheet: z (k,) with one coordinate replaced; (len(dimensions), len(values), k)."""
    z, values, rows = _code(z, "z"), np.asarray(values, float), np.asarray(dimensions, int)
    if rows.size and not (rows.min() >= 0 and rows.max() < len(z)):
        raise ConfigError(f"dimensions: expected 0 to {len(z) - 1}, got {rows.tolist()}")
    sheet = np.broadcast_to(z, (len(rows), len(values), len(z))).copy()
    sheet[np.arange(len(rows)), :, rows] = values
    return sheet


@dataclass(frozen=True)
class Attribute:
    """A direction from one set of codes to another, and how far apart the two lie along it."""

    start: Array  # (k,) mean code of A
    direction: Array  # (k,) mean code of B − mean code of A: one step along it leads from A's mean to B's
    effect: float | None  # Cohen's d of the projections; None where it has no meaning
    random_effects: Array  # (pairs,) the same for random pairs of sets of these sizes
    sizes: tuple[int, int]

    @property
    def exceeded(self) -> int:
        """Than how many of the random pairs the effect is larger."""
        return 0 if self.effect is None else int((self.random_effects < self.effect).sum())


def attribute_direction(codes: ArrayLike, a: ArrayLike, b: ArrayLike, pairs: int = 200, seed: int = 0) -> Attribute:
    """The direction from set A to set B of codes (n, k); a, b are row numbers, disjoint, each not empty.

    Any two sets are apart along the line through their own means, small sets in many dimensions widely so. The
    effect size therefore says nothing by itself: `random_effects` is what it comes to when both sets are drawn
    blindly from all n codes, without replacement, `pairs` times, seeded.
    """
    codes = np.asarray(codes, float)
    first, second = np.unique(np.asarray(a, int)), np.unique(np.asarray(b, int))
    sizes = (len(first), len(second))
    if min(sizes) < 1 or np.intersect1d(first, second).size:
        raise ConfigError(f"a, b: expected two sets without a common image, none empty, got {sizes[0]} and {sizes[1]}")
    start, direction, effect = _effect(codes[first], codes[second])
    random_effects: list[float] = []
    if effect is not None:
        for rows in random_rows(len(codes), sum(sizes), pairs, seed):
            found = _effect(codes[rows[: sizes[0]]], codes[rows[sizes[0] :]])[2]
            random_effects.append(0.0 if found is None else found)
    return Attribute(start, direction, effect, np.array(random_effects), sizes)


def _effect(a: Array, b: Array) -> tuple[Array, Array, float | None]:
    """Mean of a, difference of the means, Cohen's d of the projections onto it."""
    start = a.mean(0)
    direction = b.mean(0) - start
    length = float(np.linalg.norm(direction))
    if length == 0 or min(len(a), len(b)) < 2:
        return start, direction, None
    return start, direction, cohens_d(a @ direction / length, b @ direction / length)


def cohens_d(x: ArrayLike, y: ArrayLike) -> float | None:
    """(mean y − mean x) / s, s² = [(n−1) s_x² + (m−1) s_y²] / (n + m − 2) (Cohen 1988); None where s = 0."""
    x, y = np.asarray(x, float), np.asarray(y, float)
    squares = ((x - x.mean()) ** 2).sum() + ((y - y.mean()) ** 2).sum()
    if len(x) + len(y) < 3 or squares == 0:
        return None
    return float((y.mean() - x.mean()) / math.sqrt(squares / (len(x) + len(y) - 2)))


def random_rows(n: int, count: int, draws: int, seed: int) -> NDArray[np.int64]:
    """`draws` times `count` of the numbers 0..n−1 without replacement, in random order, (draws, count).

    The first steps of Fisher and Yates' shuffle; draw p uses the stream of seed · 2³² + p, so that the page, which
    draws one after the other, comes to the same rows.
    """
    if not 0 <= count <= n:
        raise ConfigError(f"count: expected 0 to {n}, got {count}")
    if not 0 <= seed < 2**20:
        raise ConfigError(f"seed: expected 0 to {2**20 - 1}, got {seed}")
    rows = np.tile(np.arange(n), (draws, 1))
    every = np.arange(draws)
    for i, uniform in zip(range(count), _uniforms(every, seed), strict=False):
        j = i + (uniform * (n - i)).astype(np.int64)
        rows[every, i], rows[every, j] = rows[every, j], rows[every, i]
    return rows[:, :count]


def _uniforms(low: NDArray[np.int64], high: int) -> Iterator[Array]:
    """Uniform numbers of many streams side by side: sfc32 as in ui/static/decoder/random.js."""
    a, b = low.astype(np.uint32), np.full(len(low), high, np.uint32)
    c, counter = np.full(len(low), 0x9E3779B9, np.uint32), np.uint32(1)
    for i in range(2**31):
        total = a + b + counter
        counter += np.uint32(1)
        a = b ^ (b >> np.uint32(9))
        b = c + (c << np.uint32(3))
        c = ((c << np.uint32(21)) | (c >> np.uint32(11))) + total
        if i >= 15:
            yield total / 2.0**32


def _code(z: ArrayLike, name: str) -> Array:
    array = np.asarray(z, float)
    if array.ndim != 1 or not array.size or not np.isfinite(array).all():
        raise ConfigError(f"{name}: expected one code of finite numbers, got shape {array.shape}")
    return array
