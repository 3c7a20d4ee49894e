"""Ship a run: weights and history stay, what only continuing needs goes, and some held-out images come along, so that
every page works where the dataset is absent."""

from __future__ import annotations

import io
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vae import runs
from vae.checked_json import Misfit
from vae.errors import RunBusy, RunDamaged, RunError
from vae.files import insist
from vae.runs.checked_arrays import read_arrays
from vae.runs.moments import FOLDER, Keeper, list_moments
from vae.runs.start import check_places

HELD_OUT = "preview/heldout.npz"
MOST_MOMENTS = 1_500_000  # bytes of all moments that come along together; larger ones would be most of what is shipped
FOUND_AGAIN = ("resume", "diagnosis", "suspects")  # folders: a page finds them anew, a training starts them anew


@dataclass(frozen=True)
class HeldOut:
    """The images that a shipped run takes along, of its own view of the data."""

    images: np.ndarray  # (n, c, h, w) as stored; divided by `scale` they lie on the support
    scale: int
    labels: np.ndarray | None  # (n,) int64
    codes: np.ndarray  # (n, k) float32, E_q[z]
    rows: np.ndarray | None = None  # (n,) int64, see `Dataset.test_rows`; older packs do not say
    rows_of: str = ""
    files: np.ndarray | None = None  # (n,) names, see `Dataset.files_of`


def pack_run(path: Path, images: int = 2000) -> int:
    """Packs an ended run in place; returns its size in bytes. `images` held-out images are taken at most.
    Raises RunBusy while it trains, RunError where it has no weights or cannot be written, DataError without its
    data."""
    if runs.read_status(path).state in runs.ACTIVE:
        raise RunBusy(f"run {path.name!r} is still training; stop it first")
    check_places(path)
    run = runs.load_run(path)
    dataset = run.dataset()
    stored = dataset.test[:images]
    with torch.no_grad():
        codes = run.model.encode(dataset.to_float(stored)).mean
    files, labels = dataset.files_of("test"), dataset.test_labels
    taken = HeldOut(
        stored.numpy(),
        dataset.scale,
        None if labels is None else labels[:images].numpy(),
        codes.numpy(),
        dataset.test_rows[:images].numpy(),
        dataset.rows_of("test"),
        None if files is None else files[:images],
    )
    lock = runs.acquire(path)
    try:
        runs.save_checked(path, {HELD_OUT: packed(taken)})
        for folder in FOUND_AGAIN:
            shutil.rmtree(path / folder, ignore_errors=True)
        _thin_moments(path)
    finally:
        lock.release()
    try:
        for name in ("lock", "log.txt", "knobs.json.lock", "suspects.json.lock", "owner.json"):
            insist((path / name).unlink, missing_ok=True)
    except OSError as error:
        raise RunError(f"run {path.name!r}: {name} cannot be removed ({error.strerror}); remove it by hand") from None
    runs.mark_as_shipped(path)
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def packed(taken: HeldOut) -> bytes:
    """Returns the file of these images."""
    arrays: dict[str, Any] = {"images": taken.images, "scale": np.array(taken.scale), "codes": taken.codes}
    arrays["rows_of"] = np.frombuffer(taken.rows_of.encode(), np.uint8)  # numbers only: see `read_arrays`
    if taken.files is not None:
        arrays["files"] = np.frombuffer("\n".join(taken.files).encode(), np.uint8)
    for name in ("labels", "rows"):
        if getattr(taken, name) is not None:
            arrays[name] = getattr(taken, name)
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def _thin_moments(path: Path) -> None:
    """Small models take their moments along, larger ones fewer of them or none."""
    try:
        if list_moments(path):
            Keeper(path, sys.maxsize, 1).thin(MOST_MOMENTS)
        sound = bool(list_moments(path))
    except (RunDamaged, OSError):  # what cannot be read is of no use to whom it is shipped
        sound = False
    if not sound:
        shutil.rmtree(path / FOLDER, ignore_errors=True)


def held_out(path: Path) -> HeldOut:
    """Returns the images that came along; RunDamaged where there are none or they cannot be read."""
    config, data = runs.read_config(path)
    try:
        arrays = read_arrays(runs.read_checked(path, HELD_OUT, signed=False), ("images", "scale", "codes"))
        images, codes, labels, rows = arrays["images"], arrays["codes"], arrays.get("labels"), arrays.get("rows")
        n, shape = len(np.atleast_1d(images)), tuple(data["shape"])
        _expect("images", images, (n, *shape), ("uint8", "float32"))
        _expect("codes", codes, (n, config.latent_dim), ("float32",))
        _expect("scale", arrays["scale"], (), ("int64", "int32", "float64"))
        if n == 0 or not arrays["scale"] > 0:
            raise Misfit("expected at least one image and a scale above 0")
        if labels is not None:
            _expect("labels", labels, (n,), ("int64",))
            classes = data.get("classes")
            if labels.min() < 0 or (classes is not None and labels.max() >= len(classes)):
                raise Misfit("expected the numbers of classes, got others", "labels")
        if rows is not None:
            _expect("rows", rows, (n,), ("int64",))
        rows_of = arrays.get("rows_of", np.empty(0, np.uint8)).tobytes().decode(errors="replace")
        files = np.array(arrays["files"].tobytes().decode(errors="replace").split("\n")) if "files" in arrays else None
        if files is not None:
            _expect("files", files, (n,), (files.dtype.name,))
    except Misfit as error:
        raise runs.damaged(path, HELD_OUT, error) from None
    return HeldOut(images, int(arrays["scale"]), labels, codes, rows, rows_of, files)


def _expect(name: str, array: np.ndarray, shape: tuple[int, ...], kinds: tuple[str, ...]) -> None:
    if array.shape != shape or array.dtype.name not in kinds:
        raise Misfit(f"expected {' or '.join(kinds)} of shape {shape}, got {array.dtype} of shape {array.shape}", name)
