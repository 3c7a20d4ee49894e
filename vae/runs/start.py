"""How a process comes to train a run: what was asked for, all checks, and only then the first change.

    ended ──> queued ──> starting ──> running      `plan` and the worker check; nothing but the status is written
                 └──────────┴──> ended as before   a refusal: state, step and message of the run's end come back

While a run waits, its status remembers how it had ended, and what is asked of it (more epochs, another device) waits in
request.json: the config changes when nothing can refuse any more. Nothing here imports torch before it plans.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vae import runs
from vae.checked_json import fields, optional, parse, text, whole
from vae.config import MOST, Config
from vae.errors import ConfigError, RunDamaged, RunError, RunUnwritable
from vae.files import leftovers, write_json
from vae.runs.checkpoints import kept_beside, told

if TYPE_CHECKING:
    from vae.datasets import DataInfo

REQUEST = "request.json"
# The knob changes to make again from the saved state on. A save with each change in its place would cost 3 to 8 steps
# each, be exact only as two saves, and leave runs that an older version was killed in without a reader.
REPLAY = "resume/replay.json"
ASKED = fields(epochs=optional(whole(1, MOST)), device=optional(text(80)))
FOLDERS = ("resume", "preview")
# What a training writes. Only who holds the run's lock writes these, but for the knobs, which have a lock of their own.
FILES = (
    "config.json", "manifest.json", "status.json", "history.jsonl", runs.WEIGHTS, REQUEST, runs.STATE,
    REPLAY, "preview/live.bin",
)  # fmt: skip
KNOBS = ("knobs.json", "knobs.json.lock")
# The same before there is anything to train (`ui.runs.owners`), and while a run is packed (`vae.runs.ship`).
BESIDE = ("owner.json", "sweep.json", "preview/heldout.npz")
MAP_FILES = ("request.json", "codes.npy", "status.json", "frame.bin", "final.npz")  # see `vae.space.fit_process`


@dataclass(frozen=True)
class Request:
    """What the next process is to change of the run: epochs in all, the device; None leaves them."""

    epochs: int | None = None
    device: str | None = None


@dataclass(frozen=True)
class Start:
    """A run that may go on: its config as it will stand in its folder, the same as this machine computes it, and a
    sentence where it does not go on bit for bit."""

    config: Config
    here: Config
    note: str


def plan(path: Path, request: Request | None = None) -> Start:
    """Checks everything that can be checked before the data are read; nothing is changed. Raises ElboRoomError."""
    from vae.datasets import DataInfo, describe, is_here
    from vae.machine import on_this_machine, usable_device
    from vae.training.defaults import check_memory_of, needs_of
    from vae.training.size import KEPT, NEXT

    request = request or Request()
    config, data = runs.read_config(path)
    check_ours(path, config)
    check_places(path)
    runs.check_known(path, config)
    if request.epochs is not None:
        if config.epochs is not None and request.epochs <= config.epochs:
            had = f"run {path.name!r} has {config.epochs}"
            raise ConfigError(f"epochs: {had}; give more than that to go on, got {request.epochs}")
        config = dataclasses.replace(config, epochs=request.epochs)
    if request.device is not None:
        usable_device(request.device)  # one that was asked for by name is not replaced by another
        config = dataclasses.replace(config, device=request.device)
    here, note = on_this_machine(config)
    info = DataInfo.from_json(data)
    if not is_here(config.dataset):
        describe(config.dataset)  # a file that is gone; what can be downloaded is no obstacle
    check_memory_of(here, info, here.device)
    needed, to_come = needs_of(here, info), NEXT if (path / runs.STATE).is_file() else KEPT + NEXT
    there = sum(file.stat().st_size for file in (path / "moments").glob("*.safetensors"))
    runs.check_free_disk(path, needed.checkpoints * to_come // (KEPT + NEXT) + max(0, needed.moments - there))
    return Start(config, here, note)


def check_ours(path: Path, config: Config) -> None:
    """Raises a RunError where only somebody else's loop can train the run."""
    if config.is_yours:
        raise RunError(
            f"run {path.name!r} is of your own training loop or model: it goes on where that runs, and cannot be "
            "continued from here"
        )


def check_places(path: Path) -> None:
    """Raises a RunError unless every file that a training writes can be written, and the knobs can be read."""
    for name in (*FILES, *KNOBS, *FOLDERS):
        place, kind = path / name, "folder" if name in FOLDERS else "file"
        if os.path.exists(place) and not (place.is_dir() if kind == "folder" else place.is_file()):
            got = "folder" if place.is_dir() else "file" if place.is_file() else "device"
            raise RunError(
                f"run {path.name!r}: {name}: expected a {kind}, got a {got}; move it out of the run's folder, then "
                "continue"
            )
    for folder in (path, *(path / name for name in FOLDERS)):
        if os.path.exists(folder) and not os.access(folder, os.W_OK | os.X_OK):
            raise RunError(
                f"run {path.name!r} cannot be written ({folder.name}: Permission denied): make the folder writable, or "
                "copy it to one that is, then continue"
            )
    runs.read_knobs(path)


def check_room(config: Config, info: DataInfo, root: Path | None = None) -> None:
    """Raises a RunError where the disk has no room for a new run of this completed config."""
    from vae.training.defaults import needs_of

    runs.check_free_disk(root or runs.runs_root(), needs_of(config, info).disk, "a new run")


