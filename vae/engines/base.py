"""What an engine is: it takes run directories and sees to it that worker processes train them.

The run directory is the only interface to the training itself: pages read it and write its knobs, so engines are
interchangeable. A new engine is one class in one file, with these methods.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from vae.runs.start import Request


class Engine(Protocol):
    """What pages and the command line may ask of any engine. All methods may be called from any thread."""

    def start(self) -> None:
        """Begins to work; `submit` does it too. RunError after `close`."""

    def submit(self, path: Path, owner: str = "", request: Request | None = None) -> None:
        """Trains a new run, or continues an ended one, when its turn comes.

        request: what its process is to change of it, once nothing can refuse any more. RunBusy if it is at work or
        waits already, RunError if it cannot be written or after `close`.
        """

    def unwritten_end(self, path: Path) -> str:
        """Returns how the run ended, a sentence, where its own files could not take it; "" as a rule."""

    def position(self, path: Path) -> int:
        """Returns the place in the queue, from 1; 0 for a run that does not wait here."""

    def stop(self, path: Path) -> None:
        """Ends the run with its state saved; one that waits never starts. Asking twice is fine."""

    def active(self) -> list[Path]:
        """Returns the runs that have a worker."""

    def queued(self) -> list[Path]:
        """Returns the runs that wait, in the order in which they will start."""

    def wait(self, timeout: float | None = None) -> bool:
        """Waits until nothing is at work or in the queue; False if that took longer than `timeout` seconds."""

    def close(self) -> None:
        """Lets the workers save and end, within 5 s. No process is left and nothing can be submitted afterwards."""
