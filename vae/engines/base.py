"""What an engine is: it takes run directories and sees to it that worker processes train them.

The run directory is the only interface to the training itself: pages read it and write its knobs, so engines are
interchangeable. A new engine is one class in one file, with these methods.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

from vae.runs.start import Request


@dataclass(frozen=True)
class State:
    """What an engine knows of a run that its directory does not tell; how the run stands is told there alone."""

    position: int = 0  # in the queue, from 1; 0 for a run that does not wait here
    words: str = ""  # a sentence: where it is, as the scheduler has it; "" where there is nothing to add
    problem: str = ""  # a sentence: how it ended, where its own files could not take that


class Engine(Protocol):
    """What pages and the command line may ask of any engine. All methods may be called from any thread."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exception: object) -> None: ...

    def start(self) -> None:
        """Begins to work; `submit` does it too. RunError after `close`."""

    def submit(self, paths: Path | Sequence[Path], owner: str = "", request: Request | None = None) -> None:
        """Trains new runs, or continues ended ones, when their turn comes; several are what a sweep gives at once.

        request: what their process is to change of them, once nothing can refuse any more. RunBusy if one is at work or
        waits already, RunError if one cannot be written, EngineError if it cannot be handed over, or after `close`.
        Then nothing has changed.
        """

    def state(self, path: Path) -> State:
        """Returns what this engine knows of the run, quickly: pages ask at every rerun."""

    def log_tail(self, path: Path) -> str:
        """Returns the last lines that the run's process printed, or what ran before it; "" if nothing."""

    def stop(self, path: Path) -> None:
        """Ends the run with its state saved; one that waits never starts. Asking twice is fine."""

    def active(self) -> list[Path]:
        """Returns the runs that have a worker."""

    def queued(self) -> list[Path]:
        """Returns the runs that wait, in the order in which they will start."""

    def wait(self, timeout: float | None = None) -> bool:
        """Waits until nothing is at work or in the queue; False if that took longer than `timeout` seconds."""

    def close(self) -> None:
        """Ends what runs on this machine: its workers save and end within 5 s, no process is left. What a cluster has
        goes on there. Nothing can be submitted afterwards."""
