"""Projections: codes (n, k) in, places (n, 2) out. Only numpy here; each method imports its package when it is used.

    pca           the plane of largest variance; every place on it is one code, and decodes
    tsne          neighbourhoods kept (van der Maaten and Hinton 2008), as openTSNE computes it (Poličar, Stražar and
                  Zupan 2024): shown as it converges, can be stopped, new points land by `transform`
    tsne-sklearn  scikit-learn's t-SNE (Barnes-Hut): several times slower, nothing to see before its end
    umap          where umap-learn is installed

Start with pca: it takes no time and its distances are true where the two components carry the variance (`explained`).
tsne shows groups; distances between groups and their sizes mean nothing. A new method is one class, a LinearProjection
or a NeighbourProjection, here or in another file, and one line in PROJECTIONS; the Map page knows it by its
`descriptor`.
"""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vae.errors import ConfigError
from vae.space.projection import (
    FEWEST,
    Array,
    Frame,
    LinearProjection,
    NeighbourProjection,
    OnFrame,
    Projection,
    check_codes,
    neighbours_of,
)

ITERATIONS_PER_FRAME = 5  # iterations between two frames of an iterating method
EXAGGERATED = 125  # iterations of t-SNE's first stage; from a PCA start more changes nothing
REFINED = 500
ONLY_NEIGHBOURS = "distances and sizes on this map mean nothing, only who is near whom"


class Pca(LinearProjection):
    """V are the two leading eigenvectors of the covariance.

    The same as scikit-learn's PCA(2), up to float32, without the seconds that its import takes. The sign is fixed:
    each eigenvector's largest entry is positive.
    """

    name = "pca"
    title = "PCA"
    about = "PCA, the plane on which the codes vary most"

    def fit(self, x: ArrayLike, on_frame: OnFrame | None = None) -> Array:
        codes = check_codes(x, FEWEST, self.title)
        self.mean = codes.mean(0)
        values, vectors = np.linalg.eigh(np.cov(codes, rowvar=False))
        top = vectors[:, [-1, -2]].T
        signs = np.sign(top[np.arange(2), np.abs(top).argmax(1)])
        self.components, self.explained = top * signs[:, np.newaxis], values[[-1, -2]].clip(0) / values.clip(0).sum()
        return self.transform(codes)


