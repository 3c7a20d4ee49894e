"""The bytes of an ONNX file as nodes and arrays: read within bounds, never run; no other file is ever opened.

ONNX is protobuf: fields of a number, a wire type and a value, one after another. Of its messages this takes the few
that a network of layers needs, with a reader of its own. The `onnx` package would be a dependency of every user for
that; its parser copies a file that claims anything before there is a question, and its loader opens what the file
names. Nothing here takes memory for what a file claims: arrays are views on the bytes that are there.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vae.checked_json import Misfit, read_bytes
from vae.errors import ModelUnreadable
from vae.exchange.other_formats import refuse_folder, refuse_other

MOST_BYTES = 1 << 29  # of a file
MOST_NUMBERS = 1 << 27  # of all arrays together
MOST_NODES, MOST_ARRAYS, MOST_ENDS = 10_000, 10_000, 64
MOST_AXES, MOST_NAME, MOST_LIST = 8, 512, 65_536  # of a name: bytes; of a list: numbers that are written one by one
MOST_SHOWN = 60
TYPES: dict[int, np.dtype[Any]] = {1: np.dtype("<f4"), 6: np.dtype("<i4"), 7: np.dtype("<i8"), 9: np.dtype("?")}
FLOAT = 1
OTHER_TYPES = {
    2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 8: "text", 10: "float16", 11: "float64", 12: "uint32", 13: "uint64",
    14: "complex64", 15: "complex128", 16: "bfloat16",
}  # fmt: skip
OWN_DOMAINS = ("", "ai.onnx")
CONSTANTS = ("Constant", "ConstantOfShape")  # the operations that have an array as a setting

Array = NDArray[Any]
Dim = int | None  # None: of any size


@dataclass(frozen=True)
class Node:
    """One operation: its outputs are computed from its inputs, "" where one is left out."""

    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]


@dataclass(frozen=True)
class End:
    """An input or an output of the network; its shape with the axis of the images, None where the file has none."""

    name: str
    shape: tuple[Dim, ...] | None


@dataclass
class OnnxFile:
    """What a file holds. opset: the version of ONNX's operations."""

    nodes: list[Node] = field(default_factory=list)
    arrays: dict[str, Array] = field(default_factory=dict)
    inputs: list[End] = field(default_factory=list)
    outputs: list[End] = field(default_factory=list)
    opset: int = 0
    numbers: int = 0


def onnx_bytes(path: Path, name: str) -> bytes:
    """Returns the bytes of a file, `name` being what sentences call it. Raises ModelUnreadable where there is none, or
    too large a one."""
    refuse_folder(path, name)
    try:
        return read_bytes(path, MOST_BYTES)
    except FileNotFoundError:
        raise ModelUnreadable(f"{name}: expected an ONNX file at {path}, found none; check the path") from None
    except Misfit as misfit:
        raise ModelUnreadable(f"{name}: {path.name} cannot be read ({misfit})") from None


def read_onnx(data: bytes, name: str) -> OnnxFile:
    """Returns what the bytes of a file hold; `name` is what sentences call it, such as "encoder".

    Raises ModelUnreadable, in one sentence, for whatever is no ONNX file of numbers within the bounds.
    """
    if len(data) > MOST_BYTES:
        raise ModelUnreadable(f"{name}: expected at most {MOST_BYTES:,} bytes, got {len(data):,}")
    refuse_other(data, name)
    try:
        return _model(memoryview(data))
    except _Refused as refused:
        raise ModelUnreadable(f"{name}: {refused}") from None


class _Refused(Exception):
    """A sentence without the file's name."""


def _model(data: memoryview) -> OnnxFile:
    file = OnnxFile()
    graphs: list[memoryview] = []
    for number, value in _fields(data):
        if number == 7:
            graphs = [*graphs[-1:], _bytes(value)]  # two are too many: no more are kept
        elif number == 8:
            domain, version = _opset(_bytes(value))
            if domain in OWN_DOMAINS:
                file.opset = version
        elif number == 25:
            raise _Refused("it defines functions of its own; export it with torch.onnx.export(..., dynamo=True)")
    if len(graphs) != 1 or not file.opset:
        raise _Refused(
            "expected an ONNX file with one network, got other bytes or a damaged one; torch.onnx.export writes them"
        )
    _graph(graphs[0], file)
    return file


def _graph(data: memoryview, file: OnnxFile) -> None:
    for number, value in _fields(data):
        if number == 1:
            _check_count(len(file.nodes), MOST_NODES, "operations")
            file.nodes.append(_node(_bytes(value), file))
        elif number == 5:
            _check_count(len(file.arrays), MOST_ARRAYS, "arrays")
            name, array = _tensor(_bytes(value), file)
            if name in file.arrays:
                raise _Refused(f"it holds two arrays called {shown(name)}; the file is damaged")
            file.arrays[name] = array
        elif number in (11, 12):
            ends = file.inputs if number == 11 else file.outputs
            _check_count(len(ends), MOST_ENDS if number == 12 else MOST_ARRAYS, "inputs or outputs")
            ends.append(_end(_bytes(value)))
        elif number == 15:
            raise _Refused("it has sparse weights, which are not read; save dense ones")
    file.inputs = [end for end in file.inputs if end.name not in file.arrays]  # older files list the weights too


