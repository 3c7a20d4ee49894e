"""knobs.json, what the user asked for: Knobs with a revision, replaced as a whole."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path
from typing import Any

from filelock import FileLock

from vae.checked_json import either, fields, flag, number, one_of, optional, whole
from vae.config import C_LIMITS, HALVES, Knobs
from vae.errors import ConfigError, RunError
from vae.files import leftovers, write_json
from vae.runs.checkpoints import damaged, read_file

LOCK = "knobs.json.lock"
KNOBS = fields(
    C=optional(either(one_of("fit"), number(*C_LIMITS))),
    lr_factor=number(0),
    part=one_of(*HALVES),
    pace=optional(number(0)),
    paused=flag,
    steps_requested=whole(),
    stop=flag,
    revision=whole(),
)


def read_knobs(path: Path) -> Knobs:
    """Returns the knobs as they were last set; the usual ones where nobody set any. RunDamaged names the field."""
    try:
        return Knobs(**read_file(path, "knobs.json", KNOBS))
    except FileNotFoundError:
        return Knobs()
    except (ConfigError, TypeError) as error:
        raise damaged(path, "knobs.json", error) from None


def free_knobs(path: Path) -> dict[str, Any] | None:
    """Takes back a stop and a pause of a training that has ended, so that it can go on. Returns what `put_back_knobs`
    needs to undo that; None where there was neither."""
    before = read_knobs(path)
    if not (before.stop or before.paused):
        return None
    after = change_knobs(path, stop=False, paused=False)
    return {"revision": after.revision, "stop": before.stop, "paused": before.paused}


def put_back_knobs(path: Path, revision: int, stop: bool, paused: bool) -> None:
    """Undoes the change that made this revision; where somebody has changed the knobs since, that stays."""
    with FileLock(str(path / LOCK), timeout=5):
        knobs = read_knobs(path)
        if knobs.revision == revision:
            knobs = dataclasses.replace(knobs, stop=stop, paused=paused, revision=revision - 1)
            write_json(path / "knobs.json", dataclasses.asdict(knobs), durable=False)


def clear_knobs_leftovers(path: Path) -> None:
    """Deletes what killed changes of the knobs left."""
    if leftovers(path, ["knobs.json"]):
        with contextlib.suppress(OSError), FileLock(str(path / LOCK), timeout=1):
            for file in leftovers(path, ["knobs.json"]):
                file.unlink()


def change_knobs(path: Path, **changes: Any) -> Knobs:
    """Changes some knobs and raises the revision; returns them. Raises RunError. `single_step=True` asks for one more
    step."""
    try:
        with FileLock(str(path / LOCK), timeout=5):
            knobs = read_knobs(path)
            if changes.pop("single_step", False):
                changes["steps_requested"] = knobs.steps_requested + 1
            knobs = dataclasses.replace(knobs, **changes, revision=knobs.revision + 1)
            write_json(path / "knobs.json", dataclasses.asdict(knobs), durable=False)
    except OSError as error:
        raise RunError(f"run {path.name!r}: knobs.json cannot be written ({error.strerror or error})") from None
    return knobs
