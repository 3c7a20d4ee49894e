"""What a file computes without looking at an image: weights made from weights, and arithmetic with shapes.

An image's shape is known beforehand, but for how many there are at a time. In its place stands BATCH, a prime that no
network has as a size: where it turns up later, it is recognised.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from vae.exchange.onnx_file import Array, Node

BATCH = 1_000_003
MOST_NUMBERS = 1 << 24  # of what one array is made of, and of what is made
VIEWS = (  # take no memory, however large their input
    "Identity", "Dropout", "Reshape", "Flatten", "Transpose", "Slice", "Unsqueeze", "Squeeze", "Shape", "Size",
)  # fmt: skip


class Unfoldable(Exception):
    """What these constants cannot be made of; the sentence's end says why."""


def fold(node: Node, inputs: Sequence[Array | None]) -> list[Array] | None:
    """Returns the outputs of an operation on constants; None for one that is not known here. Raises Unfoldable."""
    function = FOLDS.get(node.op)
    if function is None:
        return None
    if node.op not in VIEWS and sum(x.size for x in inputs if x is not None) > MOST_NUMBERS:
        raise Unfoldable(f"it would be made of more than {MOST_NUMBERS:,} constants")
    try:
        with np.errstate(all="ignore"):
            made = function(node.attributes, *inputs)
    except Unfoldable:
        raise
    except Exception as error:  # NumPy's for shapes and indices that do not fit are of many kinds
        raise Unfoldable(f"its numbers do not fit together ({str(error)[:80]})") from None
    return made if isinstance(made, list) else [np.asarray(made)]


def ints(array: Array | None) -> list[int]:
    """Returns a constant's whole numbers. Raises Unfoldable where there is none, or it holds others."""
    if array is None or array.dtype.kind not in "iu" or array.size > 64:
        raise Unfoldable("expected a few whole numbers that do not depend on the image")
    return [int(value) for value in array.ravel()]


def _constant(settings: dict[str, Any]) -> Array:
    for name in ("value", "value_float", "value_int", "value_floats", "value_ints"):
        if name in settings:
            kind = {"value_float": "f4", "value_floats": "f4", "value_int": "i8", "value_ints": "i8"}.get(name)
            return np.asarray(settings[name], kind)
    raise Unfoldable("a constant without a number")


def _cast(settings: dict[str, Any], x: Array) -> Array:
    kinds = {1: np.float32, 6: np.int32, 7: np.int64, 9: np.bool_}
    if settings.get("to") not in kinds:
        raise Unfoldable("a constant of another kind than float32 and whole numbers")
    return x.astype(kinds[settings["to"]])


def _gather(settings: dict[str, Any], x: Array, places: Array) -> Array:
    axis = settings.get("axis", 0)
    if x.size // max(1, x.shape[axis]) * places.size > MOST_NUMBERS:
        raise Unfoldable(f"it would make more than {MOST_NUMBERS:,} constants")
    return np.take(x, places.astype(np.int64), axis)


def _slice(settings: dict[str, Any], x: Array, *given: Array | None) -> Array:
    starts, ends, axes, steps = slices(settings, given)
    cut = [slice(None)] * x.ndim
    for start, end, axis, step in zip(starts, ends, axes or range(len(starts)), steps, strict=True):
        cut[axis] = slice(start, end, step)
    return x[tuple(cut)]


def slices(
    settings: dict[str, Any], given: Sequence[Array | None]
) -> tuple[list[int], list[int], list[int], list[int]]:
    """Returns starts, ends, axes and steps of a Slice, wherever its version keeps them."""
    if "starts" in settings:
        starts, ends = settings["starts"], settings.get("ends", [])
        return starts, ends, settings.get("axes", []), [1] * len(starts)
    starts, ends = ints(given[0]), ints(given[1])
    axes = ints(given[2]) if len(given) > 2 and given[2] is not None else []
    return starts, ends, axes, ints(given[3]) if len(given) > 3 and given[3] is not None else [1] * len(starts)


