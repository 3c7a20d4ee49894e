"""One part of a run's images with all that is known of them, and a few of them as pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator

from vae.datasets.scale import to_bytes
from vae.diagnosis.suspects.results import read_bounds, read_scores, read_second
from vae.diagnosis.suspects.scores import ORDER, Scores
from vae.diagnosis.suspects.second import load_second
from vae.diagnosis.suspects.table import Listed
from vae.errors import ConfigError, RunDamaged
from vae.model.vae import Model
from vae.runs import Run
from vae.space.encodings import Images, images_of
from vae.space.parts import Part


@dataclass(frozen=True)
class Pictures:
    """m images for the eye: uint8 (m, c, h, w), and the residual x − x̂, the mean over channels as a share of the range
    from black to white, (m, h, w) from −1 to 1."""

    originals: NDArray[np.uint8]
    reconstructions: NDArray[np.uint8]
    residuals: NDArray[np.float32]


def open_part(run: Run, folder: Path, part: Part, images: Images | None = None) -> Listed:
    """Returns what is known of the images of one part. ConfigError where nothing is known of that part; RunDamaged
    where a file cannot be read or is of other data. images: of that part, where they are at hand."""
    found = read_scores(folder)
    if part not in found:
        raise ConfigError(f"part: nothing is known of the {part} images of run {run.name!r}; look for suspects first")
    scores, images = found[part], images or images_of(run, part)
    n = len(scores)
    if len(images.stored) < n:
        raise RunDamaged(
            f"run {run.name!r}: there are {len(images.stored):,} images, and scores of {n:,}; look for suspects again"
        )
    return Listed(
        part,
        scores,
        _numbers(images.labels, n),
        _numbers(images.rows, n),
        images.rows_of,
        _names(run.data.get("classes")),
        None if images.files is None else images.files[:n],
        read_bounds(folder, part, n),
        places=tuple((one, found[one].offset) for one in ORDER if one in found),
    )


def open_second(run: Run, folder: Path, name: str, images: Images) -> Listed | None:
    """Returns a second dataset's images as this model scores them, None where they are not scored yet."""
    second = read_second(folder, name)
    if second is None:
        return None
    n = len(second)
    scores = Scores(second.rate, second.distortion)
    classes = load_second(run, name).classes
    labels, rows = _numbers(images.labels, n), _numbers(images.rows, n)
    return Listed("test", scores, labels, rows, images.rows_of, classes, images.files, second=second)


def second_images(run: Run, name: str) -> Images:
    """Returns the held-out images of a second dataset, in the run's own view. Raises ConfigError, DataError."""
    data = load_second(run, name)
    rows, files = data.test_rows, data.files_of("test")
    source = f"held-out images of {data.name}"
    return Images(
        data.test, data.test_labels, data.to_float, data.scale, source, rows, data.rows_of("test"), ("test",), files
    )


@torch.no_grad()
def pictures(model: Model, images: Images, indices: NDArray[np.int64], limits: tuple[float, float]) -> Pictures:
    """Returns these images with their reconstructions from the mean of q(z|x). limits: what is shown as black and
    white."""
    x = images.to_float(images.stored[torch.from_numpy(indices)], Generator().manual_seed(0))
    mean = model.decode(model.encode(x).mean).mean
    low, high = limits
    residual = ((x - mean).mean(1) / (high - low)).clamp(-1, 1)
    return Pictures(to_bytes(x, limits).numpy(), to_bytes(mean, limits).numpy(), residual.numpy())


def _numbers(values: object, n: int) -> NDArray[np.int64] | None:
    return None if values is None else np.asarray(values[:n], np.int64)  # type: ignore[index]


def _names(classes: object) -> tuple[str, ...] | None:
    return None if classes is None else tuple(str(name) for name in classes)  # type: ignore[attr-defined]
