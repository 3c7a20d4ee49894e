"""How much of the disk visitors take, and who: runs, deleted ones too, images that datasets were made of, files to take
away, and what was dropped on a page. Whose a folder is stands in it (`ui.runs.owners`).

Measured when somebody asks, and not too often: for 500 runs it takes a second. What was dropped is always known."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ui.own.drops import drops
from ui.runs.owners import recorded_owner, reserved_disk
from vae import runs
from vae.exports.work_folder import FOLDER as EXPORTS

EVERY = 20.0  # seconds


@dataclass(frozen=True)
class Usage:
    """Bytes: of all, of what was deleted and is still kept, of each owner, of each owner's in the trash. Runs that
    train or wait count as what they will have."""

    whole: int
    trash: int
    by_owner: dict[str, int] = field(default_factory=dict)
    trash_by_owner: dict[str, int] = field(default_factory=dict)


_lock = threading.Lock()
_measuring = threading.Lock()
_kept: dict[Path, tuple[float, Usage]] = {}


def usage(fresh: bool = False) -> Usage:
    """Returns what there is: as it is now where that is asked for, else as it was at the last look, which is renewed
    beside where it is long ago."""
    root = runs.runs_root()
    with _lock:
        when, found = _kept.get(root, (0.0, None))
    if fresh or found is None:
        found = _look(root)
    elif time.monotonic() - when > EVERY and _measuring.acquire(blocking=False):
        threading.Thread(target=_renew, args=(root,), daemon=True, name="disk").start()
    return _more(found, drops().by_owner())


def count_in(owner: str, disk: float) -> None:
    """Counts a start, until the next look finds what was made."""
    root = runs.runs_root()
    with _lock:
        if root in _kept:
            when, was = _kept[root]
            _kept[root] = (when, _more(was, {owner: int(disk)}))


def _more(was: Usage, by_owner: dict[str, int]) -> Usage:
    return Usage(
        was.whole + sum(by_owner.values()), was.trash, Counter(was.by_owner) + Counter(by_owner), was.trash_by_owner
    )


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
    """Returns what lies in a folder of runs and among the prepared images now."""
    from vae.datasets import data_root  # torch takes its time
    from vae.datasets.own.stored import FOLDER as OWN

    by_owner, trash = Counter[str](), Counter[str]()
    several = (root / runs.TRASH, root / EXPORTS)
    for path in _folders(root):
        if path not in several:
            owner, kept = recorded_owner(path), int(reserved_disk(path))
            at_work = kept and runs.read_status(path).state in runs.ACTIVE
            by_owner[owner] += max(size(path), kept) if at_work else size(path)
    for path in [*_folders(root / EXPORTS), *_folders(data_root() / OWN)]:
        by_owner[recorded_owner(path)] += size(path)
    for path in _folders(root / runs.TRASH):
        trash[recorded_owner(path)] += size(path)
    whole = by_owner + trash
    return Usage(whole.total(), trash.total(), dict(whole), dict(trash))


def _folders(root: Path) -> Iterator[Path]:
    try:
        with os.scandir(root) as found:
            yield from [Path(entry.path) for entry in found if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return


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
