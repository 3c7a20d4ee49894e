"""What an engine writes into a run's status, which it does only while no worker has the run."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from pathlib import Path
from typing import Any

from filelock import Timeout

from vae import runs
from vae.engines import batches
from vae.runs import Status
from vae.runs.start import give_up, write_end

CLAIMED = ("finished", "stopped", "diverged", "failed")  # ends that only a worker that came so far writes
NO_TURN = "The server ended before its turn came; continue to start it."
RESTED = "The server ended while it was paused; continue resumes it."
LOG_TAIL = 12  # lines of log.txt in the message of a failed run


def write_state(path: Path, state: str, message: str = "") -> None:
    """Sets the state of a run whose lock we hold."""
    changes: dict[str, Any] = {"state": state, "message": message, "pid": None}
    changes |= {"images_per_second": None, "seconds_left": None}
    write_end(path, dataclasses.replace(runs.read_status(path), **changes))


def end_unheld(path: Path, state: str, message: str) -> None:
    """Ends a run that nobody holds; RunBusy if somebody does after all, and then the state is theirs. One that was
    asked to go on and has not begun is again as it had ended."""
    status = runs.read_status(path)
    begun = status.state != "queued" and not status.ended_as
    lock = runs.acquire(path)
    try:
        (write_state if begun else give_up)(path, state, message)
    finally:
        lock.release()


def stop_elsewhere(path: Path) -> None:
    """Stops a run that this engine does not have: trained by another process, left behind by one, or ended."""
    status: Status = runs.read_status(path)
    if status.state not in runs.ACTIVE:
        return
    if status.state in runs.WAITING and not runs.is_locked(path):
        words = stopped_at(path) if status.state == "resting" else "Stopped before its turn came."
        end_unheld(path, "stopped", words)
    else:
        runs.change_knobs(path, stop=True)


def stopped_at(path: Path) -> str:
    """Returns the message of a run that was stopped while it rested."""
    status = runs.read_status(path)
    return f"Stopped at step {status.step:,} of {status.total_steps:,}."


def log_tail(path: Path) -> str:
    """Returns the last LOG_TAIL lines of a run's log.txt; "" where there is none."""
    return tail(path / "log.txt")


def tail(file: Path) -> str:
    """Returns the last LOG_TAIL lines of a file that anybody may have written to; "" where it is empty or gone."""
    try:
        if not file.is_file():  # a pipe would never answer
            return ""
        with open(file, "rb") as written:
            written.seek(max(0, written.seek(0, os.SEEK_END) - 4096))
            return "\n".join(written.read().decode(errors="replace").splitlines()[-LOG_TAIL:])
    except OSError:
        return ""


def failure(path: Path, reason: str) -> str:
    """Returns the message of a run whose worker crashed twice, with the end of its log."""
    end = log_tail(path)
    log = f"The end of its log:\n{end}" if end else "Its log is empty."
    step = runs.read_status(path).step
    return f"The training process ended unexpectedly twice, the last time at step {step:,} ({reason}). {log}"


def recover(root: Path | None = None) -> list[Path]:
    """Makes runs "interrupted" that a killed server left "queued" or "resting", and returns them; for a server's start.

    A run whose worker died needs nothing: `vae.runs.read_status` tells by the lock. A run that waits in another
    server, or trains there, is left alone by the same lock; one that a cluster has, by its batch.
    """
    left: list[Path] = []
    on_clusters = batches.waiting(root or runs.runs_root())
    for path in runs.list_runs(root):
        if path.name in on_clusters or runs.read_status(path).state not in runs.WAITING:
            continue
        with contextlib.suppress(Timeout, OSError), runs.run_lock(path).acquire(timeout=0.1):
            state = runs.read_status(path).state
            if state == "queued":
                give_up(path, "interrupted", NO_TURN)
            elif state == "resting":
                write_state(path, "interrupted", RESTED)
            if state in runs.WAITING:
                left.append(path)
    return left
