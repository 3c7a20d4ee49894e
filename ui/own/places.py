"""Which folders of the server's machine a visitor may have read: for those who sit at it any, for others those that the
owner allows, `ELBO_ROOM_IMAGES`."""

from __future__ import annotations

import os
from pathlib import Path

from ui.runs import owners
from vae.errors import ConfigError
from vae.files import expanded

ALLOWED = "ELBO_ROOM_IMAGES"


def allowed_folders() -> list[Path]:
    """The folders that the owner opened to every visitor; several are parted as in PATH."""
    return [expanded(one).resolve() for one in os.environ.get(ALLOWED, "").split(os.pathsep) if one.strip()]


def may_give_paths() -> bool:
    return owners.at_this_machine() or bool(allowed_folders())


def checked(text: str) -> Path:
    """The path that a visitor typed. ConfigError where it is none of those that are read for this visitor; the same
    sentence whether or not it is there."""
    if "\0" in text:
        raise ConfigError("path: expected that of a folder or a file, got one that holds a zero byte")
    path = expanded(text.strip()).absolute()
    if owners.at_this_machine():
        return path
    real = path.resolve()
    if any(real == folder or folder in real.parents for folder in allowed_folders()):
        return real
    where = ", ".join(str(folder) for folder in allowed_folders())
    raise ConfigError(
        f"Folders of the server's machine are read for those who sit at it; from elsewhere only {where}."
        if where
        else "Folders of the server's machine are read for those who sit at it only; drop the pictures instead."
    )
