"""Images from a file of the user's: which of its arrays are what, and what their values may be.

    images or x (labels or y, split)                         an .npz; a bare .npy is its images
    x_train, x_test (y_train, y_test) or
    train_images, test_images (train_labels, test_labels)    an .npz with a split of its own

Images are (N, height, width), (N, height, width, channels) or (N, channels, height, width) with 1 or 3 channels, in
uint8, bool, or floats in [0, 1]. Values are never rescaled: floats beyond [0, 1] by more than rounding are refused
unless the .npz says `support="real"` (also "unit" or "binary": then that is what is checked).
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vae.datasets.dataset import SUPPORTS, DataInfo, Dataset, Source, Support, mixed, split, split_indices
from vae.datasets.identity import identified
from vae.datasets.npz import Header, read_arrays, read_headers
from vae.datasets.scale import measured
from vae.datasets.values import on_support
from vae.errors import DataError

MOST_CLASSES = 1000
FEWEST_IMAGES = 10
TOGETHER, LABELS = ("images", "x"), ("labels", "y")
PAIRS = (("x_train", "x_test"), ("train_images", "test_images"))
LABEL_PAIRS = (("y_train", "y_test"), ("train_labels", "test_labels"))
NAMES = (*TOGETHER, *LABELS, "support", "split", *(name for pair in (*PAIRS, *LABEL_PAIRS) for name in pair))
CHANNELS = (1, 3)


@dataclass(frozen=True)
class Layout:
    """Which arrays of a file are what. images: one, or the training and the held-out ones; labels: as many, or none."""

    images: tuple[str, ...]
    labels: tuple[str, ...]
    split: str | None


class ArrayFile(Source):
    """A file of the user's. Its name is the file's name; without a split of its own a fifth, at most 10,000 images, is
    held out."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()

    def describe(self, root: Path) -> DataInfo:
        _require_file(self.path)
        stat = self.path.stat()
        found = _describe(self.path, stat.st_mtime_ns, stat.st_size)
        if isinstance(found, str):
            raise DataError(found)
        return found

    def load(self, root: Path, progress: Callable[[float, str], None]) -> Dataset:
        _require_file(self.path)
        return measured(_load(self.path))

    def is_here(self, root: Path) -> bool:
        return self.path.is_file()


@functools.lru_cache(maxsize=32)
def _describe(path: Path, modified: int, size: int) -> DataInfo | str:
    """The description, or the sentence that refuses the file: either costs reading all values, once."""
    try:
        return measured(_load(path)).info
    except DataError as error:
        return str(error)


def _load(path: Path) -> Dataset:
    headers = read_headers(path, NAMES)
    layout = _layout(path, headers)
    count = _check_headers(path, headers, layout)
    used = (*layout.images, *layout.labels, *([layout.split] if layout.split else []), "support")
    arrays = read_arrays(path, {name: headers[name] for name in used if name in headers})
    where = f"{path}, {' and '.join(layout.images)}"
    first = headers[layout.images[0]].shape[0]
    images = [_channels_first(f"{path}, {name}", arrays.pop(name)) for name in layout.images]
    stored, support, scale = on_support(
        where, images[0] if len(images) == 1 else np.concatenate(images), _declared(path, arrays)
    )
    labels, classes = _labels(path, layout, arrays)
    train, test = _parts(path, layout, arrays, first, count)
    info = DataInfo(path.name, stored.shape[1:], support, scale, len(train), len(test), classes, str(path))
    own = layout.images if len(layout.images) == 2 else ("", "")
    return split(identified(info, stored, labels, train, test), stored, labels, (train, test), own, first)


def _require_file(path: Path) -> None:
    if path.suffix.lower() not in (".npz", ".npy"):
        raise DataError(f"{path}: expected a file that ends in .npz or .npy, got {path.suffix or 'no ending'!r}")
    if not os.path.isfile(path):
        raise DataError(
            f"{path}: expected a file there, found {'a folder' if os.path.isdir(path) else 'none'}; check the path"
        )


def _layout(path: Path, headers: dict[str, Header]) -> Layout:
    layout = _found(path, headers)
    used = (*layout.images, *layout.labels, layout.split, "support")
    unused = [name for name in NAMES if name in headers and name not in used]
    if unused:
        raise DataError(
            f"{path}: expected one set of images with its labels, got {' and '.join(unused)} beside "
            f"{' and '.join(layout.images)}; {_what_it_lacks(unused, layout, headers)}"
        )
    return layout


