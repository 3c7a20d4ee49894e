"""Knobs that follow a run's knobs.json, and repeat recorded changes while a resumed run repeats old steps."""

from __future__ import annotations

import dataclasses
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vae import runs
from vae.checked_json import fields, items, whole
from vae.config import Knobs
from vae.errors import ConfigError, ElboRoomError
from vae.runs.history import check_change
from vae.runs.start import REPLAY
from vae.training.trainer import Trainer

MOST_BYTES = 1 << 26  # of a replay
KNOBS_EVERY = 0.05  # seconds between two readings of knobs.json


@dataclasses.dataclass
class Replay:
    """Knob changes made beyond the saved state, to be made again at their steps, up to the step history reached."""

    lines: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    until: int = 0
    after: int = 0  # lines of the history before those that this replay will write again


WRITTEN = fields(("lines", "until", "after"), lines=items(check_change), until=whole(), after=whole())


def read_replay(path: Path) -> Replay:
    """Returns the replay that was under way; an empty one where there was none. RunDamaged where it cannot be read."""
    try:
        values = runs.read_file(path, REPLAY, WRITTEN, MOST_BYTES)
    except FileNotFoundError:
        return Replay()
    return Replay(values["lines"], values["until"], values["after"])


class LiveKnobs(Knobs):
    """Knobs that follow knobs.json. While a resumed run repeats old steps, C, learning rate and part follow the
    replay instead, so that the repetition gives the same numbers."""

    def __init__(self, path: Path, trainer: Trainer, replay: Replay, heartbeat: Callable[[], None]) -> None:
        super().__init__(C=trainer.C_knob, lr_factor=trainer.lr_factor, part=trainer.part)
        self.path, self.trainer, self.replay, self.heartbeat = path, trainer, replay, heartbeat
        self.server_gone = threading.Event()
        self.refused = ""  # the sentence about a value that this run cannot take
        self._read_at, self._stamp, self._requested = 0.0, (0, 0), Knobs()
        self._read()
        self._steps_before = self._requested.steps_requested
        self._steps_replayed: set[int] = set()

    def refresh(self) -> None:
        now = time.monotonic()
        if now - self._read_at >= KNOBS_EVERY:
            self._read_at = now
            self._read()
            self.heartbeat()
        if self.trainer.step < self.replay.until or self._due():
            if not self.trainer.record_due:
                self._repeat(self.trainer.step)
        else:
            self._follow()
        self.stop = self._requested.stop or self.server_gone.is_set()

    def _read(self) -> None:
        try:
            stat = os.stat(self.path / "knobs.json")
            stamp = stat.st_mtime_ns, stat.st_ino  # two changes may share one tick of the file system's clock
            if stamp == self._stamp:
                return
            requested = runs.read_knobs(self.path)
        except (OSError, ElboRoomError):
            return  # the next look finds it whole, or things stay as they are
        self._stamp, self.refused = stamp, ""
        try:
            if requested.C is not None:
                self.trainer.check_C(requested.C)
        except ConfigError as error:
            self.refused, requested.C = str(error), self._requested.C
        self._requested = requested

    def _follow(self) -> None:
        requested = self._requested
        self.C, self.lr_factor, self.part = requested.C, requested.lr_factor, requested.part
        self.paused, self.pace, self.revision = requested.paused, requested.pace, requested.revision
        self.steps_requested = len(self._steps_replayed) + max(0, requested.steps_requested - self._steps_before)

    def _due(self) -> list[dict[str, Any]]:
        """Recorded changes that are still to be made at this step."""
        return [line for line in self.replay.lines if line["step"] == self.trainer.step and line["knob"] != "step"]

    def _repeat(self, step: int) -> None:
        """One change a call, each in its turn: a fit goes on from the C that was set just before it."""
        due = self._due()
        if due:
            self.replay.lines.remove(due[0])
            setattr(self, due[0]["knob"], due[0]["value"])
        self.paused = len(due) > 1 or step >= self.replay.until
        if not self.paused and any(ln["step"] == step + 1 and ln["knob"] == "step" for ln in self.replay.lines):
            self.paused = True  # the step to come was a single one
            self._steps_replayed.add(step)
        self.steps_requested = len(self._steps_replayed)
