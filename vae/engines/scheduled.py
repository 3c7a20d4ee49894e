"""An engine whose scheduler is somebody else's: Slurm, Ray. It hands runs over, and looks after what became of them.

    submit ──> queued, in a batch ──> the scheduler ──> `vae.engines.job` on some machine ──> a worker, as everywhere
                                          │
                  every LOOK_EVERY seconds, all jobs in one question: a job that is gone while its run has not ended
                  was killed, lost or cancelled: "interrupted", with the scheduler's reason

How a run stands is read from its directory alone, by pages and by us. A scheduler that does not answer changes
nothing: the runs go on, and are asked for again.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

from vae import runs
from vae.engines import batches
from vae.engines.base import State
from vae.engines.batches import Batch
from vae.engines.states import CLAIMED, end_unheld, log_tail, stop_elsewhere, tail
from vae.engines.warm_start import in_order
from vae.errors import EngineError, RunBusy, RunError
from vae.files import what_helps
from vae.runs.start import Request, ask
from vae.runs.sweep_mark import neighbour_of

LOOK_EVERY = 2.0  # seconds between two questions to the scheduler, while there is anything to ask
STOP_LIMIT = 30.0  # seconds that a run has to stop by itself before its job is cancelled
UNHEARD = 120.0  # seconds after which a batch without the scheduler's answer counts as lost

NOT_AGAIN = "It was not queued again"  # begins what a job says that had to leave and could not come back

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Seen:
    """A job as its scheduler has it."""

    state: str  # waiting, working, ended
    words: str  # a sentence's end: "is pending (Resources)"
    never_began: bool = False  # it is over because it found no place: no try of its runs


class Scheduler(Protocol):
    """What differs between clusters. Every method may raise EngineError, in a sentence, where it cannot be reached."""

    name: str
    runs_per_job: int
    tries: int  # how often a job is started that ends before its runs do

    def send(self, batch: Batch) -> Sequence[str]:
        """Hands over a batch, one job a group; returns their ids."""

    def send_again(self, batch: Batch, index: int) -> str:
        """Hands over one group once more; returns the new job's id."""

    def find(self, batch: Batch) -> Sequence[str]:
        """Returns the ids of a batch whose `send` was never heard back from; none where it did not arrive."""

    def look(self) -> Mapping[str, Seen]:
        """Returns all our jobs, by id, in one question."""

    def why(self, job: str) -> str:
        """Returns why a job is over, a sentence without a full stop."""

    def cancel(self, jobs: Sequence[str]) -> None:
        """Ends jobs; those that are over already are left as they are."""

    def check(self) -> str:
        """Returns what it is, with its version; refuses what should not be used."""

    def log_tail(self, job: str) -> str:
        """Returns the end of what a job printed where no file in the shared folder has it."""


