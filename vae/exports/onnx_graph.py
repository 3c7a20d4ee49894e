"""An ONNX file as it is written: operations one after another, their weights, and what goes in and comes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from vae.exports.protobuf import field

FORMAT = 8  # of ONNX's files: their "IR version"
TYPES = {"float32": 1, "int64": 7, "bool": 9}
BATCH = "N"  # the axis of the images, of any size


class OnnxGraph:
    """Operations of ONNX in the order in which they are computed. `examples`: of each array that the images decide, its
    value for one image, which says its shape."""

    def __init__(self, name: str, input_name: str, example: Tensor) -> None:
        self.name, self.opset = name, 18
        self.examples = {input_name: example}
        self.inputs, self.outputs = [input_name], list[str]()
        self._nodes, self._arrays = list[bytes](), list[bytes]()

    def array(self, values: Tensor | NDArray[Any] | Sequence[int | float]) -> str:
        """Adds an array; returns its name. Whole numbers are int64, others float32."""
        found = values.detach().numpy() if isinstance(values, Tensor) else np.asarray(values)
        found = found.astype(np.int64 if found.dtype.kind == "i" else np.float32)
        name = f"array_{len(self._arrays)}"
        dims = b"".join(field(1, size) for size in found.shape)
        kind = TYPES[found.dtype.name]
        self._arrays.append(
            dims + field(2, kind) + field(8, name) + field(9, found.astype(found.dtype.newbyteorder("<")).tobytes())
        )
        return name

    def add(self, op: str, inputs: Sequence[str], **settings: int | float | str | Sequence[int]) -> str:
        """Adds an operation; returns the name of what it makes."""
        made = f"{op.lower()}_{len(self._nodes)}"
        self._add(op, inputs, made, settings)
        return made

    def give(self, made: str, name: str, example: Tensor) -> None:
        """Makes what is called `made` an output called `name`."""
        self._add("Identity", [made], name, {})
        self.examples[name] = example
        self.outputs.append(name)

    def _add(self, op: str, inputs: Sequence[str], made: str, settings: Mapping[str, Any]) -> None:
        ends = b"".join(field(1, name) for name in inputs) + field(2, made)
        more = b"".join(field(5, _setting(name, value)) for name, value in settings.items())
        self._nodes.append(ends + field(3, made) + field(4, op) + more)

    def packed(self, metadata: Mapping[str, str], producer: tuple[str, str]) -> bytes:
        """Returns the file; `producer` is a program's name and version."""
        graph = b"".join(field(1, one) for one in self._nodes) + field(2, self.name)
        graph += b"".join(field(5, one) for one in self._arrays)
        graph += b"".join(field(11, self._end(name)) for name in self.inputs)
        graph += b"".join(field(12, self._end(name)) for name in self.outputs)
        told = b"".join(field(14, field(1, name) + field(2, value)) for name, value in metadata.items())
        about = field(2, producer[0]) + field(3, producer[1])
        return field(1, FORMAT) + about + field(7, graph) + field(8, field(1, "") + field(2, self.opset)) + told

    def _end(self, name: str) -> bytes:
        dims = field(1, field(2, BATCH)) + b"".join(field(1, field(1, size)) for size in self.examples[name].shape[1:])
        return field(1, name) + field(2, field(1, field(1, TYPES["float32"]) + field(2, dims)))


def _setting(name: str, value: int | float | str | Sequence[int]) -> bytes:
    if isinstance(value, int):
        return field(1, name) + field(3, value) + field(20, 2)
    if isinstance(value, float):
        return field(1, name) + field(2, value) + field(20, 1)
    if isinstance(value, str):
        return field(1, name) + field(4, value) + field(20, 3)
    return field(1, name) + b"".join(field(8, int(one)) for one in value) + field(20, 7)
