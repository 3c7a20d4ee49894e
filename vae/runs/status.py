"""status.json, what a run's worker is doing, and the lock that says whether there is one."""

from __future__ import annotations

import dataclasses
import os
import platform
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from vae.checked_json import fields, flag, number, one_of, optional, text, whole
from vae.errors import RunBusy, RunDamaged, RunError
from vae.files import write_json
from vae.runs import beats
from vae.runs.checkpoints import read_file

WAITING = ("queued", "resting")  # no process trains it: an engine holds its lock until it goes on
ACTIVE = (*WAITING, "starting", "running", "paused", "saving")  # states in which a process works or will
ENDED = ("finished", "stopped", "interrupted", "diverged", "failed")
HEARTBEAT_LIMIT = 20.0  # seconds without a new status after which a worker counts as hung
START_LIMIT = 60.0  # the same until its first step
STATUS = fields(
    state=one_of(*ACTIVE, *ENDED),
    step=whole(),
    epoch=number(0),
    total_steps=whole(),
    images_per_second=optional(number(0)),
    seconds_left=optional(number(0)),
    message=text(100_000),
    knobs_revision=whole(),
    heartbeat=number(0),
    pid=optional(whole()),
    host=text(255),
    refused=text(100_000),
    ended_as=one_of("", *ENDED),
    ended_message=text(100_000),
    ended_knobs=optional(fields(("revision", "stop", "paused"), revision=whole(1), stop=flag, paused=flag)),
)


@dataclass
class Status:
    """What a run's worker is doing. `message` is a sentence for the user, empty when all is well."""

    state: str = "queued"
    step: int = 0
    epoch: float = 0.0
    total_steps: int = 0
    images_per_second: float | None = None
    seconds_left: float | None = None
    message: str = ""
    knobs_revision: int = 0  # the last revision of knobs.json that took effect
    heartbeat: float = field(default_factory=time.time)
    pid: int | None = None
    host: str = ""  # the machine of that process
    refused: str = ""  # why it did not go on when it was asked to; the rest is then as it ended
    ended_as: str = (
        ""  # how it had ended, while it waits or starts: that comes back if it is refused (`vae.runs.start`)
    )
    ended_message: str = ""
    ended_knobs: dict[str, Any] | None = None  # what `vae.runs.knobs.put_back_knobs` takes


def read_status(path: Path) -> Status:
    """Returns the status as it is now: a worker that died without saying so is reported as interrupted, a file that
    cannot be read as a failure, with the field that is wrong."""
    try:
        values = read_file(path, "status.json", STATUS)
    except FileNotFoundError:
        return Status(state="finished")
    except RunDamaged as error:
        return Status(state="failed", message=str(error))
    known = {f.name for f in dataclasses.fields(Status)}
    status = Status(**{name: value for name, value in values.items() if name in known})
    if status.state in ACTIVE and status.state not in WAITING and not is_alive(path, status):
        status.state = "interrupted"
        status.message = f"The training process ended unexpectedly at step {status.step:,}."
    return status


def write_status(path: Path, status: Status) -> None:
    """Replaces status.json, with the time as its heartbeat. Raises OSError where it cannot be written."""
    status.heartbeat = time.time()
    write_json(path / "status.json", dataclasses.asdict(status), durable=status.state in ENDED)


def run_lock(path: Path) -> FileLock:
    """Returns the lock that the process holds that trains the run; the system frees it when that process dies, however
    it dies."""
    return FileLock(str(path / "lock"), thread_local=False)  # an engine takes it in one thread, frees it in another


def is_locked(path: Path) -> bool:
    """Returns whether a process trains the run, or an engine keeps it in its queue."""
    try:
        with run_lock(path).acquire(timeout=0):
            return False
    except Timeout:
        return True
    except OSError:  # a read-only folder: nobody trains there
        return False


def is_alive(path: Path, status: Status) -> bool:
    """Returns whether a process trains the run whose status says so: its lock tells. Where that cannot, because the
    process is on another machine of a network folder or locks do nothing there, signs of life decide."""
    if is_locked(path):
        return True
    return not _lock_decides(path, status) and _may_live(status) and beats.alive(path, status.heartbeat, _limit(status))


def _lock_decides(path: Path, status: Status) -> bool:
    """A free lock is proof where the process was on this machine, and the folder's locks hold at all."""
    return status.host in ("", platform.node()) and _locks_hold(path)


def _locks_hold(path: Path) -> bool:
    """Whether a lock of this folder, taken once, is refused to the next; True where none can be taken."""
    try:
        with run_lock(path).acquire(timeout=0):
            return lock_holds(path)
    except (Timeout, OSError):
        return True


def lock_holds(path: Path) -> bool:
    """Returns whether the run's lock, which this process has, would be refused to another one here; False on folders
    whose locks do nothing."""
    try:
        with run_lock(path).acquire(timeout=0):
            return False
    except (Timeout, OSError):
        return True


def _may_live(status: Status) -> bool:
    """False where its process was one of this machine's, and is there no more."""
    if status.host != platform.node() or status.pid is None or not hasattr(os, "getpgid"):
        return True
    try:
        os.getpgid(status.pid)
    except OSError:
        return False
    return True


def _limit(status: Status) -> float:
    return START_LIMIT if status.state == "starting" else HEARTBEAT_LIMIT


def acquire(path: Path) -> FileLock:
    """Makes this the process that trains `path`; returns the lock. Raises RunBusy, and RunError where it cannot be
    written."""
    lock = run_lock(path)
    try:
        lock.acquire(timeout=2)  # a reader that probes the lock holds it for a moment
    except Timeout:
        raise RunBusy(f"run {path.name!r} is being trained by another process; stop it there first") from None
    except OSError as error:
        raise RunError(f"run {path.name!r} cannot be written: {error.strerror}") from None
    try:
        _refuse_if_beating(path)
    except BaseException:
        lock.release()
        raise
    return lock


def _refuse_if_beating(path: Path) -> None:
    """We hold the lock; a process that the lock cannot tell of may be at work all the same."""
    status = _written(path)
    if status is None or status.state not in ACTIVE or status.state in WAITING:
        return
    here = status.host in ("", platform.node())
    if here and (status.pid == os.getpid() or not _may_live(status) or lock_holds(path)):
        return
    if beats.alive(path, status.heartbeat, _limit(status)) or beats.watch(lambda: _written(path), status.heartbeat):
        raise RunBusy(
            f"run {path.name!r} is being trained by a process on {status.host or 'this machine'}, which gave a sign of "
            f"life less than {_limit(status):.0f} s ago; stop it there first, or wait that long if it is dead"
        )


def _written(path: Path) -> Status | None:
    """The status as it is written; None where there is none."""
    try:
        values = read_file(path, "status.json", STATUS)
    except (FileNotFoundError, RunDamaged):
        return None
    known = {f.name for f in dataclasses.fields(Status)}
    return Status(**{name: value for name, value in values.items() if name in known})


def insist_on_ours(path: Path) -> None:
    """Ends this process, which trains the run, without another word where a second one has taken the run over: we were
    silent for so long that we counted as dead. To be asked before each write where the lock cannot tell."""
    status = _written(path)
    if status is not None and status.pid is not None and (status.host, status.pid) != (platform.node(), os.getpid()):
        print(f"process {status.pid} on {status.host or 'another machine'} has taken this run over: this one ends")
        raise SystemExit(1)
