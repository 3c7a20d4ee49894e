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
    if limits.disk_per_person is not None or limits.disk_in_all is not None:
        try:
            _check_disk(owner, disk, teacher, usage())
        except ConfigError:  # by what was known; something may have been deleted since
            _check_disk(owner, disk, teacher, usage(fresh=True))


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


def _check_disk(owner: str, disk: float, teacher: bool, taken: Usage) -> None:
    limits = room()
    mine = taken.by_owner.get(owner, 0)
    if not teacher and limits.disk_per_person is not None and mine + disk > limits.disk_per_person * 1e9:
        raise ConfigError(
            f"The runs of a person may take {in_words(limits.disk_per_person * 1e9)} of this server's disk: yours take "
            f"{in_words(mine)}, and this needs {in_words(disk)}. Delete some of yours on Home, largest first."
        )
    if limits.disk_in_all is not None and taken.whole + disk > limits.disk_in_all * 1e9:
        raise ConfigError(
            f"The folder of runs may take {in_words(limits.disk_in_all * 1e9)} of this server's disk: it has "
            f"{in_words(taken.whole)}, {in_words(taken.trash)} of it in the trash, and this needs {in_words(disk)}. "
            "Delete runs on Home; the teacher can empty the trash, which otherwise goes after a day."
        )


def disk_words() -> tuple[bool, str]:
    """Returns whether the folder of runs is full, and a sentence from 80 % on; "" before, and without a limit."""
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
    what = "Nothing new starts until runs are deleted" if share >= 1 else "Delete runs that nobody needs"
    return f"The runs take {in_words(taken.whole)} of {in_words(most)} ({share:.0%}){trash}. {what}."
