"""The default engine: worker processes on this machine, some at a time, the others in a queue that everybody can see.

    submit ──> waiting ──> at work ──> ended (the worker wrote how)
                ^   ^         │ │
                │   └ crashed ┘ │  once; the second time the run has failed, with the end of its log
                └── resting <───┘  a paused run saves and ends where another one waits for its place; resumed, it waits

A worker is an ordinary process (never `multiprocessing`: it would run the server's main script again) in a session
of its own, so that Ctrl-C reaches only the server. The engine holds a pipe to its standard input; when the server
ends, however it ends, the pipe closes and the worker saves and ends by itself.

While a run waits or rests the engine holds the run's lock, which so tells two servers on one folder apart from a server
that was killed: a run that says "queued" while nobody holds its lock belongs to nobody (`states.recover`). How many
train at once is counted per folder of runs, over all servers (`places`).
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from filelock import Timeout

from vae import runs
from vae.engines import places
from vae.engines.base import State
from vae.engines.process import WorkerProcess, describe_exit, end_all
from vae.engines.states import (
    CLAIMED,
    NO_TURN,
    RESTED,
    end_unheld,
    failure,
    log_tail,
    stop_elsewhere,
    stopped_at,
    write_state,
)
from vae.engines.turns import Job, at_least_one, default_slots, fair_order, paused_longest
from vae.engines.workers import Workers
from vae.errors import RunBusy, RunError
from vae.files import DISK_FULL, what_helps
from vae.runs.start import Request, ask, give_up
from vae.runs.sweep_mark import neighbour_of

COMMAND = (sys.executable, "-m", "vae.engines.worker")
TICK = 0.2  # seconds between two checks of the workers
IDLE_TICK = 1.0  # the same while there is only a spare worker
NO_ROOM = 1_000_000  # bytes; a worker that ends without a word where fewer are free could not write it
NO_ROOM_LEFT = "The disk is full. The last checkpoint is whole: make room, then continue."
NOT_SAVED = "The server ended and the training process did not save in time; continue resumes the last saved state."

logger = logging.getLogger(__name__)


class LocalEngine:
    """Trains at most `slots` runs at a time; None means `ELBO_ROOM_SLOTS`, else one per GPU, else half the cores.

    spare: keep one worker with torch imported, so that a run starts in a fraction of a second instead of several.
    command: what a worker is started with. heartbeat_limit: seconds without a sign of life after which it counts as
    hung; start_limit: the same until its first record. stop_limit, close_limit: seconds that it has to end by itself.
    pause_limit: seconds that a paused run keeps its place while others wait.
    """

    def __init__(
        self,
        slots: int | None = None,
        spare: bool = True,
        *,
        command: Sequence[str] = COMMAND,
        heartbeat_limit: float = runs.HEARTBEAT_LIMIT,
        start_limit: float = 60.0,
        stop_limit: float = 15.0,
        close_limit: float = 4.0,
        pause_limit: float = 5.0,
    ) -> None:
        self._workers = Workers(command, spare)
        self.slots = default_slots(len(self._workers.devices)) if slots is None else at_least_one("slots", slots)
        self._heartbeat_limit, self._start_limit = heartbeat_limit, max(start_limit, heartbeat_limit)
        self._stop_limit, self._close_limit, self._pause_limit = stop_limit, close_limit, pause_limit
        self._changed = threading.Condition()  # guards everything below, and wakes the monitor and `wait`
        self._jobs: dict[Path, Job] = {}  # in the order of submission
        self._coming: set[Path] = set()  # between the check and the queue
        self._unwritten: dict[Path, str] = {}  # ends that a full disk did not let anybody write
        self._served: dict[str, int] = {}  # owner -> number of the turn that was theirs last
        self._turn = 0
        self._elsewhere = places.Elsewhere()
        self._monitor: threading.Thread | None = None
        self._closed = False

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def start(self) -> None:
        """Begins to work: the monitor's thread and the spare worker. Twice is fine."""
        with self._changed:
            self._refuse_if_closed()
            if self._monitor is None:
                self._monitor = threading.Thread(target=self._watch, name="elbo-room-engine", daemon=True)
                self._monitor.start()

    def submit(self, paths: Path | Sequence[Path], owner: str = "", request: Request | None = None) -> None:
        """Trains new runs, or continues ended ones, when their turn comes; the queue is fair between owners.

        request: what their process is to change once it has checked everything. RunBusy if one is at work or waits
        already, here or elsewhere; RunError if one cannot be written. Then nothing of it has changed, and those
        before it in `paths` are taken back.
        """
        self.start()
        taken: list[Path] = []
        try:
            for path in [paths] if isinstance(paths, Path) else paths:
                self._take(path, owner, request)
                taken.append(path)
        except BaseException:
            for path in taken:
                with contextlib.suppress(OSError, RunError):
                    self.stop(path)
            raise

    def _take(self, path: Path, owner: str, request: Request | None) -> None:
        key = path.resolve()
        with self._changed:
            if key in self._jobs or key in self._coming:
                raise RunBusy(f"run {path.name!r} is training already or waits for its turn; stop it first")
            self._coming.add(key)
        try:
            before, after = runs.read_status(path), neighbour_of(key)
            lock = runs.acquire(path)  # outside our lock: it may wait for a reader that looks at this run
            with self._changed:
                try:
                    self._refuse_if_closed()
                    ask(path, before, request)
                except OSError as error:
                    lock.release()
                    raise RunError(
                        f"run {path.name!r} cannot be written ({error.strerror}): {what_helps(error)}, then continue"
                    ) from None
                except BaseException:
                    lock.release()
                    raise
                self._unwritten.pop(key, None)
                self._jobs[key] = Job(key, path, owner, lock, after)
                self._changed.notify_all()
        finally:
            self._coming.discard(key)

    def stop(self, path: Path) -> None:
        """Ends the run with its state saved. One that waits becomes "stopped" without ever starting; one that does
        not react within the stop limit is killed; one that has ended is left as it is."""
        with self._changed:
            job = self._jobs.get(path.resolve())
            if job is None:
                stop_elsewhere(path)
            elif job.worker is None:
                self._drop(job, "stopped", stopped_at(path) if job.resting else "Stopped before its turn came.")
            elif job.stop_by is None:
                job.stop_by = time.monotonic() + self._stop_limit
                with contextlib.suppress(OSError, RunError, Timeout):  # a full disk, damaged knobs: it is killed then
                    runs.change_knobs(path, stop=True)

    def state(self, path: Path) -> State:
        """Returns the run's place in the queue (0 where it is at work, rests, or has ended), and how it ended where its
        own files could not take that."""
        key = path.resolve()
        with self._changed:
            job = self._jobs.get(key)
            place = 0 if job is None or not job.waits else self._queue().index(job) + 1
            return State(place, problem=self._unwritten.get(key, ""))

    def log_tail(self, path: Path) -> str:
        """Returns the last lines of the run's log."""
        return log_tail(path)

    def active(self) -> list[Path]:
        """Returns the runs that have a worker."""
        with self._changed:
            return [job.path for job in self._working()]

    def queued(self) -> list[Path]:
        """Returns the runs that wait, in the order in which they will start."""
        with self._changed:
            return [job.path for job in self._queue()]

    def wait(self, timeout: float | None = None) -> bool:
        """Waits until nothing is at work or in the queue; False if that took longer than `timeout` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._working() and not self._queue(), timeout)

    def close(self) -> None:
        """Lets the workers save and end, kills those that do not. Runs that wait or rest become "interrupted"."""
        deadline = time.monotonic() + self._close_limit
        with self._changed:
            if self._closed:
                return
            self._closed = True
            self._changed.notify_all()
        if self._monitor is not None:
            self._monitor.join(self._close_limit)
        with self._changed:
            working = self._working()
            workers = self._at_work() + ([self._workers.spare] if self._workers.spare else [])
            for worker in workers:
                worker.let_end()
            for job in [job for job in self._jobs.values() if job.worker is None]:
                with contextlib.suppress(OSError, RunError):
                    self._drop(job, "interrupted", RESTED if job.resting else NO_TURN)
            killed = end_all(workers, deadline)
            for job in working:
                if job.worker in killed:
                    with contextlib.suppress(OSError, RunError):
                        end_unheld(job.path, "interrupted", NOT_SAVED)
                self._forget(job)
            self._workers.spare = None

    # The monitor. Everything below is called with our lock held.

    def _watch(self) -> None:
        last = time.monotonic()
        with self._changed:
            while not self._closed:
                now = time.monotonic()
                asleep = now - last > 5.0  # it is we who were stopped or suspended, perhaps the workers with us
                last = now
                for job in list(self._jobs.values()):
                    job.seen = now if asleep else job.seen
                    if job.worker is not None:
                        self._guard(job, self._check, now)
                    elif job.resting:
                        self._guard(job, self._perhaps_wake, now)
                self._start_waiting(now)
                self._make_room(now)
                self._tend_spare(now)
                self._changed.wait(TICK if self._jobs else IDLE_TICK)

    def _guard(self, job: Job, action: Callable[[Job, float], None], now: float) -> None:
        """Nothing that happens to one run may end the watch over the others."""
        try:
            action(job, now)
        except Exception:
            logger.exception("run %s is given up", job.path.name)
            if job.worker is not None:
                job.worker.kill()
            self._forget(job)

    def _check(self, job: Job, now: float) -> None:
        assert job.worker is not None
        code = job.worker.exit_code()
        if code is not None:
            self._ended(job, code)
            return
        status = runs.read_status(job.path)
        if status.heartbeat != job.heartbeat:
            job.heartbeat, job.seen = status.heartbeat, now
        limit = self._start_limit if status.state in ("queued", "starting") else self._heartbeat_limit
        if now - job.seen > limit:
            job.killed = job.killed or f"it gave no sign of life for {limit:g} s"
        elif job.stop_by is not None and now > job.stop_by and status.state != "saving":
            job.killed = job.killed or f"it did not react to stop for {self._stop_limit:g} s"
        if job.killed:
            job.worker.kill()
        job.receive(status, now)

    def _start_waiting(self, now: float) -> None:
        """Give the free places to those whose turn it is."""
        full: set[Path] = set()  # folders of runs
        while len(self._working()) < self.slots:
            job = next((job for job in self._ready() if job.key.parent not in full), None)
            if job is None:
                return
            with contextlib.suppress(OSError):  # without a place: the run itself says what is wrong with its disk
                job.place = places.take(job.key, self.slots)
                if job.place is None:
                    full.add(job.key.parent)
                    continue
            self._launch(job, now)

    def _make_room(self, now: float) -> None:
        """Let the run rest that has been paused for longest, where another one waits for a place."""
        job = paused_longest(self._working(), now, self._pause_limit)
        if job is None or job.worker is None:
            return
        coming = sum(job.resting for job in self._working())  # places that are about to be free
        if len(self._queue()) > coming or (not coming and self._elsewhere.waits(job.key.parent, self._jobs)):
            job.resting = True
            job.worker.let_rest()

    def _perhaps_wake(self, job: Job, now: float) -> None:
        """A run that rests and was resumed waits for its turn, behind those that wait already."""
        with contextlib.suppress(RunError):  # damaged knobs wake nobody
            if not runs.read_knobs(job.path).paused:
                write_state(job.path, "queued")
                job.resting = False
                self._jobs[job.key] = self._jobs.pop(job.key)

    def _ended(self, job: Job, code: int) -> None:
        """A worker is gone: the run has ended, or it crashed and is resumed once."""
        status = runs.read_status(job.path)
        # A worker that claimed its end and then crashed on the way out has lost nothing.
        claimed = CLAIMED if code else (*CLAIMED, "interrupted")
        reason = job.killed or describe_exit(code)
        job.worker = None
        job.crashes += 1
        if job.resting and code == 0 and status.state in ("resting", "interrupted"):
            self._rest(job)
        elif status.state in claimed and code != DISK_FULL:
            self._forget(job)
        elif code == DISK_FULL or shutil.disk_usage(job.path).free < NO_ROOM:
            self._forget(job)
            self._unwritten[job.key] = NO_ROOM_LEFT
            with contextlib.suppress(OSError, RunError):
                end_unheld(job.path, "failed", NO_ROOM_LEFT)
        elif job.stop_by is not None:
            self._forget(job)
            end_unheld(job.path, "stopped", f"It was ended ({reason}); continue resumes the last saved state.")
        elif job.crashes > 1:
            self._forget(job)
            end_unheld(job.path, "failed", failure(job.path, reason))
        else:
            job.lock = runs.acquire(job.path)
            write_state(job.path, "queued", f"The training process ended unexpectedly ({reason}); it is being resumed.")
            self._launch(job, time.monotonic())

    def _rest(self, job: Job) -> None:
        """Its worker has saved and ended: the place is free. Who asked it to stop meanwhile is obeyed."""
        job.give_back()
        job.lock, job.paused_since, job.crashes = runs.acquire(job.path), None, 0
        if job.stop_by is not None:
            self._drop(job, "stopped", stopped_at(job.path))
        else:
            write_state(job.path, "resting")
            self._changed.notify_all()

    def _launch(self, job: Job, now: float) -> None:
        if job.lock is not None:
            job.lock.release()  # the worker takes it
        job.lock, job.resting, job.paused_since = None, False, None
        try:
            # After a crash a fresh process, whose whole output is in the log.
            job.worker = self._workers.start(job.key, self._at_work(), now, fresh=bool(job.crashes))
        except OSError as error:
            self._forget(job)
            with contextlib.suppress(OSError, RunError):
                end_unheld(job.path, "failed", f"The training process could not be started: {error.strerror or error}.")
            return
        job.killed = ""
        self._turn += 1
        self._served[job.owner] = self._turn
        job.heartbeat, job.seen = runs.read_status(job.path).heartbeat, now

    def _tend_spare(self, now: float) -> None:
        # With several GPUs the one that a waiting run will get is known only when a slot is free.
        full = len(self._working()) >= self.slots
        useful = not full or (bool(self._queue()) and len(self._workers.devices) < 2)
        self._workers.tend_spare(self._at_work(), now, useful)

    def _at_work(self) -> list[WorkerProcess]:
        return [job.worker for job in self._working() if job.worker]

    def _working(self) -> list[Job]:
        return [job for job in self._jobs.values() if job.worker is not None]

    def _queue(self) -> list[Job]:
        return fair_order((job for job in self._jobs.values() if job.waits), self._served)

    def _ready(self) -> list[Job]:
        """Those of the queue that wait for no other run's weights; where all do, it is one another's."""
        queue = self._queue()
        return [job for job in queue if job.after not in self._jobs] or (queue if not self._working() else [])

    def _drop(self, job: Job, state: str, message: str) -> None:
        """End a run that waits or rests."""
        try:
            (write_state if job.resting else give_up)(job.path, state, message)
        finally:
            self._forget(job)

    def _forget(self, job: Job) -> None:
        self._jobs.pop(job.key, None)
        job.give_back()
        self._changed.notify_all()

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise RunError("the server is ending and starts no more runs; start it again and continue the run there")
