"""Which engine? The registry, and the one that the settings or a person's word choose.

`ELBO_ROOM_ENGINE`, else the file of `vae.engines.settings`, else local: needs nothing, and stays the default.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vae import runs
from vae.engines import settings
from vae.engines.base import Engine
from vae.errors import ConfigError, ElboRoomError


def _local(root: Path, values: dict[str, Any]) -> Engine:
    from vae.engines.local import LocalEngine

    return LocalEngine()


def _slurm(root: Path, values: dict[str, Any]) -> Engine:
    from vae.engines.scheduled import ScheduledEngine
    from vae.engines.slurm import Slurm

    return ScheduledEngine(Slurm(values), root)


def _ray(root: Path, values: dict[str, Any]) -> Engine:
    from vae.engines.ray import Ray
    from vae.engines.scheduled import ScheduledEngine

    return ScheduledEngine(Ray(values), root)


LOCAL = "local"
ENGINES: dict[str, Callable[[Path, dict[str, Any]], Engine]] = {"local": _local, "slurm": _slurm, "ray": _ray}


def chosen(name: str | None = None) -> str:
    """Returns the name of the engine to use; `name` is a person's word. Raises ConfigError."""
    found = name or os.environ.get("ELBO_ROOM_ENGINE") or settings.read().get("engine") or LOCAL
    if found not in ENGINES:
        raise ConfigError(f"engine: expected {', '.join(ENGINES)}, got {found[:40]!r}")
    return str(found)


def make_engine(name: str | None = None, root: Path | None = None) -> Engine:
    """Returns the engine for a folder of runs. Raises ConfigError, EngineError where it cannot work here."""
    name = chosen(name)
    values = settings.read().get(name, {}) if name in settings.KINDS else {}
    return ENGINES[name](root or runs.runs_root(), values)


def why_absent(name: str) -> str:
    """Returns why an engine cannot be chosen here, a sentence; "" where nothing speaks against it. Asks no cluster."""
    try:
        make_engine(name)
    except ElboRoomError as error:
        return str(error)
    return "" if name != "slurm" or shutil.which("sbatch") else "slurm: its command sbatch is not on this machine"


def is_set_up(name: str) -> bool:
    """Returns whether a person's settings name an engine. Raises ConfigError where they cannot be read."""
    return name in settings.read()
