"""Images that are the same, byte for byte, or nearly the same to the eye (`vae.datasets.own.twins`), in either part of
the data: what is trained on and held out as well makes the held-out numbers too good."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from vae.datasets.own.twins import near_twins, small
from vae.datasets.scale import to_bytes

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

NEAR_SHARE = 0.02  # of their own variance, that near twins differ by at most: on black ground strokes differ little
LOOK_EVERY = 1000  # images between two looks at who wants to stop
Progress = Callable[[float], None]


@dataclass(frozen=True)
class Duplicates:
    """For each of n images the place of the first image of its group, −1 where it has no twin. `cut`: there were more
    pairs of near twins to compare than are compared."""

    exact: NDArray[np.int64]
    near: NDArray[np.int64]
    cut: bool


def blank_images(stored: Tensor) -> NDArray[np.bool_]:
    """Returns which images (n, c, h, w) have one value in each channel, all over, (n,)."""
    flat = stored.flatten(2)
    blank: NDArray[np.bool_] = (flat.amax(2) == flat.amin(2)).all(1).numpy()
    return blank


def duplicates(
    parts: list[Tensor], scale: int, limits: tuple[float, float], progress: Progress = lambda fraction: None
) -> Duplicates:
    """Finds the twins among stored images (n, c, h, w) of all parts together, whose places follow one another. Blank
    images have no twins: they are all the same. scale, limits: of the data, for the eye."""
    n = sum(map(len, parts))
    blank = np.concatenate([blank_images(part) for part in parts])
    hashes: list[bytes] = []
    grey = np.zeros((n, 16, 16), np.uint8)
    for part in parts:
        for start in range(0, len(part), LOOK_EVERY):
            some = part[start : start + LOOK_EVERY]
            for image, shown in zip(some.numpy(), to_bytes(some / scale, limits).numpy(), strict=True):
                grey[len(hashes)] = small(_picture(shown))
                hashes.append(hashlib.sha256(image.tobytes()).digest())
            progress(0.7 * len(hashes) / n)
    exact = _groups_of_equals(hashes, blank)
    later = (exact >= 0) & (exact != np.arange(n))
    twins = near_twins(grey, blank | later, shown=n * n)
    progress(1.0)
    return Duplicates(exact, _groups_of_pairs(_alike(grey, twins.pairs), n), twins.cut)


def _alike(grey: NDArray[np.uint8], pairs: tuple[tuple[int, int], ...]) -> list[tuple[int, int]]:
    """Those pairs that differ by little of their own contrast."""
    places = np.array(pairs, np.int64).reshape(-1, 2)
    kept = np.zeros(len(places), bool)
    for start in range(0, len(places), 10_000):
        a, b = (grey[places[start : start + 10_000, side]].astype(np.float32) for side in (0, 1))
        differ, spread = np.square(a - b).mean((1, 2)), np.minimum(a.var((1, 2)), b.var((1, 2)))
        kept[start : start + 10_000] = differ <= NEAR_SHARE * spread
    return [(int(a), int(b)) for a, b in places[kept]]


def _picture(shown: NDArray[np.uint8]) -> Picture:
    """(c, h, w) bytes -> a Pillow picture."""
    from PIL import Image  # takes its time

    return Image.fromarray(shown[0] if len(shown) == 1 else np.ascontiguousarray(shown.transpose(1, 2, 0)))


def _groups_of_equals(hashes: list[bytes], left_out: NDArray[np.bool_]) -> NDArray[np.int64]:
    first: dict[bytes, int] = {}
    groups = np.array([-1 if left_out[i] else first.setdefault(one, i) for i, one in enumerate(hashes)], np.int64)
    sizes = np.bincount(groups[groups >= 0], minlength=len(hashes))
    groups[(groups >= 0) & (sizes[groups] < 2)] = -1
    return groups


def _groups_of_pairs(pairs: list[tuple[int, int]], n: int) -> NDArray[np.int64]:
    """The first of each connected group of twins."""
    first = np.arange(n)

    def top(i: int) -> int:
        while first[i] != i:
            i = int(first[i])
        return i

    for a, b in pairs:
        a, b = top(a), top(b)
        first[max(a, b)] = min(a, b)
    groups = np.full(n, -1, np.int64)
    for i in {i for pair in pairs for i in pair}:
        groups[i] = top(i)
    return groups
