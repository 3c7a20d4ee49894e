"""Processes that a page has started, held once per server: by the folder in which each works, and a spare one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from vae.engines.process import WorkerProcess, end_all


class Processes:
    """The processes of one kind. What starts them takes `lock`; each is told to stop through its folder."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.workers: dict[Path, WorkerProcess] = {}
        self.spare: WorkerProcess | None = None

    def living(self) -> dict[Path, WorkerProcess]:
        """Returns the workers that have not ended; the others are forgotten."""
        self.workers = {folder: worker for folder, worker in self.workers.items() if worker.exit_code() is None}
        return self.workers

    def take(self, folder: Path, command: Sequence[str]) -> WorkerProcess:
        """Returns the spare process, which has the folder now, if it lives; else a new one, whose log lies there."""
        spare, self.spare = self.spare, None
        if spare is not None and spare.hand(folder):
            return spare
        with open(folder / "log.txt", "wb") as log:
            return WorkerProcess(command, log)

    def warm(self, command: Sequence[str]) -> None:
        """Keeps a spare process at hand, which has imported what takes seconds."""
        with self.lock:
            if self.spare is None or self.spare.exit_code() is not None:
                try:
                    self.spare = WorkerProcess(command)
                except OSError:
                    self.spare = None  # the work tells, if it comes to one

    def kill_later(self, folder: Path, patience: float, killed: Callable[[], None] = lambda: None) -> None:
        """Kills the process of a folder that has not ended by itself within `patience` seconds; waits in a thread."""
        threading.Thread(target=self.kill_after, args=(folder, patience, killed), daemon=True).start()

    def kill_after(self, folder: Path, patience: float, killed: Callable[[], None] = lambda: None) -> None:
        """Waits for the process of a folder to end, and kills it after `patience` seconds."""
        deadline = time.monotonic() + patience
        worker = self.workers.get(folder)
        while worker is not None and worker.exit_code() is None:
            if time.monotonic() > deadline:
                worker.kill()
                killed()
                return
            time.sleep(0.05)

    def stop_all(self) -> None:
        """Ends all, as the server ends: each keeps what it has."""
        end_all([*self.living().values(), *([self.spare] if self.spare else [])], time.monotonic() + 2)
        self.spare = None
