"""A JSON header in front of bytes: how pages get what is large, and how previews and maps lie on disk.

    magic, if any | uint32 (little-endian) L | L bytes of JSON | body

The JSON is padded by spaces so that the body begins at a multiple of 8: arrays of any kind are views on it.
ui/static/shared/framing.js is the browser's reader.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any

from vae.checked_json import Check, Misfit, T, parse

MOST_HEADER = 1 << 16  # bytes


def frame(header: Mapping[str, Any], *body: bytes, magic: bytes = b"", compact: bool = False) -> bytes:
    """Returns the header and the parts of the body as one. `compact` leaves out the spaces behind commas and colons.

    Raises ValueError where the header holds a number that JSON does not have.
    """
    separators = (",", ":") if compact else None
    text = json.dumps(header, separators=separators, allow_nan=False).encode()
    text += b" " * (-(len(magic) + 4 + len(text)) % 8)
    return b"".join([magic, struct.pack("<I", len(text)), text, *body])


def unframe(data: bytes, check: Check[T], magic: bytes = b"", most: int = MOST_HEADER) -> tuple[T, int]:
    """Returns what `check` makes of the header, of at most `most` bytes, and where the body begins. Raises Misfit."""
    start = len(magic) + 4
    if len(data) < start or not data.startswith(magic):
        raise Misfit(f"expected a frame{f' that begins with {magic!r}' if magic else ''}, got {data[:start]!r}")
    length = int.from_bytes(data[len(magic) : start], "little")
    if length > min(most, len(data) - start):
        raise Misfit(f"expected a header of at most {most:,} bytes, got one of {length:,} in {len(data):,}")
    return check(parse(data[start : start + length], most)), start + length
