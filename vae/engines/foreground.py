"""Training that the command line waits for: in this process, or on a cluster whose runs are followed from here."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vae import runs
from vae.engines import places
from vae.engines.base import Engine
from vae.engines.engines import chosen, make_engine
from vae.engines.process import gpus
from vae.engines.states import CLAIMED
from vae.engines.turns import default_slots
from vae.runs.start import Request

FOLLOW_EVERY = 0.2


def train(paths: list[Path], as_json: bool, engine: str | None = None, request: Request | None = None) -> list[Path]:
    """Trains runs of one folder where `engine`, or the settings, say; returns when all have ended. Ctrl-C saves and
    stops what trains here, a second one ends at once; what a cluster has goes on without us. Raises EngineError."""
    with contextlib.nullcontext() if as_json else _progress(paths):
        name = chosen(engine)
        if name == "local":
            _train_here(paths, request)
        else:
            with make_engine(name, paths[0].parent) as cluster:
                cluster.submit(paths, request=request)
                print(
                    f"{name} has {len(paths)} run{'s' * (len(paths) > 1)}; Ctrl-C leaves them there.", file=sys.stderr
                )
                _follow(cluster, paths)
    return paths


def _train_here(paths: list[Path], request: Request | None) -> None:
    from vae.engines.worker import train_runs

    place = None  # one that is free is taken, so that servers on this folder count this training; none is waited for

    def stop(*_: Any) -> None:
        for path in paths:
            runs.change_knobs(path, stop=True)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    signal.signal(signal.SIGINT, stop)
    with contextlib.suppress(OSError):
        place = places.take(paths[0], default_slots(len(gpus())))
    try:
        train_runs(paths, request=request)
    finally:
        if place is not None:
            place.release()


def _follow(cluster: Engine, paths: list[Path]) -> None:
    """Waits until each run has come to an end, and none is about to go on by itself."""
    left = list(paths)
    while left := [path for path in left if not _is_over(cluster, path)]:
        time.sleep(FOLLOW_EVERY)


def _is_over(cluster: Engine, path: Path) -> bool:
    state = runs.read_status(path).state
    return state in CLAIMED or (state in runs.ENDED and not cluster.state(path).words)


@contextlib.contextmanager
def _progress(paths: list[Path]) -> Iterator[None]:
    done = threading.Event()
    threading.Thread(target=_show_progress, args=(paths, done), daemon=True).start()
    try:
        yield
    finally:
        done.set()


def _show_progress(paths: list[Path], done: threading.Event) -> None:
    """A line that follows status.json, on a terminal; nothing into a file."""
    while sys.stderr.isatty() and not done.wait(0.5):
        every = [(runs.read_status(path), path) for path in paths]
        status, path = next((one for one in every if one[0].state in runs.ACTIVE and one[0].step), every[0])
        ended = f"{sum(one.state in runs.ENDED for one, _ in every)} of {len(paths)} ended; " if len(paths) > 1 else ""
        left = f", {status.seconds_left:,.0f} s left" if status.seconds_left else ""
        pace = f", {status.images_per_second:,.0f} images/s" if status.images_per_second else ""
        text = f"{ended}{path.name}: {status.state}, step {status.step:,} of {status.total_steps:,}{pace}{left}"
        print(f"\r{text:<78}", end="", file=sys.stderr, flush=True)
