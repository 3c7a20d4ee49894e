"""A worker that keeps every promise of the run directory and trains nothing, so that engines are tested in no time.

What it does is said in the run's data description: {"fake": {"mode": ..., "steps": n, "seconds": a step's length}}.
modes: train; crash once, crash always (half way, exit status 3); mute (never writes a status); deaf (hears neither
stop nor the end of its standard input). Each keeps a pause. Beside the run's own files it leaves attempts.txt, a line
per start (process id, how it was started, its GPU), and span.json, when it began and ended.
"""

from __future__ import annotations

import dataclasses
import os
import sys
import threading
import time
from pathlib import Path

from vae import runs
from vae.engines.parent import Parent
from vae.engines.streams import read_line
from vae.files import write_atomically, write_json


class FakeWorker:
    def __init__(self, path: Path, how: str) -> None:
        self.path, self.began = path, time.monotonic()
        with open(path / "attempts.txt", "a") as file:
            print(os.getpid(), how, os.environ.get("CUDA_VISIBLE_DEVICES", "-"), file=file)
        self.attempt = len((path / "attempts.txt").read_text().splitlines())
        plan = runs.read_config(path)[1]["fake"]
        self.mode, self.steps, self.seconds = plan["mode"], plan["steps"], plan["seconds"]
        self.server_gone = Parent()
        threading.Thread(target=self.server_gone.watch, daemon=True).start()

    def run(self) -> None:
        """Train from the saved step to a final state."""
        if self.mode == "mute":
            time.sleep(600)
        print("attempt", self.attempt, flush=True)
        saved = self.path / "saved.txt"
        status = runs.Status(state="running", pid=os.getpid(), total_steps=self.steps)
        status.step = int(saved.read_text()) if saved.exists() else 0
        while (ending := self._ending(status.step)) is None:
            time.sleep(self.seconds)
            knobs = runs.read_knobs(self.path)
            status.state, status.knobs_revision = "paused" if knobs.paused else "running", knobs.revision
            if status.state == "paused":
                runs.write_status(self.path, status)
                continue
            status.step += 1
            runs.append_history(self.path, {"step": status.step})
            write_atomically(saved, str(status.step).encode(), durable=False)
            self._perhaps_crash(status.step)
            runs.write_status(self.path, status)
        write_json(self.path / "span.json", [self.began, time.monotonic()])
        runs.write_status(self.path, dataclasses.replace(status, state=ending))

    def _ending(self, step: int) -> str | None:
        if step >= self.steps:
            return "finished"
        if self.mode == "deaf":
            return None
        if self.server_gone.is_set():
            return "resting" if self.server_gone.resting else "interrupted"
        return "stopped" if runs.read_knobs(self.path).stop else None

    def _perhaps_crash(self, step: int) -> None:
        if self.mode == "crash always" or (self.mode == "crash once" and self.attempt == 1 and step == self.steps // 2):
            print("the flux capacitor is empty", file=sys.stderr, flush=True)
            os._exit(3)


def main() -> None:
    how, argument = "direct", sys.argv[1]
    if argument == "--spare":
        if diary := os.environ.get("FAKE_SPARE_CRASHES"):  # a spare that never comes to life, and notes that it tried
            with open(diary, "a") as file:
                print("tried", file=file)
            sys.exit(1)
        how, argument = "spare", read_line()
        if not argument:
            return
        log = os.open(Path(argument) / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
    path = Path(argument)
    lock = runs.acquire(path)
    FakeWorker(path, how).run()
    lock.release()


if __name__ == "__main__":
    main()
