"""The codes of a run: where its model puts each image of the data, and what each costs in nats.

What every view of the latent space starts from. Computed in batches; where the dataset is absent or has changed, the
held-out images that came along with the run (see `vae.runs.ship`) stand in, and `source` says so.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from vae.bound.chunks import rows_at_once
from vae.datasets import DATASETS, is_here
from vae.datasets.dataset import limits_of
from vae.datasets.scale import display_limits, to_bytes
from vae.errors import ConfigError, DataChanged, DataError, RunDamaged
from vae.model.latent import FullNormal
from vae.model.vae import Model
from vae.runs import Run
from vae.runs.ship import HELD_OUT, held_out
from vae.space.parts import PARTS, Part, check_part

ToFloat = Callable[[Tensor, Generator], Tensor]
Look = Callable[[float], None]  # is told the share that is done; what it raises ends the work


@dataclass(frozen=True)
class Codes:
    """n images with their codes, in the dataset's order."""

    loc: NDArray[np.float32]  # (n, k) E_q[z]
    log_variance: NDArray[np.float32] | None  # (n, k) of a diagonal normal q(z|x); None for other posteriors
    labels: NDArray[np.int64] | None  # (n,), indices into `classes` where there are names
    rate: NDArray[np.float32]  # (n,) nats
    rate_per_dim: NDArray[np.float32] | None  # (k,) nats, mean over the images; None where q does not factorise
    distortion: NDArray[np.float32]  # (n,) nats, from one sample of z with a fixed seed
    images: NDArray[np.uint8]  # (n, channels, height, width) for the eye: the display limits as 0 and 255
    classes: tuple[str, ...] | None
    source: str  # a phrase: "10,000 held-out images of mnist"
    marginal_rate_per_dim: NDArray[np.float32] | None = None  # (k,) of each z_i alone, where q does not factorise
    rows: NDArray[np.int64] | None = None  # (n,) of each image in the user's file; None where a pack does not say
    rows_of: str = ""  # what they are rows of: "faces.npz, x_test"
    files: NDArray[np.str_] | None = None  # (n,) the file of each, where that is known
    parts: tuple[Part, ...] = ("test",)  # of which there are images here
    limits: tuple[float, float] = (0.0, 1.0)  # the values that are shown as black and as white
    encoded: Tensor | None = None  # the images as they were encoded, times `scale`: where computing starts from
    scale: int = 255

    def __len__(self) -> int:
        return len(self.loc)

    def x(self, index: int) -> Tensor:
        """Returns image `index` as the model saw it, (1, channels, height, width), floats on the data's support."""
        encoded = torch.from_numpy(self.images) if self.encoded is None else self.encoded
        return encoded[index : index + 1].float() / self.scale


def codes_of(
    run: Run,
    part: Part = "test",
    limit: int | None = None,
    look: Look = lambda share: None,
    found: Images | None = None,
) -> Codes:
    """Returns the codes of the first `limit` images (all: None) of one part of the run's data. `look` is called before
    each batch. `found`: what `images_of` answered for it, where that is there already.

    Raises ConfigError for another part or a limit below 1, RunDamaged for labels that have no name, DataError where the
    dataset is absent and the run carries no images of that part; never downloads.
    """
    check_part(part)
    if limit is not None and limit < 1:
        raise ConfigError(f"limit: expected 1 or more, got {limit}")
    found = images_of(run, part) if found is None else found
    images, n = found.stored[:limit], len(found.stored)
    classes = run.data.get("classes")
    labels = _whole(found.labels, limit)
    if classes is not None and labels is not None and len(labels) and int(labels.max()) >= len(classes):
        raise RunDamaged(f"run {run.name!r}: its images have labels up to {labels.max()}, of {len(classes)} classes")
    limits = display_limits_of(run)
    arrays = encoded_arrays(run.model, images, found.to_float, limits, look)
    drawn = part == "train" and run.config.binarize == "epoch"  # anew at every use: their 0 and 255 are all there is
    return Codes(
        **arrays,
        limits=limits,
        encoded=None if drawn else images.clone() if len(images) < n else images,
        scale=255 if drawn else found.scale,
        labels=labels,
        classes=None if classes is None else tuple(str(name) for name in classes),
        source=f"{len(images):,} {found.source}" + (f", of {n:,}" if len(images) < n else ""),
        rows=_whole(found.rows, limit),
        rows_of=found.rows_of,
        files=None if found.files is None else found.files[:limit],
        parts=found.parts,
    )


def _whole(values: Any, limit: int | None) -> NDArray[np.int64] | None:
    return None if values is None else np.asarray(values[:limit], np.int64)


def display_limits_of(run: Run) -> tuple[float, float]:
    """Returns the values that are black and white in pictures of this run. One of real-valued images that was made
    before runs kept them takes those of its data, where they are here and its own, else of the images that came along
    with it."""
    if "limits" in run.data or run.data.get("support") != "real":
        return limits_of(run.data)
    with contextlib.suppress(DataError):
        if is_here(run.config.dataset):
            return run.dataset().info.limits
    if (run.path / HELD_OUT).is_file():
        pack = held_out(run.path)
        return display_limits(torch.from_numpy(pack.images) / pack.scale)
    return limits_of(run.data)


