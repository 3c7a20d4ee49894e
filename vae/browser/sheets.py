"""Sheets of images in a figure: each one picture, its pixels unsmoothed, under a title."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from html import escape
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
TITLE, APART = 20, 14  # in units of the figure: height of a title, space between two sheets


def tiled(images: Pixels, columns: int) -> Pixels:
    """Returns images (n, channels, height, width) as one, row by row, a pixel apart: (H, W) of one channel, (H, W, 3)
    of three; of any other number of channels their mean."""
    n, channels, height, width = images.shape
    if channels not in (1, 3):
        images, channels = images.mean(1, keepdims=True).round().astype(np.uint8), 1
    rows = -(-n // columns)
    sheet = np.zeros((rows * (height + 1) - 1, columns * (width + 1) - 1, channels), np.uint8)
    for i, image in enumerate(images):
        top, left = i // columns * (height + 1), i % columns * (width + 1)
        sheet[top : top + height, left : left + width] = image.transpose(1, 2, 0)
    return sheet[..., 0] if channels == 1 else sheet


def sheets(titled: Sequence[tuple[str, str, Pixels]], columns: int, about: str, side: int = 180) -> str:
    """Returns SVG of sheets beside each other, each `side` wide, from (idea of its title, title, images)."""
    from PIL import Image

    parts, tallest = [], 0.0
    for number, (idea, title, images) in enumerate(titled):
        pixels = tiled(images, columns)
        file = BytesIO()
        Image.fromarray(pixels).save(file, "PNG")
        left, height = number * (side + APART), side * pixels.shape[0] / pixels.shape[1]
        tallest = max(tallest, height)
        parts.append(
            f'<text class="named {escape(idea)}" x="{left}" y="12">{escape(title)}</text>'
            f'<image x="{left}" y="{TITLE}" width="{side}" height="{height:.1f}" image-rendering="pixelated" '
            f'href="data:image/png;base64,{b64encode(file.getvalue()).decode()}"/>'
        )
    width = len(titled) * (side + APART) - APART
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {TITLE + tallest:.0f}" role="img" '
        f'aria-label="{escape(about)}">{"".join(parts)}</svg>'
    )
