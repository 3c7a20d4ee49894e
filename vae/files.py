"""Files that a crash, a full disk or a second writer cannot leave half written."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
from pathlib import Path
from typing import Any

from vae.errors import ConfigError


def expanded(path: str | Path) -> Path:
    """`path` with a leading ~ or ~name written out; ConfigError where there is no such user."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        user = Path(path).parts[0][:40]
        raise ConfigError(
            f"path: no user {user!r} on this machine; write the folder out, or ./{user} for a name"
        ) from None


def write_atomically(path: Path, data: bytes, durable: bool = True) -> None:
    """Replace `path` by `data`: a reader sees the old bytes or the new ones, never a part. Errors leave the old.

    `durable=False` skips the wait for the disk: for files that are rewritten several times a second.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def write_json(path: Path, value: Any, durable: bool = True) -> None:
    write_atomically(path, (json.dumps(value, indent=1, allow_nan=False) + "\n").encode(), durable)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
