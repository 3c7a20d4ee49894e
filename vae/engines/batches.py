"""What was given to a cluster's scheduler, in small files of the runs folder: a restarted server finds it again.

    RUNS/.jobs/TOKEN.json     one batch: job number i of it trains the runs groups[i]
    RUNS/.jobs/TOKEN-i.out    what that job printed, before and beside its runs' own logs

A batch is written before the scheduler hears of it, and the job carries the token in its name: whatever is killed in
between, job and runs are found again. Each file is replaced as a whole and held against its fields when it is read:
whoever writes into the folder of runs could put one there, and what it names as a job becomes a word of a command.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vae import runs
from vae.checked_json import Check, Misfit, fields, items, number, read_json, text, whole
from vae.errors import EngineError, RunNotFound
from vae.files import write_json

FOLDER = ".jobs"
PREFIX = "elbo-room-"  # of a job's name; the token follows
MOST = 8 << 20  # bytes of a file
SETTLED = 2_000_000_000  # nanoseconds after which a folder's time of change tells every change
NAME = text(255)
FILE = re.compile(r"([a-z0-9]+)\.json")


def _like(pattern: str, words: str) -> Check[str]:
    """Takes text of which all is as the pattern says."""

    def check(value: Any) -> str:
        if not re.fullmatch(pattern, text(255)(value)):
            raise Misfit(f"expected {words}, got {value[:40]!r}")
        return str(value)

    return check


BATCH = fields(
    ("engine", "groups", "jobs"),
    engine=text(40),
    groups=items(items(NAME)),
    jobs=items(_like(r"(?:[A-Za-z0-9][A-Za-z0-9_-]*)?", "a job's id")),  # no option, no path, no pattern
    done=items(whole()),
    tries=items(whole()),
    sent=number(),
    probe=_like(r"(?:probe-[0-9a-f]{8})?", "the name of a probe's folder"),
)


@dataclass(frozen=True)
class Batch:
    """Runs that were given to a scheduler at once."""

    file: Path
    engine: str
    groups: tuple[tuple[str, ...], ...]  # names in the folder of runs
    jobs: tuple[str, ...] = ()  # the scheduler's id of each group's job; empty until it has answered
    done: tuple[int, ...] = ()  # groups that nothing more is to be seen to
    tries: tuple[int, ...] = ()  # groups that were given to it once more, once for each time
    sent: float = 0.0
    probe: str = ""  # a folder beside the file: not runs, but the questions of `doctor` are to be answered there

    @property
    def token(self) -> str:
        return self.file.stem

    @property
    def job_name(self) -> str:
        return PREFIX + self.token

    def paths(self, index: int) -> list[Path]:
        """Returns the directories of a group's runs, those that are still there."""
        found = []
        for name in self.groups[index]:
            with contextlib.suppress(RunNotFound):
                found.append(runs.run_path(name, self.file.parents[1]))
        return found

    def output(self, index: int) -> Path:
        """Returns the file with what a group's job printed."""
        return self.file.with_name(f"{self.token}-{index}.out")

    def change(self, **changes: object) -> Batch:
        """Returns it changed, and written so. OSError where that cannot be."""
        changed: Batch = dataclasses.replace(self, **changes)  # type: ignore[arg-type]
        values = dataclasses.asdict(changed)
        del values["file"]
        write_json(self.file, values)
        return changed

    def forget(self) -> None:
        """Deletes what lies here of it; the runs stay."""
        with contextlib.suppress(OSError):
            self.file.unlink()
            for index in range(len(self.groups)):
                self.output(index).unlink(missing_ok=True)


_known: dict[Path, tuple[int, list[Batch]]] = {}


def create(root: Path, engine: str, groups: Sequence[Sequence[Path]], probe: str = "") -> Batch:
    """Returns a new batch, written. Raises EngineError where it cannot be."""
    folder = root / FOLDER
    named = tuple(tuple(path.name for path in group) for group in groups)
    batch = Batch(folder / f"{secrets.token_hex(4)}.json", engine, named, sent=time.time(), probe=probe)
    try:
        folder.mkdir(exist_ok=True)
        return batch.change()
    except OSError as error:
        raise EngineError(f"{folder} cannot be written ({error.strerror}): make the folder of runs writable") from None


def read(file: Path) -> Batch:
    """Returns the batch in a file. Raises EngineError where it cannot be read."""
    try:
        values = read_json(file, BATCH, MOST)
        count = len(values["groups"])
        if len(values["jobs"]) not in (0, count):
            raise Misfit(f"expected no job or one for each of {count:,} groups, got {len(values['jobs']):,}", "jobs")
        if max([-1, *values.get("done", ()), *values.get("tries", ())]) >= count:
            raise Misfit(f"expected numbers of {count:,} groups, got a higher one", "done, tries")
    except (FileNotFoundError, Misfit) as error:
        raise EngineError(f"{file}: expected the list of a batch's runs ({error})") from None
    known = {field.name for field in dataclasses.fields(Batch)}
    values = {name: value for name, value in values.items() if name in known}
    values["groups"] = tuple(tuple(group) for group in values["groups"])
    for name in ("jobs", "done", "tries"):
        values[name] = tuple(values.get(name, ()))
    return Batch(file, **values)


def read_all(root: Path, engine: str | None = None) -> list[Batch]:
    """Returns the batches of a folder of runs, oldest first; of one engine alone where it is named. Read again only
    where the folder has changed: each file is replaced as a whole."""
    folder = root / FOLDER
    try:
        stamp = folder.stat().st_mtime_ns
    except OSError:
        return []
    before, found = _known.get(folder, (0, []))
    if before != stamp:
        found = _read_folder(folder)
        if abs(time.time_ns() - stamp) > SETTLED:  # else a second change may bear the same time
            _known[folder] = stamp, found
    return [batch for batch in found if engine in (None, batch.engine)]


def _read_folder(folder: Path) -> list[Batch]:
    found = []
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            if FILE.fullmatch(name):
                with contextlib.suppress(EngineError):  # gone in this moment, or no batch
                    found.append(read(folder / name))
    return sorted(found, key=lambda batch: (batch.sent, batch.token))


def waiting(root: Path) -> set[str]:
    """Returns the names of the runs that a scheduler has, of whichever engine: nobody here holds their locks."""
    return {
        name
        for batch in read_all(root)
        for index, group in enumerate(batch.groups)
        if index not in batch.done
        for name in group
    }
