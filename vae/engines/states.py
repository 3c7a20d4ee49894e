"""What an engine writes into a run's status, which it does only while no worker has the run."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from vae import runs
from vae.runs import Status

CLAIMED = ("finished", "stopped", "diverged", "failed")  # ends that only a worker that came so far writes
LOG_TAIL = 12  # lines of log.txt in the message of a failed run


def write_state(path: Path, state: str, message: str = "") -> None:
    """Set the state of a run whose lock we hold."""
    changes: dict[str, Any] = {"state": state, "message": message, "pid": None}
    changes |= {"images_per_second": None, "seconds_left": None}
    runs.write_status(path, dataclasses.replace(runs.read_status(path), **changes))


def end_unheld(path: Path, state: str, message: str) -> None:
    """The same for a run that nobody holds; RunBusy if somebody does after all, and then the state is theirs."""
    lock = runs.acquire(path)
    try:
        write_state(path, state, message)
    finally:
        lock.release()


def stop_elsewhere(path: Path) -> None:
    """Stop a run that this engine does not have: trained by another process, left behind by one, or ended."""
    status: Status = runs.read_status(path)
    if status.state not in runs.ACTIVE:
        return
    if status.state == "queued" and not runs.is_locked(path):
        end_unheld(path, "stopped", "Stopped before its turn came.")
    else:
        runs.change_knobs(path, stop=True)


def failure(path: Path, reason: str) -> str:
    """The message of a run whose worker crashed twice, with the end of its log."""
    try:
        lines = (path / "log.txt").read_bytes()[-4096:].decode(errors="replace").splitlines()[-LOG_TAIL:]
    except OSError:
        lines = []
    said = "The end of its log:\n" + "\n".join(lines) if lines else "Its log is empty."
    step = runs.read_status(path).step
    return f"The training process ended unexpectedly twice, the last time at step {step:,} ({reason}). {said}"
