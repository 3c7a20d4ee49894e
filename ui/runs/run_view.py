"""What a page knows of one run while it is drawn: every file is read at most once a rerun, and handed down."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

from ui.runs import owners
from vae import runs
from vae.checked_json import Misfit
from vae.config import Config, Knobs
from vae.errors import RunError
from vae.runs.history import Histories

TAIL = 1 << 16  # bytes at the end of a history in which the newest held-out record is looked for


_HISTORIES = Histories()  # of all visitors


class RunView:
    """One run as one script run sees it: each file is read when the page first asks for what is in it.

    For what is drawn now. A fragment, a callback or a timer comes later and makes a view of its own. Every property
    raises RunError where its file cannot be read, if not said otherwise.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.name

    @cached_property
    def run(self) -> runs.Run:
        """The run opened for reading."""
        return runs.Run(self.path)

    @property
    def config(self) -> Config:
        """The completed Config that the run was made with."""
        return self.run.config

    @property
    def data(self) -> dict[str, Any]:
        """The description of the run's data."""
        return self.run.data

    @property
    def dataset(self) -> str:
        """What the run's data are called."""
        return str(self.data.get("name", self.config.dataset))

    @cached_property
    def status(self) -> runs.Status:
        """What the run's worker is doing; a file that cannot be read is a failure, and no error is raised."""
        return runs.read_status(self.path)

    @property
    def active(self) -> bool:
        """Whether a process trains the run, or will."""
        return self.status.state in runs.ACTIVE

    @cached_property
    def knobs(self) -> Knobs:
        """What the user asked for last."""
        return runs.read_knobs(self.path)

    @cached_property
    def _history(self) -> tuple[list[dict[str, Any]], str]:
        return _HISTORIES.checked(self.path)

    @property
    def history(self) -> list[dict[str, Any]]:
        """All lines of the history: to be read, never changed."""
        return self._history[0]

    @property
    def history_fault(self) -> str:
        """A sentence about lines of the history that cannot be read; "" where there are none."""
        return self._history[1]

    @cached_property
    def measured(self) -> dict[str, Any]:
        """The newest record with held-out values, else the newest record, else {}; never raises."""
        return last_measured(self.path)

    @property
    def asked_C(self) -> float | str | None:
        """The C that was asked for last: the one that was turned to, else the config's; "fit" while it is learned."""
        try:
            turned = self.knobs.C
        except RunError:
            turned = None
        return self.config.C if turned is None else turned

    @cached_property
    def shipped(self) -> bool:
        """Whether the run is a demo, which stays as it is; never raises."""
        return runs.is_shipped(self.path)

    @cached_property
    def owner(self) -> str:
        """The owner that is recorded for the run (`owners.recorded_owner`); never raises."""
        return owners.recorded_owner(self.path)

    @cached_property
    def mine(self) -> bool:
        """Whether this browser may steer the run; never raises."""
        return not self.shipped and owners.may_steer(self.owner)

    @property
    def has_weights(self) -> bool:
        """Whether there is a model to explore."""
        return (self.path / runs.WEIGHTS).is_file()


def last_measured(path: Path) -> dict[str, Any]:
    """Returns the newest record with held-out values, else the newest record, else {}."""
    try:
        if not (path / "history.jsonl").is_file():  # a pipe would never answer
            return {}
        with open(path / "history.jsonl", "rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - TAIL))
            lines = file.read().split(b"\n")
    except OSError:
        return {}
    newest: dict[str, Any] = {}
    for line in reversed(lines):
        try:
            value = runs.read_line(line)
        except Misfit:
            continue
        if value.get("test"):
            return value
        newest = newest or (value if value.get("train") else {})
    return newest