def _node(data: memoryview, file: OnnxFile) -> Node:
    inputs: list[str] = []
    outputs: list[str] = []
    attributes: dict[str, Any] = {}
    op = domain = ""
    for number, value in _fields(data):
        if number in (1, 2):
            names = inputs if number == 1 else outputs
            _check_count(len(names), MOST_ENDS, "inputs or outputs of one operation")
            names.append(_text(value))
        elif number == 4:
            op = _text(value)
        elif number == 5:
            _check_count(len(attributes), MOST_ENDS, "settings of one operation")
            name, setting = _attribute(_bytes(value), file)
            attributes[name] = setting
        elif number == 7:
            domain = _text(value)
    if op not in CONSTANTS and any(isinstance(value, np.ndarray) for value in attributes.values()):
        raise _Refused(f"its operation {shown(op)} has an array as a setting; the file is damaged")
    if domain not in OWN_DOMAINS:
        raise _Refused(f"it uses the custom operation {shown(f'{domain}.{op}')}; only ONNX's own are read")
    return Node(op, tuple(inputs), tuple(outputs), attributes)


def _attribute(data: memoryview, file: OnnxFile) -> tuple[str, Any]:
    name = ""
    found: dict[int, Any] = {}
    lists: dict[int, list[Any]] = {7: [], 8: [], 9: []}
    for number, value in _fields(data):
        if number == 1:
            name = _text(value)
        elif number == 2:
            found[number] = _float(value)
        elif number == 3:
            found[number] = _signed(value)
        elif number == 4:
            found[number] = _text(value)
        elif number == 5:
            found[number] = _tensor(_bytes(value), file)[1]
        elif number in (6, 10, 11, 22, 23):
            raise _Refused("it holds a loop, a branch or sparse numbers, which are not read; export one fixed network")
        elif number in lists:
            new = _floats(value) if number == 7 else _ints(value) if number == 8 else [_text(value)]
            _check_count(len(lists[number]) + len(new) - 1, MOST_LIST, "numbers of one setting")
            lists[number] += new
    given = [*found.values(), *(items for items in lists.values() if items)]
    if len(given) > 1:
        raise _Refused(f"the setting {shown(name)} has two values; the file is damaged")
    return name, given[0] if given else []


def _tensor(data: memoryview, file: OnnxFile) -> tuple[str, Array]:
    dims: list[int] = []
    kind, name, raw, external = 0, "", None, False
    floats: list[memoryview] = []
    whole: list[int] = []
    for number, value in _fields(data):
        if number == 1:
            dims += _ints(value)
            _check_count(len(dims) - 1, MOST_AXES, "axes of one array")
        elif number == 2:
            kind = _signed(value)
        elif number == 4:
            _check_count(len(floats), MOST_LIST, "numbers that stand one by one")
            if len(_bytes(value)) % 4:
                raise _Refused(_NO_ONNX)
            floats.append(value)
        elif number in (5, 7):
            whole += _ints(value)
            _check_count(len(whole) - 1, MOST_LIST, "whole numbers of one array")
        elif number == 8:
            name = _text(value)
        elif number == 9:
            raw = _bytes(value)
        elif number == 13 or (number == 14 and _signed(value) == 1):
            external = True
    if external:
        raise _Refused(
            f"its weights, {shown(name)} for one, are in another file, which is never opened; export all into one with "
            "torch.onnx.export(..., external_data=False)"
        )
    return name, _array(name, kind, dims, raw, floats, whole, file)


def _array(
    name: str,
    kind: int,
    dims: list[int],
    raw: memoryview | None,
    floats: list[memoryview],
    whole: list[int],
    file: OnnxFile,
) -> Array:
    if kind not in TYPES:
        got = OTHER_TYPES.get(kind, f"numbers of ONNX's type {kind}")
        raise _Refused(f"{shown(name)} holds {got}; expected float32: call model.float() before the export")
    claimed = math.prod(max(size, 1) for size in dims)  # beside an axis of 0 too, which numpy multiplies as well
    if any(not 0 <= size < 2**40 for size in dims) or claimed > MOST_NUMBERS - file.numbers:
        size = " x ".join(f"{size:,}" for size in dims)
        raise _Refused(f"{shown(name)} claims {size} numbers; at most {MOST_NUMBERS:,} of all together are read")
    count = math.prod(dims)
    file.numbers += count
    if raw is not None:
        held = len(raw) // TYPES[kind].itemsize
        array = np.frombuffer(raw, TYPES[kind]) if len(raw) == count * TYPES[kind].itemsize else None
    elif kind == FLOAT:
        parts = [np.frombuffer(b"".join(floats), "<f4")] if floats else []
        array, held = (parts[0] if parts else np.zeros(0, np.float32)), len(parts[0]) if parts else 0
    else:
        array, held = np.array(whole, np.int64).astype(TYPES[kind]), len(whole)
    if array is None or len(array) != count:
        raise _Refused(f"{shown(name)} claims {count:,} numbers and holds {held:,}; the file is cut off or damaged")
    if kind == FLOAT and not np.isfinite(array).all():
        bad = int(count - np.isfinite(array).sum())
        raise _Refused(f"{shown(name)} holds {bad:,} weights that are no finite numbers, of {count:,}; train it again")
    return array.reshape(dims)


