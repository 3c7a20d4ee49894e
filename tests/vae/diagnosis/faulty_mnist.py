"""MNIST with faults at known places: 6,000 images, of which 4,800 are trained on; as a file, with a fixed seed."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vae import Config, train
from vae.datasets import load_dataset
from vae.datasets.dataset import split_indices
from vae.diagnosis.suspects.process import Asked, look_for_suspects

IMAGES = 6000
MISLABELLED, COPIES, BLANK, INVERTED = 481, 54, 28, 25  # of the 4,800 training images


@dataclass(frozen=True)
class FaultyData:
    """A file of images, and the rows in it that are at fault."""

    path: Path
    mislabelled: NDArray[np.int64]
    copies: NDArray[np.int64]  # row `copies[i]` has the pixels of row `originals[i]`
    originals: NDArray[np.int64]
    blank: NDArray[np.int64]
    inverted: NDArray[np.int64]


def faulty_mnist(path: Path) -> FaultyData:
    """Writes the file; every fault lies in a training image, none in two."""
    mnist = load_dataset("mnist")
    assert mnist.train_labels is not None
    images, labels = mnist.train[:IMAGES, 0].numpy().copy(), mnist.train_labels[:IMAGES].numpy().copy()
    random = np.random.RandomState(13)
    rows = random.permutation(np.sort(split_indices(IMAGES)[0]))
    ends = np.cumsum([MISLABELLED, COPIES, COPIES, BLANK, INVERTED])
    wrong, copies, originals, blank, inverted, _ = np.split(rows, ends)
    labels[wrong] = (labels[wrong] + random.randint(1, 10, len(wrong))) % 10
    images[copies], labels[copies] = images[originals], labels[originals]
    images[blank[::2]], images[blank[1::2]] = 0, 128
    images[inverted] = 255 - images[inverted]
    np.savez_compressed(path, images=images, labels=labels)
    return FaultyData(path, wrong, copies, originals, blank, inverted)


@dataclass(frozen=True)
class FaultyRun:
    """A run that was trained on the faulty data, its suspects looked for; copy it to change it."""

    path: Path
    data: FaultyData
    suspects: Path  # the folder that holds them


def faulty_run(folder: Path) -> FaultyRun:
    """Trains for about eight seconds of one core."""
    data = faulty_mnist(folder / "faulty.npz")
    config = Config(dataset=str(data.path), latent_dim=10, hidden=(200,), epochs=12, threads=1, precision="float32")
    run = train(config, progress=False).finish().save("faulty", folder / "runs")
    return FaultyRun(run.path, data, look_for_suspects(run.path, Asked(), threading.Event()))
