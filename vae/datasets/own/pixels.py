"""Pictures in an .npz or .npy, under the names that `vae.datasets.arrays` knows. Real numbers stay what they are: such
a file is used by its path."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from vae.datasets.arrays import ArrayFile
from vae.datasets.dataset import Dataset
from vae.datasets.npz import MOST_MEMBERS
from vae.datasets.own.entries import Entry, Found, Item, Part
from vae.datasets.zips import open_zip
from vae.errors import DataError


def in_arrays(item: Item) -> Found:
    """Finds the pictures of an array file. Raises DataError, with a line of NumPy that helps."""
    dataset = _load(item)
    if dataset.support == "real":
        raise DataError(f"{item.name}: real numbers are no grey levels; train on the file by its path instead")
    given = any(dataset.arrays) or "split" in _names(item)
    parts: tuple[tuple[Part, NDArray[np.uint8], torch.Tensor, torch.Tensor | None], ...] = (
        ("train", _bytes(dataset, dataset.train), dataset.train_rows, dataset.train_labels),
        ("test", _bytes(dataset, dataset.test), dataset.test_rows, dataset.test_labels),
    )
    classes = dataset.classes

    def entries() -> Iterator[Entry]:
        rows = [
            ("" if not any(dataset.arrays) else f"{dataset.arrays[part == 'test']} ", int(row), part, pixels[i],
             None if labels is None or classes is None else classes[int(labels[i])])
            for part, pixels, places, labels in parts for i, row in enumerate(places)
        ]  # fmt: skip
        for array, row, part, pixels, label in sorted(rows, key=lambda one: (one[2] == "test" and given, one[1])):
            yield Entry(f"{array}row {row}", _reader(pixels), label, part if given else None)

    return Found(Path(item.name).stem, entries, dataset.info.train + dataset.info.test)


def _reader(pixels: NDArray[np.uint8]) -> Callable[[], NDArray[np.uint8]]:
    return lambda: pixels


def _bytes(dataset: Dataset, stored: torch.Tensor) -> NDArray[np.uint8]:
    """(n, height, width) or (n, height, width, 3), 0 to 255."""
    grey = stored.numpy() if dataset.scale == 255 else (dataset.to_float(stored) * 255).round().to(torch.uint8).numpy()
    return grey[:, 0] if grey.shape[1] == 1 else np.ascontiguousarray(grey.transpose(0, 2, 3, 1))


def _load(item: Item) -> Dataset:
    try:
        return ArrayFile(item.location).load(item.location.parent, lambda *_: None)
    except DataError as error:
        raise DataError(str(error).replace(str(item.location), item.name)) from None


def _names(item: Item) -> tuple[str, ...]:
    """The names of the arrays of an .npz."""
    if item.suffix != ".npz":
        return ()
    with open_zip(item.location, MOST_MEMBERS) as archive:
        return tuple(name.removesuffix(".npy") for name in archive.namelist())
