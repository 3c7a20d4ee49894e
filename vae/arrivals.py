"""An image from outside, drawn or photographed, as the model's input.

PNG and JPEG only; the header's size is checked before any pixel is decoded. Alpha lies over black, colours become what
the model takes (one or three channels), 16 bits become 8, EXIF rotation is applied, of an animation the first picture
counts. A drawing is also moved and scaled until its ink lies as that of the data's images does.
"""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vae.errors import DataError

MOST_BYTES = 4_000_000
MOST_PIXELS = 16_000_000
SIDE = 1024  # pixels to which a larger picture is reduced before anything else
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
    """The median layout of images (n, channels, height, width), from the first 200."""
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
    """top, bottom, left, right of what is brighter than INK; None where nothing is."""
    rows, columns = np.flatnonzero((grey > INK).any(1)), np.flatnonzero((grey > INK).any(0))
    return (int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1) if len(rows) else None


def is_picture(data: bytes) -> bool:
    """Whether the bytes begin as a PNG or a JPEG does."""
    return data.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"))


def read_picture(data: bytes, channels: int) -> Array:
    """(height, width, channels) in [0, 1]. Raises DataError with a sentence for what is no such picture."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    if not data:
        raise DataError("picture: the file is empty")
    if len(data) > MOST_BYTES:
        raise DataError(f"picture: {len(data) / 1e6:.1f} MB are too many; at most {MOST_BYTES / 1e6:.0f} MB")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own, weaker limit
            image: Image.Image = Image.open(io.BytesIO(data), formats=("PNG", "JPEG"))
        width, height = image.size
        if width * height > MOST_PIXELS:
            raise DataError(f"picture: {width:,} x {height:,} pixels are too many; make it smaller than 4000 x 4000")
        image.load()
        image = ImageOps.exif_transpose(image)
        if image.mode.startswith("I") or image.mode == "F":  # 16 bits; Pillow's own conversion clips
            image = Image.fromarray((np.asarray(image, np.float64) / 257).clip(0, 255).astype(np.uint8))
        if "A" in image.getbands() or "transparency" in image.info:
            rgba = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", rgba.size, "black"), rgba)
        image = image.convert("L" if channels == 1 else "RGB")
        image.thumbnail((SIDE, SIDE))
    except UnidentifiedImageError:
        raise DataError("picture: not a PNG or a JPEG") from None
    except Image.DecompressionBombError:
        raise DataError("picture: far too many pixels; make it smaller than 4000 x 4000") from None
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise DataError(f"picture: cannot be read ({str(error)[:80]}); save it again as a PNG or a JPEG") from None
    values = np.asarray(image, np.float32) / np.float32(255)
    return values.reshape(image.height, image.width, channels)


def fit_frame(picture: Array, height: int, width: int, layout: Layout, drawn: bool) -> Array:
    """`picture` on a frame of the data's size and ground, (height, width, channels).

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
