"""What a dataset is: images as stored, the values they may take, a fixed split, and binarised views of grey ones."""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from vae.config import BINARIZE, count_rows, parse_rows
from vae.errors import ConfigError, DataError
from vae.model.random_draws import Noise, uniform

Support = Literal["binary", "unit", "real"]
SUPPORTS: tuple[Support, ...] = ("binary", "unit", "real")  # {0, 1}, [0, 1], any finite number
SPLIT_SEED = 1797  # of the permutation that sets held-out images apart; never a run's seed
OWN_ORDER = torch.empty(0, dtype=torch.int64)  # for the rows of images that stand here as in their file or set
DRAW_SEED = 2008  # of the fixed binarisation
KINDS = {"train": "training", "test": "held-out"}  # what the images of a part are called
MOST_HELD_OUT = 10_000  # as many as MNIST holds out: evaluation stays affordable on large sets


@dataclass(frozen=True)
class DataInfo:
    """A dataset described without its images; `support` is the one after binarisation.

    shape: (channels, height, width). scale: the stored value that means 1. classes: the names that labels index.
    path: absolute, of a file of the user's. digest: of the stored arrays, see `vae.datasets.identity`; None until a
    registered set has been read. limits: the values that are shown as black and as white. spread: about the range of a
    pixel's values in training images (see `vae.datasets.scale`), 1 where it was not measured.
    """

    name: str
    shape: tuple[int, int, int]
    support: Support
    scale: int
    train: int  # number of images
    test: int
    classes: tuple[str, ...] | None = None
    path: str | None = field(default=None, compare=False)
    digest: str | None = field(default=None, compare=False)
    limits: tuple[float, float] = field(default=(0.0, 1.0), compare=False)
    spread: float = field(default=1.0, compare=False)

    @property
    def pixels(self) -> int:
        """Pixels times channels: the D of the formulas."""
        return math.prod(self.shape)

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> DataInfo:
        try:
            classes = values["classes"]
            channels, height, width = (int(size) for size in values["shape"])
            if values["support"] not in SUPPORTS:
                raise ValueError(f"support {values['support']!r}")
            return cls(
                name=str(values["name"]),
                shape=(channels, height, width),
                support=values["support"],
                scale=int(values["scale"]),
                train=int(values["train"]),
                test=int(values["test"]),
                classes=None if classes is None else tuple(str(c) for c in classes),
                path=_text(values.get("path")),
                digest=_text(values.get("digest")),
                limits=limits_of(values),
                spread=float(values.get("spread", 1.0)),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"description of the data: expected name, shape, support, ... ({error!r})") from None

    def binarized(self, binarize: str) -> DataInfo:
        """Returns the description of a binarised view; ConfigError where there is none."""
        if not isinstance(binarize, str) or binarize not in BINARIZE:
            raise ConfigError(f"binarize: expected one of {', '.join(BINARIZE)}, got {binarize!r}")
        if binarize == "none":
            return self
        if self.support == "binary":
            raise ConfigError(f"binarize: {self.name} is binary already, its only view is none, got {binarize!r}")
        if self.support == "real":
            raise ConfigError(
                f"binarize: expected none for {self.name}, whose values are real numbers, not grey levels in [0, 1], "
                f"got {binarize!r}"
            )
        return dataclasses.replace(self, support="binary", scale=self.scale if binarize == "epoch" else 1)

    def without(self, rows: str | None) -> DataInfo:
        """Returns the description of a view without these rows (`vae.config.parse_rows`), which keeps the digest.
        ConfigError where no training or no held-out image stays."""
        gone = count_rows(rows)
        left = dataclasses.replace(self, train=self.train - gone["train"], test=self.test - gone["test"])
        for part, had, stay in (("train", self.train, left.train), ("test", self.test, left.test)):
            if stay < 1 and had:
                raise ConfigError(
                    f"without: {self.name} has {had:,} {KINDS[part]} images, and {had - stay:,} are to be left out; "
                    "leave out fewer, so that some stay"
                )
        return left