@dataclass
class Tsne(NeighbourProjection):
    """t-SNE by openTSNE with an interpolated gradient of cells 2 wide: a third of the default's time, the same share
    of true neighbours kept.

    perplexity None: each point is tied equally to its `neighbours` nearest, which takes half of the time that a
    perplexity of 30 takes and keeps as many neighbours. Lower either to see finer groups, raise it for wider ones.
    """

    name = "tsne"
    title = "t-SNE"
    about = f"t-SNE: {ONLY_NEIGHBOURS}"
    package = "openTSNE"
    iterates = True

    neighbours: int = 15
    perplexity: float | None = None
    seed: int = 0
    threads: int | None = None  # None: all cores but one, four at most

    def __post_init__(self) -> None:
        if self.neighbours < 1:
            raise ConfigError(f"neighbours: expected 1 or more, got {self.neighbours}")
        if self.perplexity is not None and not 1 <= self.perplexity < 1e6:
            raise ConfigError(f"perplexity: expected 1 or more, 30 as a rule, got {self.perplexity}")

    def fit(self, x: ArrayLike, on_frame: OnFrame | None = None) -> Array:
        wanted = "neighbours" if self.perplexity is None else "perplexity"
        self.x = check_codes(x, _needed(self.neighbours, self.perplexity), self.title, wanted)
        start = _pca_start(self.x, self.seed)
        if on_frame is not None and on_frame(Frame(0, EXAGGERATED + REFINED, start, None)):
            self.y = start.astype(np.float32)
            return self.y
        self.y = self._optimise(start, on_frame).astype(np.float32)
        return self.y

    def _optimise(self, start: NDArray[Any], on_frame: OnFrame | None) -> NDArray[Any]:
        from openTSNE.tsne import OptimizationInterrupt

        embedding = self._embedding(start)
        done = 0

        def on_iteration(iteration: int, error: float, places: NDArray[Any]) -> bool:
            frame = Frame(done + iteration, EXAGGERATED + REFINED, np.asarray(places), float(error))
            return on_frame is not None and on_frame(frame)

        settings: dict[str, Any] = {
            "callbacks": on_iteration,
            "callbacks_every_iters": ITERATIONS_PER_FRAME,
            "inplace": True,
            "propagate_exception": True,
        }
        try:
            embedding.optimize(EXAGGERATED, exaggeration=12, momentum=0.8, **settings)
            done = EXAGGERATED
            embedding.optimize(REFINED, momentum=0.8, **settings)
        except OptimizationInterrupt as stopped:
            return np.asarray(stopped.final_embedding)
        return np.asarray(embedding)

    def _embedding(self, places: NDArray[Any], nearest: int = 0) -> Any:
        """openTSNE's embedding of the fitted codes at `places`; `nearest` > 0: only to place new points among so many
        fitted ones."""
        from openTSNE import TSNEEmbedding
        from openTSNE.affinity import PerplexityBasedNN, Uniform

        threads = self.threads or min(4, max(1, (os.cpu_count() or 2) - 1))
        affinities: Any
        if nearest:
            affinities = _NewPoints(_Index(self.x, nearest))
        elif self.perplexity is None:
            index = _Index(self.x, self.neighbours)
            affinities = Uniform(knn_index=index, k_neighbors=self.neighbours, n_jobs=threads)
        else:
            index = _Index(self.x, int(3 * self.perplexity))
            affinities = PerplexityBasedNN(knn_index=index, perplexity=self.perplexity, n_jobs=threads)
        return TSNEEmbedding(
            np.ascontiguousarray(places, np.float64),
            affinities,
            negative_gradient_method="fft" if len(self.x) >= 500 else "bh",
            ints_in_interval=2,
            n_jobs=threads,
            random_state=self.seed,
        )

    def transform(self, x: ArrayLike) -> Array:
        """Places codes by openTSNE: a start at the median place of the nearest fitted codes, then steps of its own
        optimisation in which only the new points move."""
        if not hasattr(self, "_fitted"):
            self._centre = (self.y.max(0) + self.y.min(0)) / 2  # the gradient's grid is about the origin
            self._fitted = self._embedding(self.y - self._centre, nearest=min(self.neighbours, len(self.x) - 1))
        partial = self._fitted.prepare_partial(np.asarray(x, np.float64), initialization="median")
        gently = {"learning_rate": 0.1, "momentum": 0.8, "max_grad_norm": 0.25, "inplace": True}
        partial.optimize(100, exaggeration=1.5, **gently)
        return np.asarray(np.asarray(partial) + self._centre, np.float32)

    def arrays(self) -> dict[str, NDArray[Any]]:
        settings = np.array([self.neighbours, self.perplexity or 0.0, self.seed])
        return {**super().arrays(), "settings": settings}

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        super().restore(arrays)
        neighbours, perplexity, seed = arrays["settings"].tolist()
        self.neighbours, self.perplexity, self.seed = int(neighbours), perplexity or None, int(seed)


@dataclass
class SklearnTsne(NeighbourProjection):
    """scikit-learn's TSNE, Barnes-Hut. No frames; new points land among their neighbours' places."""

    name = "tsne-sklearn"
    title = "t-SNE (scikit-learn)"
    about = (
        f"scikit-learn’s t-SNE: {ONLY_NEIGHBOURS}; openTSNE’s, the other one, is several times faster, shows itself as "
        "it converges, and places new points; here a picture of your own stands amid its neighbours’ places"
    )
    package = "sklearn"

    perplexity: float = 30.0
    seed: int = 0

    def fit(self, x: ArrayLike, on_frame: OnFrame | None = None) -> Array:
        from sklearn.manifold import TSNE

        self.x = check_codes(x, int(self.perplexity) + 1, self.title, "perplexity")
        fitted = TSNE(perplexity=self.perplexity, init="pca", random_state=self.seed).fit_transform(self.x)
        self.y = np.asarray(fitted, np.float32)
        return self.y


