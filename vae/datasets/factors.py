"""The factors that images of a dataset were drawn from, where they are known: dSprites is a whole grid of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

GRIDS = {
    ("dsprites", 46_080): (("shape", 3), ("scale", 6), ("orientation", 10), ("x", 16), ("y", 16)),
    ("dsprites", 737_280): (("shape", 3), ("scale", 6), ("orientation", 40), ("x", 32), ("y", 32)),
}  # by name and number of images; the last factor moves first


@dataclass(frozen=True)
class Factors:
    names: tuple[str, ...]
    values: NDArray[np.int64]  # (n, factors)


def factors_of(name: str, images: int, rows: NDArray[np.int64] | None) -> Factors | None:
    """Returns the factors of the images in these rows of a dataset of so many images; None where they are not known."""
    grid = GRIDS.get((name, images))
    if grid is None or rows is None or not len(rows) or rows.min() < 0 or rows.max() >= images:
        return None
    values = np.unravel_index(rows, [size for _, size in grid])
    return Factors(tuple(word for word, _ in grid), np.stack(values, 1).astype(np.int64))
