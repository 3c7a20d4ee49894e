"""Images from a file of the user's: an .npz with `images` or `x` and optional `labels`, or an .npy.

(N, height, width) or (N, height, width, 3) in uint8, bool, or floats in [0, 1]. Nothing is unpickled, and the size that
a header claims is checked before memory is taken. Values are never rescaled: floats outside [0, 1] are refused unless
the .npz says `support="real"` (also "unit" or "binary": then that is what is checked).
"""

from __future__ import annotations

import contextlib
import functools
import math
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy

from vae.datasets.dataset import SUPPORTS, DataInfo, Dataset, Source, Support, held_out_count, split
from vae.datasets.scale import measured
from vae.errors import DataError

MOST_BYTES = 4 * 2**30  # of one array: the full dSprites, 3.0 GB, still fits
MOST_CLASSES = 1000
FEWEST_IMAGES = 10


class ArrayFile(Source):
    """A file of the user's. Its name is the file's name; a fifth of it, at most 10,000 images, is held out."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def describe(self, root: Path) -> DataInfo:
        _require_file(self.path)
        stat = self.path.stat()
        return _describe(self.path.absolute(), stat.st_mtime_ns, stat.st_size)

    def load(self, root: Path, progress: Callable[[float, str], None]) -> Dataset:
        return measured(_load(self.path))

    def is_here(self, root: Path) -> bool:
        return self.path.is_file()


@functools.lru_cache(maxsize=32)
def _describe(path: Path, modified: int, size: int) -> DataInfo:
    return measured(_load(path)).info


def _load(path: Path) -> Dataset:
    _require_file(path)
    entries = _read(path)
    key = "images" if "images" in entries else "x"
    if key not in entries:
        raise DataError(f"{path}: expected an array named images or x, got only {', '.join(entries)}")
    images, support, scale = _on_support(
        f"{path}, {key}", _image_axes(f"{path}, {key}", entries[key]), _declared(path, entries)
    )
    labels, classes = _labels(path, entries.get("labels"), len(images))
    test = held_out_count(len(images))
    channels, height, width = images.shape[1:]
    info = DataInfo(path.name, (channels, height, width), support, scale, len(images) - test, test, classes)
    return split(info, images, labels)


def _require_file(path: Path) -> None:
    if path.suffix.lower() not in (".npz", ".npy"):
        raise DataError(f"{path}: expected a file that ends in .npz or .npy, got {path.suffix or 'no ending'!r}")
    if not os.path.isfile(path):
        raise DataError(
            f"{path}: expected a file there, found {'a folder' if os.path.isdir(path) else 'none'}; check the path"
        )


def _read(path: Path) -> dict[str, np.ndarray]:
    if path.suffix.lower() == ".npz":
        return read_npz(path, ("images", "x", "labels", "support"))
    with _readable(path), open(path, "rb") as file:
        _check_header(str(path), file, os.path.getsize(path))
        file.seek(0)
        return {"images": npy.read_array(file, allow_pickle=False)}


def read_npz(path: Path, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    """The entries of those names that there are; DataError if the file or one of them cannot be read."""
    entries = {}
    with _readable(path), zipfile.ZipFile(path) as archive:
        present = {info.filename: info for info in archive.infolist()}
        for name in names:
            info = present.get(f"{name}.npy")
            if info is None:
                continue
            with archive.open(info) as file:
                _check_header(f"{path}, {name}", file, info.file_size)
            with archive.open(info) as file:
                entries[name] = npy.read_array(file, allow_pickle=False)
    if not entries:
        found = ", ".join(name.removesuffix(".npy") for name in list(present)[:10])
        raise DataError(f"{path}: expected an array named {names[0]} or {names[1]}, got {found or 'an empty archive'}")
    return entries


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(
            f"{path}: cut off, damaged or not NumPy's format ({error}); write it again with numpy.savez"
        ) from None
    except MemoryError:
        raise DataError(f"{path}: this machine's memory does not hold it; use fewer or smaller images") from None


def _check_header(where: str, file: IO[bytes], size: int) -> None:
    """Refuse what a header claims before memory is taken for it. size: bytes the file really has."""
    version = npy.read_magic(file)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = read(file)
    if dtype.hasobject:
        raise DataError(f"{where}: expected numbers, got an array of Python objects; convert it with astype")
    claimed, size = math.prod(shape) * dtype.itemsize, size - file.tell()
    if claimed > MOST_BYTES:
        raise DataError(
            f"{where}: expected at most {MOST_BYTES / 2**30:.0f} GiB, got an array of {claimed / 2**30:,.1f} GiB "
            f"(shape {shape}); use fewer or smaller images"
        )
    if claimed > size or any(axis < 0 for axis in shape):
        raise DataError(
            f"{where}: expected {claimed:,} bytes for shape {shape}, got {size:,}: the file is cut off or damaged"
        )


def _image_axes(where: str, images: np.ndarray) -> np.ndarray:
    """(N, h, w) or (N, h, w, channels) -> (N, channels, h, w)."""
    if images.ndim == 3:
        images = images[..., np.newaxis]
    if images.ndim != 4 or images.shape[3] not in (1, 3) or 0 in images.shape[1:]:
        raise DataError(f"{where}: expected shape (N, height, width) or (N, height, width, 3), got {images.shape}")
    if len(images) < FEWEST_IMAGES:
        raise DataError(f"{where}: expected at least {FEWEST_IMAGES} images, got {len(images)}")
    return np.moveaxis(images, 3, 1)


def _declared(path: Path, entries: dict[str, np.ndarray]) -> Support | None:
    if "support" not in entries:
        return None
    value = str(entries["support"])
    if value not in SUPPORTS:
        raise DataError(f"{path}, support: expected one of {', '.join(SUPPORTS)}, got {value[:80]!r}")
    return value


def _on_support(where: str, images: np.ndarray, declared: Support | None) -> tuple[np.ndarray, Support, int]:
    """(images, support, scale). Images of 0 and 1 only are binary unless declared otherwise."""
    if images.dtype == np.bool_:
        images = images.astype(np.uint8)
    if images.dtype == np.uint8 and declared != "real":
        binary = declared != "unit" and int(images.max()) <= 1
        if declared == "binary" and not binary:
            raise DataError(f"{where}: expected only 0 and 1 for support binary, got up to {images.max()}")
        return np.ascontiguousarray(images), "binary" if binary else "unit", 1 if binary else 255
    if not (np.issubdtype(images.dtype, np.floating) or images.dtype == np.uint8):
        raise DataError(f"{where}: expected uint8 or floats in [0, 1], got {images.dtype}; convert it with astype")
    return _floats_on_support(where, images, declared)


def _floats_on_support(where: str, images: np.ndarray, declared: Support | None) -> tuple[np.ndarray, Support, int]:
    with np.errstate(over="ignore"):  # a float64 too large for float32 becomes infinity and is refused here
        values = np.ascontiguousarray(images, dtype=np.float32)
    low, high = float(values.min()), float(values.max())  # either is NaN if any is
    if not (math.isfinite(low) and math.isfinite(high)):
        bad = int(values.size - np.isfinite(values).sum())
        raise DataError(f"{where}: expected finite numbers, got {bad:,} of {values.size:,} that are NaN or too large")
    if declared == "real":
        return values, "real", 1
    if low < 0 or high > 1:
        raise DataError(
            f"{where}: expected floats in [0, 1], got {low:g} to {high:g}; divide by the largest possible value, or "
            'declare numbers of any size by saving support="real" beside them'
        )
    binary = declared != "unit" and bool(((values == 0) | (values == 1)).all())
    if declared == "binary" and not binary:
        raise DataError(f"{where}: expected only 0 and 1 for support binary, got values between")
    return (values.astype(np.uint8), "binary", 1) if binary else (values, "unit", 1)


def _labels(path: Path, labels: np.ndarray | None, count: int) -> tuple[np.ndarray | None, tuple[str, ...] | None]:
    """Labels as indices (N,) into the sorted distinct values, and those values as names."""
    if labels is None:
        return None, None
    if labels.shape != (count,) or labels.dtype.kind not in "iubU":
        raise DataError(
            f"{path}, labels: expected {count:,} whole numbers or strings, one per image, "
            f"got shape {labels.shape} of {labels.dtype}"
        )
    names, indices = np.unique(labels, return_inverse=True)
    if len(names) > MOST_CLASSES:
        raise DataError(
            f"{path}, labels: expected at most {MOST_CLASSES:,} classes, got {len(names):,}; leave labels out"
        )
    return indices, tuple(str(name) for name in names)