@dataclass
class Umap(NeighbourProjection):
    """UMAP (McInnes, Healy and Melville 2018) by umap-learn, which compiles for half a minute on its first use."""

    name = "umap"
    title = "UMAP"
    about = f"UMAP: {ONLY_NEIGHBOURS}"
    package = "umap"

    neighbours: int = 15
    seed: int = 0

    def fit(self, x: ArrayLike, on_frame: OnFrame | None = None) -> Array:
        import umap

        self.x = check_codes(x, self.neighbours + 1, self.title, "neighbours")
        fitted = umap.UMAP(n_neighbors=self.neighbours, random_state=self.seed, n_jobs=1).fit_transform(self.x)
        self.y = np.asarray(fitted, np.float32)
        return self.y


class _Index:
    """Nearest neighbours of fitted codes in the form that openTSNE asks for; exact."""

    def __init__(self, x: NDArray[np.float64], k: int) -> None:
        self.x, self.k, self.n_samples = x, k, len(x)

    def build(self) -> tuple[NDArray[Any], NDArray[Any]]:
        distance, index = neighbours_of(self.x, self.x, self.k + 1)
        return index[:, 1:], distance[:, 1:]  # the nearest is the point itself

    def query(self, query: NDArray[Any], k: int) -> tuple[NDArray[Any], NDArray[Any]]:
        distance, index = neighbours_of(self.x, query, k)
        return index, distance


class _NewPoints:
    """openTSNE's affinities of new points alone: each is tied equally to its nearest fitted codes."""

    def __init__(self, index: _Index) -> None:
        from scipy.sparse import csr_matrix

        self.index, self.n_samples = index, index.n_samples
        self.P = csr_matrix((index.n_samples, index.n_samples))  # asked for its shape

    def to_new(self, data: NDArray[Any], return_distances: bool = True) -> tuple[Any, NDArray[Any], NDArray[Any]]:
        from scipy.sparse import csr_matrix

        neighbours, distances = self.index.query(data, self.index.k)
        ends = np.arange(0, neighbours.size + 1, self.index.k)
        weights = np.full(neighbours.size, 1 / self.index.k)
        P = csr_matrix((weights, neighbours.ravel(), ends), shape=(len(data), self.n_samples))
        return P, neighbours, distances


def _pca_start(x: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """Places by PCA, so small that t-SNE's first steps decide, with a little noise against equal codes."""
    places = Pca().fit(x).astype(np.float64)
    places /= np.std(places[:, 0]) * 1e4
    return places + np.random.default_rng(seed).normal(0, 1e-6, places.shape)


def _needed(neighbours: int, perplexity: float | None) -> int:
    """Fewest points for these settings."""
    return neighbours + 1 if perplexity is None else int(3 * perplexity) + 1


PROJECTIONS: dict[str, type[Projection]] = {cls.name: cls for cls in (Pca, Tsne, SklearnTsne, Umap)}


def installed() -> list[str]:
    """Returns the methods whose package is there."""
    return [name for name, cls in PROJECTIONS.items() if importlib.util.find_spec(cls.package) is not None]


def make_projection(name: str, **settings: Any) -> Projection:
    """Makes a projection by name; ConfigError for a name or a setting that it does not have."""
    if name not in PROJECTIONS:
        raise ConfigError(f"method: expected one of {', '.join(PROJECTIONS)}, got {name[:40]!r}")
    cls = PROJECTIONS[name]
    if name not in installed():
        raise ConfigError(f"method: {cls.title} needs a package: pip install {_PIP.get(cls.package, cls.package)}")
    try:
        return cls(**settings)
    except TypeError:
        raise ConfigError(f"method {name}: has no setting {', '.join(settings)}") from None


_PIP = {"umap": "umap-learn", "openTSNE": "opentsne", "sklearn": "scikit-learn"}
