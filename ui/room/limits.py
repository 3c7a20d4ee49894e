"""What a start is refused for on a shared server: too many runs, too many epochs, no room left on the disk.

    with place_for(config.epochs, disk, owner):   # LimitError says which limit, what was asked, what there is
        ...create the run, submit it

Those of a person hold for its browser; a teacher has only those of all together.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ui.room.disk import Usage, count_in, in_words, usage
from ui.room.settings import room
from ui.runs.gallery import cards_of
from ui.runs.owners import is_teacher, recorded_owner
from vae.errors import ConfigError

WARN = 0.8  # of the room on the disk
_starting = threading.Lock()


@contextmanager
def place_for(owner: str, disk: float, epochs: int = 0, count: int = 1) -> Iterator[None]:
    """Holds a place while runs are made: `count` of them, of so many epochs each, `disk` bytes together. count 0: a run
    that does not train. Raises ConfigError where there is none."""
    if all(limit is None or isinstance(limit, str) for limit in vars(room()).values()):
        yield
        return
    with _starting:  # two that start at once do not both get the last place
        _check(owner, disk, epochs, count)
        yield
        count_in(owner, disk)


def _check(owner: str, disk: float, epochs: int, count: int) -> None:
    limits, teacher = room(), is_teacher()
    if not teacher and limits.epochs_per_run is not None and epochs > limits.epochs_per_run:
        raise ConfigError(
            f"epochs: a run may have at most {limits.epochs_per_run:,} on this server, got {epochs:,}; set fewer under "
            "More settings"
        )
    if count and (limits.runs_per_person is not None or limits.runs_in_all is not None):
        _check_runs(owner, count, teacher)
    check_disk(owner, disk, teacher)


def _check_runs(owner: str, count: int, teacher: bool) -> None:
    limits = room()
    at_work = [recorded_owner(card.path) for card in cards_of() if card.active]
    mine, asked = at_work.count(owner), f"{count:,} more {'was' if count == 1 else 'were'} asked for"
    if not teacher and limits.runs_per_person is not None and mine + count > limits.runs_per_person:
        raise ConfigError(
            f"At most {_runs(limits.runs_per_person)} of a person may train or wait on this server: {mine:,} of yours "
            f"do, and {asked}. Stop some, or wait until they are done."
        )
    if limits.runs_in_all is not None and len(at_work) + count > limits.runs_in_all:
        raise ConfigError(
            f"At most {_runs(limits.runs_in_all)} may train or wait on this server: {len(at_work):,} do, and {asked}. "
            "Wait until some are done."
        )


def _runs(count: int) -> str:
    return f"{count:,} run{'s' * (count != 1)}"


def check_disk(owner: str, disk: float, teacher: bool) -> None:
    """Raises ConfigError where a visitor's `disk` bytes more are too many, or anything is, because the disk is full.
    From any thread."""
    limits = room()
    if limits.disk_per_person is None and limits.disk_in_all is None:
        return
    try:
        _check_usage(owner, disk, teacher, usage())
    except ConfigError:  # by what was known; something may have been deleted since
        _check_usage(owner, disk, teacher, usage(fresh=True))


def _check_usage(owner: str, disk: float, teacher: bool, taken: Usage) -> None:
    limits = room()
    mine, trash = taken.by_owner.get(owner, 0), taken.trash_by_owner.get(owner, 0)
    if not teacher and limits.disk_per_person is not None and _full(mine, disk, limits.disk_per_person):
        raise ConfigError(
            f"A person may take {in_words(limits.disk_per_person * 1e9)} of this server's disk: you take "
            f"{in_words(mine)}, {in_words(trash)} of it in the trash, and this needs {in_words(disk)}. Delete runs and "
            "images of yours, largest first, and empty your trash under You on Home."
        )
    if limits.disk_in_all is not None and _full(taken.whole, disk, limits.disk_in_all):
        raise ConfigError(
            f"All visitors together may take {in_words(limits.disk_in_all * 1e9)} of this server's disk: they take "
            f"{in_words(taken.whole)}, {in_words(taken.trash)} of it in the trash, and this needs {in_words(disk)}. "
            "Delete runs on Home, and empty the trash there under You; it goes after a day otherwise."
        )


def _full(taken: float, more: float, most: float) -> bool:
    """Whether so many bytes more are too many for so many GB; at the limit, any are."""
    return taken + more > most * 1e9 or taken >= most * 1e9


def disk_words() -> tuple[bool, str]:
    """Returns whether the disk is full, and a sentence from 80 % on; "" before, and without a limit."""
    most = room().disk_in_all
    if most is None:
        return False, ""
    taken = usage()
    share = taken.whole / (most * 1e9)
    if share < WARN:
        return False, ""
    return share >= 1, _told(taken, most * 1e9, share)


def _told(taken: Usage, most: float, share: float) -> str:
    trash = f", {in_words(taken.trash)} of them in the trash, which goes after a day" if taken.trash else ""
    what = (
        "Nothing new starts until something is deleted; what trains or waits has its room and goes on"
        if share >= 1
        else "Delete what nobody needs"
    )
    return f"Visitors take {in_words(taken.whole)} of {in_words(most)} ({share:.0%}){trash}. {what}."
