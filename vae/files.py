"""Files that a crash, a full disk, a second writer or a reader who has them open cannot leave half written."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
PATIENCE = 1.0  # seconds that a denied change of a file is tried again
READ_PATIENCE = 0.1  # the same of a reader, which may look at many files that are denied to it for good


def insist(change: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """What `change` returns: os.replace, a rename, an unlink. Windows denies these while somebody has the file open,
    a reader or a virus scanner: mostly for a moment. PermissionError where it is denied for longer."""
    return _persist(PATIENCE, lambda: change(*arguments, **named))


def read_bytes(path: Path) -> bytes:
    """All of a file that somebody may be replacing just now, which on Windows denies it for a moment."""
    return _persist(READ_PATIENCE, path.read_bytes)


def _persist(patience: float, action: Callable[[], T]) -> T:
    end, pause = time.monotonic() + patience, 0.001
    while True:
        try:
            return action()
        except PermissionError:
            if time.monotonic() + pause > end:
                raise
        time.sleep(pause)
        pause = min(2 * pause, 0.05)


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
        insist(os.replace, temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def write_json(path: Path, value: Any, durable: bool = True) -> None:
    write_atomically(path, (json.dumps(value, indent=1, allow_nan=False) + "\n").encode(), durable)


def read_json(path: Path) -> Any:
    """What `write_json` wrote, or an editor in UTF-8, UTF-16 or UTF-32; ValueError where it is no JSON."""
    return json.loads(read_bytes(path))


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