def _text(value: object) -> str | None:
    return None if value is None else str(value)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images and labels on the CPU. Everything else sees images through `to_float` only.

    train, test: (N, channels, height, width) as stored: uint8 from 0 to `scale`; float32 at scale 1 for support "real"
    and for grey levels that came as floats. train_labels, test_labels: (N,) int64, or None. train_rows, test_rows: (N,)
    int64, each image's row in the file or set that it came from, which undoes the order and the split here; left_out:
    those rows that this is a view without; arrays: of
    which of its arrays those are rows, where train and test are two.
    Raises DataError when the images do not fit `info`: they are refused, never rescaled.
    """

    info: DataInfo
    train: Tensor
    test: Tensor
    train_labels: Tensor | None = None
    test_labels: Tensor | None = None
    binarize: str = "none"
    train_rows: Tensor = OWN_ORDER
    test_rows: Tensor = OWN_ORDER
    arrays: tuple[str, str] = ("", "")
    files: np.ndarray | None = None
    left_out: str | None = None

    def __post_init__(self) -> None:
        for name in ("train", "test"):
            if getattr(self, f"{name}_rows") is OWN_ORDER:
                object.__setattr__(self, f"{name}_rows", torch.arange(len(getattr(self, name))))
        for part, count in (("train", self.info.train), ("test", self.info.test)):
            grey = self.binarize == "epoch" and part == "train"
            _check(f"{self.info.name}, {part}", getattr(self, part), count, self.info, "unit" if grey else None)
            labels = getattr(self, f"{part}_labels")
            if labels is not None:
                _check_labels(f"{self.info.name}, {part}", labels, count, self.info.classes)

    def __repr__(self) -> str:
        info, labels = self.info, "" if self.train_labels is None else ", labelled"
        count, size = f"{info.train:,} + {info.test:,} held-out", "x".join(map(str, info.shape))
        return f"Dataset({info.name!r}: {count} images {size}, {info.support} values{labels})"

    @property
    def name(self) -> str:
        return self.info.name

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.info.shape

    @property
    def support(self) -> Support:
        return self.info.support

    @property
    def scale(self) -> int:
        return self.info.scale

    @property
    def classes(self) -> tuple[str, ...] | None:
        return self.info.classes

    def rows_of(self, part: str) -> str:
        """Names what `train_rows` or `test_rows` are rows of: "faces.npz", or "faces.npz, x_test"."""
        array = self.arrays[part == "test"]
        return f"{self.name}, {array}" if array else self.name

    def files_of(self, part: str) -> np.ndarray | None:
        """Returns the names of the files that the images of a part come from, (N,); None where they are not known."""
        rows = self.test_rows if part == "test" else self.train_rows
        return None if self.files is None else self.files[rows.numpy()]

    def to_float(self, x: Tensor, generator: Noise = None) -> Tensor:
        """Returns stored images (..., c, h, w) as float32 on the support, on x's device.

        In the `epoch` view every call draws anew, from Bernoulli(x / scale) with `generator` (of x's device); held-out
        images are stored there as 0 or `scale`, which the draw leaves as they are. Elsewhere nothing is random.
        Raises DataError unless x is a tensor.
        """
        if not isinstance(x, Tensor):
            raise DataError(f"x: expected a torch tensor of images, got {type(x).__name__}; torch.as_tensor makes one")
        values = x.to(torch.float32)
        if self.binarize == "epoch":  # rand < p is 2.7 times as fast as torch.bernoulli(p), and exact at p = 0 and 1
            u = uniform(x.shape, generator, values, axis=0)
            return u.mul_(self.scale).lt_(values)  # in place: 0 and 1 without a bool tensor between
        return values if self.scale == 1 else values / self.scale

    def binarized(self, binarize: str) -> Dataset:
        """Returns a binary view of grey images; ConfigError for others.

        threshold: 1 where x >= 1/2. fixed: one draw from Bernoulli(x) that belongs to the dataset.
        epoch: training images drawn anew whenever they are used, held-out ones as in `fixed` (so both compare).
        Choose epoch for training (it augments), fixed to repeat a published number, threshold for crisp pictures.
        """
        info = self.info.binarized(binarize)
        if binarize == "none":
            return self
        if binarize == "threshold":
            train, test = ((x >= self.scale / 2).to(torch.uint8) for x in (self.train, self.test))
        else:
            test = _draw(self.test, self.scale, 1)
            train = self.train if binarize == "epoch" else _draw(self.train, self.scale, 0)
        if binarize == "epoch":
            test = test.to(self.train.dtype) * self.scale
        return dataclasses.replace(self, info=info, train=train, test=test, binarize=binarize)

    def without(self, rows: str | None) -> Dataset:
        """Returns a view without these rows (`vae.config.parse_rows`): the others stay as they are, in their order,
        also where pixels were drawn. DataError where one of the rows is no image of its part."""
        if not rows:
            return self
        kept: dict[str, Any] = {}
        for part, spans in parse_rows(rows).items():
            own = getattr(self, f"{part}_rows")
            gone = torch.zeros(len(own), dtype=torch.bool)
            for span in spans:
                gone |= (own >= span.start) & (own < span.stop)
            asked, found = sum(map(len, spans)), int(gone.sum())
            if found != asked:
                raise DataError(
                    f"without: {asked - found:,} of the {asked:,} rows to leave out are no {KINDS[part]} images of "
                    f"{self.rows_of(part)}; mark them again on these data, or train without the setting"
                )
            for name in (part, f"{part}_labels", f"{part}_rows"):
                values = getattr(self, name)
                kept[name] = None if values is None else values[~gone]
        return dataclasses.replace(self, info=self.info.without(rows), left_out=rows, **kept)


def limits_of(values: dict[str, Any]) -> tuple[float, float]:
    """Returns the display limits in a description as JSON; 0 and 1 in one that was written before there were any.
    Raises DataError where they are none."""
    try:
        low, high = (float(limit) for limit in values.get("limits", (0.0, 1.0)))
    except (TypeError, ValueError):
        raise DataError(f"description of the data: expected limits of two numbers, got {values['limits']!r}") from None
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise DataError(f"description of the data: expected limits low < high, got {low:g} and {high:g}")
    return low, high


class Source(ABC):
    """Where a dataset comes from. `credit`: whose images these are and under which licence, for who publishes a model
    of them; "" where nobody has said it."""

    credit: str = ""

    @abstractmethod
    def describe(self, root: Path) -> DataInfo:
        """Returns the plain (not binarised) dataset's description: cheap, and never a download."""

    @abstractmethod
    def load(self, root: Path, progress: Callable[[float, str], None]) -> Dataset:
        """Returns the plain dataset, fetched into `root` if it has to be."""

    @abstractmethod
    def is_here(self, root: Path) -> bool:
        """Returns whether `load` would do without a download."""


def split_indices(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns training and held-out rows of a set without a split of its own: a fifth, at most 10,000, held out.

    RandomState's streams are frozen by NumPy's compatibility promise: the split is the same with any version.
    """
    order = np.random.RandomState(SPLIT_SEED).permutation(count)
    held_out = held_out_count(count)
    return order[held_out:], order[:held_out]


def held_out_count(count: int) -> int:
    """Returns how many of so many images are held out: a fifth, at most MOST_HELD_OUT."""
    return min(-(-count // 5), MOST_HELD_OUT)


def mixed(indices: np.ndarray) -> np.ndarray:
    """Returns the same in a fixed random order: the first n of a part should be a fair sample of it."""
    return indices[np.random.RandomState(SPLIT_SEED).permutation(len(indices))]


def split(
    info: DataInfo,
    images: np.ndarray,
    labels: np.ndarray | None,
    parts: tuple[np.ndarray, np.ndarray] | None = None,
    arrays: tuple[str, str] = ("", ""),
    first: int = 0,
) -> Dataset:
    """Splits images (N, c, h, w), labels (N,) of whole numbers -> the Dataset with the fixed split, or with `parts`:
    places of training and held-out images. Where they come from two `arrays`, the held-out ones follow the `first`."""
    train, test = (torch.from_numpy(part) for part in parts or split_indices(len(images)))
    x = torch.from_numpy(images)
    y = None if labels is None else torch.from_numpy(labels.astype(np.int64))
    return Dataset(
        info,
        x[train],
        x[test],
        None if y is None else y[train],
        None if y is None else y[test],
        train_rows=train,
        test_rows=test - first if any(arrays) else test,
        arrays=arrays,
    )


def _draw(x: Tensor, scale: int, stream: int) -> Tensor:
    """One draw of 0/1 uint8 with P(1) = x / scale; each `stream` has random numbers of its own."""
    random = np.random.RandomState([DRAW_SEED, stream])
    drawn = np.empty(x.shape, np.uint8)
    rows = max(1, 2**22 // math.prod(x.shape[1:]))  # a few ten megabytes of random numbers at a time
    for start in range(0, len(x), rows):
        grey = x[start : start + rows].numpy()
        drawn[start : start + rows] = random.random_sample(grey.shape) * scale < grey
    return torch.from_numpy(drawn)


def _check(where: str, x: Tensor, count: int, info: DataInfo, support: Support | None) -> None:
    """DataError unless x has `count` images of the declared shape with values on the support (default: info's)."""
    if tuple(x.shape) != (count, *info.shape):
        raise DataError(f"{where}: expected images of shape {(count, *info.shape)}, got {tuple(x.shape)}")
    if x.dtype not in (torch.uint8, torch.float32):
        raise DataError(f"{where}: expected uint8 or float32 images, got {x.dtype}")
    if not count:  # images that came from a script are all held out
        return
    support = support or info.support
    low, high = (value.item() for value in x.aminmax())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise DataError(f"{where}: expected finite values, got NaN or infinity")
    if support != "real" and (low < 0 or high > info.scale):
        raise DataError(f"{where}: expected values from 0 to {info.scale}, got {low:g} to {high:g}")
    binary = support != "binary" or (x.dtype == torch.uint8 and info.scale == 1)  # then 0 and 1 are all there is
    if not binary and not bool(((x == 0) | (x == info.scale)).all()):
        raise DataError(f"{where}: expected only 0 and {info.scale}, got values between")


def _check_labels(where: str, labels: Tensor, count: int, classes: tuple[str, ...] | None) -> None:
    if tuple(labels.shape) != (count,) or labels.dtype != torch.int64:
        raise DataError(f"{where}: expected {count:,} int64 labels, got {tuple(labels.shape)} of {labels.dtype}")
    if count and classes is not None and (labels.min() < 0 or labels.max() >= len(classes)):
        raise DataError(f"{where}: expected labels from 0 to {len(classes) - 1}, got {labels.min()} to {labels.max()}")
