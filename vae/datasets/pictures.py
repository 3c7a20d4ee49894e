"""An image from outside, drawn or photographed, as the model's input.

PNG and JPEG only; the header's size and a PNG's checksums are checked before any pixel is decoded. Dark ink on a
transparent ground lies over white, light ink over black; colours become what the model takes (one or three channels),
16 bits become 8 by the depth that is used of them, EXIF rotation is applied, of an animation the first picture counts.
A drawing is also moved and scaled until its ink lies as that of the data's images does.
"""

from __future__ import annotations

import io
import math
import struct
import warnings
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vae.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

PNG = b"\x89PNG\r\n\x1a\n"
MOST_BYTES = 4_000_000
MOST_PIXELS = 16_000_000
SIDE = 1024  # pixels to which a larger picture is reduced before anything else
ORIENTATION, TURNED = 0x0112, (5, 6, 7, 8)  # EXIF: which side is up; those that lie on their side
INK = 0.15  # of the range of values: what counts as drawn on
Array = NDArray[np.float32]


@dataclass(frozen=True)
class Layout:
    """How the images of a dataset use their frame."""

    extent: float  # longer side of the ink's box, as a share of the frame's
    row: float  # its middle, as a share of the frame
    column: float
    dark: bool  # bright on dark, as handwritten digits are stored


def layout_of(images: NDArray[np.uint8]) -> Layout:
    """Returns the median layout of images (n, channels, height, width), from the first 200."""
    grey = images[:200].mean(1) / 255
    border = np.concatenate([grey[:, 0], grey[:, -1], grey[:, :, 0], grey[:, :, -1]], axis=1)
    dark = bool(np.median(border) < 0.5)
    boxes = [box for picture in grey if (box := ink_box(picture if dark else 1 - picture)) is not None]
    if not boxes:
        return Layout(1.0, 0.5, 0.5, dark)
    height, width = grey.shape[1:]
    top, bottom, left, right = np.median(np.array(boxes), axis=0)
    extent = float(max(bottom - top, right - left) / max(height, width))
    return Layout(extent, float((top + bottom) / 2 / height), float((left + right) / 2 / width), dark)


def ink_box(grey: NDArray[Any]) -> tuple[int, int, int, int] | None:
    """Returns top, bottom, left, right of what is brighter than INK; None where nothing is."""
    rows, columns = np.flatnonzero((grey > INK).any(1)), np.flatnonzero((grey > INK).any(0))
    return (int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1) if len(rows) else None


def is_picture(data: bytes) -> bool:
    """Returns whether the bytes begin as a PNG or a JPEG does."""
    return data.startswith((PNG, b"\xff\xd8\xff"))


@dataclass(frozen=True)
class Opened:
    """A picture as one sees it: upright, of 8 bits, nothing of it transparent; and what it was in its file."""

    image: PillowImage
    width: int  # of the upright picture, before it is made smaller
    height: int
    mode: str  # Pillow's word for its colours: L, RGB, RGBA, P, CMYK, I;16, ...
    notes: tuple[str, ...]  # sentences about what had to be decided to see it so; none as a rule


def read_picture(data: bytes, channels: int) -> tuple[Array, str]:
    """Returns the picture, (height, width, channels) in [0, 1], and sentences about what had to be decided to see it
    so; "" as a rule. Raises DataError with a sentence for what is no such picture."""
    opened = open_picture(data)
    try:
        image = opened.image.convert("L" if channels == 1 else "RGB")
        image.thumbnail((SIDE, SIDE))
    except (OSError, ValueError) as error:
        raise _unreadable(error) from None
    values = np.asarray(image, np.float32) / np.float32(255)
    return values.reshape(image.height, image.width, channels), " ".join(opened.notes)


