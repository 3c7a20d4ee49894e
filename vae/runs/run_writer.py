"""The writing side of a run whose loop is somebody else's: its files and its knobs, and never a word too many.

Nothing here stops a training. What cannot be written or read is told once, as a warning, and tried again quietly.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import platform
import time
import warnings
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vae import runs
from vae.config import Config, Knobs
from vae.errors import ElboRoomError, RunError
from vae.exchange.own_images import OwnImages
from vae.files import write_atomically

STATUS_EVERY = 1.0  # seconds
KNOBS_EVERY = 0.05
PAUSE_LOOK = 0.02  # seconds between two looks at the knobs while a loop waits
FIT = "C: your own loop cannot fit C from here; it stays at {:g}."


class RunWriter:
    """One run directory, its lock held until `end`. `path` is None where none could be made."""

    def __init__(self, config: Config, data: dict[str, Any], name: str, folder: Path | None, steps: int | None) -> None:
        self.config, self.data, self.path = config, data, None
        self.C, self.lr_factor = float(config.C or 1.0), 1.0
        self.knobs = Knobs()
        self.status = runs.Status(state="starting", pid=os.getpid(), host=platform.node(), total_steps=steps or 0)
        self.steps, self.single_steps = steps, 0
        self._warned, self._began = False, time.monotonic()
        self.look_at = self._status_at = 0.0  # look_at: when the knobs are to be read again
        self._stamp: tuple[int, ...] = ()
        self._pace: deque[tuple[float, int, int]] = deque(maxlen=20)  # time, step, images
        with self.quietly():
            self.path = runs.create_run(config, data, name, folder)
            self._lock = runs.acquire(self.path)
            runs.write_status(self.path, self.status)

    @contextlib.contextmanager
    def quietly(self) -> Iterator[None]:
        """Lets whatever goes wrong inside be told once and no more."""
        try:
            yield
        except Exception as error:  # whatever it is: it is ours, and the training is not
            self.warn_of(error)

    def warn_of(self, error: Exception) -> None:
        """Warns of an error the first time."""
        self.warn(error.strerror or str(error) if isinstance(error, OSError) else str(error))

    def warn(self, why: str) -> None:
        """Warns the first time; nothing where warnings are errors."""
        if not self._warned:
            self._warned = True
            name = f"run {self.path.name!r}" if self.path else "vae.log"
            with contextlib.suppress(Warning):
                warnings.warn(f"{name}: {why}; your training goes on, its page does not follow all of it", stacklevel=5)

    def settle(self, latent_dim: int) -> None:
        """Writes into the config how many latent dimensions there are, which the first step tells."""
        self.config = dataclasses.replace(self.config, latent_dim=latent_dim)
        if self.path is not None:
            with self.quietly():
                runs.replace_config(self.path, self.config)

    # ---- what it tells

    def append(self, line: dict[str, Any]) -> None:
        """Adds a line to the history."""
        if self.path is not None:
            with self.quietly():
                runs.append_history(self.path, line)

    def tell(self, step: int, images: int, epoch: float, state: str = "running", now: bool = False) -> None:
        """Writes what the loop is doing, twice a second at most. `images` so far, `epoch` 0 where it is not told."""
        at = time.monotonic()
        if self.path is None or not (now or at - self._status_at >= STATUS_EVERY):
            return
        self._status_at = at
        if self.status.state != state:
            self._pace.clear()
        self._pace.append((at, step, images))
        status = self.status
        status.state, status.step, status.epoch = state, step, epoch
        status.total_steps = max(self.steps or 0, step) if self.steps else 0
        status.images_per_second = status.seconds_left = None
        (_, first, seen), passed = self._pace[0], at - self._pace[0][0]
        if passed > 0 and step > first:
            status.images_per_second = (images - seen) / passed
            status.seconds_left = (status.total_steps - step) * passed / (step - first) if self.steps else None
        with self.quietly():
            runs.write_status(self.path, status)

    def keep_images(self, images: OwnImages) -> None:
        """Writes held-out images for every page that shows some."""
        if self.path is not None and images.stored is not None:
            with self.quietly():
                from vae.runs.own_data import save_images  # torch takes its time

                save_images(self.path, images.stored, images.labels)

    def write_preview(self, data: bytes) -> None:
        """Replaces the pictures."""
        if self.path is not None:
            with self.quietly():
                (self.path / "preview").mkdir(exist_ok=True)
                write_atomically(self.path / "preview/live.bin", data, durable=False)

    def end(self, state: str, message: str = "") -> None:
        """Writes how it ended, and lets the run go."""
        if self.path is None:
            return
        self.status.state, self.status.message, self.status.pid = state, message, None
        self.status.images_per_second = self.status.seconds_left = None
        with self.quietly():
            runs.write_status(self.path, self.status)
        with contextlib.suppress(Exception):
            self._lock.release()

    # ---- what it is told

    def look(self, force: bool = False) -> bool:
        """Reads the knobs where they have changed, at most every KNOBS_EVERY seconds; whether they have."""
        now = time.monotonic()
        if self.path is None or not (force or now >= self.look_at):
            return False
        self.look_at = now + KNOBS_EVERY
        try:
            stat = os.stat(self.path / "knobs.json")
            stamp = (stat.st_mtime_ns, stat.st_ino)
            if stamp == self._stamp:
                return False
            knobs = runs.read_knobs(self.path)
        except (OSError, ElboRoomError) as error:
            self._lost(error)
            return False
        self._stamp, self.knobs = stamp, knobs
        self.status.knobs_revision = knobs.revision
        self.status.message = FIT.format(self.C) if knobs.C == "fit" else ""
        return True

    def _lost(self, error: Exception) -> None:
        """A folder that is gone, or knobs that cannot be read: things stay as they are, but nobody is kept waiting."""
        self.warn(f"its knobs cannot be read ({getattr(error, 'strerror', None) or error})")
        if not isinstance(error, RunError):
            self.knobs = dataclasses.replace(self.knobs, paused=False)

    def take(self, step: int) -> None:
        """Lets what was turned take effect after `step` steps, and says so in the history."""
        C = self.knobs.C
        if isinstance(C, (int, float)) and C != self.C:
            self.C = float(C)
            self.append({"step": step, "knob": "C", "value": self.C})
        if self.knobs.lr_factor != self.lr_factor:
            self.lr_factor = self.knobs.lr_factor
            self.append({"step": step, "knob": "lr_factor", "value": self.lr_factor})

    def wait(self, step: int, images: int, epoch: float) -> bool:
        """Waits while the run is paused. Returns whether it goes on for a single step only."""
        if not self.knobs.paused or self.knobs.stop:
            return False
        self.tell(step, images, epoch, "paused", now=True)
        while self.knobs.paused and not self.knobs.stop:
            if self.knobs.steps_requested > self.single_steps:
                self.single_steps += 1
                return True
            time.sleep(PAUSE_LOOK)
            if self.look(force=True):
                self.take(step)
                self.tell(step, images, epoch, "paused", now=True)
            self.tell(step, images, epoch, "paused")
        self.single_steps = self.knobs.steps_requested
        self.tell(step, images, epoch, now=True)
        return False

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self._began
