"""A run of a sweep that starts from its neighbour's weights: when it may, and with which."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vae import runs
from vae.engines.endings import StoppedBeforeTraining
from vae.runs.sweep_mark import blocked_by, neighbour_of, read_mark

if TYPE_CHECKING:
    from vae.engines.worker import Worker

LOOK_EVERY = 0.2  # seconds


def start_warm(worker: Worker) -> list[dict[str, Any]]:
    """Gives the trainer of a new run the weights of its neighbour, as that one ended, whichever way; waits while that
    one is at work. Returns the lines of the history that say so; where there were no weights, or that run is gone, its
    note does. Raises StoppedBeforeTraining, RunDamaged, ConfigError for another network's."""
    mark, neighbour = read_mark(worker.path), neighbour_of(worker.path)
    if mark is None or mark.warm_from is None:
        return []
    while blocked_by(worker.path):
        if runs.read_knobs(worker.path).stop or worker.server_gone.is_set():
            raise StoppedBeforeTraining
        worker.status.message = f"It waits for “{mark.warm_from}”, from whose weights it starts."
        worker.beat()
        time.sleep(LOOK_EVERY)
    worker.status.message = ""
    sha = None if neighbour is None else runs.content_hash(neighbour, runs.WEIGHTS)
    if neighbour is not None and sha is not None:
        from vae.training.start import start_from

        start_from(worker.trainer, runs.load_run(neighbour).model.state_dict())
    else:
        gone = "is gone" if neighbour is None else "left no weights"
        worker.note = f"“{mark.warm_from}” {gone}: this run started from its seed's. {worker.note}".strip()
    return [{"step": 0, "event": "warm start", "run": mark.warm_from, "weights": sha}]


def in_order(paths: Sequence[Path]) -> tuple[list[Path], bool]:
    """Returns the runs, each after the one from whose weights it starts, and whether any of them does so. Raises
    RunDamaged."""
    after = {path.name: neighbour.name for path in paths if (neighbour := neighbour_of(path))}
    place: dict[str, int] = {}

    def depth(name: str) -> int:
        met: list[str] = []
        while name not in place and name in after and name not in met:  # a circle ends where it began
            met.append(name)
            name = after[name]
        below = place.get(name, -1 if name in after else 0)
        for steps, one in enumerate(reversed(met), 1):
            place[one] = below + steps
        return place.setdefault(met[0] if met else name, below)

    return sorted(paths, key=lambda path: depth(path.name)), bool(after)
