"""One operation of an ONNX file, with what is known of its inputs before anything is computed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vae.exchange.onnx_file import Array

MOST_KERNEL = 1 << 12  # of a convolution's or pooling's sizes, strides and paddings
Shape = tuple[int, ...]  # with BATCH as its first


class Unreadable(Exception):
    """Why an operation has no form here, the end of a sentence."""


@dataclass(frozen=True)
class Op:
    """An operation with what is known of its inputs: the array of a constant, the shape of what the image decides."""

    op: str
    settings: dict[str, Any]
    arrays: tuple[Array | None, ...]
    shapes: tuple[Shape | None, ...]

    @property
    def shape(self) -> Shape:
        """Of the first input that is no constant."""
        return next(shape for shape in self.shapes if shape is not None)

    def array(self, place: int) -> Array | None:
        """Returns a constant that may be left out."""
        if place < len(self.shapes) and self.shapes[place] is not None:
            raise Unreadable("takes weights that depend on the image")
        return self.arrays[place] if place < len(self.arrays) else None

    def weights(self, place: int) -> Tensor:
        """Returns a constant as a tensor of its own memory."""
        array = self.array(place)
        if array is None or array.dtype.kind != "f":
            raise Unreadable("lacks its weights")
        return torch.from_numpy(np.array(array, np.float32))

    def whole(self, name: str, usual: list[int]) -> list[int]:
        """Returns a setting of as many small whole numbers as `usual` has."""
        given = self.settings.get(name) or usual
        if not isinstance(given, list) or len(given) != len(usual) or any(not 0 <= v <= MOST_KERNEL for v in given):
            raise Unreadable(f"has {name} that cannot be: {str(given)[:40]}")
        return given

    def pair(self, name: str, usual: list[int]) -> tuple[int, int]:
        """Returns a setting of two small whole numbers."""
        first, second = self.whole(name, usual)
        return first, second

    def axis(self, axis: int) -> int:
        """Returns an axis as a number from 1: the first, of the images, is never one."""
        if type(axis) is not int:
            raise Unreadable(f"has an axis that cannot be: {str(axis)[:40]}")
        axis = axis + len(self.shape) if axis < 0 else axis
        if not 0 < axis < len(self.shape):
            raise Unreadable("works across the images of a batch")
        return axis
