"""What a projection is: codes (n, k) in, places (n, 2) out; its map's name and meaning; planes, and the others."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vae.errors import ProjectionError

Array = NDArray[np.float32]
FEWEST = 3  # points that span a plane
KD_TREE_DIMENSIONS = 12  # above, comparing all pairs is faster than a tree


@dataclass(frozen=True)
class Frame:
    """A fit on its way. `places` is the method's own array: copy what must outlive the call."""

    iteration: int
    total: int
    places: NDArray[Any]  # (n, 2)
    kl: float | None  # t-SNE's objective KL(P ‖ Q), nats; None for the start


OnFrame = Callable[[Frame], bool]  # answers True to stop: the fit then returns what it has


class Projection(ABC):
    """One way to lay codes out. `fit` once, then `transform`; `arrays` holds all that `restore` needs."""

    name: ClassVar[str]
    title: ClassVar[str]
    about: ClassVar[str]  # what its map means, a phrase: "PCA, the plane on which the codes vary most"
    kind: ClassVar[Literal["linear", "fitted"]]  # a plane at once, both ways; or places that a process computes
    package: ClassVar[str] = "numpy"
    iterates: ClassVar[bool] = False  # whether `fit` calls back with frames

    @classmethod
    def descriptor(cls) -> dict[str, str]:
        """Returns all that a page knows of it, for JSON: name, title, kind and about."""
        return {"name": cls.name, "title": cls.title, "kind": cls.kind, "about": cls.about}

    @abstractmethod
    def fit(self, x: ArrayLike, on_frame: OnFrame | None = None) -> Array:
        """Returns places (n, 2) of the codes x (n, k). Raises ProjectionError for codes that have no such layout."""

    @abstractmethod
    def transform(self, x: ArrayLike) -> Array:
        """Returns places (m, 2) of further codes (m, k), the fitted ones staying where they are."""

    @abstractmethod
    def arrays(self) -> dict[str, NDArray[Any]]: ...

    @abstractmethod
    def restore(self, arrays: dict[str, NDArray[Any]]) -> None: ...


class LinearProjection(Projection):
    """Base of the planes, y = (x − mean) Vᵀ: `fit` finds mean and V, the page does the rest, both ways."""

    kind = "linear"

    mean: NDArray[np.float64]  # (k,)
    components: NDArray[np.float64]  # V, (2, k), orthonormal rows
    explained: NDArray[np.float64]  # (2,) shares of the codes' variance along them

    def transform(self, x: ArrayLike) -> Array:
        return ((np.asarray(x, np.float64) - self.mean) @ self.components.T).astype(np.float32)

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {"mean": self.mean, "components": self.components, "explained": self.explained}

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        self.mean, self.components, self.explained = (arrays[key] for key in ("mean", "components", "explained"))
        k = self.mean.size
        if (self.mean.shape, self.components.shape, self.explained.shape) != ((k,), (2, k), (2,)):
            raise ValueError(f"expected a mean and two components of {k} dimensions, got {self.components.shape}")


class NeighbourProjection(Projection):
    """Base of the methods whose places have no formula: they are kept with their codes."""

    kind = "fitted"

    x: NDArray[np.float64]  # (n, k)
    y: Array  # (n, 2)

    def transform(self, x: ArrayLike) -> Array:
        """Returns the mean place of the nearest 15 fitted codes, weighted by 1/distance²: a stand-in where a method has
        no transform of its own."""
        distance, index = neighbours_of(self.x, np.asarray(x, np.float64), min(15, len(self.x)))
        weight = 1 / (distance**2 + 1e-12)
        places = np.einsum("mj,mjd->md", weight / weight.sum(1, keepdims=True), self.y[index])
        return np.asarray(places, np.float32)

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {"x": self.x.astype(np.float32), "y": self.y}

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        self.x, self.y = arrays["x"].astype(np.float64), arrays["y"]
        if self.x.ndim != 2 or self.y.shape != (len(self.x), 2):
            raise ValueError(f"expected codes (n, k) and places (n, 2), got {self.x.shape} and {self.y.shape}")


def neighbours_of(x: NDArray[Any], query: NDArray[Any], k: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Returns distances (m, k) and indices (m, k) of the nearest rows of x, nearest first."""
    from sklearn.neighbors import NearestNeighbors

    tree = x.shape[1] <= KD_TREE_DIMENSIONS
    search = NearestNeighbors(n_neighbors=k, algorithm="kd_tree" if tree else "brute").fit(x)
    distance, index = search.kneighbors(query)
    return distance, index


def check_codes(x: ArrayLike, fewest: int, title: str, setting: str = "") -> NDArray[np.float64]:
    """Returns the codes as float64 (n, k). Raises ProjectionError for what cannot be laid out, and says why."""
    codes = np.asarray(x, np.float64)
    if codes.ndim != 2:
        raise ProjectionError(f"{title}: expected codes of shape (n, k), got {codes.shape}")
    n, k = codes.shape
    if k < 2:
        raise ProjectionError(f"{title}: these codes have one dimension; two coordinates cannot add anything to it")
    if bad := int((~np.isfinite(codes)).any(1).sum()):
        raise ProjectionError(
            f"{title}: {bad:,} of {n:,} codes hold values that are not finite numbers; the run may have diverged"
        )
    if n < fewest:
        remedy = f"; lower {setting}, or use PCA" if setting else ""
        raise ProjectionError(f"{title}: {n:,} points are too few, it needs {fewest:,}{remedy}")
    if not (np.ptp(codes, 0) > 1e-12 * (1 + np.abs(codes).max())).any():
        raise ProjectionError(
            f"{title}: all {n:,} images have the same code, there is nothing to lay out; the posterior has collapsed "
            "onto the prior. A larger C lets the codes say something"
        )
    return codes