def _what_it_lacks(unused: list[str], layout: Layout, headers: dict[str, Header]) -> str:
    """What to do with arrays that would be dropped."""
    out = f"leave {'it' if len(unused) == 1 else 'them'} out, or rename {'it' if len(unused) == 1 else 'them'}"
    if len(layout.images) == 1 or layout.labels:
        return out
    half = next((pair for pair in LABEL_PAIRS if any(name in headers for name in pair)), None)
    if half is not None:
        return f"add {next(name for name in half if name not in headers)}, for both parts have labels or none, or {out}"
    if any(name in headers for name in LABELS):
        return f"save the labels as {' and '.join(LABEL_PAIRS[PAIRS.index(layout.images)])}, or {out}"
    return out


def _found(path: Path, headers: dict[str, Header]) -> Layout:
    pair = next((pair for pair in PAIRS if all(name in headers for name in pair)), None)
    if pair is not None:
        return Layout(pair, next((two for two in LABEL_PAIRS if all(name in headers for name in two)), ()), None)
    images = next((name for name in TOGETHER if name in headers), None)
    if images is None:
        half = next((name for pair in PAIRS for name in pair if name in headers), None)
        advice = f"; with {half} alone, save it as images: then a part is held out for you" if half else ""
        raise DataError(
            f"{path}: expected an array named images or x, or two named x_train and x_test, "
            f"got only {', '.join(headers)}{advice}"
        )
    labels = next((name for name in LABELS if name in headers), None)
    return Layout((images,), () if labels is None else (labels,), "split" if "split" in headers else None)


def _check_headers(path: Path, headers: dict[str, Header], layout: Layout) -> int:
    """The number of images; DataError where shapes and types cannot be those of images with labels."""
    counts = []
    for name in layout.images:
        shape = headers[name].shape
        _channel_axis(f"{path}, {name}", shape)
        counts.append(shape[0])
    first, last = headers[layout.images[0]], headers[layout.images[-1]]
    if (first.shape[1:], first.dtype) != (last.shape[1:], last.dtype):
        raise DataError(
            f"{path}: expected images of one size and type, got {first.shape[1:]} of {first.dtype} in "
            f"{layout.images[0]}, {last.shape[1:]} of {last.dtype} in {layout.images[1]}; convert one of them"
        )
    if sum(counts) < FEWEST_IMAGES or 0 in counts:
        got = " and ".join(f"{count:,}" for count in counts)
        raise DataError(
            f"{path}, {' and '.join(layout.images)}: expected at least {FEWEST_IMAGES} images, got {got}; add images"
        )
    for name, count in zip(layout.labels, counts, strict=False):
        _check_labels(f"{path}, {name}", headers[name], count)
    if layout.split and headers[layout.split].shape != (counts[0],):
        raise DataError(
            f"{path}, split: expected {counts[0]:,} entries, one per image, got shape {headers[layout.split].shape}"
        )
    if "support" in headers and headers["support"].shape:
        raise DataError(f"{path}, support: expected one word, got shape {headers['support'].shape}")
    return sum(counts)


def _channel_axis(where: str, shape: tuple[int, ...]) -> int | None:
    """The axis that holds the channels, None for (N, height, width). DataError where there is none, or it could be
    either: then the way out that it names makes the shape plain."""
    if len(shape) == 3 and 0 not in shape[1:]:
        return None
    if len(shape) != 4 or 0 in shape[1:] or not (shape[1] in CHANNELS or shape[3] in CHANNELS):
        raise DataError(
            f"{where}: expected shape (N, height, width), (N, height, width, 3) or (N, 3, height, width), "
            f"got {shape}{_shape_advice(shape)}"
        )
    if shape[1] in CHANNELS and shape[3] in CHANNELS and shape[1:4:2] != (1, 1):
        raise DataError(
            f"{where}: in shape {shape} the channels could be the second axis or the last; save "
            f"{_made_plain(shape, 1)} if they are the second, {_made_plain(shape, 3)} if they are the last"
        )
    return 3 if shape[3] in CHANNELS else 1


def _made_plain(shape: tuple[int, ...], axis: int) -> str:
    """Code that makes a shape plain whose channels are this axis, the other one that could be channels being a side."""
    moved = f"np.moveaxis(images, {axis}, {4 - axis})"
    if shape[2] not in CHANNELS:
        return moved
    if shape[axis] == 1:
        return "images[:, 0]" if axis == 1 else "images[..., 0]"
    larger = "[(0, 0), (0, 1), (0, 1), (0, 0)]" if axis == 1 else "[(0, 0), (0, 0), (0, 1), (0, 1)]"
    return f"np.pad({moved}, {larger})"  # either side could still be channels: a row and a column more cannot


