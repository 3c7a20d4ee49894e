"""images.npz: the held-out images that a run of somebody else's loop or model brings along. It has no others."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vae.checked_json import Misfit
from vae.datasets import DataInfo, Dataset
from vae.errors import DataError
from vae.runs.checked_arrays import read_arrays
from vae.runs.checkpoints import damaged, read_checked, save_checked

IMAGES = "images.npz"


def save_images(path: Path, images: NDArray[Any], labels: NDArray[np.int64] | None) -> None:
    """Writes images (n, c, h, w), uint8 or float32, and labels (n,) into the run of that directory."""
    arrays = {"images": images} if labels is None else {"images": images, "labels": labels}
    packed = io.BytesIO()
    np.savez_compressed(packed, **arrays)  # type: ignore[arg-type]  # its stubs take the names for options
    save_checked(path, {IMAGES: packed.getvalue()})


def own_dataset(path: Path, data: dict[str, Any]) -> Dataset:
    """Returns the run's own images as a dataset without training images. Raises DataError where it brought none,
    RunDamaged where they cannot be read."""
    if not (path / IMAGES).is_file():
        raise DataError(f"run {path.name!r} came without images: give some to vae.log or vae.wrap, images=...")
    info = DataInfo.from_json(data)
    try:
        arrays = read_arrays(read_checked(path, IMAGES), ("images",))
        images, labels = arrays["images"], arrays.get("labels")
        if info.train or images.shape != (info.test, *info.shape) or images.dtype not in (np.uint8, np.float32):
            raise Misfit(f"expected {info.test:,} images of shape {info.shape}, got {images.shape} of {images.dtype}")
        x = torch.from_numpy(images)
        y = None if labels is None else torch.from_numpy(labels.astype(np.int64))
        return Dataset(info, x[:0], x, None if y is None else y[:0], y)
    except (Misfit, DataError) as error:
        raise damaged(path, IMAGES, error) from None
