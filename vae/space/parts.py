"""The parts of a run's data whose images have places: held out, or trained on."""

from __future__ import annotations

from typing import Literal

from vae.errors import ConfigError

Part = Literal["test", "train"]
PARTS: tuple[Part, ...] = ("test", "train")


def check_part(value: str) -> Part:
    """Returns the part of this name. Raises ConfigError where there is none."""
    if value not in PARTS:
        raise ConfigError(f"part: expected {' or '.join(PARTS)}, got {value[:20]!r}")
    return value
