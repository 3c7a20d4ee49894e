"""A run is a directory; this file is the only one that knows its layout.

    config.json           format, the completed Config, the data's description; written once
    status.json           what the worker is doing; a Status, replaced several times a second
    knobs.json            what the user asked for; Knobs with a revision, replaced as a whole
    history.jsonl         one JSON object a line: records and applied knob changes; append-only while training
    weights.safetensors   the model, for whoever explores it
    resume/state.safetensors   model, optimiser, data order, random states: all that continuing exactly needs
    preview/live.bin      fixed held-out images and their reconstructions (see `vae.preview`)
    manifest.json         the SHA-256 of the two files above, so that a flipped byte is noticed
    lock                  held by the process that trains the run
    log.txt               what that process printed

Nothing in it is ever unpickled. Every name that comes from outside goes through `run_path`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import itertools
import json
import os
import re
import shutil
import time
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from vae.config import Config, Knobs
from vae.errors import ConfigError, RunBusy, RunDamaged, RunError, RunNotFound
from vae.files import sha256, write_atomically, write_json

if TYPE_CHECKING:
    from vae.datasets import Dataset
    from vae.model import Model

FORMAT = 1
ACTIVE = ("queued", "starting", "running", "paused", "saving")  # states in which a process works or will
ENDED = ("finished", "stopped", "interrupted", "diverged", "failed")
WEIGHTS = "weights.safetensors"
STATE = "resume/state.safetensors"
HEARTBEAT_LIMIT = 20.0  # seconds without a new status after which a worker counts as hung


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


def runs_root() -> Path:
    """`ELBO_ROOM_RUNS`, else the folder `checkpoints` beside the package."""
    return Path(os.environ.get("ELBO_ROOM_RUNS") or Path(__file__).resolve().parent.parent / "checkpoints")


def clean_name(name: str) -> str:
    """A name that is safe as a folder on every system: letters, digits, `.`, `_`, `-`, spaces as `-`; at most 60."""
    kept = "".join(c for c in unicodedata.normalize("NFKC", name) if c.isalnum() or c in "._- ")
    kept = unicodedata.normalize("NFKC", kept)  # again: what now stands side by side may combine
    kept = re.sub(r"[\s-]+", "-", kept).strip("-. _")
    if re.fullmatch(r"(?i)con|prn|aux|nul|com\d|lpt\d", kept.split(".")[0]):
        kept = f"run-{kept}"  # Windows' device names
    return kept[:60].rstrip("-. _") or "run"


def run_path(name: str, root: Path | None = None) -> Path:
    """The directory of an existing run, given a name from a URL or a form; never outside `root`."""
    root = root or runs_root()
    path = root / name
    if not name or name != clean_name(name) or not (path / "config.json").is_file():
        raise RunNotFound(f"no run named {name[:80]!r} in {root.name}/; `python -m vae list` shows the runs there are")
    return path


def create_run(config: Config, data: dict[str, Any], name: str | None = None, root: Path | None = None) -> Path:
    """A new directory for a completed config. Two runs of one name get `name` and `name-2`.

    `data` is the dataset's description as JSON (`vae.datasets.describe(...).to_json()`).
    """
    root = root or runs_root()
    codes = f"{config.latent_dim}bits" if config.latent == "bernoulli" else f"d{config.latent_dim}"
    base = clean_name(name or f"{Path(config.dataset).stem}-{config.likelihood}-{codes}")
    try:
        root.mkdir(parents=True, exist_ok=True)
        path = _new_folder(root, base)
    except OSError as error:
        raise RunError(
            f"cannot create a run in {root}: {error.strerror}; choose a writable folder with --runs"
        ) from None
    write_json(path / "knobs.json", dataclasses.asdict(Knobs()))
    write_status(path, Status())
    write_json(
        path / "config.json", {"format": FORMAT, "created": time.time(), "config": config.to_json(), "data": data}
    )
    return path


def _new_folder(root: Path, base: str) -> Path:
    """`base`, or `base-2` and so on where that is taken; two processes never get the same."""
    for number in itertools.count(1):
        path = root / (base if number == 1 else clean_name(f"{base[: 59 - len(str(number))]}-{number}"))
        with contextlib.suppress(FileExistsError):
            path.mkdir()
            break
    return path


def read_config(path: Path) -> tuple[Config, dict[str, Any]]:
    """The run's config and its data's description."""
    try:
        content = json.loads((path / "config.json").read_text())
        if content["format"] > FORMAT:
            raise RunDamaged(
                f"run {path.name!r} was written by a newer version (format {content['format']}, here {FORMAT}); "
                "update ELBO Room to open it"
            )
        return Config.from_json(content["config"]), content["data"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunDamaged(f"run {path.name!r}: config.json cannot be read ({error})") from None


def check_extension(path: Path, epochs: int) -> None:
    """Raise unless the run has ended and `epochs` are more than it has."""
    if read_status(path).state in ACTIVE:
        raise RunBusy(f"run {path.name!r} is still training; stop it first")
    config, _ = read_config(path)
    if config.epochs is not None and epochs <= config.epochs:
        raise ConfigError(f"epochs: run {path.name!r} has {config.epochs}; give more than that to go on, got {epochs}")


def extend(path: Path, epochs: int) -> None:
    """Let an ended run go on to `epochs` in all."""
    check_extension(path, epochs)
    content = json.loads((path / "config.json").read_text())
    config, _ = read_config(path)
    content["config"] = dataclasses.replace(config, epochs=epochs).to_json()
    write_json(path / "config.json", content)


def read_status(path: Path) -> Status:
    """The status as it is now: a worker that died without saying so is reported as interrupted."""
    try:
        values = json.loads((path / "status.json").read_text())
        known = {f.name for f in dataclasses.fields(Status)}
        status = Status(**{k: v for k, v in values.items() if k in known})
    except FileNotFoundError:
        return Status(state="finished")
    except (OSError, ValueError, TypeError, AttributeError):
        return Status(state="failed", message="status.json cannot be read")
    if status.state in ACTIVE and status.state != "queued" and not is_locked(path):
        status.state = "interrupted"
        status.message = f"The training process ended unexpectedly at step {status.step:,}; continue to resume it."
    return status


def write_status(path: Path, status: Status) -> None:
    status.heartbeat = time.time()
    write_json(path / "status.json", dataclasses.asdict(status), durable=status.state in ENDED)


def run_lock(path: Path) -> FileLock:
    """Held by the process that trains the run; the system frees it when that process dies, however it dies."""
    return FileLock(str(path / "lock"), thread_local=False)  # an engine takes it in one thread, frees it in another


def is_locked(path: Path) -> bool:
    try:
        with run_lock(path).acquire(timeout=0):
            return False
    except Timeout:
        return True
    except OSError:  # a read-only folder: nobody trains there
        return False


def acquire(path: Path) -> FileLock:
    """Become the process that trains `path`."""
    lock = run_lock(path)
    try:
        lock.acquire(timeout=2)  # a reader that probes the lock holds it for a moment
    except Timeout:
        raise RunBusy(f"run {path.name!r} is being trained by another process; stop it there first") from None
    except OSError as error:
        raise RunError(f"run {path.name!r} cannot be written: {error.strerror}") from None
    return lock


def read_knobs(path: Path) -> Knobs:
    try:
        return Knobs(**json.loads((path / "knobs.json").read_text()))
    except FileNotFoundError:
        return Knobs()
    except (OSError, ValueError, TypeError) as error:
        raise RunDamaged(f"run {path.name!r}: knobs.json cannot be read ({error})") from None


def change_knobs(path: Path, **changes: Any) -> Knobs:
    """Change some knobs and raise the revision. `single_step=True` asks for one more step."""
    with FileLock(str(path / "knobs.json.lock"), timeout=5):
        knobs = read_knobs(path)
        if changes.pop("single_step", False):
            changes["steps_requested"] = knobs.steps_requested + 1
        knobs = dataclasses.replace(knobs, **changes, revision=knobs.revision + 1)
        write_json(path / "knobs.json", dataclasses.asdict(knobs), durable=False)
    return knobs


def append_history(path: Path, line: dict[str, Any]) -> None:
    data = (json.dumps(line, allow_nan=False, separators=(",", ":")) + "\n").encode()
    with open(path / "history.jsonl", "ab") as file:
        file.write(data)


def read_history(path: Path) -> list[dict[str, Any]]:
    """All whole lines; a torn last line (a kill or a full disk in mid-append) is skipped."""
    return _lines(_history_bytes(path))


def history_size(path: Path) -> int:
    """Bytes of history so far: with it a saved state knows which lines came before it."""
    return len(_history_bytes(path))


def split_history(path: Path, size: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The lines in the first `size` bytes, and those beyond."""
    data = _history_bytes(path)
    if len(data) < size:
        raise RunDamaged(f"run {path.name!r}: history.jsonl is cut off ({len(data):,} of {size:,} bytes)")
    return _lines(data[:size]), _lines(data[size:])