@dataclass(frozen=True)
class Images:
    """One part of a run's data."""

    stored: Tensor  # (n, c, h, w)
    labels: Any  # (n,), or None
    to_float: ToFloat  # the way from stored images to floats on the support
    scale: int  # the stored value that means 1
    source: str  # what they are called
    rows: Any  # (n,) in the file or set that they come from, or None
    rows_of: str
    parts: tuple[Part, ...]  # of which there are images here
    files: Any = None  # (n,) the names of their files, or None


def images_of(run: Run, part: Part) -> Images:
    """Returns the images of one part of the run's data; where these are absent or have changed, those that came along.

    Raises DataError where there are neither; never downloads.
    """
    name = str(run.data.get("name", run.config.dataset))
    kind = "held-out" if part == "test" else "training"
    packed = part == "test" and (run.path / HELD_OUT).is_file()
    if run.config.dataset in DATASETS and not is_here(run.config.dataset):
        if packed:
            return _that_came_along(run, f"held-out images of {name} that came along")
        raise DataError(
            f"run {run.name!r}: {name} is not on this machine, and the run carries no {kind} images of it; "
            f"put {name} into the data root (ELBO_ROOM_DATA), or train a run on it once, which downloads it"
        )
    try:
        dataset = run.dataset()
    except DataError as error:
        if not packed:
            raise
        why = "has changed since" if isinstance(error, DataChanged) else "is not there, or cannot be read"
        return _that_came_along(run, f"held-out images of {name} that came along, for {name} {why}")
    x, y = (dataset.test, dataset.test_labels) if part == "test" else (dataset.train, dataset.train_labels)
    rows, of = dataset.test_rows if part == "test" else dataset.train_rows, dataset.rows_of(part)
    if not len(x):
        raise DataError(f"run {run.name!r} has no {kind} images: those that it was given are all held out")
    parts = PARTS if len(dataset.train) else ("test",)
    return Images(
        x, y, dataset.to_float, dataset.scale, f"{kind} images of {name}", rows, of, parts, dataset.files_of(part)
    )


def _that_came_along(run: Run, source: str) -> Images:
    pack = held_out(run.path)
    x, scale = torch.from_numpy(pack.images), pack.scale

    def to_float(stored: Tensor, _: Generator) -> Tensor:
        return stored.float() / scale

    return Images(x, pack.labels, to_float, scale, source, pack.rows, pack.rows_of, ("test",), pack.files)


@torch.no_grad()
def encoded_arrays(
    model: Model, images: Tensor, to_float: ToFloat, limits: tuple[float, float], look: Look
) -> dict[str, Any]:
    """Returns the arrays of Codes that the model gives for stored images (n, c, h, w)."""
    generator = Generator().manual_seed(0)
    n, latent = len(images), model.latent
    loc, log_variance = np.empty((n, model.k), np.float32), np.empty((n, model.k), np.float32)
    rate, distortion = np.empty(n, np.float32), np.empty(n, np.float32)
    shown = np.empty((n, *model.shape), np.uint8)
    rate_per_dim, diagonal = np.zeros(model.k), True
    batch = rows_at_once(model)
    for start in range(0, n, batch):
        look(start / n)
        rows = slice(start, start + batch)
        x = to_float(images[rows], generator)
        qz_x = model.encode(x)
        variance = getattr(qz_x, "log_variance", None)
        diagonal = variance is not None
        loc[rows], rate[rows] = qz_x.mean, latent.rate(qz_x)
        distortion[rows] = -model.decode(qz_x.sample((), generator)).log_prob(x)
        if variance is not None:
            log_variance[rows] = variance
        rate_per_dim += latent.marginal_rate_per_dim(qz_x).double().sum(0).numpy() / n
        shown[rows] = to_bytes(x, limits)
    return {
        "loc": loc,
        "log_variance": log_variance if diagonal else None,
        "rate": rate,
        "rate_per_dim": rate_per_dim.astype(np.float32) if latent.factorises else None,
        "marginal_rate_per_dim": None if latent.factorises else rate_per_dim.astype(np.float32),
        "distortion": distortion,
        "images": shown,
    }


@torch.no_grad()
def covariance_factors(model: Model, codes: Codes, look: Look = lambda share: None) -> NDArray[np.float32] | None:
    """Returns the lower triangular L, L Lᵀ the covariance of each image's q(z|x), (n, k, k); None of posteriors whose
    covariance is diagonal, or that have none. `look` is called before each batch."""
    if codes.log_variance is not None or not isinstance(model.encode(codes.x(0).to(_kind(model))), FullNormal):
        return None
    stored = torch.from_numpy(codes.images) if codes.encoded is None else codes.encoded
    batch, found = rows_at_once(model), list[NDArray[np.float32]]()
    for start in range(0, len(codes), batch):
        look(start / len(codes))
        qz_x = model.encode((stored[start : start + batch].float() / codes.scale).to(_kind(model)))
        found.append(qz_x.L.float().numpy())  # type: ignore[attr-defined]  # a FullNormal
    return np.concatenate(found)


def _kind(model: Model) -> torch.dtype:
    return next(model.parameters()).dtype