def check_left_out(config: Config) -> None:
    """Raises DataError where a row that a new run is to do without is none of its data, which are read where they are
    here already: then nothing has been made yet."""
    from vae.datasets import is_here, load_dataset

    if config.without and is_here(config.dataset):
        load_dataset(config.dataset, binarize=config.binarize or "none", without=config.without)


def unpack_state(data: bytes, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Tensors and values of a saved state; RunDamaged where it is none."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        written = kept_beside(io.BytesIO(data), "values", 1 << 20)
        tensors = load(data)
        values = fields(("history_bytes",), history_bytes=whole(), step=whole())(parse(written.encode()))
    except (ValueError, TypeError, SafetensorError) as error:
        raise RunDamaged(f"run {name!r}: {runs.STATE} cannot be read ({told(error)})") from None
    for key, tensor in tensors.items():
        if not tensor.is_floating_point():
            continue
        moment = key.startswith("optimiser.")  # infinite after a gradient with too large a square
        if (tensor.float().isnan() if moment else ~tensor.float().isfinite()).any():
            raise RunDamaged(f"run {name!r}: {runs.STATE} {key!r} holds values that are not finite numbers")
    return tensors, values


def request_of(path: Path) -> Request:
    """Returns what waits in request.json. Raises RunDamaged where it cannot be read."""
    try:
        return Request(**runs.read_file(path, REQUEST, ASKED))
    except FileNotFoundError:
        return Request()
    except TypeError:
        raise RunDamaged(f"run {path.name!r}: {REQUEST} holds what is not known here; delete it") from None


def write_request(path: Path, request: Request | None) -> None:
    """Leaves what is asked of the run to the process that will train it; None, or nothing asked, leaves none."""
    if request in (None, Request()):
        (path / REQUEST).unlink(missing_ok=True)
    else:
        write_json(path / REQUEST, dataclasses.asdict(request))


def mark_waiting(
    path: Path, before: runs.Status, state: str, pid: int | None = None, asked: bool = True
) -> runs.Status:
    """Writes that a run whose lock we hold waits or starts. `before`: its status before the lock was taken. `asked`:
    somebody wants it to go on, which takes a stop and a pause back; a process started anew leaves them."""
    status = dataclasses.replace(
        before, state=state, message="", refused="", pid=pid, images_per_second=None, seconds_left=None
    )
    status.host = platform.node() if pid is not None else ""
    if before.state in runs.ENDED:
        status.ended_as, status.ended_message = before.state, before.message
        status.ended_knobs = runs.free_knobs(path) if asked else None
    try:
        runs.write_status(path, status)
    except BaseException:
        _put_knobs_back(path, status)
        raise
    return status


def ask(path: Path, before: runs.Status, request: Request | None) -> None:
    """Leaves a run whose lock we hold, and what is asked of it, to the process that will train it. Raises RunError or
    OSError where its files cannot be written, and nothing has changed then."""
    check_places(path)
    try:
        write_request(path, request)
        mark_waiting(path, before, "queued")
    except BaseException:
        with contextlib.suppress(OSError):
            write_request(path, None)
        raise


def _put_knobs_back(path: Path, status: runs.Status) -> None:
    if status.ended_knobs is not None:
        with contextlib.suppress(OSError, RunError):
            runs.put_back_knobs(path, **status.ended_knobs)
    status.ended_knobs = None


def give_up(path: Path, state: str, message: str) -> None:
    """Gives up the start of a run whose lock we hold: one that had ended is again as it ended, and `message` says why
    it did not go on; a new one ends in `state`."""
    status = dataclasses.replace(runs.read_status(path), pid=None, images_per_second=None, seconds_left=None)
    if status.ended_as:
        status.state, status.message, status.refused = status.ended_as, status.ended_message, message
    elif status.state in runs.ENDED:  # it did not come so far as to wait
        status.refused = message
    else:
        status.state, status.message = state, message
    status.ended_as = status.ended_message = ""
    _put_knobs_back(path, status)
    write_end(path, status)
    with contextlib.suppress(OSError):
        write_request(path, None)


def write_end(path: Path, status: runs.Status) -> None:
    """Writes how a run ended. RunUnwritable, with the same sentence, where the disk does not take it."""
    try:
        runs.write_status(path, status)
    except OSError as error:
        raise RunUnwritable(f"run {path.name!r}: {status.refused or status.message}", error) from None


def clear_leftovers(path: Path) -> None:
    """Deletes what killed saves left of this run, whose lock we hold, and of its maps that nobody fits just now."""
    found = [path / name for name in (*FILES, *BESIDE)]
    left = [file for folder in {file.parent for file in found} for file in leftovers(folder, [f.name for f in found])]
    with contextlib.suppress(OSError):
        for file in left:
            file.unlink()
    runs.clear_knobs_leftovers(path)
    for folder in (path / "projections").glob("*"):
        if leftovers(folder, MAP_FILES):
            with contextlib.suppress(OSError), runs.run_lock(folder).acquire(timeout=0):
                clear_fit(folder)


def clear_fit(folder: Path) -> None:
    """Deletes what killed fits left of a map, whose lock we hold."""
    with contextlib.suppress(OSError):
        for file in leftovers(folder, MAP_FILES):
            file.unlink()
