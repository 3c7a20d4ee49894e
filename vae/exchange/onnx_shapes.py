"""Operations of an ONNX file that move numbers and have no weights: reshaping, cutting, joining, resizing, means.

What would mix the images of a batch is refused: an image's numbers depend on that image alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from vae.exchange.onnx_constants import BATCH, axes_of, ints, slices
from vae.exchange.onnx_operation import MOST_KERNEL, Op, Shape, Unreadable
from vae.model import graph


def _reshape(op: Op) -> list[nn.Module]:
    asked = op.array(1)
    if asked is None or asked.ndim != 1:
        raise Unreadable("has a shape that depends on the image")
    return _to_sizes(op.shape, [op.shape[i] if v == 0 else v for i, v in enumerate(ints(asked))])


def _to_sizes(shape: Shape, asked: list[int]) -> list[nn.Module]:
    """Each image's numbers in another shape; `asked` has the axis of the images first, whatever number stands there."""
    count, sizes = math.prod(shape[1:]), asked[1:]
    if -1 in sizes:
        rest = math.prod(size for size in sizes if size != -1)
        sizes = [count // rest if size == -1 and rest > 0 else size for size in sizes]
    if not asked or any(size <= 0 for size in sizes) or math.prod(sizes) != count:
        raise Unreadable("mixes the images of a batch")
    if tuple(sizes) == shape[1:]:
        return []
    if len(sizes) == 1:
        return [nn.Flatten(1)]
    return [nn.Unflatten(1, tuple(sizes)) if len(shape) == 2 else graph.Reshape(sizes)]


def _flatten(op: Op) -> list[nn.Module]:
    axis = op.settings.get("axis", 1)
    if axis not in (1, 1 - len(op.shape)):
        raise Unreadable("mixes the images of a batch")
    return _to_sizes(op.shape, [BATCH, -1])


def _squeezed(op: Op) -> list[nn.Module]:
    axes = axes_of(op.settings, [op.array(1)])
    sizes = list(op.shape)
    if op.op == "Unsqueeze":
        axes = [axis + len(sizes) + len(axes) if axis < 0 else axis for axis in axes]
        for axis in sorted(axes):
            sizes.insert(axis, 1)
    else:
        axes = [op.axis(axis) for axis in axes] or [i for i, size in enumerate(sizes) if size == 1]
        sizes = [size for i, size in enumerate(sizes) if i not in axes]
    if sizes[0] != BATCH:
        raise Unreadable("moves the images of a batch to another axis")
    return _to_sizes(op.shape, sizes)


def _transpose(op: Op) -> list[nn.Module]:
    order = op.settings.get("perm") or list(reversed(range(len(op.shape))))
    if sorted(order) != list(range(len(op.shape))) or order[0] != 0:
        raise Unreadable("moves the images of a batch to another axis")
    return [graph.Permute(order)] if order != sorted(order) else []


def _concat(op: Op) -> list[nn.Module]:
    if None in op.shapes:
        raise Unreadable("puts constants beside what depends on the image")
    return [graph.Join(op.axis(op.settings["axis"]))]


def _slice(op: Op) -> list[nn.Module]:
    starts, ends, axes, steps = slices(op.settings, [op.array(place) for place in range(1, len(op.arrays))])
    found: list[nn.Module] = []
    for start, end, axis, step in zip(starts, ends, axes or range(len(starts)), steps, strict=True):
        first, last, _ = slice(start, end).indices(op.shape[op.axis(axis)])
        if step != 1 or first >= last:
            raise Unreadable("takes every other number, or none")
        found.append(graph.Part(op.axis(axis), first, last))
    return found


def _gather(op: Op) -> list[nn.Module]:
    axis = op.axis(op.settings.get("axis", 0))
    places, size = op.array(1), op.shape[axis]
    if op.shapes[0] is None or places is None or places.ndim != 1 or places.dtype.kind != "i" or not places.size:
        raise Unreadable("takes numbers from places that are no list of whole numbers")
    found = torch.from_numpy(places.astype(np.int64))
    if int(found.min()) < -size or int(found.max()) >= size:
        raise Unreadable(f"takes numbers from places beyond {size:,}")
    return [graph.Select(axis, found % size)]


def _pad(op: Op) -> list[nn.Module]:
    pads, value = op.array(1), op.array(2)
    if len(op.shape) != 4 or pads is None or pads.shape != (8,) or op.array(3) is not None:
        raise Unreadable("is padded along other axes than the two of an image")
    if op.settings.get("mode", "constant") != "constant" or (value is not None and value.any()):
        raise Unreadable("is padded with other numbers than zeros")
    top, left, bottom, right = (ints(pads)[place] for place in (2, 3, 6, 7))
    if any(ints(pads)[place] for place in (0, 1, 4, 5)) or not all(0 <= one <= MOST_KERNEL for one in ints(pads)):
        raise Unreadable("is padded along other axes than the two of an image, or cut")
    return [nn.ZeroPad2d((left, right, top, bottom))]


def _resize(op: Op) -> list[nn.Module]:
    mode, how = op.settings.get("mode", "nearest"), op.settings.get("coordinate_transformation_mode", "half_pixel")
    if len(op.shape) != 4:
        raise Unreadable("resizes another number of axes than two")
    old, new = op.shape[2:], _new_sides(op)
    whole = all(b % a == 0 for a, b in zip(old, new, strict=True))
    if op.op == "Upsample":
        how = "asymmetric"
    if mode == "nearest":
        rounds = op.settings.get("nearest_mode", "round_prefer_floor") if op.op == "Resize" else "floor"
        if not (whole and how in ("half_pixel", "pytorch_half_pixel")) and (how, rounds) != ("asymmetric", "floor"):
            raise Unreadable(f"takes the nearest pixel in a way that torch has not ({how}, {rounds})")
        return [nn.Upsample(size=new, mode="nearest")]
    if mode != "linear" or how not in ("half_pixel", "pytorch_half_pixel", "align_corners") or 1 in new:
        raise Unreadable(f"interpolates in a way that is not read ({mode}, {how}); nearest and linear are")
    if op.settings.get("antialias"):
        raise Unreadable("smooths while it resizes, which is not read")
    return [nn.Upsample(size=new, mode="bilinear", align_corners=how == "align_corners")]


def _new_sides(op: Op) -> tuple[int, int]:
    """From sizes or scales, wherever the version keeps them; the first two axes stay."""
    last = len(op.arrays) - 1 if op.op == "Resize" else 1
    given = op.array(last)
    if given is None or given.shape != (4,):
        raise Unreadable("has no size that is known beforehand")
    if given.dtype.kind == "f":
        if given[0] != 1 or given[1] != 1 or not (given > 0).all() or (given > MOST_KERNEL).any():
            raise Unreadable("resizes more than the two sides of an image")
        return int(op.shape[2] * float(given[2])), int(op.shape[3] * float(given[3]))
    sizes = ints(given)
    if sizes[1] != op.shape[1]:
        raise Unreadable("resizes more than the two sides of an image")
    return sizes[2], sizes[3]


def _mean(op: Op) -> list[nn.Module]:
    axes = [op.axis(axis) for axis in axes_of(op.settings, [op.array(1)])]
    if not axes:
        raise Unreadable("takes the mean over all images of a batch")
    return [graph.Mean(axes, bool(op.settings.get("keepdims", 1)))]


def _depth_to_space(op: Op) -> list[nn.Module]:
    if op.settings.get("mode", "DCR") != "CRD":
        raise Unreadable("orders channels in a way that torch has not")
    return [nn.PixelShuffle(op.settings["blocksize"])]


SHAPES: dict[str, Callable[[Op], list[nn.Module]]] = {
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Squeeze": _squeezed,
    "Unsqueeze": _squeezed,
    "Transpose": _transpose,
    "Concat": _concat,
    "Slice": _slice,
    "Gather": _gather,
    "Pad": _pad,
    "Resize": _resize,
    "Upsample": _resize,
    "DepthToSpace": _depth_to_space,
    "GlobalAveragePool": lambda op: [graph.Mean(range(2, len(op.shape)), True)],
    "ReduceMean": _mean,
}
