"""A run as it was last saved, all its files of one moment: of one that trains on, what lies beyond its save is left
out."""

from __future__ import annotations

import dataclasses
import io
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vae import runs
from vae.checked_json import Misfit
from vae.errors import RunDamaged, RunError
from vae.files import read_bytes
from vae.model.vae import Model
from vae.runs import Run
from vae.runs.checkpoints import kept_beside
from vae.runs.moments import Moment, list_moments, read_moment
from vae.runs.start import unpack_state
from vae.runs.weights import model_with

TRIES = 20  # looks at a run that is just being saved
_STEP = 20  # digits


@dataclass(frozen=True)
class Snapshot:
    """What was read. status: as it would stand had the training ended with this save. state: bytes, None where there
    is none, or none was asked for. moments: those that lie behind `step`, with their bytes."""

    run: Run
    status: runs.Status
    step: int
    model: Model
    weights: bytes
    state: bytes | None
    history: bytes
    lines: list[dict[str, Any]]
    moments: list[tuple[Moment, bytes]]
    at_work: bool


def snapshot(run: Run, whole: bool) -> Snapshot:
    """Reads a run; `whole`: with its state and moments. Raises RunDamaged where one of its files is damaged, RunError
    where it has no weights, or they do not keep still."""
    path = run.path
    for _ in range(TRIES):
        status = runs.read_status(path)
        at_work = status.state in runs.ACTIVE
        weights = runs.read_checked(path, runs.WEIGHTS)
        step = _step_of(weights, status.step)
        state, values = None, {"step": step}
        if whole and (path / runs.STATE).is_file():
            state = runs.read_checked(path, runs.STATE)
            _, values = unpack_state(state, run.name)
        if values["step"] == step or not at_work:
            break
        time.sleep(0.05)  # between the two files of one save
    else:
        raise RunError(f"run {run.name!r}: its weights are replaced all the time; pause it, and export it then")
    model = model_with(path, weights, runs.WEIGHTS)
    history = _history(path, values.get("history_bytes"), step, at_work)
    lines, fault = runs.checked_history(path)
    if fault:
        raise RunDamaged(fault)
    if at_work:
        lines = [line for line in lines if line["step"] <= step]
        words = f"Exported while it trained, as it was saved at step {step:,}."
        status = dataclasses.replace(status, state="stopped", step=step, epoch=_epoch(lines), message=words)
    status = runs.Status(
        status.state, status.step, status.epoch, status.total_steps, message=_kept(status, at_work),
        knobs_revision=status.knobs_revision, heartbeat=status.heartbeat,
    )  # fmt: skip
    moments = _moments(path, step, at_work) if whole else []
    return Snapshot(run, status, step, model, weights, state, history, lines, moments, at_work)


def _step_of(weights: bytes, otherwise: int) -> int:
    try:
        return int(kept_beside(io.BytesIO(weights), "step", _STEP))
    except (Misfit, ValueError):  # runs of the first versions
        return otherwise


def _kept(status: runs.Status, at_work: bool) -> str:
    """The message: only of how it stopped; those of failures name folders of this machine."""
    return status.message if at_work or status.state in ("stopped", "finished") else ""


def _epoch(lines: list[dict[str, Any]]) -> float:
    return max((line.get("epoch") or 0.0 for line in lines), default=0.0)


def _history(path: Path, size: int | None, step: int, at_work: bool) -> bytes:
    """Whole lines; of a run at work those before its save."""
    if not (path / "history.jsonl").is_file():
        return b""
    data = read_bytes(path / "history.jsonl")
    if at_work and size is not None:
        data = data[:size]
    data = data[: data.rfind(b"\n") + 1]
    if at_work and size is None:
        kept = [line for line in data.splitlines(keepends=True) if _is_before(line, step)]
        data = b"".join(kept)
    return data


def _is_before(line: bytes, step: int) -> bool:
    try:
        return bool(runs.read_line(line)["step"] <= step)
    except Misfit:
        return False


def _moments(path: Path, step: int, at_work: bool) -> list[tuple[Moment, bytes]]:
    found = []
    for moment in list_moments(path):
        try:
            content = read_moment(path, moment)
        except RunDamaged:
            if not at_work:
                raise
            continue  # thinned out just now
        if moment.step <= step:
            found.append((moment, content))
    return found