def truncate_history(path: Path, size: int) -> None:
    """Keep the first `size` bytes. Readers notice the new file."""
    write_atomically(path / "history.jsonl", _history_bytes(path)[:size])


def _history_bytes(path: Path) -> bytes:
    try:
        return (path / "history.jsonl").read_bytes()
    except FileNotFoundError:
        return b""


def _lines(data: bytes) -> list[dict[str, Any]]:
    lines = []
    for line in data.split(b"\n"):
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict) and isinstance(value.get("step"), int):
            lines.append(value)
    return lines


def check_free_disk(path: Path, needed: int) -> None:
    """Refuse a start that would fill the disk: `needed` bytes and 50 MB to spare."""
    free, needed = shutil.disk_usage(path).free, needed + 50_000_000
    if free < needed:
        raise RunError(
            f"run {path.name!r}: {free / 1e6:,.0f} MB of disk are free, its checkpoints need {needed / 1e6:,.0f} MB; "
            "make room, or choose another folder with --runs"
        )


def save_checked(path: Path, files: dict[str, bytes]) -> None:
    """Write checkpoint files with their SHA-256 in the manifest, so that a crash at any point leaves every file
    whole and accepted: first the manifest admits the old sums (all of them: after a crash either may be the file's)
    and the new, then the files are replaced, then only the new are left."""
    sums = {name: sha256(data) for name, data in files.items()}
    old = _manifest(path)
    write_json(
        path / "manifest.json",
        {"format": FORMAT, "files": {**old, **{n: [*old.get(n, []), s] for n, s in sums.items()}}},
    )
    for name, data in files.items():
        (path / name).parent.mkdir(exist_ok=True)
        write_atomically(path / name, data)
    write_json(path / "manifest.json", {"format": FORMAT, "files": {**old, **{n: [s] for n, s in sums.items()}}})


