"""The few bytes of protobuf that ONNX and TensorBoard files are made of: fields of a number, a wire type and a value,
one after another. Their packages would be dependencies of every user for that."""

from __future__ import annotations

import struct


def varint(value: int) -> bytes:
    """Returns a whole number of 64 bits, seven of them a byte, the lowest first."""
    value &= (1 << 64) - 1
    made = bytearray()
    while value > 127:
        made.append(value & 127 | 128)
        value >>= 7
    made.append(value)
    return bytes(made)


def field(number: int, value: int | float | str | bytes) -> bytes:
    """Returns a field: a whole number, a float of 32 bits, or a text, bytes or message behind their length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def double(number: int, value: float) -> bytes:
    """Returns a field of a float of 64 bits."""
    return varint(number << 3 | 1) + struct.pack("<d", value)
