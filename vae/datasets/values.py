"""Which values a user's images may have: what follows from them, and the advice where they are others.

Every advice is a line of NumPy that makes the refused array an accepted one.
"""

from __future__ import annotations

import math

import numpy as np

from vae.datasets.dataset import Support
from vae.errors import DataError

ROUNDING = 1e-6  # floats so far outside [0, 1] are meant to lie on its end, and are put there
REAL = 'declare numbers of any size by saving support="real" beside them'


def on_support(where: str, images: np.ndarray, declared: Support | None) -> tuple[np.ndarray, Support, int]:
    """Returns (images, support, scale). Images of 0 and 1 only are binary unless declared otherwise. Raises
    DataError, with a line of NumPy that helps."""
    if images.dtype == np.bool_:
        images = images.astype(np.uint8)
    if images.dtype == np.uint8 and declared != "real":
        binary = declared != "unit" and int(images.max()) <= 1
        if declared == "binary" and not binary:
            raise DataError(
                f"{where}: expected only 0 and 1 for support binary, got up to {images.max()}; "
                "save images >= 128, or leave support out"
            )
        return np.ascontiguousarray(images), "binary" if binary else "unit", 1 if binary else 255
    if not (np.issubdtype(images.dtype, np.floating) or images.dtype == np.uint8):
        raise DataError(f"{where}: expected uint8 or floats in [0, 1], got {images.dtype}; {_type_advice(images)}")
    return _floats_on_support(where, images, declared)


def _type_advice(images: np.ndarray) -> str:
    if images.dtype.kind not in "iu":
        return "save numbers: np.abs(images) of complex ones, images.astype(float) of text or of dates"
    low, high = int(images.min()), int(images.max())
    if low < 0:
        return f"{low:,} to {high:,}: save (images - images.min()) / (images.max() - images.min()), or {_as_real()}"
    if images.dtype != np.uint16 and high <= 255:
        return "save images.astype(np.uint8)"
    if high <= 65535:
        smaller = next((f"{top:,}" for top in (1023, 4095, 16383) if high <= top), None)
        camera = f", or by {smaller} if that is the largest value there can be" if smaller else ""
        return f"divide by 65,535, the largest there can be: save images / 65535{camera}"
    return f"0 is black and the largest value white: save images / images.max(), or {_as_real()}"


def _as_real() -> str:
    return 'images.astype(np.float32) with support="real" beside them'


def _floats_on_support(where: str, images: np.ndarray, declared: Support | None) -> tuple[np.ndarray, Support, int]:
    rounding = max(ROUNDING, float(np.finfo(images.dtype).eps)) if images.dtype.kind == "f" else 0.0
    with np.errstate(over="ignore"):  # a float64 too large for float32 becomes infinity and is refused here
        values = np.ascontiguousarray(images, dtype=np.float32)
    low, high = values.min(), values.max()  # either is NaN if any is
    if not (math.isfinite(low) and math.isfinite(high)):
        bad = int(values.size - np.isfinite(values).sum())
        raise DataError(
            f"{where}: expected finite numbers, got {bad:,} of {values.size:,} that are NaN or too large; "
            "leave those images out: kept = np.isfinite(images.astype(np.float32).reshape(len(images), -1)).all(1), "
            "then save images[kept], and labels[kept]"
        )
    if declared == "real":
        return values, "real", 1
    if low < -rounding or high > 1 + rounding:
        raise DataError(f"{where}: expected floats in [0, 1], got {low!s} to {high!s}; {_range_advice(low, high)}")
    if low < 0 or high > 1:
        values = values.clip(0, 1)
    binary = declared != "unit" and bool(((values == 0) | (values == 1)).all())
    if declared == "binary" and not binary:
        raise DataError(
            f"{where}: expected only 0 and 1 for support binary, got values between; "
            "save images >= 0.5, or leave support out"
        )
    return (values.astype(np.uint8), "binary", 1) if binary else (values, "unit", 1)


def _range_advice(low: float, high: float) -> str:
    """What to save instead of floats from `low` to `high`."""
    if low < -ROUNDING:
        if low >= -1 - ROUNDING and high <= 1 + ROUNDING:
            return f"from −1 to 1, save (images + 1) / 2, or {REAL}"
        return f"save (images - images.min()) / (images.max() - images.min()), or {REAL}"
    if high <= 1.1:
        return f"a little over 1, as after resizing: save np.clip(images, 0, 1), or {REAL}"
    for top in (255, 65535):
        if high <= top:
            return f"from 0 to {top:,}, divide by {top:,}: save images / {top}, or {REAL}"
    return f"save images / images.max(), or {REAL}"