def _shape_advice(shape: tuple[int, ...]) -> str:
    if len(shape) == 4 and 0 not in shape:
        for axis, place in ((3, "..., "), (1, ":, ")):
            if shape[axis] in (2, 4):  # with an alpha channel
                return f"; leave the transparency out: images[{place}:{shape[axis] - 1}]"
    side = round(shape[1] ** 0.5) if len(shape) == 2 else 0
    if side and side * side == shape[1]:
        return f"; if each row is a square picture, save images.reshape(-1, {side}, {side})"
    return "; reshape it"


def _channels_first(where: str, images: np.ndarray) -> np.ndarray:
    """-> (N, channels, h, w)."""
    axis = _channel_axis(where, images.shape)
    return images[:, np.newaxis] if axis is None else np.moveaxis(images, axis, 1)


def _declared(path: Path, arrays: dict[str, np.ndarray]) -> Support | None:
    if "support" not in arrays:
        return None
    value = str(_text(f"{path}, support", arrays["support"]) if arrays["support"].dtype.kind in "US" else "no word")
    if value not in SUPPORTS:
        raise DataError(f"{path}, support: expected one of {', '.join(SUPPORTS)}, got {value[:80]!r}")
    return value


def _parts(
    path: Path, layout: Layout, arrays: dict[str, np.ndarray], first: int, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Places of the training and of the held-out images among all, each in a mixed order: the first n of a part are a
    fair sample of it, however the file is sorted."""
    if len(layout.images) == 2:
        return mixed(np.arange(first)), mixed(np.arange(first, count))
    if layout.split is None:
        return split_indices(count)
    held_out = _held_out(path, arrays[layout.split])
    if held_out.all() or not held_out.any():
        raise DataError(
            f"{path}, split: expected images of both kinds, got only {'test' if held_out.all() else 'train'}; "
            "mark some for the other, or leave split out"
        )
    return mixed(np.flatnonzero(~held_out)), mixed(np.flatnonzero(held_out))


def _held_out(path: Path, marks: np.ndarray) -> np.ndarray:
    """(N,) bool from 'train' and 'test', or 0 and 1 (held out)."""
    train: np.ndarray
    test: np.ndarray
    if marks.dtype.kind in "US":
        marks = np.char.lower(_text(f"{path}, split", marks))
        train, test = marks == "train", marks == "test"
    elif marks.dtype.kind in "biu":
        train, test = marks == 0, marks == 1
    else:
        raise DataError(f"{path}, split: expected 'train' and 'test', or 0 and 1 (held out), got {marks.dtype}")
    other = ~(train | test)
    if other.any():
        raise DataError(
            f"{path}, split: expected only 'train' and 'test', or 0 and 1 (held out), got "
            f"{marks[other][0].item()!r:.40} for {int(other.sum()):,} images; mark them as one of the two, or leave "
            "them out"
        )
    return test


def _text(where: str, words: np.ndarray) -> np.ndarray:
    """Text as it is, bytes as UTF-8; DataError where that is no text."""
    try:
        if words.dtype.kind == "S":
            return np.char.decode(words, "utf-8")
    except ValueError:
        pass
    else:
        letters = np.frombuffer(words.tobytes(), f"{words.dtype.str[0]}u4")
        if not letters.size or (letters.max() < 0x110000 and not ((letters >= 0xD800) & (letters < 0xE000)).any()):
            return words
    raise DataError(f"{where}: expected text, got bytes that are none; write it again with .astype(str)")


def _check_labels(where: str, header: Header, count: int) -> None:
    if header.shape in ((count,), (count, 1)) and header.dtype.kind in "iubUS":
        return
    advice = "leave the labels out, or rename them"
    if len(header.shape) == 2 and header.shape[0] == count:
        advice = "if they are one-hot, save labels.argmax(1)"
    elif header.shape in ((count,), (count, 1)):
        advice = "save labels.astype(int) if they are whole numbers, else leave them out or rename them"
    raise DataError(
        f"{where}: expected {count:,} whole numbers or strings, one per image, "
        f"got shape {header.shape} of {header.dtype}; {advice}"
    )


def _labels(
    path: Path, layout: Layout, arrays: dict[str, np.ndarray]
) -> tuple[np.ndarray | None, tuple[str, ...] | None]:
    """Labels as indices (N,) into the sorted distinct values, and those values as names."""
    if not layout.labels:
        return None, None
    parts = [arrays[name].reshape(-1) for name in layout.labels]
    parts = [_text(f"{path}, labels", part) if part.dtype.kind in "US" else part for part in parts]
    names, indices = np.unique(np.concatenate(parts), return_inverse=True)
    if len(names) > MOST_CLASSES:
        raise DataError(
            f"{path}, {' and '.join(layout.labels)}: expected at most {MOST_CLASSES:,} classes, got {len(names):,}; "
            "leave the labels out, or rename them"
        )
    return indices.astype(np.int64), tuple(str(name) for name in names)
