"""What a cluster's job does: `python -m vae.engines.job BATCH.json INDEX`: a worker for the runs of its group.

The worker is the same as everywhere, with its standard input held open by us. It is started once more where it crashes
or hangs. On the scheduler's signal we close its standard input: it saves and ends. USR1 comes before the wall time, or
where the place is taken back: then the job queues itself again, and the run says "queued". TERM ends the job.
Both are blocked, and the worker inherits that: it is never killed in the middle of a save by a signal meant for us.
"""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from vae import runs
from vae.engines import batches
from vae.engines.local import COMMAND, NO_ROOM, NO_ROOM_LEFT
from vae.engines.process import WorkerProcess, describe_exit, end_all
from vae.engines.scheduled import NOT_AGAIN
from vae.engines.states import CLAIMED, end_unheld, failure, write_state
from vae.engines.streams import write_plainly
from vae.engines.worker import JOB
from vae.errors import ElboRoomError, RunBusy, RunError
from vae.files import DISK_FULL

PREEMPTED = getattr(signal, "SIGUSR1", None)  # Windows, where no scheduler is, has none
SIGNALS = [one for one in (PREEMPTED, signal.SIGTERM) if one is not None]
TICK = 0.1
SAVE_LIMIT = 100.0  # seconds for the last save; the scheduler is less patient, and then kills
BUSY_LIMIT = runs.START_LIMIT + 5.0  # seconds until a worker that a dead machine left behind counts as dead
QUEUED_AGAIN = "The cluster took the place back; the run is saved and goes on when its turn comes again."


class Job:
    """Trains runs in one worker process until they have ended or `leave` is a signal's number.

    start_limit, heartbeat_limit: seconds without a sign of life after which the worker counts as hung.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        command: Sequence[str] = COMMAND,
        heartbeat_limit: float = runs.HEARTBEAT_LIMIT,
        start_limit: float = runs.START_LIMIT,
    ) -> None:
        self.paths, self.command = list(paths), tuple(command)
        self._heartbeat_limit, self._start_limit = heartbeat_limit, start_limit
        self.leave: int | None = None

    def left(self) -> list[Path]:
        """Returns the runs that have not come to an end; one that was asked to stop comes to it here."""
        found = []
        for path in self.paths:
            state = runs.read_status(path).state
            if state in ("queued", "interrupted") and runs.read_knobs(path).stop:
                end_unheld(path, "stopped", "Stopped while it waited.")
            elif state not in CLAIMED:
                found.append(path)
        return found

    def train(self) -> None:
        """Trains what is left, with a second try where the worker crashes."""
        crashes = 0
        while (left := self.left()) and self.leave is None:
            if not self._wait_until_free(left):
                return
            reason, code = self._try(left)
            if self.leave is not None or not (still := self.left()):
                return
            crashes += 1
            if code == DISK_FULL or shutil.disk_usage(still[0]).free < NO_ROOM:
                self._end(still, NO_ROOM_LEFT)
            elif crashes > 1:
                for path in still:
                    self._end([path], failure(path, reason))
            else:
                print(f"the training process ended unexpectedly ({reason}); it is being resumed", flush=True)

    def _end(self, paths: Sequence[Path], message: str) -> None:
        for path in paths:
            with contextlib.suppress(OSError, RunError):
                end_unheld(path, "failed", message)

    def _try(self, paths: Sequence[Path]) -> tuple[str, int]:
        """One worker, from its start to its end: how it ended, in words and as an exit status."""
        with open(paths[0] / "log.txt", "ab") as log:
            worker = WorkerProcess((*self.command, *map(str, paths)), log)
        killed, beats, seen = "", 0.0, time.monotonic()
        while (code := worker.exit_code()) is None:
            if self._signalled():
                end_all([worker], time.monotonic() + SAVE_LIMIT)
                return "the scheduler's signal", 0
            every = [runs.read_status(path) for path in paths]
            if (newest := max(status.heartbeat for status in every)) != beats:
                beats, seen = newest, time.monotonic()
            starting = all(status.state in ("queued", "starting", "interrupted") for status in every)
            limit = self._start_limit if starting else self._heartbeat_limit
            if time.monotonic() - seen > limit:
                killed = killed or f"it gave no sign of life for {limit:g} s"
                worker.kill()
        return killed or describe_exit(code), code

    def _signalled(self) -> bool:
        """Waits for a signal for a moment."""
        if hasattr(signal, "sigtimedwait"):
            found = signal.sigtimedwait(SIGNALS, TICK)
            if found is not None:
                self.leave = found.si_signo
        else:
            time.sleep(TICK)
        return self.leave is not None

    def _wait_until_free(self, paths: Sequence[Path]) -> bool:
        """Waits for a worker that may live on a machine which the scheduler has lost; False on a signal."""
        end = time.monotonic() + BUSY_LIMIT
        while True:
            try:
                for path in paths:
                    runs.acquire(path).release()
                return True
            except RunBusy:
                if time.monotonic() > end:
                    raise
            if self._signalled():
                return False


def main(arguments: list[str]) -> int:
    """Does the job of the command line; returns the exit status."""
    write_plainly()
    if len(arguments) != 2 or not arguments[1].isdecimal():
        print("usage: python -m vae.engines.job BATCH.json INDEX", file=sys.stderr)
        return 2
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    os.environ[JOB] = platform.node()
    try:
        batch, index = batches.read(Path(arguments[0])), int(arguments[1])
        if batch.probe:
            from vae.engines.probe import answer

            answer(batch.file.parent / batch.probe)
            return 0
        job = Job(batch.paths(index) if index < len(batch.groups) else [])
        job.train()
        if job.leave is not None and job.leave == PREEMPTED:
            queue_again(job, batch.engine)
    except ElboRoomError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def queue_again(job: Job, engine: str) -> None:
    """Marks the runs as waiting, and has the scheduler start this job once more."""
    left = job.left()
    for path in left:
        lock = runs.acquire(path)
        try:
            write_state(path, "queued", QUEUED_AGAIN)
        finally:
            lock.release()
    if left and engine == "slurm":
        from vae.engines.slurm import requeue

        if why_not := requeue():
            for path in left:
                end_unheld(path, "interrupted", f"{NOT_AGAIN}: {why_not}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
