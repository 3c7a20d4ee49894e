"""Held-out images that come from somebody's script: as their model sees them, and as a run keeps them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from vae.errors import ConfigError
from vae.exchange.step_terms import as_array

CHANNELS = (1, 3)
MOST_LABELS = 1000
ROUNDING = 1e-4  # of the range of the pixels, by which floats may lie outside it


@dataclass(frozen=True)
class OwnImages:
    """(N, c, h, w): uint8 of 0 to 255 for the range (0, 1), else float32 as the model sees them; or None."""

    stored: NDArray[Any] | None
    labels: NDArray[np.int64] | None
    classes: tuple[str, ...] | None
    low: float
    high: float

    @classmethod
    def of(cls, images: Any, labels: Any, pixels: tuple[float, float]) -> Self:
        """Returns images as a run keeps them. Raises ConfigError in a sentence that says what to give."""
        try:
            low, high = (float(end) for end in pixels)
        except (TypeError, ValueError):
            low = high = math.nan
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise ConfigError(f"pixels: expected the lowest and the highest value, such as (0, 1), got {pixels!r}")
        if images is None:
            if labels is not None:
                raise ConfigError("labels: expected images= beside them, got none")
            return cls(None, None, None, low, high)
        stored = _stored(_on_host(images), low, high)
        return cls(stored, *_labels(labels, len(stored)), low, high)

    @property
    def shape(self) -> tuple[int, int, int] | None:
        """(channels, height, width)."""
        return None if self.stored is None else (self.stored.shape[1], self.stored.shape[2], self.stored.shape[3])

    @property
    def D(self) -> int | None:
        """Numbers of an image."""
        return None if self.shape is None else math.prod(self.shape)

    def for_likelihood(self, likelihood: str | None) -> Self:
        """Returns the images as that p(x|z) takes them: in [0, 1] for one of the pixels there, else as they are."""
        if self.stored is None or likelihood in (None, "gaussian") or (self.low, self.high) == (0.0, 1.0):
            return self
        unit = (self.stored - self.low) / (self.high - self.low)
        return type(self)(unit.astype(np.float32), self.labels, self.classes, 0.0, 1.0)

    @property
    def scale(self) -> int:
        """The stored value that means 1."""
        return 255 if self.stored is not None and self.stored.dtype == np.uint8 else 1

    def described(self) -> dict[str, Any]:
        """Returns the description of the run's data as its config holds it. `spread`: the range of the pixels, with
        which C goes."""
        support = "unit" if (self.low, self.high) == (0.0, 1.0) else "real"
        if support == "unit" and self.stored is not None and np.isin(self.stored, (0, self.scale)).all():
            support = "binary"
        return {
            "name": "your images" if self.stored is not None else "images of your own loop",
            "shape": list(self.shape or (1, 1, 1)),
            "support": support,
            "scale": self.scale,
            "train": 0,
            "test": 0 if self.stored is None else len(self.stored),
            "classes": None if self.classes is None else list(self.classes),
            "limits": [self.low, self.high],
            "spread": self.high - self.low,
        }


def as_shown(images: Any, own: OwnImages) -> NDArray[np.uint8]:
    """Returns pictures (n, h, w, c) as the page shows them. Raises ConfigError for another shape than that of the
    run's images."""
    values = _channels_first(_on_host(images))
    if own.shape is not None and values.shape[1:] != own.shape:
        raise ConfigError(f"pictures: expected images of shape {own.shape}, got {values.shape[1:]}")
    if values.dtype != np.uint8:
        values = (((values - own.low) / (own.high - own.low)).clip(0, 1) * 255).round().astype(np.uint8)
    return np.ascontiguousarray(values.transpose(0, 2, 3, 1))


def _on_host(value: Any) -> NDArray[Any]:
    array = as_array(value)
    return np.asarray(array.cpu() if hasattr(array, "cpu") else array)


def _stored(images: NDArray[Any], low: float, high: float) -> NDArray[Any]:
    values = _channels_first(images)
    if values.dtype == np.uint8:
        unit = (low, high) == (0.0, 1.0)
        return values if unit else (low + (high - low) / 255 * values).astype(np.float32)
    if values.dtype.kind not in "fb":
        raise ConfigError(f"images: expected floats or uint8, got {values.dtype}; give them as your model sees them")
    values = np.ascontiguousarray(values, np.float32)
    least, most = float(values.min()), float(values.max())
    room = ROUNDING * (high - low)
    if not (low - room <= least and most <= high + room):  # NaN too
        raise ConfigError(
            f"images: expected values from {low:g} to {high:g}, got {least:g} to {most:g}; say pixels=(lowest, "
            "highest) as your model sees them"
        )
    values = values.clip(low, high)
    if (low, high) == (0.0, 1.0):  # as they were before somebody's ToTensor: a quarter of the bytes
        whole: NDArray[Any] = np.rint(values * 255).astype(np.uint8)
        if np.array_equal(whole / np.float32(255), values):
            return whole
    return values


def _channels_first(images: NDArray[Any]) -> NDArray[Any]:
    """(N, c, h, w) of (N, h, w), (N, c, h, w) or (N, h, w, c)."""
    shape = images.shape
    if len(shape) == 3 and 0 not in shape:
        return images[:, None]
    if len(shape) == 4 and 0 not in shape and (shape[1] in CHANNELS or shape[3] in CHANNELS):
        return images if shape[1] in CHANNELS else np.moveaxis(images, 3, 1)
    side = round(math.sqrt(shape[1])) if len(shape) == 2 else 0
    advice = f"; rows of square images: images.reshape(-1, {side}, {side})" if side and side**2 == shape[1] else ""
    raise ConfigError(
        f"images: expected shape (N, h, w), (N, h, w, 3) or (N, c, h, w) with c 1 or 3, got {shape}{advice}"
    )


def _labels(labels: Any, count: int) -> tuple[NDArray[np.int64] | None, tuple[str, ...] | None]:
    if labels is None:
        return None, None
    values = _on_host(labels)
    if values.shape != (count,) or values.dtype.kind not in "iubUS":
        raise ConfigError(f"labels: expected {count:,} whole numbers or words, got {values.shape} of {values.dtype}")
    names, indices = np.unique(values, return_inverse=True)
    if len(names) > MOST_LABELS:
        raise ConfigError(f"labels: expected at most {MOST_LABELS:,} classes, got {len(names):,}")
    return indices.astype(np.int64), tuple(str(name) for name in names)
