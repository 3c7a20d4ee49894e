"""The folder in which one process makes one file of a run, hidden beside the runs, where the file then lies:

    .exports/TOKEN/
        status.json    an ExportStatus, replaced as the work goes on
        NAME.ENDING    the file; whole once the status says finished
        stop           its presence asks the process to end
        log.txt        what the process printed

Whoever starts the process chooses the token. Nothing here is kept for long: see `make_room`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
import shutil
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from vae.checked_json import Misfit, fields, named, number, one_of, optional, read_json, text, whole
from vae.files import insist, write_json

FOLDER = ".exports"
TOKEN = re.compile(r"[0-9a-f]{32}")
STATUS_FILE, STOP_FILE, LOG_FILE = "status.json", "stop", "log.txt"
WORKING = ("starting", "working")
MOST_BYTES = 2 * 10**9  # of all files together; those that were made first go
OLD = 24 * 3600.0  # seconds that a file is kept at most
SILENT = 60.0  # seconds without a sign after which a process that nobody knows has ended


@dataclass
class ExportStatus:
    """What became of a file that was asked for, or how far it is.

    words: what is being done. message: a sentence for the user, empty when all is well. step: of the save that was
    taken, None where the run says none. file, bytes: once it is made. facts: what the format tells of it.
    """

    state: str = "absent"  # absent | starting | working | finished | stopped | failed
    fraction: float = 0.0
    words: str = ""
    message: str = ""
    seconds: float = 0.0
    step: int | None = None
    file: str = ""
    bytes: int = 0
    facts: dict[str, str] = field(default_factory=dict)


STATUS = fields(
    ("state",),
    state=one_of("absent", *WORKING, "finished", "stopped", "failed"),
    fraction=number(0, 1),
    words=text(),
    message=text(100_000),
    seconds=number(0),
    step=optional(whole()),
    file=text(255),
    bytes=whole(),
    facts=named(text(), 100),
)


def folder_of(root: Path, token: str) -> Path:
    """Returns the folder of a token in a folder of runs; the token is one of ours, see TOKEN."""
    return root / FOLDER / token


def prepare(folder: Path) -> None:
    """Makes the folder anew for a process to work in. Raises OSError."""
    forget(folder)
    folder.mkdir(parents=True)
    write_status(folder, ExportStatus("starting"))


def read_status(folder: Path) -> ExportStatus:
    """Returns the status as it is now; one that cannot be read is a failure, and a finished one whose file has gone
    counts as absent."""
    try:
        values = read_json(folder / STATUS_FILE, STATUS)
    except FileNotFoundError:
        return ExportStatus()
    except Misfit as error:
        return ExportStatus("failed", message=f"How far it is cannot be read ({error}); make it again.")
    known = {one.name for one in dataclasses.fields(ExportStatus)}
    status = ExportStatus(**{name: value for name, value in values.items() if name in known})
    if status.state == "finished" and made_file(folder, status) is None:
        return ExportStatus()
    return status


def write_status(folder: Path, status: ExportStatus) -> None:
    """Replaces the status. Raises OSError."""
    write_json(folder / STATUS_FILE, dataclasses.asdict(status), durable=False)


def made_file(folder: Path, status: ExportStatus) -> Path | None:
    """Returns the finished file; None where there is none, whatever the status calls it."""
    name = status.file
    if status.state != "finished" or not name or name != Path(name).name or name in (STATUS_FILE, STOP_FILE, LOG_FILE):
        return None
    file = folder / name
    return file if file.is_file() and not file.is_symlink() else None


def ask_to_stop(folder: Path) -> None:
    """Asks the process that works there to end. Raises OSError."""
    (folder / STOP_FILE).touch()


def drop_output(folder: Path) -> None:
    """Deletes what a process wrote that did not finish; the status and the log stay."""
    with contextlib.suppress(OSError):
        for file in folder.iterdir():
            if file.name not in (STATUS_FILE, STOP_FILE, LOG_FILE):
                with contextlib.suppress(OSError):
                    insist(file.unlink)


def forget(folder: Path) -> None:
    """Deletes the folder, if it is there."""
    shutil.rmtree(folder, ignore_errors=True)


def make_room(root: Path, keep: Collection[Path] = (), most: int = MOST_BYTES, old: float = OLD) -> None:
    """Deletes files that are older than `old` seconds, and then the oldest until all take `most` bytes at most. Those
    of `keep`, in which somebody works, stay; so does a folder that shows a sign of work, of another server's."""
    found = []
    with contextlib.suppress(OSError):
        for folder in (root / FOLDER).iterdir():
            if folder not in keep and folder.is_dir() and not folder.is_symlink():
                found.append((_age(folder), folder))
    found.sort()
    total = 0
    for age, folder in found:
        if read_status(folder).state in WORKING and age < SILENT:
            continue
        total += _size(folder)
        if age > old or total > most:
            forget(folder)


def _age(folder: Path) -> float:
    try:
        return time.time() - (folder / STATUS_FILE).stat().st_mtime
    except OSError:
        return float("inf")


def _size(folder: Path) -> int:
    total = 0
    with contextlib.suppress(OSError):
        for file in folder.iterdir():
            with contextlib.suppress(OSError):
                total += file.stat().st_size
    return total