def axes_of(settings: dict[str, Any], given: Sequence[Array | None]) -> list[int]:
    """Returns the axes of Squeeze, Unsqueeze or a mean: a setting in old versions, an input in new ones."""
    if "axes" in settings:
        return [int(axis) for axis in settings["axes"]]
    return ints(given[0]) if given and given[0] is not None else []


def _unsqueeze(settings: dict[str, Any], x: Array, *given: Array | None) -> Array:
    return np.expand_dims(x, tuple(axes_of(settings, given)))


def _squeeze(settings: dict[str, Any], x: Array, *given: Array | None) -> Array:
    return np.squeeze(x, tuple(axes_of(settings, given)) or None)


def _reshape(settings: dict[str, Any], x: Array, shape: Array) -> Array:
    sizes = [x.shape[i] if size == 0 else size for i, size in enumerate(ints(shape))]
    return x.reshape(sizes)


def _expand(settings: dict[str, Any], x: Array, shape: Array) -> Array:
    whole = np.broadcast_shapes(x.shape, tuple(ints(shape)))
    if np.prod(whole, dtype=float) > MOST_NUMBERS:
        raise Unfoldable(f"it would make more than {MOST_NUMBERS:,} constants")
    return np.broadcast_to(x, whole)


def _filled(settings: dict[str, Any], shape: Array) -> Array:
    value = np.asarray(settings.get("value", np.zeros(1, np.float32))).ravel()[0]
    return _expand({}, np.asarray(value), shape)


def _pair(function: Callable[[Array, Array], Array]) -> Callable[..., Array]:
    def folded(settings: dict[str, Any], a: Array, b: Array) -> Array:
        if np.prod(np.broadcast_shapes(a.shape, b.shape), dtype=float) > MOST_NUMBERS:
            raise Unfoldable(f"it would make more than {MOST_NUMBERS:,} constants")
        return np.asarray(function(a, b)).astype(np.result_type(a, b))

    return folded


def _divide(a: Array, b: Array) -> Array:
    if a.dtype.kind in "iu":
        if not np.all(b):
            raise Unfoldable("a shape is divided by 0")
        return a // b if np.all(a >= 0) and np.all(b > 0) else np.trunc(a / b)
    return a / b


FOLDS: dict[str, Callable[..., Any]] = {
    "Constant": _constant,
    "Identity": lambda settings, x: x,
    "Dropout": lambda settings, x, *rest: x,
    "Cast": _cast,
    "Gather": _gather,
    "Slice": _slice,
    "Unsqueeze": _unsqueeze,
    "Squeeze": _squeeze,
    "Concat": lambda settings, *parts: np.concatenate(parts, settings["axis"]),
    "Reshape": _reshape,
    "Flatten": lambda settings, x: x.reshape(int(np.prod(x.shape[: settings.get("axis", 1)])), -1),
    "Transpose": lambda settings, x: np.transpose(x, settings.get("perm") or None),
    "Expand": _expand,
    "ConstantOfShape": _filled,
    "Shape": lambda settings, x: np.array(x.shape, np.int64)[settings.get("start", 0) : settings.get("end")],
    "Size": lambda settings, x: np.array(x.size, np.int64),
    "ReduceProd": lambda settings, x, *rest: np.prod(x, keepdims=bool(settings.get("keepdims", 1))),
    "Add": _pair(np.add),
    "Sub": _pair(np.subtract),
    "Mul": _pair(np.multiply),
    "Div": _pair(_divide),
    "Mod": _pair(lambda a, b: np.mod(a, np.where(b == 0, 1, b))),
    "Neg": lambda settings, x: -x,
    "Sqrt": lambda settings, x: np.sqrt(x),
    "Exp": lambda settings, x: np.exp(x),
    "Floor": lambda settings, x: np.floor(x),
}
