"""The worker processes of one engine: each gets the GPU with the fewest, and a spare one is kept ready."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from vae.engines.process import WorkerProcess, gpus, spares_wanted

SPARE_DELAY = 3.0  # seconds after a start in which no spare is made: importing torch would slow the new run's start


class Workers:
    """Starts workers by `command`. `spare`: whether one with torch imported is kept, so that a run starts in a fraction
    of a second instead of several. `working` is always the workers that have a run."""

    def __init__(self, command: Sequence[str], spare: bool) -> None:
        self.command, self.devices = tuple(command), gpus()
        self.spare: WorkerProcess | None = None
        # a spare that dies unused is replaced once, not for ever
        self.spares_left = 2 if spare and spares_wanted() else 0
        self._spare_after = 0.0

    def start(self, path: Path, working: Sequence[WorkerProcess], now: float, fresh: bool) -> WorkerProcess:
        """Starts a worker for the run, or hands it to the spare one; never to that where it should be `fresh`. OSError
        if no process can be started."""
        worker = (None if fresh else self._take_spare(path)) or self._start_new(path, working)
        self._spare_after = now + SPARE_DELAY
        return worker

    def tend_spare(self, working: Sequence[WorkerProcess], now: float, useful: bool) -> None:
        """Notices a spare that has died, and makes one where it is `useful`."""
        if self.spare is not None and self.spare.exit_code() is not None:
            self.spare = None
            self.spares_left -= 1
        if self.spare is None and useful and self.spares_left > 0 and now >= self._spare_after:
            try:
                self.spare = WorkerProcess((*self.command, "--spare"), None, self._free_device(working))
            except OSError:
                self.spares_left = 0

    def _start_new(self, path: Path, working: Sequence[WorkerProcess]) -> WorkerProcess:
        with open(path / "log.txt", "ab") as log:  # so that even a failing import leaves its words
            return WorkerProcess((*self.command, str(path)), log, self._free_device(working))

    def _take_spare(self, path: Path) -> WorkerProcess | None:
        if self.spare is None:
            return None
        spare, self.spare = self.spare, None
        if spare.hand(path):
            return spare
        self.spares_left -= 1
        spare.kill()
        spare.let_end()
        return None

    def _free_device(self, working: Sequence[WorkerProcess]) -> str | None:
        """The GPU with the fewest workers; None leaves the choice to torch."""
        if len(self.devices) < 2:
            return None
        used = Counter(worker.device for worker in (*working, self.spare) if worker)
        return min(self.devices, key=lambda device: used[device])
