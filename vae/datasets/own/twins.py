"""Which pictures are the same: exactly, by the hash of their bytes, and nearly, by what a small grey version shows.

A difference hash (each of 8 x 8 places: is it brighter than its neighbour on the right?) has 64 bits. Hashes that
differ in at most NEAR_BITS bits agree in at least one of NEAR_BITS + 1 bands, so only pictures that share a band are
compared; of those, near twins also differ by NEAR_LEVELS at most in the mean over 16 x 16 places. The work is bounded:
`cut` says where there would have been more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

SIDE = 16  # of the small grey version
NEAR_BITS = 3
NEAR_LEVELS = 5.0  # of 255
MOST_COMPARED = 3_000_000  # pairs
MOST_AT_ONCE = 200_000
Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Twins:
    """images: how many have a twin before them. pairs: the first few, (earlier, later), by their places."""

    images: int
    pairs: tuple[tuple[int, int], ...]
    cut: bool = False


def small(image: PillowImage) -> Bytes:
    """Returns the picture as (16, 16) grey levels."""
    from PIL import Image

    return np.asarray(image.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX), np.uint8)


def exact_twins(hashes: list[bytes], shown: int = 20) -> Twins:
    """Returns which have the bytes of an earlier one."""
    first: dict[bytes, int] = {}
    pairs = [(first[one], i) for i, one in enumerate(hashes) if first.setdefault(one, i) != i]
    return Twins(len(pairs), tuple(pairs[:shown]))


def near_twins(small_ones: Bytes, left_out: NDArray[np.bool_], shown: int = 20) -> Twins:
    """Returns which look like an earlier one. small_ones (n, 16, 16); left_out (n,): exact twins and blanks."""
    places = np.flatnonzero(~left_out)
    bits = _difference_bits(small_ones[places])
    bands = np.array_split(np.arange(64), NEAR_BITS + 1)
    pairs: set[tuple[int, int]] = set()
    budget = MOST_COMPARED
    for band in bands:
        packed = np.packbits(bits[:, band], axis=1)
        keys = packed.astype(np.uint32) @ (256 ** np.arange(packed.shape[1], dtype=np.uint32))
        for i, j in _same(keys):
            budget -= len(i)
            if budget < 0:
                return _twins(pairs, places, shown, cut=True)
            close = (bits[i] != bits[j]).sum(1) <= NEAR_BITS
            i, j = i[close], j[close]
            a, b = (small_ones[places[one]].astype(np.int16) for one in (i, j))
            alike = np.abs(a - b).mean((1, 2)) <= NEAR_LEVELS
            pairs |= set(zip(i[alike].tolist(), j[alike].tolist(), strict=True))
    return _twins(pairs, places, shown, cut=False)


def _twins(pairs: set[tuple[int, int]], places: NDArray[np.int64], shown: int, cut: bool) -> Twins:
    ordered = sorted((int(places[min(pair)]), int(places[max(pair)])) for pair in pairs)
    return Twins(len({later for _, later in ordered}), tuple(ordered[:shown]), cut)


def _difference_bits(grey: Bytes) -> NDArray[np.bool_]:
    """(n, 64): each of 8 x 8 places against its neighbour on the right, of 8 rows and 9 columns laid over the 16."""
    n = len(grey)
    rows = grey.reshape(n, 8, 2, SIDE).astype(np.int32).sum(2)
    columns = np.linspace(0, SIDE - 2, 9).round().astype(int)
    nine = rows[:, :, columns] + rows[:, :, columns + 1]
    bits: NDArray[np.bool_] = (nine[:, :, 1:] > nine[:, :, :-1]).reshape(n, 64)
    return bits


def _same(keys: NDArray[np.uint32]) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Pairs of places with the same key, block by block; of a large group only neighbours in order."""
    order = np.argsort(keys, kind="stable")
    ordered, blocks = keys[order], []
    waiting_i, waiting_j, held = [], [], 0
    for gap in range(1, 64):  # the gap-th next in order
        together = np.flatnonzero(ordered[gap:] == ordered[:-gap])
        if not len(together):
            break
        waiting_i.append(order[together])
        waiting_j.append(order[together + gap])
        held += len(together)
        if held > MOST_AT_ONCE:
            blocks.append((np.concatenate(waiting_i), np.concatenate(waiting_j)))
            waiting_i, waiting_j, held = [], [], 0
    if held:
        blocks.append((np.concatenate(waiting_i), np.concatenate(waiting_j)))
    return blocks