def read_checked(path: Path, name: str) -> bytes:
    """The bytes of a checkpoint file, refused unless their SHA-256 is in the manifest."""
    for _ in range(3):  # a save may go on meanwhile: then another look finds both files of one moment
        admitted = _manifest(path).get(name, [])
        try:
            data = (path / name).read_bytes()
        except FileNotFoundError:
            raise RunError(f"run {path.name!r} has no {name} yet") from None
        except OSError as error:
            raise RunDamaged(f"run {path.name!r}: {name} cannot be read ({error.strerror})") from None
        if sha256(data) in [*admitted, *_manifest(path).get(name, [])]:
            return data
    raise RunDamaged(
        f"run {path.name!r}: {name} is damaged (its SHA-256 is not in manifest.json); "
        "restore it from a copy, or train again"
    )


def mark_as_shipped(path: Path) -> None:
    """A packed run: its state for continuing is gone, and the application leaves it as it is. Training on ends that."""
    files = {known: sums for known, sums in _manifest(path).items() if known != STATE}
    write_json(path / "manifest.json", {"format": FORMAT, "shipped": True, "files": files})


def is_shipped(path: Path) -> bool:
    try:
        return json.loads((path / "manifest.json").read_text()).get("shipped") is True
    except (OSError, ValueError, AttributeError):
        return False


def content_hash(path: Path, name: str) -> str | None:
    """The SHA-256 of a checkpoint file by the manifest: the key for every cache of what is computed from it.

    While a save goes on, or after one that was cut off, the manifest admits several: then the file itself is asked.
    """
    sums = _manifest(path).get(name)
    if sums and len(sums) > 1 and (path / name).is_file():
        return sha256((path / name).read_bytes())
    return sums[-1] if sums else None


