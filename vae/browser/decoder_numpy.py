"""What a packed decoder computes, in NumPy: the format's second reader, step by step as the page's kernel.

`vae.browser.decoder_export` holds it against torch before a file leaves; tests hold the page's own modules against it.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

MAGIC = b"ELBD"
PANEL = 8  # columns
PRECISIONS: dict[str, np.dtype] = {"float16": np.dtype("<f2"), "float32": np.dtype("<f4")}

Array = NDArray[np.float32]


def read_header(packed: bytes) -> dict[str, Any]:
    """The JSON of a file of `export_decoder`."""
    (length,) = struct.unpack_from("<I", packed, 4)
    return json.loads(packed[8 : 8 + length])


def mean_pixels(packed: bytes, z: ArrayLike) -> NDArray[np.float64]:
    """The means of p(x|z): z (n, k) -> (n, height, width, channels). The layers in float32, the mean in float64."""
    header = read_header(packed)
    (length,) = struct.unpack_from("<I", packed, 4)
    stored = np.frombuffer(packed, PRECISIONS[header["precision"]], offset=8 + length)
    weights, x = stored.astype(np.float32), np.asarray(z, np.float32)
    for layer in header["layers"]:
        x = LAYERS[layer["kind"]](x, layer, weights)
    shape = (header["height"], header["width"], header["channels"])
    outputs = header.get("location", 0.0) + header.get("spread", 1.0) * x.reshape(-1, *shape).astype(np.float64)
    return MEANS[header["likelihood"]["name"]](outputs)


def _dense(x: Array, layer: dict[str, Any], weights: Array) -> Array:
    K, M = layer["inputs"], layer["outputs"]
    return x @ _matrix(weights, layer["weights"], K, M) + weights[layer["bias"] :][:M]


def _conv_transpose(x: Array, layer: dict[str, Any], weights: Array) -> Array:
    """Every input position's block of taps, added where it lands: row y·stride − padding + ky."""
    height, width, inputs, outputs = (layer[key] for key in ("height", "width", "inputs", "outputs"))
    size, stride, padding = layer["kernel"], layer["stride"], layer["padding"]
    matrix = _matrix(weights, layer["weights"], inputs, size * size * outputs)
    taps = (x.reshape(-1, inputs) @ matrix).reshape(-1, height, width, size, size, outputs)
    full = (len(taps), *(max((n - 1) * stride + size, m + padding) for n, m in _sizes(layer)), outputs)
    sums = np.zeros(full, np.float32)
    for ky in range(size):
        for kx in range(size):
            rows, columns = (slice(at, at + (n - 1) * stride + 1, stride) for at, n in ((ky, height), (kx, width)))
            sums[:, rows, columns] += taps[:, :, :, ky, kx]
    (_, out_height), (_, out_width) = _sizes(layer)
    cropped = sums[:, padding : padding + out_height, padding : padding + out_width]
    return (cropped + weights[layer["bias"] :][:outputs]).reshape(len(taps), -1)


def _sizes(layer: dict[str, Any]) -> tuple[tuple[int, int], tuple[int, int]]:
    """(in, out) along the height and along the width."""
    return (layer["height"], layer["out_height"]), (layer["width"], layer["out_width"])


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


LAYERS: dict[str, Callable[[Array, dict[str, Any], Array], Array]] = {
    "dense": _dense,
    "conv_transpose": _conv_transpose,
    "relu": lambda x, *_: np.maximum(x, np.float32(0)),
    "tanh": lambda x, *_: np.tanh(x),
}
MEANS: dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "bernoulli": _sigmoid,
    "gaussian": lambda loc: loc,
    "continuous-bernoulli": _continuous_bernoulli_mean,
}
