"""What preview/live.bin holds, read without numpy and torch: the header that `vae.runs.preview` writes.

A frame (`vae.browser.framing`): the header | originals | reconstructions
"""

from __future__ import annotations

from dataclasses import dataclass

from vae.browser.framing import unframe
from vae.checked_json import Misfit, fields, whole
from vae.errors import RunDamaged

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


def read_header(data: bytes) -> PreviewHeader:
    """Returns the header of a whole live.bin. Raises RunDamaged where it is none or the file does not hold it all."""
    try:
        values, at = unframe(data, HEADER)
        header = PreviewHeader(**{name: values[name] for name in NAMES}, at=at)
        expected = at + 2 * header.count * header.height * header.width * header.channels
        if len(data) != expected:
            raise Misfit(f"expected {expected:,} bytes by its header, got {len(data):,}")
    except Misfit as error:
        raise RunDamaged(f"preview: live.bin is not a whole preview ({error}); training makes it anew") from None
    return header
