"""What preview/live.bin holds, read without numpy and torch: the header that `vae.runs.preview` writes.

uint32 (little-endian) L | L bytes of JSON, padded so that 4 + L is a multiple of 8 | originals | reconstructions
"""

from __future__ import annotations

from dataclasses import dataclass

from vae.checked_json import Misfit, fields, parse, whole
from vae.errors import RunDamaged

MOST_HEADER = 1 << 16  # bytes
PREVIEW_LIMIT = 1 << 24  # bytes; a larger live.bin is none of ours
NAMES = ("step", "count", "height", "width", "channels")
HEADER = fields(
    NAMES,
    step=whole(),
    count=whole(1, 10_000),
    height=whole(1, 1 << 20),
    width=whole(1, 1 << 20),
    channels=whole(1, 1 << 20),
)


@dataclass(frozen=True)
class PreviewHeader:
    """`count` images and as many reconstructions, uint8 (height, width, channels) each, from byte `at` on."""

    step: int
    count: int
    height: int
    width: int
    channels: int
    at: int


def split_frame(data: bytes, most: int = MOST_HEADER) -> tuple[bytes, int]:
    """The JSON of a frame and where what follows it begins. Raises Misfit."""
    length = int.from_bytes(data[:4], "little")
    if len(data) < 4 or length > min(most, len(data) - 4):
        raise Misfit(f"expected a header of at most {most:,} bytes, got a file of {len(data):,}")
    return data[4 : 4 + length], 4 + length


def read_header(data: bytes) -> PreviewHeader:
    """The header of a whole live.bin. RunDamaged where it is none, or the file does not hold what it says."""
    try:
        text, at = split_frame(data)
        values = HEADER(parse(text))
        header = PreviewHeader(**{name: values[name] for name in NAMES}, at=at)
        expected = at + 2 * header.count * header.height * header.width * header.channels
        if len(data) != expected:
            raise Misfit(f"expected {expected:,} bytes by its header, got {len(data):,}")
    except Misfit as error:
        raise RunDamaged(f"preview: live.bin is not a whole preview ({error}); training makes it anew") from None
    return header
