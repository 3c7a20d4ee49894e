"""Pictures in motion as a GIF: frames drawn from images and words, and the file, which is kept small."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vae.browser.sheets import tiled

if TYPE_CHECKING:
    from PIL import Image, ImageFont

Pixels = NDArray[np.uint8]
MOST_BYTES = 8_000_000  # of a file; beyond, every other frame goes, again and again
LARGEST = 1000  # pixels of a frame's width, about
GROUND, INK, QUIET = 251, 32, 96  # greys, so that grey images keep all their 256 levels
MARGIN, LINE, SIZE = 12, 20, 14


@dataclass(frozen=True)
class Sheet:
    """Images (n, channels, height, width) in rows of `columns`, under a title."""

    title: str
    images: Pixels
    columns: int = 1


@dataclass(frozen=True)
class Frame:
    """What is seen at once: sheets beside or above each other, one line of words below; for so many milliseconds."""

    sheets: Sequence[Sheet]
    words: str
    duration: int
    upright: bool = False


def drawn(frame: Frame, side: int) -> Image.Image:
    """Returns the frame as a picture, grey where its images are; `side`: pixels of one image, at most."""
    from PIL import Image, ImageDraw

    blocks = [enlarged(tiled(sheet.images, sheet.columns), sheet.images.shape[2:], side) for sheet in frame.sheets]
    places, (width, height) = _places(blocks, frame.upright)
    colour = any(block.ndim == 3 for block in blocks)
    picture = Image.new("RGB" if colour else "L", (width, height), _grey(GROUND, colour))
    draw = ImageDraw.Draw(picture)
    for sheet, block, (x, y) in zip(frame.sheets, blocks, places, strict=True):
        draw.text((x, y - LINE), sheet.title, fill=_grey(QUIET, colour), font=_font())
        picture.paste(Image.fromarray(block), (x, y))
    draw.text((MARGIN, height - MARGIN - LINE + 4), frame.words, fill=_grey(INK, colour), font=_font())
    return picture


def _places(blocks: Sequence[Pixels], upright: bool) -> tuple[list[tuple[int, int]], tuple[int, int]]:
    """Where the sheets begin, each below its title, and the size of the frame."""
    places, x, y, right, bottom = [], MARGIN, MARGIN + LINE, 0, 0
    for block in blocks:
        places.append((x, y))
        right, bottom = max(right, x + block.shape[1]), max(bottom, y + block.shape[0])
        x, y = (x, bottom + LINE + 6) if upright else (right + MARGIN, y)
    return places, (max(right + MARGIN, 240), bottom + 8 + LINE + MARGIN)


def enlarged(pixels: Pixels, sides: tuple[int, ...], side: int) -> Pixels:
    """Returns a sheet of images of these sides so large that each fits into `side` pixels: each of its pixels a square
    of pixels, or several of them one."""
    from PIL import Image

    longest = max(sides)
    if longest > side:
        return np.asarray(Image.fromarray(pixels).reduce(-(-longest // side)))
    return pixels.repeat(side // longest, 0).repeat(side // longest, 1)


def _grey(level: int, colour: bool) -> Any:
    return (level, level, level) if colour else level


@functools.cache
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    from PIL import ImageFont

    return ImageFont.load_default(SIZE)


def packed(pictures: list[Image.Image], durations: list[int], look: Callable[[float], None]) -> bytes:
    """Returns a GIF that begins anew at its end, of pictures of one size and kind: grey levels as they are, colours in
    256 of each frame's own, their errors spread to the neighbours. `look` is told the share that is done."""
    while True:
        frames = []
        for number, picture in enumerate(pictures):
            look(number / len(pictures))
            frames.append(_indexed(picture))
        file = io.BytesIO()
        frames[0].save(
            file, "GIF", save_all=True, append_images=frames[1:], duration=durations, loop=0, optimize=False, disposal=1
        )
        if file.tell() <= MOST_BYTES or len(pictures) < 8:
            return file.getvalue()
        durations = [sum(durations[i : i + 2]) for i in range(0, len(durations), 2)]
        pictures = pictures[::2]


def _indexed(picture: Image.Image) -> Image.Image:
    from PIL import Image

    if picture.mode == "L":
        return picture
    return picture.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.FLOYDSTEINBERG)