def _manifest(path: Path) -> dict[str, list[str]]:
    try:
        return {name: list(sums) for name, sums in json.loads((path / "manifest.json").read_text())["files"].items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise RunDamaged(f"run {path.name!r}: manifest.json cannot be read") from None


def list_runs(root: Path | None = None) -> list[Path]:
    """The run directories, newest first. A missing root is an empty list."""
    root = root or runs_root()
    try:
        paths = [p.parent for p in root.glob("*/config.json") if p.parent.name == clean_name(p.parent.name)]
        return sorted(paths, key=lambda p: (p / "config.json").stat().st_mtime, reverse=True)
    except OSError:
        return []


def rename_run(path: Path, name: str) -> Path:
    """Rename an ended run; the new path."""
    _require_ended(path)
    target = path.with_name(clean_name(name))
    if target == path:
        return path
    if target.exists():
        raise ConfigError(f"name: a run named {target.name!r} exists already; choose another name")
    path.rename(target)
    return target


def delete_run(path: Path) -> Path:
    """Move an ended run to `.trash` beside it; the path there, for `restore_run`."""
    _require_ended(path)
    trash = path.parent / ".trash"
    trash.mkdir(exist_ok=True)
    target = trash / f"{path.name}.{time.time_ns()}"
    path.rename(target)
    return target


def restore_run(trashed: Path) -> Path:
    """Undo `delete_run`."""
    target = trashed.parent.parent / trashed.name.rsplit(".", 1)[0]
    if target.exists():
        raise ConfigError(f"name: a run named {target.name!r} exists again; rename that one first")
    trashed.rename(target)
    return target


def empty_trash(root: Path | None = None, older_than: float = 86_400.0) -> None:
    """Really delete what was deleted more than `older_than` seconds ago."""
    for path in ((root or runs_root()) / ".trash").glob("*"):
        stamp = path.name.rsplit(".", 1)[-1]
        if stamp.isdigit() and time.time_ns() - int(stamp) > older_than * 1e9:
            shutil.rmtree(path, ignore_errors=True)


def _require_ended(path: Path) -> None:
    if read_status(path).state in ACTIVE:
        raise RunBusy(f"run {path.name!r} is still training; stop it first")
    if is_shipped(path):
        raise RunError(f"run {path.name!r} is a demo that ships with ELBO Room and stays as it is")


class Run:
    """A run opened for reading: what it was made with, what happened, and the model as last saved."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config, self.data = read_config(path)

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def history(self) -> list[dict[str, Any]]:
        return read_history(self.path)

    @functools.cached_property
    def model(self) -> Model:
        """The model with the newest saved weights, in evaluation mode, on the CPU.

        Raises RunDamaged where the weights are altered, not finite, or do not fit the config; names the key.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load

        from vae.model import IDENTITY, build_model

        try:
            weights = IDENTITY | load(read_checked(self.path, WEIGHTS))
        except SafetensorError as error:
            raise RunDamaged(f"run {self.name!r}: {WEIGHTS} is no safetensors file ({error})") from None
        try:
            model = build_model(self.config, tuple(self.data["shape"]))
        except (ConfigError, KeyError, TypeError) as error:
            raise RunDamaged(f"run {self.name!r}: its model cannot be built by this version ({error})") from None
        expected = model.state_dict()
        for key in sorted({*expected, *weights}):
            if key not in weights or key not in expected:
                raise RunDamaged(
                    f"run {self.name!r}: {WEIGHTS} {'lacks' if key in expected else 'has unexpected'} {key!r}"
                )
            if weights[key].shape != expected[key].shape:
                shapes = f"{tuple(expected[key].shape)}, got {tuple(weights[key].shape)}"
                raise RunDamaged(f"run {self.name!r}: {WEIGHTS} {key!r} should have shape {shapes}")
            if not weights[key].isfinite().all():
                raise RunDamaged(f"run {self.name!r}: {WEIGHTS} {key!r} holds values that are not finite numbers")
        model.load_state_dict(weights)
        return model.eval().requires_grad_(False)

    def dataset(self) -> Dataset:
        """The run's own view of its data, binarised as in training."""
        from vae.datasets import load_dataset

        return load_dataset(self.config.dataset, binarize=self.config.binarize or "none")


def load_run(path: str | Path) -> Run:
    """Open a run by its directory, or by its name in the runs folder."""
    path = Path(path)
    if not (path / "config.json").is_file():
        path = run_path(str(path))
    return Run(path)
