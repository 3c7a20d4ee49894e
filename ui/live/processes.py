"""Processes that a page has started, held once per server: by the folder in which each works, and a spare one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ui.runs import owners
from vae.engines.process import WorkerProcess, end_all, spares_wanted


class Processes:
    """The processes of one kind. What starts them takes `lock`; each is told to stop through its folder."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.workers: dict[Path, WorkerProcess] = {}
        self.starters: dict[Path, str] = {}  # owner ids of those who asked for it
        self.spare: WorkerProcess | None = None

    def living(self) -> dict[Path, WorkerProcess]:
        """Returns the workers that have not ended; the others are forgotten."""
        self.workers = {folder: worker for folder, worker in self.workers.items() if worker.exit_code() is None}
        self.starters = {folder: owner for folder, owner in self.starters.items() if folder in self.workers}
        return self.workers

    def start(self, folder: Path, command: Sequence[str]) -> None:
        """Starts the work in a folder for this browser, with the spare process if it lives; else with a new one, whose
        log lies there."""
        self.workers[folder] = self._take(folder, command)
        self.starters[folder] = owners.current_owner()

    def may_end(self, folder: Path) -> bool:
        """Returns whether this browser may end the work in a folder, which lies two floors below its run."""
        return owners.may_end_work(folder.parent.parent, self.starters.get(folder, ""))

    def _take(self, folder: Path, command: Sequence[str]) -> WorkerProcess:
        spare, self.spare = self.spare, None
        if spare is not None and spare.hand(folder):
            return spare
        with open(folder / "log.txt", "wb") as log:
            return WorkerProcess(command, log)

    def warm(self, command: Sequence[str]) -> None:
        """Keeps a spare process at hand, which has imported what takes seconds, where spares are wanted."""
        with self.lock:
            if spares_wanted() and (self.spare is None or self.spare.exit_code() is not None):
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
