"""What a packed decoder computes, in NumPy: the format's second reader, step by step as the page's kernel.

Tests hold it against torch, and the page's own modules against it. It shares nothing with the writer.
"""

from __future__ import annotations

import itertools
import json
import math
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

MAGIC = b"ELBD"
PANEL = 8  # columns
PRECISIONS: dict[str, np.dtype[np.floating]] = {"float16": np.dtype("<f2"), "float32": np.dtype("<f4")}

Array = NDArray[np.float32]


def read_header(packed: bytes) -> dict[str, Any]:
    """The JSON of a file of `export_decoder`."""
    (length,) = struct.unpack_from("<I", packed, 4)
    header: dict[str, Any] = json.loads(packed[8 : 8 + length])
    return header


def mean_pixels(packed: bytes, z: ArrayLike) -> NDArray[np.float64]:
    """The means of p(x|z): z (n, k) -> (n, height, width, channels). The layers in float32, the mean in float64."""
    header = read_header(packed)
    (length,) = struct.unpack_from("<I", packed, 4)
    stored = np.frombuffer(packed, PRECISIONS[header["precision"]], offset=8 + length)
    weights, x = stored.astype(np.float32), np.asarray(z, np.float32)
    values = [x]
    for number, layer in enumerate(header["layers"]):
        fed = [values[place] for place in layer.get("from", [number])]
        values.append(LAYERS[layer["kind"]](*fed, layer, weights))
    x = values[-1]
    shape = (header["height"], header["width"], header["channels"])
    outputs = header.get("location", 0.0) + header.get("spread", 1.0) * x.reshape(-1, *shape).astype(np.float64)
    return MEANS[header["likelihood"]["name"]](outputs)


def _dense(x: Array, layer: dict[str, Any], weights: Array) -> Array:
    K, M = layer["inputs"], layer["outputs"]
    return x @ _matrix(weights, layer["weights"], K, M) + weights[layer["bias"] :][:M]


def _conv_transpose(x: Array, layer: dict[str, Any], weights: Array) -> Array:
    """Every input position's block of taps, added where it lands: row y·stride − padding + ky."""
    height, width, inputs, outputs = (layer[key] for key in ("height", "width", "inputs", "outputs"))
    size, stride, padding = (_pair(layer[key]) for key in ("kernel", "stride", "padding"))
    matrix = _matrix(weights, layer["weights"], inputs, size[0] * size[1] * outputs)
    taps = (x.reshape(-1, inputs) @ matrix).reshape(-1, height, width, *size, outputs)
    out = (layer["out_height"], layer["out_width"])
    sums = np.zeros((len(taps), *out, outputs), np.float32)
    for ky, kx in itertools.product(range(size[0]), range(size[1])):
        y, row = _within(height, stride[0], padding[0], ky, out[0])
        c, column = _within(width, stride[1], padding[1], kx, out[1])
        sums[:, row[:, None], column] += taps[:, y[:, None], c, ky, kx]
    return (sums + weights[layer["bias"] :][:outputs]).reshape(len(taps), -1)


def _conv(x: Array, layer: dict[str, Any], weights: Array) -> Array:
    """Σ over the window: row y·stride − padding + ky of the image, zeros outside of it."""
    height, width, inputs, outputs = (layer[key] for key in ("height", "width", "inputs", "outputs"))
    size, stride, padding = (_pair(layer[key]) for key in ("kernel", "stride", "padding"))
    matrix = _matrix(weights, layer["weights"], size[0] * size[1] * inputs, outputs).reshape(*size, inputs, outputs)
    images, out = x.reshape(-1, height, width, inputs), (layer["out_height"], layer["out_width"])
    sums = np.zeros((len(images), *out, outputs), np.float32) + weights[layer["bias"] :][:outputs]
    for ky, kx in itertools.product(range(size[0]), range(size[1])):
        y, row = _within(out[0], stride[0], padding[0], ky, height)
        c, column = _within(out[1], stride[1], padding[1], kx, width)
        sums[:, y[:, None], c] += images[:, row[:, None], column] @ matrix[ky, kx]
    return sums.reshape(len(images), -1)


