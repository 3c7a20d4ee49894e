"""How many runs train at once in one folder: places, which all processes that train there share.

    RUNS/.places/0.lock   held while a run has place 0; the system frees it when the process that holds it dies
    RUNS/.places/0        that run's name

An engine holds the places of its runs. When it is killed its workers save and end, which takes them a moment: until
then the run's own lock tells that the place is not free yet. A training from the command line takes a place if there
is one, and waits for none.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from vae import runs

FOLDER = ".places"
READ_EVERY = 2.0


@dataclass(frozen=True)
class Place:
    """A place that is taken, until `release`."""

    lock: FileLock
    file: Path  # says who has it

    def release(self) -> None:
        with contextlib.suppress(OSError):
            self.file.unlink(missing_ok=True)
        self.lock.release()


def take(run: Path, slots: int) -> Place | None:
    """Takes one of the first `slots` places of the run's folder; None where all are taken. OSError where no lock can be
    had on that disk."""
    folder = run.parent / FOLDER
    folder.mkdir(exist_ok=True)
    for number in range(slots):
        place = Place(FileLock(str(folder / f"{number}.lock"), thread_local=False), folder / str(number))
        try:
            place.lock.acquire(timeout=0)
        except Timeout:
            continue
        before = _has_it(place.file)
        if before is not None and before.name != run.name:  # a worker whose server was killed is still saving
            place.lock.release()
            continue
        with contextlib.suppress(OSError):  # a full disk: the lock counts
            place.file.write_text(run.name, encoding="utf-8")
        return place
    return None


def at_work(root: Path) -> list[Path]:
    """Returns the runs that have a place in this folder and a process that trains them."""
    try:
        names = sorted(name for name in os.listdir(root / FOLDER) if name.isdecimal())
    except OSError:
        return []
    return [run for name in names if (run := _has_it(root / FOLDER / name)) is not None]


class Elsewhere:
    """Runs that wait for a place in another server; their files are read every READ_EVERY seconds at most."""

    def __init__(self) -> None:
        self._next = 0.0

    def waits(self, root: Path, ours: Collection[Path]) -> bool:
        """Returns whether a run that is none of ours waits for a place in this folder; False where it is too early to
        read again."""
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + READ_EVERY
        others = (path for path in runs.list_runs(root) if path.resolve() not in ours)
        return any(runs.read_status(path).state == "queued" and runs.is_locked(path) for path in others)


def _has_it(file: Path) -> Path | None:
    """The run that this place's file names, if a process trains it."""
    try:
        name = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    run = file.parents[1] / name
    if name != runs.clean_name(name) or not (run / "status.json").is_file():
        return None
    state = runs.read_status(run).state
    return run if state in runs.ACTIVE and state not in runs.WAITING else None
