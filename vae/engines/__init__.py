"""Where runs are trained. An engine takes run directories and sees to it that worker processes train them.

The run directory is the only interface to the training itself: pages read it and write its knobs, so engines are
interchangeable. A new engine is one class in one file and one line in `ENGINES`.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, Protocol

from vae.errors import ConfigError
from vae.runs.start import Request


class Engine(Protocol):
    """What pages and the command line may ask of any engine. All methods may be called from any thread."""

    def start(self) -> None:
        """Begin to work; `submit` does it too."""

    def submit(self, path: Path, owner: str = "", request: Request | None = None) -> None:
        """Train a new run, or continue an ended one, when its turn comes. RunBusy if it is at work or waits already.
        request: what its process is to change of it, once nothing can refuse any more."""

    def told(self, path: Path) -> str:
        """How the run ended, where its own files could not take the sentence; "" as a rule."""

    def position(self, path: Path) -> int:
        """The place in the queue, from 1; 0 for a run that does not wait here."""

    def stop(self, path: Path) -> None:
        """End the run with its state saved; one that waits never starts. Asking twice is fine."""

    def active(self) -> list[Path]:
        """The runs that have a worker."""

    def queued(self) -> list[Path]:
        """The runs that wait, in the order in which they will start."""

    def wait(self, timeout: float | None = None) -> bool:
        """Until nothing is at work or waits; False if that took longer than `timeout` seconds."""

    def close(self) -> None:
        """Let the workers save and end, within 5 s. No process is left and nothing can be submitted afterwards."""


def create_engine(name: str = "local", **options: Any) -> Engine:
    """The engine of that name; `options` are its constructor's. Nothing of an engine is imported before."""
    if name not in ENGINES:
        raise ConfigError(f"engine: expected one of {', '.join(ENGINES)}, got {name!r}")
    module, _, attribute = ENGINES[name].partition(":")
    engine: Engine = getattr(importlib.import_module(module), attribute)(**options)
    return engine


ENGINES: dict[str, str] = {"local": "vae.engines.local:LocalEngine"}
