"""A person's picture, decoded within bounds, and made to fit what the model sees.

    crop       scaled until it covers the frame, the middle kept
    pad        scaled until it lies in the frame, the rest in the colour of its border
    stretch    each side scaled by itself

A picture that has the frame's size already stays as it is, to the bit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from vae.datasets.own.entries import Entry
from vae.datasets.pictures import Opened, open_picture

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

MOST_BYTES = 40_000_000  # of one file
MOST_PIXELS = 50_000_000  # of one picture: 150 MB decoded
Fit = Literal["crop", "pad", "stretch"]
FITS: tuple[Fit, ...] = ("crop", "pad", "stretch")


def opened(data: bytes | NDArray[np.uint8], enough: int | None = None) -> Opened:
    """Returns the picture of an entry's bytes or pixels. Raises DataError, a sentence."""
    if isinstance(data, bytes):
        return open_picture(data, MOST_BYTES, MOST_PIXELS, enough)
    from PIL import Image

    image = Image.fromarray(data)
    return Opened(image, image.width, image.height, image.mode, ())


def open_entry(entry: Entry, enough: int | None = None) -> Opened:
    """Returns the picture of an entry. Raises DataError, a sentence."""
    return opened(entry.read(), enough)


def fitted(image: PillowImage, height: int, width: int, fit: Fit, channels: int) -> NDArray[np.uint8]:
    """Returns the picture as the model sees it, (channels, height, width)."""
    from PIL import Image, ImageOps

    plain = image.convert("L" if channels == 1 else "RGB")
    if plain.size != (width, height):
        if fit == "stretch":
            plain = plain.resize((width, height), Image.Resampling.LANCZOS)
        elif fit == "crop":
            plain = ImageOps.fit(plain, (width, height), Image.Resampling.LANCZOS)
        else:
            plain = ImageOps.pad(plain, (width, height), Image.Resampling.LANCZOS, _border(plain))
    return np.ascontiguousarray(np.asarray(plain).reshape(height, width, channels).transpose(2, 0, 1))


def _border(image: PillowImage) -> Any:
    """The median colour of the outermost pixels."""
    pixels = np.asarray(image)
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    colour = np.median(edge, axis=0).astype(int)
    return int(colour) if colour.ndim == 0 else tuple(int(value) for value in colour)
