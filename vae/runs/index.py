"""What a folder of runs says, kept in memory: of a thousand runs only those that changed are read again.

A run's stamp is the time of its directory, which every file that is replaced in it moves, and times and sizes of the
files that are added to or edited in place. A run at work is read each time: that its process died stands in no file.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from vae.runs.directory import list_runs

T = TypeVar("T")
STAMPED = ("", "config.json", "status.json", "history.jsonl", "knobs.json")  # "": the directory itself
COARSE = 2.0  # seconds; within one tick of a file system's clock a file may change and its time stay
Stamp = tuple[tuple[int, int] | None, ...]


class Index(Generic[T]):
    """`read` makes of a run's directory what is kept of it, and raises nothing; `at_work` says of that whether it may
    change without a file. From any thread."""

    def __init__(self, read: Callable[[Path], T], at_work: Callable[[T], bool]) -> None:
        self._read, self._at_work = read, at_work
        self._kept: dict[Path, tuple[Stamp, T]] = {}
        self._lock = threading.Lock()

    def rows(self, root: Path | None = None) -> list[T]:
        """Returns what is kept of each run in the folder, newest first."""
        paths = list_runs(root)
        with self._lock:
            if paths:
                there, folder = set(paths), paths[0].parent
                for gone in [path for path in self._kept if path.parent == folder and path not in there]:
                    del self._kept[gone]
            return [self._row(path) for path in paths]

    def rows_of(self, paths: Sequence[Path]) -> list[T]:
        """Returns what is kept of these runs, those that are gone too; the folder is not listed."""
        with self._lock:
            return [self._row(path) for path in paths]

    def _row(self, path: Path) -> T:
        stamp = _stamp(path)
        kept = self._kept.get(path)
        if kept is not None and kept[0] == stamp and not self._at_work(kept[1]):
            return kept[1]
        row = self._read(path)
        newest = max((times[0] for times in stamp if times), default=0)
        if time.time_ns() - newest > COARSE * 1e9:
            self._kept[path] = (stamp, row)
        else:
            self._kept.pop(path, None)  # it may change once more within this tick
        return row


def _stamp(path: Path) -> Stamp:
    stamp: list[tuple[int, int] | None] = []
    folder = os.fspath(path)
    for name in STAMPED:
        try:
            found = os.stat(f"{folder}{os.sep}{name}")
            stamp.append((found.st_mtime_ns, found.st_size))
        except OSError:
            stamp.append(None)
    return tuple(stamp)