class ScheduledEngine:
    """Hands runs of `root` to a scheduler. Closing it leaves them there."""

    def __init__(self, scheduler: Scheduler, root: Path, look_every: float = LOOK_EVERY) -> None:
        self.scheduler, self._look_every = scheduler, look_every
        self._roots = {root.resolve()}
        self._changed = threading.Condition()  # guards everything below
        self._jobs: Mapping[str, Seen] = {}
        self._gone: set[str] = set()  # jobs that were over at the last look: a second look decides
        self._stop_by: dict[str, float] = {}  # job -> when it is cancelled
        self._trouble = ""
        self._monitor: threading.Thread | None = None
        self._closed = False

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def start(self) -> None:
        """Begins to look after what this folder of runs has on the cluster. Twice is fine."""
        with self._changed:
            if self._closed:
                raise RunError(
                    "the server is ending and starts no more runs; start it again and continue the run there"
                )
            if self._monitor is None:
                self._monitor = threading.Thread(target=self._watch, name="elbo-room-cluster", daemon=True)
                self._monitor.start()

    def submit(self, paths: Path | Sequence[Path], owner: str = "", request: Request | None = None) -> None:
        """Hands new runs, or ended ones to be continued, to the scheduler as one batch. RunBusy, RunError, EngineError;
        then nothing has changed. `owner` is the scheduler's own affair: it knows who asks."""
        self.start()
        several = [paths] if isinstance(paths, Path) else list(paths)
        for root in dict.fromkeys(path.resolve().parent for path in several):
            self._submit(root, [path for path in several if path.resolve().parent == root], request)

    def _submit(self, root: Path, paths: Sequence[Path], request: Request | None) -> None:
        """The batch is there before the first run says that it waits, so that no other server takes it for left."""
        size, held = self.scheduler.runs_per_job, batches.waiting(root)
        for path in paths:
            if path.name in held and runs.read_status(path).state in runs.WAITING:
                raise RunBusy(f"run {path.name!r} waits for its turn on {self.scheduler.name}; stop it first")
        batch = batches.create(root, self.scheduler.name, grouped(paths, size))
        asked: list[Path] = []
        try:
            for path in paths:
                _ask(path, request)
                asked.append(path)
            batch.change(jobs=tuple(self.scheduler.send(batch)))
        except BaseException as error:
            batch.forget()
            for path in asked:
                with contextlib.suppress(OSError, RunError):
                    end_unheld(path, "interrupted", f"It was not handed over: {error}")
            raise
        with self._changed:
            self._roots.add(root)
            self._changed.notify_all()

    def state(self, path: Path) -> State:
        """Returns where the run's job is, as of the last look at the scheduler."""
        found = self._find(path)
        if found is None:
            return State()
        batch, index = found
        with self._changed:
            job = batch.jobs[index] if batch.jobs else ""
            seen, trouble = self._jobs.get(job), self._trouble
        name = self.scheduler.name.capitalize()
        if trouble:
            return State(words=f"{trouble} The run's own folder says how it stands; nothing is lost.")
        return State(words=f"{name} job {job} {seen.words}." if seen else f"{name} has it.")

    def log_tail(self, path: Path) -> str:
        """Returns the end of the run's log; before there is one, of what its job printed."""
        if written := log_tail(path):
            return written
        found = self._find(path)
        if found is None:
            return ""
        return self._printed(*found)

    def _printed(self, batch: Batch, index: int) -> str:
        """The end of what a group's job printed, in the folder of the batch or where the scheduler keeps it."""
        written = tail(batch.output(index))
        with contextlib.suppress(EngineError):
            written = written or (self.scheduler.log_tail(batch.jobs[index]) if batch.jobs else "")
        return written

    def stop(self, path: Path) -> None:
        """Ends the run with its state saved; one that waits becomes "stopped", and its job is cancelled with the next
        look. One that does not react within STOP_LIMIT loses its job."""
        found = self._find(path)
        if found is None:
            stop_elsewhere(path)
            return
        batch, index = found
        state = runs.read_status(path).state
        if state in CLAIMED:
            return
        job, patience = batch.jobs[index] if batch.jobs else "", 0.0
        try:
            if state not in (*runs.WAITING, "interrupted"):
                raise RunBusy(path.name)
            end_unheld(path, "stopped", "Stopped before its turn came.")
        except RunBusy:  # it is at work
            runs.change_knobs(path, stop=True)
            patience = STOP_LIMIT
        if patience or all(runs.read_status(other).state in CLAIMED for other in batch.paths(index)):
            with self._changed:  # many at once are cancelled in one call; a job that comes first finds nothing to do
                self._stop_by.setdefault(job, time.monotonic() + patience)

    def active(self) -> list[Path]:
        """Returns the runs whose jobs are at work."""
        return [path for path in self._ours() if runs.read_status(path).state not in (*runs.WAITING, *runs.ENDED)]

    def queued(self) -> list[Path]:
        """Returns the runs that wait; their order is the scheduler's affair, this is the order in which they came."""
        return [path for path in self._ours() if runs.read_status(path).state in runs.WAITING]

    def wait(self, timeout: float | None = None) -> bool:
        """Waits until the scheduler has nothing more of ours; False if that took longer than `timeout` seconds."""
        end = None if timeout is None else time.monotonic() + timeout
        while any(batches.read_all(root, self.scheduler.name) for root in self._roots):
            if end is not None and time.monotonic() > end:
                return False
            time.sleep(min(0.2, self._look_every))
        return True

    def close(self) -> None:
        """Looks after them no more. They go on; who starts this engine again finds them by their folder."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._monitor is not None:
            self._monitor.join(5.0)

    # ---- what became of them

    def _ours(self) -> list[Path]:
        with self._changed:
            roots = sorted(self._roots)
        every = [(batch, i) for root in roots for batch in batches.read_all(root, self.scheduler.name)
                 for i in range(len(batch.groups)) if i not in batch.done]  # fmt: skip
        return [path for batch, index in every for path in batch.paths(index)]

    def _find(self, path: Path) -> tuple[Batch, int] | None:
        """The batch and the group that have the run now."""
        for batch in reversed(batches.read_all(path.resolve().parent, self.scheduler.name)):
            for index, group in enumerate(batch.groups):
                if path.name in group and index not in batch.done:
                    return batch, index
        return None

    def _watch(self) -> None:
        while not self._closed:
            try:
                self.look_after()
            except Exception:  # whatever it was, the next look is not given up
                logger.exception("%s is not looked after", self.scheduler.name)
            with self._changed:
                self._changed.wait_for(lambda: self._closed, self._look_every)

    def look_after(self) -> None:
        """Asks the scheduler once for all jobs, and sees to those that are gone. Nothing is asked where nothing is
        waited for."""
        with self._changed:
            roots = sorted(self._roots)
        every = [batch for root in roots for batch in batches.read_all(root, self.scheduler.name)]
        if not every:
            return
        try:
            jobs = self.scheduler.look()
            trouble = ""
        except EngineError as error:
            jobs, trouble = self._jobs, str(error)
        with self._changed:
            self._jobs, self._trouble = jobs, trouble
        if trouble:
            return
        over: set[str] = set()
        for batch in every:
            self._look_at(batch, jobs, over)
        self._gone = over
        with self._changed:
            late = [job for job, end in self._stop_by.items() if end < time.monotonic()]
        if still := [job for job in late if jobs.get(job, Seen("ended", "")).state != "ended"]:
            try:
                self.scheduler.cancel(still)
            except EngineError as error:  # the next look tries again
                self._tell(error)
                return
        with self._changed:
            for job in late:
                del self._stop_by[job]

    def _look_at(self, batch: Batch, jobs: Mapping[str, Seen], over: set[str]) -> None:
        if not batch.jobs:
            if time.time() - batch.sent < UNHEARD:  # `send` may be under way, in whichever process
                return
            batch = batch.change(jobs=tuple(self.scheduler.find(batch)) or ("",) * len(batch.groups))
        done = set(batch.done)
        for index, job in enumerate(batch.jobs):
            seen = jobs.get(job)
            if index in done or (seen is not None and seen.state != "ended"):
                continue
            over.add(job)
            if job and job not in self._gone:
                continue  # it may be about to queue again, or its last word about to reach us
            try:
                ended = self._see_to(batch, index, job, seen is not None and seen.never_began)
            except EngineError as error:  # the others are seen to all the same, and this one with the next look
                self._tell(error)
                continue
            if ended:
                done.add(index)
            else:
                batch = batches.read(batch.file)
        if len(done) == len(batch.groups):
            batch.forget()
        elif done != set(batch.done):
            batch.change(done=tuple(sorted(done)))

    def _tell(self, error: EngineError) -> None:
        with self._changed:
            self._trouble = str(error)

    def _see_to(self, batch: Batch, index: int, job: str, never_began: bool) -> bool:
        """What is to be done for a group whose job is over; returns whether that is all."""
        lost = [path for path in batch.paths(index) if runs.read_status(path).state not in CLAIMED]
        if not lost:
            return True
        asked_to_stop = [path for path in lost if _wants_to_stop(path)]
        why = self.scheduler.why(job) if job else f"{self.scheduler.name} never took it"
        if job and not asked_to_stop and (never_began or batch.tries.count(index) + 1 < self.scheduler.tries):
            again = [*batch.jobs]
            again[index] = self.scheduler.send_again(batch, index)
            batch.change(jobs=tuple(again), tries=(*batch.tries, *[index] * (not never_began)))
            return False
        printed = self._printed(batch, index)
        for path in lost:
            _keep(path, printed)
            state = "stopped" if path in asked_to_stop else "interrupted"
            if NOT_AGAIN in runs.read_status(path).message:
                continue  # its job said more than the scheduler knows
            with contextlib.suppress(OSError, RunError):  # its worker lives after all: the next look
                end_unheld(path, state, f"{why}; continue resumes the last saved state.")
        return all(runs.read_status(path).state in runs.ENDED for path in lost)


def _keep(path: Path, printed: str) -> None:
    """Leaves what a job printed that did not come so far as to start a worker in the run's log, where it is looked for
    when the batch is forgotten."""
    if printed and not log_tail(path):
        with contextlib.suppress(OSError), open(path / "log.txt", "a", encoding="utf-8") as log:
            log.write(f"{printed}\n")


def grouped(paths: Sequence[Path], size: int) -> list[list[Path]]:
    """Returns what a job each trains: at most `size` runs; but runs that start one from the other's weights are one
    job, however many, because a job that waited for another one would keep its place from it."""
    first: dict[str, str] = {}  # name -> where its chain begins
    for path in in_order(paths)[0]:
        before = neighbour_of(path)
        first[path.name] = first.get(before.name, path.name) if before is not None else path.name
    chains: dict[str, list[Path]] = {}
    for path in paths:
        chains.setdefault(first[path.name], []).append(path)
    groups = [chain for chain in chains.values() if len(chain) > 1]
    alone = [chain[0] for chain in chains.values() if len(chain) == 1]
    return groups + [alone[start : start + size] for start in range(0, len(alone), size)]


def _ask(path: Path, request: Request | None) -> None:
    before = runs.read_status(path)
    lock = runs.acquire(path)
    try:
        ask(path, before, request)
    except OSError as error:
        raise RunError(
            f"run {path.name!r} cannot be written ({error.strerror}): {what_helps(error)}, then continue"
        ) from None
    finally:
        lock.release()


def _wants_to_stop(path: Path) -> bool:
    with contextlib.suppress(RunError):
        return runs.read_knobs(path).stop
    return False