def _within(count: int, stride: int, padding: int, tap: int, size: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Of positions 0 … count − 1 those whose tap, at position · stride − padding + tap, lies from 0 to size − 1; and
    where it lies."""
    at = np.arange(count) * stride - padding + tap
    inside = np.flatnonzero((at >= 0) & (at < size))
    return inside, at[inside]


def _pair(value: int | list[int]) -> list[int]:
    return value if isinstance(value, list) else [value, value]


def _affine(x: Array, layer: dict[str, Any], weights: Array) -> Array:
    scale, shift = (weights[layer[key] :][: layer["period"]] for key in ("scale", "shift"))
    return (x.reshape(-1, layer["period"]) * scale + shift).reshape(x.shape)


def _normalise(x: Array, layer: dict[str, Any], weights: Array) -> Array:
    groups, width = layer["groups"], layer["width"]
    parts = x.reshape(len(x), -1, groups, width).astype(np.float64)
    mean, variance = parts.mean((1, 3), keepdims=True), parts.var((1, 3), keepdims=True)
    unit = ((parts - mean) / np.sqrt(variance + layer["eps"])).reshape(len(x), -1, groups * width)
    scale, shift = (weights[layer[key] :][: groups * width] for key in ("scale", "shift"))
    out: Array = (unit * scale + shift).reshape(x.shape).astype(np.float32)
    return out


def _pad(x: Array, layer: dict[str, Any], *_: Array) -> Array:
    images = x.reshape(-1, layer["height"], layer["width"], layer["channels"])
    out = np.zeros((len(images), layer["out_height"], layer["out_width"], layer["channels"]), np.float32)
    for y, c in itertools.product(range(out.shape[1]), range(out.shape[2])):
        row, column = y - layer["top"], c - layer["left"]
        if 0 <= row < layer["height"] and 0 <= column < layer["width"]:
            out[:, y, c] = images[:, row, column]
    return out.reshape(len(x), -1)


def _nearest(x: Array, layer: dict[str, Any], *_: Array) -> Array:
    images = x.reshape(-1, layer["height"], layer["width"], layer["channels"])
    rows = [y * layer["height"] // layer["out_height"] for y in range(layer["out_height"])]
    columns = [c * layer["width"] // layer["out_width"] for c in range(layer["out_width"])]
    return images[:, rows][:, :, columns].reshape(len(x), -1)


def _bilinear(x: Array, layer: dict[str, Any], *_: Array) -> Array:
    """Linear along the height, then along the width: each a matrix whose rows sum to one."""
    images = x.reshape(-1, layer["height"], layer["width"], layer["channels"]).astype(np.float64)
    down, across = (_between(layer[side], layer[f"out_{side}"], layer["corners"]) for side in ("height", "width"))
    out: Array = np.einsum("yh,nhwc,xw->nyxc", down, images, across).reshape(len(x), -1).astype(np.float32)
    return out


def _between(size: int, out: int, corners: bool) -> NDArray[np.float64]:
    matrix = np.zeros((out, size))
    for place in range(out):
        at = place * (size - 1) / max(1, out - 1) if corners else max(0.0, (place + 0.5) * size / out - 0.5)
        before = min(int(at), size - 1)
        matrix[place, before] += 1 - (at - before)
        matrix[place, min(before + 1, size - 1)] += at - before
    return matrix


def _view(x: Array, layer: dict[str, Any], *_: Array) -> Array:
    places = np.full(layer["shape"], layer["offset"])
    for index in np.ndindex(*layer["shape"]):
        places[index] += sum(i * stride for i, stride in zip(index, layer["strides"], strict=True))
    return x[:, places.ravel()]


def _exactly(function: Callable[[float], float]) -> Callable[..., Array]:
    """A function of one number, in double precision."""

    def run(x: Array, *_: object) -> Array:
        return np.vectorize(function, otypes=[np.float32])(x.astype(np.float64))  # type: ignore[no-any-return]

    return run


def _matrix(weights: Array, offset: int, K: int, M: int) -> Array:
    """A block of panels (M/8, K, 8) as the matrix (K, M)."""
    panels = -(-M // PANEL)
    return weights[offset:][: K * panels * PANEL].reshape(panels, K, PANEL).swapaxes(0, 1).reshape(K, -1)[:, :M]


def _sigmoid(l: NDArray[np.float64]) -> NDArray[np.float64]:  # noqa: E741
    return 0.5 + 0.5 * np.tanh(0.5 * l)


def _continuous_bernoulli_mean(l: NDArray[np.float64]) -> NDArray[np.float64]:  # noqa: E741
    """1/(1 − e^−l) − 1/l = ½ + coth(l/2)/2 − 1/l, and its series around l = 0."""
    near = np.abs(l) < 0.02
    far = np.where(near, 1.0, l)
    return 0.5 + np.where(near, l / 12 * (1 - l * l / 60), 0.5 / np.tanh(0.5 * far) - 1 / far)


def _softplus(x: float) -> float:
    return math.log1p(math.exp(-abs(x))) + max(x, 0.0)


def _logit(p: NDArray[np.float64]) -> Array:
    return (np.log(p) - np.log1p(-p)).astype(np.float32)


LAYERS: dict[str, Callable[..., Array]] = {
    "dense": _dense,
    "conv_transpose": _conv_transpose,
    "conv": _conv,
    "affine": _affine,
    "normalise": _normalise,
    "pad": _pad,
    "nearest": _nearest,
    "bilinear": _bilinear,
    "view": _view,
    "add": lambda x, y, *_: x + y,
    "multiply": lambda x, y, *_: x * y,
    "relu": lambda x, *_: np.maximum(x, np.float32(0)),
    "tanh": lambda x, *_: np.tanh(x),
    "sigmoid": _exactly(lambda x: 1 / (1 + math.exp(-x))),
    "silu": _exactly(lambda x: x / (1 + math.exp(-x))),
    "gelu": _exactly(lambda x: x * 0.5 * (1 + math.erf(x / math.sqrt(2)))),
    "gelu_tanh": _exactly(lambda x: x * 0.5 * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))),
    "softplus": _exactly(_softplus),
    "mish": _exactly(lambda x: x * math.tanh(_softplus(x))),
    "selu": _exactly(lambda x: 1.0507009873554805 * (x if x > 0 else 1.6732632423543772 * math.expm1(x))),
    "hard_swish": _exactly(lambda x: x * min(max(x + 3, 0), 6) / 6),
    "exp": _exactly(math.exp),
    "log": _exactly(math.log),
    "abs": lambda x, *_: np.abs(x),
    "negative": lambda x, *_: -x,
    "sqrt": lambda x, *_: np.sqrt(x),
    "erf": _exactly(math.erf),
    "elu": lambda x, layer, _: np.where(x > 0, x, np.float32(layer["alpha"]) * np.expm1(np.minimum(x, 0))),
    "leaky_relu": lambda x, layer, _: np.where(x > 0, x, np.float32(layer["slope"]) * x),
    "at_least": lambda x, layer, _: np.maximum(x, np.float32(layer["bound"])),
    "at_most": lambda x, layer, _: np.minimum(x, np.float32(layer["bound"])),
    "logit": lambda x, layer, _: _logit(np.clip(x.astype(np.float64), layer["least"], 1 - layer["least"])),
}
MEANS: dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "bernoulli": _sigmoid,
    "gaussian": lambda loc: loc,
    "continuous-bernoulli": _continuous_bernoulli_mean,
}
