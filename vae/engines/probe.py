"""What a machine of an engine is asked by `doctor`, and answers: its own view of the shared folder, its versions."""

from __future__ import annotations

import importlib.metadata
import platform
import time
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

import vae
from vae.checked_json import fields, flag, named, number, text
from vae.files import read_bytes, sha256, write_json

QUESTION, LOCK, ANSWER = "question.bin", "lock", "answer.json"
PACKAGES = ("torch", "numpy", "safetensors")  # what bits depend on
CHECKED = fields(
    ("digest", "versions", "host", "time", "lock_seen"),
    digest=text(80), versions=named(text(200), 20), host=text(255), time=number(), lock_seen=flag,
)  # fmt: skip


def versions() -> dict[str, str]:
    """Returns the versions that a run's numbers depend on, those of this process."""
    found = {"elbo-room": vae.__version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def answer(folder: Path) -> None:
    """Writes what this machine sees: the digest of a file there, whether a lock that is held there is held for it."""
    try:
        with FileLock(str(folder / LOCK)).acquire(timeout=0):
            lock_seen = False
    except Timeout:
        lock_seen = True
    told: dict[str, Any] = {
        "digest": sha256(read_bytes(folder / QUESTION)), "versions": versions(), "host": platform.node(),
        "time": time.time(), "lock_seen": lock_seen,
    }  # fmt: skip
    write_json(folder / ANSWER, told)
