"""What an engine writes into a run's status, which it does only while no worker has the run."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path
from typing import Any

from filelock import Timeout

from vae import runs
from vae.runs import Status
from vae.runs.start import give_up, write_end

CLAIMED = ("finished", "stopped", "diverged", "failed")  # ends that only a worker that came so far writes
NO_TURN = "The server ended before its turn came; continue to start it."
RESTED = "The server ended while it was paused; continue resumes it."
LOG_TAIL = 12  # lines of log.txt in the message of a failed run


def write_state(path: Path, state: str, message: str = "") -> None:
    """Set the state of a run whose lock we hold."""
    changes: dict[str, Any] = {"state": state, "message": message, "pid": None}
    changes |= {"images_per_second": None, "seconds_left": None}
    write_end(path, dataclasses.replace(runs.read_status(path), **changes))


def end_unheld(path: Path, state: str, message: str) -> None:
    """End a run that nobody holds; RunBusy if somebody does after all, and then the state is theirs. One that was
    asked to go on and has not begun is again as it had ended."""
    status = runs.read_status(path)
    begun = status.state != "queued" and not status.ended_as
    lock = runs.acquire(path)
    try:
        (write_state if begun else give_up)(path, state, message)
    finally:
        lock.release()


def stop_elsewhere(path: Path) -> None:
    """Stop a run that this engine does not have: trained by another process, left behind by one, or ended."""
    status: Status = runs.read_status(path)
    if status.state not in runs.ACTIVE:
        return
    if status.state in runs.WAITING and not runs.is_locked(path):
        words = stopped_at(path) if status.state == "resting" else "Stopped before its turn came."
        end_unheld(path, "stopped", words)
    else:
        runs.change_knobs(path, stop=True)


def stopped_at(path: Path) -> str:
    """The message of a run that was stopped while it rested."""
    status = runs.read_status(path)
    return f"Stopped at step {status.step:,} of {status.total_steps:,}."


def failure(path: Path, reason: str) -> str:
    """The message of a run whose worker crashed twice, with the end of its log."""
    try:
        lines = (path / "log.txt").read_bytes()[-4096:].decode(errors="replace").splitlines()[-LOG_TAIL:]
    except OSError:
        lines = []
    said = "The end of its log:\n" + "\n".join(lines) if lines else "Its log is empty."
    step = runs.read_status(path).step
    return f"The training process ended unexpectedly twice, the last time at step {step:,} ({reason}). {said}"


def recover(root: Path | None = None) -> list[Path]:
    """At the start of a server: what a killed one left "queued" or "resting" becomes "interrupted" and is returned.

    A run whose worker died needs nothing: `vae.runs.read_status` tells by the lock. A run that waits in another
    server, or trains there, is left alone by the same lock.
    """
    left = []
    for path in runs.list_runs(root):
        if runs.read_status(path).state not in runs.WAITING:
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
