"""How much of the disk the folder of runs takes, and whose it is. Measured when somebody asks, and not too often: for
500 runs it takes a second."""

from __future__ import annotations

import os
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from ui.runs.owners import recorded_owner, reserved_disk
from vae import runs

EVERY = 20.0  # seconds


@dataclass(frozen=True)
class Usage:
    """Bytes: of all that lies in the folder, of what was deleted and is still kept, of each owner's runs. Runs that
    train or wait count as what they will have."""

    whole: int
    trash: int
    by_owner: dict[str, int] = field(default_factory=dict)


_lock = threading.Lock()
_measuring = threading.Lock()
_kept: dict[Path, tuple[float, Usage]] = {}


def usage(fresh: bool = False) -> Usage:
    """Returns what lies in the folder of runs: as it is now where that is asked for, else as it was at the last look,
    which is renewed beside where it is long ago."""
    root = runs.runs_root()
    with _lock:
        when, found = _kept.get(root, (0.0, None))
    if fresh or found is None:
        return _look(root)
    if time.monotonic() - when > EVERY and _measuring.acquire(blocking=False):
        threading.Thread(target=_renew, args=(root,), daemon=True, name="disk").start()
    return found


def count_in(owner: str, disk: float) -> None:
    """Counts a start, until the next look finds what was made."""
    root = runs.runs_root()
    with _lock:
        if root in _kept:
            when, was = _kept[root]
            mine = {owner: was.by_owner.get(owner, 0) + int(disk)}
            _kept[root] = (when, Usage(was.whole + int(disk), was.trash, was.by_owner | mine))


def _renew(root: Path) -> None:
    try:
        _look(root)
    finally:
        _measuring.release()


def _look(root: Path) -> Usage:
    """What lies there now. What has been in the trash for its time goes."""
    runs.empty_trash(root)
    began, found = time.monotonic(), measure(root)
    with _lock:
        _kept.clear()
        _kept[root] = (began, found)
    return found


def measure(root: Path) -> Usage:
    """Returns what lies in a folder of runs now."""
    by_owner: dict[str, int] = defaultdict(int)
    trash, whole = size(root / ".trash"), 0
    for path in runs.list_runs(root):
        taken = size(path)
        if runs.read_status(path).state in runs.ACTIVE:
            taken = max(taken, int(reserved_disk(path)))
        by_owner[recorded_owner(path)] += taken
        whole += taken
    return Usage(whole + trash, trash, dict(by_owner))


def size(folder: Path) -> int:
    """Returns the bytes of all files below a folder; links are not followed, what goes meanwhile counts as nothing."""
    total, waiting = 0, [os.fspath(folder)]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as found:
                for entry in found:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_size
        except OSError:
            continue
    return total


def in_words(count: float) -> str:
    """Returns bytes in words, short: 4 MB, 310 MB, 1.6 GB, 50 GB."""
    number, unit = (count / 1e9, "GB") if count >= 0.9995e9 else (count / 1e6, "MB")
    return f"{number:,.0f} {unit}" if number >= 9.95 or number == round(number) else f"{number:.1f} {unit}"
