"""Another dataset's held-out images, scored by this model: which of them are unlike what the run was trained on?

An image whose −ELBO is beyond those of the run's own held-out images is an outlier; one far below is not found by this
number (a model can give simple foreign images high densities: Nalisnick et al. 2019).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vae.config import YOURS
from vae.datasets import Dataset, load_dataset
from vae.errors import ConfigError
from vae.runs import Run
from vae.space.encodings import display_limits_of, encoded_arrays

MOST = 10_000  # images


@dataclass(frozen=True)
class Second:
    """n held-out images of a second dataset. `tail`: the share of the run's own held-out images whose −ELBO is at least
    as high, (1 + count) / (1 + all). `auroc`: how often a foreign image has the higher −ELBO of a pair."""

    rate: NDArray[np.float32]
    distortion: NDArray[np.float32]
    tail: NDArray[np.float64]
    auroc: float

    def __len__(self) -> int:
        return len(self.rate)


def load_second(run: Run, name: str) -> Dataset:
    """Loads the dataset in the run's own view. ConfigError where its images are none that the model takes; never
    downloads."""
    from vae.datasets import describe, is_here

    if run.config.dataset == YOURS:
        raise ConfigError("second: the images of this run came with it, and which scale they have is not told")
    if not is_here(name):
        raise ConfigError(f"second: {name} is not on this machine; train a run on it once, which downloads it")
    info, own = describe(name), run.data
    binarize = run.config.binarize or "none"
    if info.shape != tuple(own["shape"]):
        sizes = (" x ".join(map(str, shape)) for shape in (info.shape, own["shape"]))
        raise ConfigError("second: {} has images of {}, this run's are {}".format(info.name, *sizes))
    if info.support == "binary":
        binarize = "none"
    dataset = load_dataset(name, binarize=binarize)
    if dataset.support != ("binary" if binarize != "none" else own["support"]):
        raise ConfigError(f"second: {info.name} has {dataset.support} values, this run's images {own['support']} ones")
    return dataset


def score_second(run: Run, dataset: Dataset, own: NDArray[np.float32], look: Callable[[float], None]) -> Second:
    """Returns the scores of the first MOST held-out images; own: −ELBO of the run's held-out images, (m,) nats.
    `look(share done)` is called now and then; what it raises ends the work."""
    found = encoded_arrays(run.model, dataset.test[:MOST], dataset.to_float, display_limits_of(run), look)
    rate, distortion = found["rate"], found["distortion"]
    cost = rate + distortion
    ordered = np.sort(own)
    lower, not_higher = (np.searchsorted(ordered, cost, side) for side in ("left", "right"))  # of the run's own
    tail = (1 + len(own) - lower) / (1 + len(own))
    return Second(rate, distortion, tail, float(((lower + not_higher) / (2 * len(own))).mean()))


def file_of(name: str) -> str:
    """Returns the name of the file that keeps them, for any name or path of a dataset."""
    return f"second-{hashlib.sha256(name.encode()).hexdigest()[:12]}.npz"
