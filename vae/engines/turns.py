"""Whose turn it is: the runs that an engine was given, the order of those that wait, and how many go at a time."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from vae.engines.places import Place
from vae.engines.process import WorkerProcess
from vae.errors import ConfigError
from vae.runs import Status


@dataclass(eq=False)
class Job:
    """A submitted run: at work while it has a `worker` and a `place`; else the engine holds its lock, and it waits or
    rests."""

    key: Path  # the path made absolute
    path: Path  # as it was submitted
    owner: str
    lock: FileLock | None
    after: Path | None = None  # the run that must have ended first: it starts from its weights
    worker: WorkerProcess | None = None
    place: Place | None = None
    resting: bool = False  # paused, without a place; while there is still a worker: on its way to that
    paused_since: float | None = None  # by our clock; a step or a turned knob counts as a new pause
    touched: tuple[int, int] = (0, 0)  # step and revision of the knobs, as last received
    crashes: int = 0
    heartbeat: float = 0.0  # the status's, by its own clock; only compared for being the same
    seen: float = 0.0  # when it last changed, by our clock, which a suspended laptop or a corrected one leaves alone
    stop_by: float | None = None
    killed: str = ""  # why we killed the worker

    @property
    def waits(self) -> bool:
        return self.worker is None and not self.resting

    def receive(self, status: Status, now: float) -> None:
        """Takes in what its worker writes; `now` by our clock."""
        before, self.touched = self.touched, (status.step, status.knobs_revision)
        if status.state != "paused":
            self.paused_since = None
        elif self.paused_since is None or before != self.touched:
            self.paused_since = now

    def give_back(self) -> None:
        """Lets go of the place and of the run's lock."""
        for held in (self.place, self.lock):
            if held is not None:
                held.release()
        self.place = self.lock = None


def fair_order(waiting: Iterable[Job], served: Mapping[str, int]) -> list[Job]:
    """Orders by round robin: each turn goes to the owner whose last turn is longest ago, and there to the longest
    waiting run.

    served: owner -> number of the owner's last turn; who never had one comes first.
    """
    lines: dict[str, deque[Job]] = {}
    for job in waiting:
        lines.setdefault(job.owner, deque()).append(job)
    last = {owner: served.get(owner, 0) for owner in lines}
    turn = max(served.values(), default=0)
    order: list[Job] = []
    while lines:
        owner = min(lines, key=last.__getitem__)
        order.append(lines[owner].popleft())
        turn += 1
        last[owner] = turn
        if not lines[owner]:
            del lines[owner]
    return order


def paused_longest(jobs: Iterable[Job], now: float, limit: float) -> Job | None:
    """Returns the run at work that is to rest first: paused for longest, and for `limit` seconds at least."""
    paused = [job for job in jobs if job.paused_since is not None and not job.resting and job.stop_by is None]
    first = min(paused, key=lambda job: job.paused_since or 0.0, default=None)
    return first if first is not None and now - (first.paused_since or 0.0) >= limit else None


def default_slots(gpu_count: int) -> int:
    """Returns `ELBO_ROOM_SLOTS`, else one per GPU, else half the cores: the other half is for the server and the
    browser."""
    wanted = os.environ.get("ELBO_ROOM_SLOTS")
    if wanted:
        return at_least_one("ELBO_ROOM_SLOTS", int(wanted) if wanted.strip().isdecimal() else wanted)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return gpu_count or max(1, cores // 2)


def at_least_one(name: str, value: object) -> int:
    """Returns the number of runs that may train at once. Raises ConfigError, naming the setting, below 1."""
    if not isinstance(value, int) or value < 1:
        raise ConfigError(f"{name}: expected how many runs may train at once, 1 or more, got {value!r}")
    return value
