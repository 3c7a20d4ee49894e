"""What each image costs and whether it stands out: rate, distortion, blank, copies, neighbours, for both parts."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vae.diagnosis.suspects.options import KS
from vae.space.parts import Part

FAR = 3.0  # interquartile ranges beyond the quartile: "far out" (Tukey 1977)
ORDER: tuple[Part, ...] = ("test", "train")  # of the places that `exact` and `near` are
Column = NDArray[Any]


@dataclass(frozen=True)
class Scores:
    """n images of one part. What is not computed yet, or makes no sense, is None.

    exact, near: the place of the first of a group of twins, −1 for none; places count held-out images first, then those
    that are trained on. differ, suggested, agree: see `label_disagreement`.
    """

    rate: NDArray[np.float32]  # (n,) nats
    distortion: NDArray[np.float32]  # (n,) nats, from one sample of z
    blank: NDArray[np.bool_] | None = None
    exact: NDArray[np.int64] | None = None
    near: NDArray[np.int64] | None = None
    differ: NDArray[np.int16] | None = None  # (n, len(KS))
    suggested: NDArray[np.int64] | None = None
    agree: NDArray[np.int16] | None = None
    offset: int = 0  # the place of image 0
    neighbours: int = 0  # how many codes there are to be neighbours
    near_cut: bool = False  # more pairs looked alike at first sight than were compared: some near copies may be missing

    def __len__(self) -> int:
        return len(self.rate)

    @property
    def elbo(self) -> NDArray[np.float32]:
        """−(distortion + rate), (n,) nats."""
        return -(self.distortion + self.rate)

    @functools.cached_property
    def far(self) -> NDArray[np.bool_]:
        """Whether rate or distortion lies far above those of the others, (n,)."""
        return far_above(self.rate) | far_above(self.distortion)

    def k_there(self, k: int) -> int:
        """Returns how many neighbours are asked where k are wanted: there may be fewer."""
        return min(k, max(1, self.neighbours))

    def disagreement(self, k: int) -> NDArray[np.float64] | None:
        """Returns the share of the k nearest neighbours that have another label, (n,)."""
        return None if self.differ is None else self.differ[:, KS.index(k)] / self.k_there(k)


def far_above(values: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Returns which values lie above the third quartile by more than FAR interquartile ranges, (n,)."""
    low, high = np.percentile(values, [25, 75])
    above: NDArray[np.bool_] = values > high + FAR * (high - low)
    return above


NAMES = ("rate", "distortion", "blank", "exact", "near", "differ", "suggested", "agree")


def pack(scores: dict[Part, Scores]) -> dict[str, Column]:
    """Returns all arrays of all parts, by `part_name`."""
    found = {f"{part}_{name}": getattr(one, name) for part, one in scores.items() for name in NAMES}
    extra = {f"{part}_neighbours": np.array(one.neighbours) for part, one in scores.items()}
    extra |= {f"{part}_near_cut": np.array(one.near_cut) for part, one in scores.items()}
    return {name: array for name, array in found.items() if array is not None} | extra


def unpack(arrays: dict[str, Column]) -> dict[Part, Scores]:
    """Returns what `pack` packed. Raises ValueError where arrays are missing, or have the wrong shapes or kinds."""
    scores: dict[Part, Scores] = {}
    total = sum(len(arrays[f"{part}_rate"]) for part in ORDER if f"{part}_rate" in arrays)
    offset = 0
    for part in ORDER:
        if f"{part}_rate" not in arrays:
            continue
        own = {name: arrays[f"{part}_{name}"] for name in NAMES if f"{part}_{name}" in arrays}
        n = len(own["rate"])
        for name, array in own.items():
            wide = name in ("differ", "suggested", "agree")
            if array.shape != ((n, len(KS)) if wide else (n,)) or (array.dtype.kind == "f") != (name in NAMES[:2]):
                raise ValueError(f"{part}_{name}: expected one value for each of {n:,} images, got {array.shape}")
            if name in ("exact", "near") and n and not -1 <= array.min() <= array.max() < total:
                raise ValueError(f"{part}_{name}: expected places of images, got {array.min()} to {array.max()}")
        extra = {name: arrays.get(f"{part}_{name}", np.array(0)) for name in ("neighbours", "near_cut")}
        if any(value.shape for value in extra.values()):
            raise ValueError(f"{part}: expected one number of neighbours, got {extra['neighbours'].shape}")
        known = int(extra["neighbours"])
        scores[part] = Scores(**own, offset=offset, neighbours=known, near_cut=bool(extra["near_cut"]))
        offset += n
    return scores
