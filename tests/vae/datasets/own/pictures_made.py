"""Pictures and folders of them, made for tests."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def picture(seed: int, width: int = 40, height: int = 30, colour: bool = True) -> Image.Image:
    """A smooth picture that no other seed comes near."""
    random = np.random.default_rng(seed)
    small = random.integers(0, 256, (6, 8, 3) if colour else (6, 8)).astype(np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


def encoded(image: Image.Image, kind: str = "PNG", **settings: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **settings)
    return file.getvalue()


def write(folder: Path, name: str, data: bytes) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def two_classes(folder: Path, each: int = 10) -> Path:
    """cat/00.png ..., dog/00.png ...: all different."""
    for c, name in enumerate(("cat", "dog")):
        for i in range(each):
            write(folder, f"{name}/{i:02d}.png", encoded(picture(1000 * c + i)))
    return folder


def quiet(fraction: float, text: str) -> None:
    """Nobody follows."""