def _end(data: memoryview) -> End:
    name, shape = "", None
    for number, value in _fields(data):
        if number == 1:
            name = _text(value)
        elif number == 2:
            for kind, inner in _fields(_bytes(value)):
                if kind != 1:
                    raise _Refused(f"{shown(name)} is a sequence, a map or sparse; expected an array")
                shape = _tensor_type(name, _bytes(inner))
    return End(name, shape)


def _tensor_type(name: str, data: memoryview) -> tuple[Dim, ...] | None:
    shape: list[Dim] | None = None
    for number, value in _fields(data):
        if number == 1 and (kind := _signed(value)) != FLOAT:
            got = OTHER_TYPES.get(kind, str(TYPES.get(kind, f"ONNX's type {kind}")))
            raise _Refused(f"{shown(name)} holds {got}; expected float32: call model.float() before the export")
        if number == 2:
            shape = []
            for _, dim in _fields(_bytes(value)):
                _check_count(len(shape), MOST_AXES, "axes")
                size = next((_signed(size) for kind, size in _fields(_bytes(dim)) if kind == 1), 0)
                shape.append(size if size > 0 else None)
    return None if shape is None else tuple(shape)


def _opset(data: memoryview) -> tuple[str, int]:
    domain, version = "", 0
    for number, value in _fields(data):
        if number == 1:
            domain = _text(value)
        elif number == 2:
            version = _signed(value)
    return domain, version


def _fields(data: memoryview) -> Iterator[tuple[int, Any]]:
    """Number and value of each field: an int (varint), or the bytes of anything else, of 4 or 8 where it is fixed."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        kind = tag & 7
        if kind == 0:
            value, at = _varint(data, at)
            yield tag >> 3, value
            continue
        if kind == 2:
            size, at = _varint(data, at)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise _Refused(_NO_ONNX)
        if size > len(data) - at or not tag >> 3:
            raise _Refused(_NO_ONNX)
        yield tag >> 3, data[at : at + size]
        at += size


_NO_ONNX = "expected an ONNX file, got bytes that are none, or the file is cut off or damaged; export it again"


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 70:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value & (2**64 - 1), at
    raise _Refused(_NO_ONNX)


def _bytes(value: Any) -> memoryview:
    if not isinstance(value, memoryview):
        raise _Refused(_NO_ONNX)
    return value


def _signed(value: Any) -> int:
    if not isinstance(value, int):
        raise _Refused(_NO_ONNX)
    return value - 2**64 if value >= 2**63 else value


def _float(value: Any) -> float:
    if len(_bytes(value)) != 4:
        raise _Refused(_NO_ONNX)
    return float(struct.unpack("<f", value)[0])


def _floats(value: Any) -> list[float]:
    """One number, or several packed into one field."""
    if len(_bytes(value)) % 4 or len(value) > 4 * MOST_LIST:
        raise _Refused(_NO_ONNX)
    return [float(number) for number in np.frombuffer(value, "<f4")]


def _ints(value: Any) -> list[int]:
    """One number, or several packed into one field."""
    if isinstance(value, int):
        return [_signed(value)]
    found: list[int] = []
    at = 0
    while at < len(value):
        _check_count(len(found), MOST_LIST, "whole numbers in one place")
        number, at = _varint(value, at)
        found.append(_signed(number))
    return found


def _text(value: Any) -> str:
    if len(_bytes(value)) > MOST_NAME:
        raise _Refused(f"it holds a name of {len(value):,} bytes; expected at most {MOST_NAME}")
    return bytes(value).decode(errors="replace")


def _check_count(there: int, most: int, what: str) -> None:
    if there >= most:
        raise _Refused(f"it holds more than {most:,} {what}; a network of that size is not read")


def shown(name: str) -> str:
    """Returns a name from a file as sentences quote it: short, in signs that a terminal shows as they are."""
    text = "".join(sign if sign.isprintable() else "?" for sign in name)
    return repr(text if len(text) <= MOST_SHOWN else text[: MOST_SHOWN - 1] + "…")
