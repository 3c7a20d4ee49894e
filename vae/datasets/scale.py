"""The scale of a dataset, from its training images: what the networks measure pixels by, and what black and white are
on the screen. Numbers in nats never depend on either.
"""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor

from vae.datasets.dataset import Dataset
from vae.errors import DataError

DEVIATIONS = 4  # of a pixel, that count as 1: pictures of full contrast (MNIST's 0.26) are left about as they are
ROUNDING = 2.0**-22  # of the largest value: what varies less has only been rounded
LEAST = 1e-15  # of a spread: C, which goes as its inverse square, stays within C_LIMITS
ENOUGH = 2**25  # values to measure from at most, 128 MB as floats


def location_and_spread(x: Tensor, name: str = "images") -> tuple[float, float]:
    """Measures images x (n, channels, height, width), floats: the mean of all their pixels, and DEVIATIONS standard
    deviations of a pixel about its own mean; of images that are all the same, which vary by rounding at most, the
    largest value. Raises DataError, naming the values, where float32 cannot hold their squares.
    """
    deviation = float(x.var(0, correction=0).mean().sqrt())
    low, high = (float(value) for value in x.aminmax())
    largest = max(abs(low), abs(high))
    spread = DEVIATIONS * deviation if deviation > ROUNDING * largest else largest or 1.0
    if not LEAST < spread < 1 / LEAST:
        raise DataError(
            f"{name}: its values, from {low:g} to {high:g}, are too {'small' if largest < 1 else 'large'}: float32 "
            "loses their squares; multiply all of them by one number that brings them near 1"
        )
    return float(x.mean()), spread


def display_limits(x: Tensor) -> tuple[float, float]:
    """Returns the values of real-valued images that are shown as black and as white: the smallest and the largest."""
    low, high = (float(value) for value in x.aminmax())
    return (low, high) if low < high else (low, low + (abs(low) or 1.0))


def measured(dataset: Dataset) -> Dataset:
    """Returns the same dataset, its description with the limits and the spread of its training images."""
    enough = max(1, ENOUGH // dataset.info.pixels)
    some = dataset.train[:: max(1, len(dataset.train) // enough)]
    _, spread = location_and_spread(dataset.to_float(some), dataset.name)
    limits = display_limits(dataset.train) if dataset.support == "real" else (0.0, 1.0)
    return dataclasses.replace(dataset, info=dataclasses.replace(dataset.info, limits=limits, spread=spread))


def to_bytes(x: Tensor, limits: tuple[float, float]) -> Tensor:
    """Returns pixels as they are shown, uint8: `limits` are 0 and 255, what lies beyond them is cut off. For the eye
    only."""
    low, high = limits
    return (((x.float() - low) / (high - low)).clamp(0, 1) * 255).round().to(torch.uint8)
