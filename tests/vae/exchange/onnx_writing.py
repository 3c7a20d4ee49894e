"""ONNX files written byte by byte, also such as no exporter writes: the messages of onnx.proto, fields by their
numbers."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np

TYPES = {"float32": 1, "int32": 6, "int64": 7, "bool": 9, "float16": 10, "float64": 11}


def varint(value: int) -> bytes:
    value &= 2**64 - 1
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def field(number: int, value: int | float | str | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def tensor(
    name: str, array: Any, dims: Sequence[int] | None = None, kind: int | None = None, extra: bytes = b""
) -> bytes:
    array = np.asarray(array)
    shape = array.shape if dims is None else dims
    head = b"".join(field(1, size) for size in shape) + field(2, kind or TYPES[array.dtype.name]) + field(8, name)
    return head + field(9, array.tobytes()) + extra


def external(name: str, location: str) -> bytes:
    """A tensor whose numbers are said to be in another file."""
    place = field(13, field(1, "location") + field(2, location))
    return field(1, 4) + field(1, 4) + field(2, 1) + field(8, name) + place + field(14, 1)


def attribute(name: str, value: Any) -> bytes:
    kinds: list[tuple[type, int, int]] = [(float, 2, 1), (int, 3, 2), (str, 4, 3), (bytes, 5, 4)]
    for kind, number, code in kinds:
        if isinstance(value, kind):
            return field(1, name) + field(number, value) + field(20, code)
    return field(1, name) + b"".join(field(8, int(one)) for one in value) + field(20, 7)


def node(op: str, inputs: Sequence[str], outputs: Sequence[str], domain: str = "", **settings: Any) -> bytes:
    ends = b"".join(field(1, name) for name in inputs) + b"".join(field(2, name) for name in outputs)
    more = b"".join(field(5, attribute(name, value)) for name, value in settings.items())
    return ends + field(4, op) + more + (field(7, domain) if domain else b"")


def end(name: str, shape: Sequence[int | str], kind: int = 1) -> bytes:
    dims = b"".join(field(1, field(1, size) if isinstance(size, int) else field(2, size)) for size in shape)
    return field(1, name) + field(2, field(1, field(1, kind) + field(2, dims)))


def model(
    nodes: Sequence[bytes],
    tensors: Sequence[bytes],
    inputs: Sequence[bytes],
    outputs: Sequence[bytes],
    opset: int = 18,
    extra: bytes = b"",
) -> bytes:
    graph = b"".join(field(1, one) for one in nodes) + field(2, "graph")
    graph += b"".join(field(5, one) for one in tensors)
    graph += b"".join(field(11, one) for one in inputs) + b"".join(field(12, one) for one in outputs)
    return field(1, 8) + field(7, graph + extra) + field(8, field(1, "") + field(2, opset))


def dense(inputs: int = 4, outputs: int = 6, seed: int = 0, **named: str) -> bytes:
    """A network of one dense layer: x (N, inputs) to y (N, outputs)."""
    random = np.random.default_rng(seed)
    weight, bias = (random.standard_normal(size).astype(np.float32) for size in ((outputs, inputs), (outputs,)))
    x, y = named.get("x", "x"), named.get("y", "y")
    return model(
        [node("Gemm", [x, "w", "b"], [y], transB=1)], [tensor("w", weight), tensor("b", bias)],
        [end(x, ["N", inputs])], [end(y, ["N", outputs])],
    )  # fmt: skip
