"""Which codes are near a code, and how many of them stayed near it in another run."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
OFFERED = (5, 10, 20, 50)  # numbers of neighbours
ROWS = 500  # whose distances to all are held at once: 40 MB for 10,000 codes


def offered(n: int) -> list[int]:
    """Returns the numbers of neighbours that n codes have, those of OFFERED that leave others out; at least one."""
    return [k for k in OFFERED if k < n - 1] or [max(1, n - 2)]


def nearest(codes: Array, most: int, progress: Callable[[float], None] = lambda _: None) -> NDArray[np.int32]:
    """Returns the `most` codes nearest to each of n codes (n, k), itself left out, nearest first: (n, most). Euclidean;
    of equal distances the first image counts."""
    n = len(codes)
    squares = (codes**2).sum(1)
    found = np.empty((n, most), np.int32)
    for start in range(0, n, ROWS):
        rows = slice(start, start + ROWS)
        distance = squares[rows, None] + squares - 2 * codes[rows] @ codes.T
        own = np.arange(len(distance))
        distance[own, start + own] = np.inf
        near = np.argpartition(distance, most - 1, axis=1)[:, :most]
        order = np.lexsort((near, np.take_along_axis(distance, near, 1)), axis=1)
        found[rows] = np.take_along_axis(near, order, 1)
        progress(min(1.0, (start + ROWS) / n))
    return found


def kept(a: NDArray[np.int32], b: NDArray[np.int32], k: int) -> Array:
    """Returns the share of each image's k nearest in `a` that are among its k nearest in `b`, (n,), 0 to 1."""
    n = len(a)
    rows = np.arange(n, dtype=np.int64)[:, None] * n  # each row's images have numbers of their own
    stayed: Array = np.isin(rows + a[:, :k], rows + b[:, :k]).mean(1)
    return stayed


def kept_by_chance(n: int, k: int) -> float:
    """Returns the share that stays where the two have nothing to do with each other: k of the n − 1 others."""
    return k / (n - 1)
