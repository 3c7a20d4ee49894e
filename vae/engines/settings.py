"""What a person says of their clusters, in one file that only they write: `ELBO_ROOM_ENGINES`, else
~/.config/elbo-room/engines.json. It is never looked for beside the runs, which may come from anybody: `setup` is shell.

    {"engine": "slurm",
     "slurm": {"partition": "gpu", "gres": "gpu:1", "time": "4:00:00", "setup": "module load python/3.11"},
     "ray": {"address": "http://head:8265", "gpus": 0.25, "runs_per_job": 4}}
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from vae.checked_json import Check, Misfit, fields, items, number, read_json, text, whole
from vae.errors import ConfigError

SLURM: dict[str, Check[Any]] = {
    "partition": text(200),
    "account": text(200),
    "time": text(40),
    "gres": text(200),
    "options": items(text(400), 100),  # more words for sbatch, as they stand
    "setup": text(10_000),  # shell lines before python: modules, a virtual environment
    "python": text(1000),  # default: the python of this process
    "signal": whole(1, 65_535),  # seconds before the wall time at which a run saves and queues again
    "at_once": whole(1),  # jobs of one batch that may run at a time
    "runs_per_job": whole(1, 10_000),
    "array": whole(1, 4_000_000),  # jobs in one array at most: the cluster's MaxArraySize - 1
}
RAY: dict[str, Check[Any]] = {
    "address": text(400),
    "token_file": text(1000),  # default ~/.ray/auth_token; the variable RAY_AUTH_TOKEN comes first
    "cpus": number(0, 10_000),
    "gpus": number(0, 1000),
    "setup": SLURM["setup"],
    "python": SLURM["python"],
    "runs_per_job": SLURM["runs_per_job"],
    "tries": whole(1, 100),  # how often a job is submitted that is lost with its machine (default 3)
    "without_authentication": text(200),  # `vae.engines.ray.IN_WORDS`
}
KINDS = {"slurm": SLURM, "ray": RAY}
FILE = fields(engine=text(40), **{name: fields(**checks) for name, checks in KINDS.items()})


def file() -> Path:
    """Returns where the settings are looked for."""
    home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return Path(os.environ.get("ELBO_ROOM_ENGINES") or home / "elbo-room" / "engines.json")


def read() -> dict[str, Any]:
    """Returns the settings, {} where there is no file. Raises ConfigError, naming the field, also for unknown ones, and
    where everybody on this machine could write commands there for us."""
    try:
        if os.name == "posix" and file().stat().st_mode & 0o002:
            raise ConfigError(f"{file()} can be written by everybody here, and `setup` is shell: chmod o-w it")
        values = read_json(file(), FILE)
    except FileNotFoundError:
        if os.environ.get("ELBO_ROOM_ENGINES"):
            raise ConfigError(f"ELBO_ROOM_ENGINES: there is no file {file()}") from None
        return {}
    except Misfit as error:
        raise ConfigError(f"{file()}: {error}") from None
    for name, checks in KINDS.items():
        if unknown := sorted(values.get(name, {}).keys() - checks.keys()):
            raise ConfigError(f"{file()}: {name}: unknown setting {unknown[0]!r}; there are {', '.join(checks)}")
    return values
