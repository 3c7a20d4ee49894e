"""The folder of runs: names, new runs, the trash, and a run opened for reading.

Every name that comes from outside goes through `run_path`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import itertools
import os
import re
import shutil
import time
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vae.config import YOURS, Config, Knobs
from vae.errors import ConfigError, ElboRoomError, RunBusy, RunError, RunNotFound
from vae.files import insist, write_json
from vae.model.latent_words import words_of
from vae.runs.application import project_folder
from vae.runs.checkpoints import WEIGHTS, is_shipped, read_checked
from vae.runs.config_file import CONFIG, create_config, read_config
from vae.runs.history import read_history
from vae.runs.status import ACTIVE, Status, read_status, write_status

if TYPE_CHECKING:
    from vae.datasets import Dataset
    from vae.model.vae import Model

TRASH = ".trash"


def runs_root() -> Path:
    """Returns `ELBO_ROOM_RUNS`, else the folder `checkpoints` of the project, or of the current folder far from it."""
    return Path(os.environ.get("ELBO_ROOM_RUNS") or (project_folder() or Path.cwd()) / "checkpoints")


@functools.lru_cache(maxsize=20_000)  # of each folder that is there, at every rerun of a page
def clean_name(name: str) -> str:
    """Returns a name that is safe as a folder on every system: letters, digits, `.`, `_`, `-`, spaces as `-`; at most
    60."""
    kept = "".join(c for c in unicodedata.normalize("NFKC", name) if c.isalnum() or c in "._- ")
    kept = unicodedata.normalize("NFKC", kept)  # again: what now stands side by side may combine
    kept = re.sub(r"[\s-]+", "-", kept).strip("-. _")
    if re.fullmatch(r"(?i)con|prn|aux|nul|com\d|lpt\d", kept.split(".")[0]):
        kept = f"run-{kept}"  # Windows' device names
    return kept[:60].rstrip("-. _") or "run"


def run_path(name: str, root: Path | None = None) -> Path:
    """Returns the directory of an existing run, given a name from a URL or a form; never outside `root`. Raises
    RunNotFound."""
    root = root or runs_root()
    path = root / name
    if not name or name != clean_name(name) or not (path / CONFIG).is_file():
        raise RunNotFound(f"no run named {name[:80]!r} in {root.name}/; `python -m vae list` shows the runs there are")
    return path


def create_run(config: Config, data: dict[str, Any], name: str | None = None, root: Path | None = None) -> Path:
    """Makes a new directory for a completed config. Two runs of one name get `name` and `name-2`. Raises RunError where
    nothing can be written.

    `data` is the dataset's description as JSON (`vae.datasets.describe(...).to_json()`). A file is kept by its absolute
    path: a namesake in another folder is another file.
    """
    config = dataclasses.replace(config, dataset=data.get("path") or config.dataset)
    root = root or runs_root()
    codes = words_of(config.latent).in_a_name(config.latent_dim)
    base = clean_name(name or f"{Path(config.dataset).stem}-{config.likelihood}-{codes}")
    try:
        root.mkdir(parents=True, exist_ok=True)
        path = new_folder(root, base)
        write_json(path / "knobs.json", dataclasses.asdict(Knobs()))
        write_status(path, Status())
        create_config(path, config, data)
    except OSError as error:
        raise RunError(
            f"cannot create a run in {root}: {error.strerror}; choose a writable folder with --runs"
        ) from None
    return path


def new_folder(root: Path, base: str) -> Path:
    """`base`, or `base-2` and so on where that is taken; two processes never get the same."""
    for number in itertools.count(1):
        path = root / (base if number == 1 else clean_name(f"{base[: 59 - len(str(number))]}-{number}"))
        with contextlib.suppress(FileExistsError):
            path.mkdir()
            break
    return path


def list_runs(root: Path | None = None) -> list[Path]:
    """Returns the run directories, newest first. A missing root is an empty list."""
    root, found = root or runs_root(), []
    try:
        names = sorted(os.listdir(root))
    except OSError:
        return []
    for name in names:
        with contextlib.suppress(OSError):  # no run, or gone in this moment: the others stay
            if name == clean_name(name):
                found.append(((root / name / CONFIG).stat().st_mtime, root / name))
    return [path for _, path in sorted(found, key=lambda pair: pair[0], reverse=True)]


def runs_on(dataset: str, root: Path | None = None) -> list[str]:
    """Returns the names of the runs whose images are the dataset of that name."""
    names = []
    for path in list_runs(root):
        with contextlib.suppress(ElboRoomError):
            if read_config(path)[0].dataset == dataset:
                names.append(path.name)
    return names


def rename_run(path: Path, name: str) -> Path:
    """Renames an ended run; returns the new path. Raises RunBusy, RunError for a demo, ConfigError for a name that is
    taken."""
    _require_ended(path)
    target = path.with_name(clean_name(name))
    if target == path:
        return path
    if target.exists():
        raise ConfigError(f"name: a run named {target.name!r} exists already; choose another name")
    insist(path.rename, target)
    return target


def delete_run(path: Path) -> Path:
    """Moves an ended run to `.trash` beside it; returns the path there, for `restore_run`. Raises RunBusy, RunError for
    a demo."""
    _require_ended(path)
    trash = path.parent / TRASH
    trash.mkdir(exist_ok=True)
    target = trash / f"{path.name}.{time.time_ns()}"
    insist(path.rename, target)
    return target


def restore_run(trashed: Path) -> Path:
    """Undoes `delete_run`; returns the path. Raises ConfigError where a run of that name exists again."""
    target = trashed.parent.parent / trashed.name.rsplit(".", 1)[0]
    if target.exists():
        raise ConfigError(f"name: a run named {target.name!r} exists again; rename that one first")
    insist(trashed.rename, target)
    return target


def empty_trash(
    root: Path | None = None, older_than: float = 86_400.0, which: Callable[[Path], bool] = lambda _: True
) -> None:
    """Deletes for good what was deleted more than `older_than` seconds ago. which: only those runs."""
    for path in ((root or runs_root()) / TRASH).glob("*"):
        stamp = path.name.rsplit(".", 1)[-1]
        if stamp.isdigit() and time.time_ns() - int(stamp) > older_than * 1e9 and which(path):
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

    def __repr__(self) -> str:
        status, config = read_status(self.path), self.config
        kind = f"{config.likelihood} p(x|z), {config.latent} z of {config.latent_dim}"
        return f"Run({self.name!r}: {self.data.get('name')}, {kind}; {status.state} at step {status.step:,})"

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
        from vae.runs.weights import model_with

        return model_with(self.path, read_checked(self.path, WEIGHTS), WEIGHTS)

    def dataset(self) -> Dataset:
        """Returns the run's own view of its data, binarised as in training. DataChanged where they are others by
        now."""
        from vae.runs.own_data import own_dataset
        from vae.runs.run_data import load_data

        if self.config.dataset == YOURS:
            return own_dataset(self.path, self.data)
        return load_data(self.name, self.config, self.data)

    def check_data(self) -> None:
        """Raises DataError where the data are not those of the run any more, or a file is gone. Never downloads."""
        from vae.runs.run_data import check_data

        if self.config.dataset == YOURS:
            self.dataset()
        else:
            check_data(self.name, self.config, self.data)


def load_run(path: str | Path) -> Run:
    """Opens a run by its directory, or by its name in the runs folder. Raises RunNotFound, ConfigError."""
    if not isinstance(path, (str, os.PathLike)):
        raise ConfigError(f"run: expected a name or a directory, got {type(path).__name__}")
    path = Path(path)
    if not (path / CONFIG).is_file():
        path = run_path(str(path))
    return Run(path)