def open_picture(
    data: bytes, most_bytes: int = MOST_BYTES, most_pixels: int = MOST_PIXELS, enough: int | None = None
) -> Opened:
    """Decodes a PNG or a JPEG. enough: a JPEG may come smaller than it is, but its sides no shorter than this, in a
    fraction of the time. Raises DataError with a sentence for what is no such picture."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    if not data:
        raise DataError("picture: the file is empty")
    if len(data) > most_bytes:
        raise DataError(f"picture: {len(data) / 1e6:.1f} MB are too many; at most {most_bytes / 1e6:.0f} MB")
    side = math.isqrt(most_pixels)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own, weaker limit
            image: PillowImage = Image.open(io.BytesIO(data), formats=("PNG", "JPEG"))
        width, height = image.size
        if width * height > most_pixels:
            raise DataError(
                f"picture: {width:,} x {height:,} pixels are too many; make it smaller than {side} x {side}"
            )
        mode = image.mode
        deep = image.format == "PNG" and _check_chunks(data) == 16
        if enough is not None:
            image.draft(None, (enough, enough))  # an eighth, a quarter or a half of a JPEG; nothing else knows how
        image.load()
        if image.getexif().get(ORIENTATION) in TURNED:
            width, height = height, width
        image, depth_note = _in_eight_bits(ImageOps.exif_transpose(image), deep)
        image, ground_note = _on_a_ground(image)
    except UnidentifiedImageError:
        raise DataError("picture: not a PNG or a JPEG") from None
    except Image.DecompressionBombError:
        raise DataError(f"picture: far too many pixels; make it smaller than {side} x {side}") from None
    except DataError:
        raise
    except Exception as error:  # Pillow's parsers raise a dozen kinds for damaged bytes
        raise _unreadable(error) from None
    return Opened(image, width, height, mode, tuple(note for note in (depth_note, ground_note) if note))


def _unreadable(error: Exception) -> DataError:
    return DataError(
        f"picture: cannot be read ({str(error)[:80] or type(error).__name__}); save it again as a PNG or a JPEG"
    )


def _check_chunks(data: bytes) -> int:
    """The bit depth of a PNG whose every chunk has its checksum, of which Pillow leaves out those of the pixels.
    Raises ValueError."""
    at = len(PNG)
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at) if at + 12 <= len(data) else (len(data), b"")
        end = at + 12 + length
        if end > len(data):
            raise ValueError("it is cut off")
        if zlib.crc32(data[at + 4 : end - 4]) != int.from_bytes(data[end - 4 : end]):
            raise ValueError("a part of it does not have its checksum")
        if kind == b"IEND":
            return data[24]
        at = end
    raise ValueError("it is cut off")


def _in_eight_bits(image: PillowImage, deep: bool) -> tuple[PillowImage, str]:
    """A picture of 16 bits scaled by the depth that its brightest value needs: cameras and scanners write 10, 12 or 14
    bits into 16. Grey values come whole (Pillow's own conversion clips); of colours Pillow keeps the upper 8."""
    from PIL import Image

    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image, np.float64)
        bits = max(8, int(values.max(initial=0)).bit_length())
        image = Image.fromarray((values * (255 / (2**bits - 1))).clip(0, 255).round().astype(np.uint8))
    elif deep:
        colours = np.array(image)
        shown = colours if image.mode == "RGB" else colours[..., :-1]
        used = max(1, int(shown.max(initial=0)).bit_length())
        bits = 8 + used
        shown[...] = (shown * (255 / (2**used - 1))).round().astype(np.uint8)
        image = Image.fromarray(colours)
    else:
        return image, ""
    return image, f"Its 16 bits hold {bits}-bit values: white is {2**bits - 1:,}." if bits < 16 else ""


def _on_a_ground(image: PillowImage) -> tuple[PillowImage, str]:
    """A transparent picture over white where its own pixels are dark, else over black: so that one sees them."""
    from PIL import Image

    if "A" not in image.getbands() and "transparency" not in image.info:
        return image, ""
    rgba = image.convert("RGBA")
    alpha = np.asarray(rgba.getchannel("A"), np.float64)
    if alpha.min(initial=255) == 255:
        return rgba, ""
    grey = np.asarray(rgba.convert("RGB").convert("L"), np.float64)
    ground = "white" if alpha.any() and np.average(grey, weights=alpha) < 127.5 else "black"
    over = Image.alpha_composite(Image.new("RGBA", rgba.size, ground), rgba)
    return over, f"What is transparent in it counts as {ground}."


def place_on_frame(picture: Array, height: int, width: int, layout: Layout, drawn: bool) -> Array:
    """Places `picture` on a frame of the data's size and ground, (height, width, channels).

    A drawing's ink gets the extent and the middle that the data's has; any other picture is fitted in whole. Where the
    data are bright on dark and the picture is not (or the reverse) it is inverted.
    """
    border = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
    if (np.median(border) < 0.5) != layout.dark:
        picture = 1 - picture
    ink = picture if layout.dark else 1 - picture
    box = ink_box(ink.mean(2)) if drawn else None
    row, column = height / 2, width / 2
    side = max(picture.shape[0] * width, picture.shape[1] * height) / width  # so that both sides fit in
    scale = height / side
    if box is not None:
        top, bottom, left, right = box
        ink = ink[top:bottom, left:right]
        row, column = layout.row * height, layout.column * width
        scale = layout.extent * max(height, width) / max(bottom - top, right - left)
    placed = _placed(ink, scale, row, column, height, width)
    return placed if layout.dark else 1 - placed


def _placed(ink: Array, scale: float, row: float, column: float, height: int, width: int) -> Array:
    """`ink`, scaled, its middle at (row, column) of an empty frame."""
    from PIL import Image

    tall, wide = (max(1, round(size * scale)) for size in ink.shape[:2])
    planes = [
        np.asarray(Image.fromarray(ink[:, :, c]).resize((wide, tall), Image.Resampling.BOX if scale < 1 else None))
        for c in range(ink.shape[2])
    ]
    small = np.stack(planes, 2)
    frame = np.zeros((height, width, ink.shape[2]), np.float32)
    top, left = round(row - tall / 2), round(column - wide / 2)
    rows = slice(max(0, top), min(height, top + tall))
    columns = slice(max(0, left), min(width, left + wide))
    frame[rows, columns] = small[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    return frame.clip(0, 1)
