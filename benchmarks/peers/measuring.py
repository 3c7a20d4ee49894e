"""What every training loop here shares: its command line, its stopwatch and the one JSON line that it prints.

Standard library only, for the loops run in different environments.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from dataclasses import dataclass


@dataclass
class Settings:
    """The model and the task, the same for every loop."""

    data: str  # a root in torchvision's layout
    threads: int
    epochs: int  # passes over the training set that are timed
    batch: int = 128
    hidden: int = 400
    latent: int = 20
    lr: float = 1e-3
    limit: int = 0  # images of the training set, 0 for all


def settings(description: str | None, **extra: str) -> tuple[Settings, argparse.Namespace]:
    """Read them from the command line; `extra` options are strings. OpenMP's threads are set before torch is there."""
    parser = argparse.ArgumentParser(description=(description or "").splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--limit", type=int, default=0)
    for name, default in extra.items():
        parser.add_argument(f"--{name}", default=default)
    chosen = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(chosen.threads)
    return Settings(chosen.data, chosen.threads, chosen.epochs, limit=chosen.limit), chosen


class Stopwatch:
    """Wall seconds, CPU seconds of all threads of this process, and how busy other processes kept the cores."""

    def __init__(self) -> None:
        self.wall, self.cpu, self.busy = time.perf_counter(), time.process_time(), _busy_seconds()

    def stop(self) -> None:
        self.wall = time.perf_counter() - self.wall
        self.cpu = time.process_time() - self.cpu
        self.others = None  # cores, on average
        if self.busy is not None and (busy := _busy_seconds()) is not None:
            self.others = max(0.0, busy - self.busy - self.cpu) / self.wall


def report(watch: Stopwatch, images: int, loss: float | None, **versions: str) -> None:
    """Print the result. loss: the last training loss in nats per image, to show that the loop did learn."""
    result = {
        "images": images,
        "wall": watch.wall,
        "cpu": watch.cpu,
        "others": watch.others,
        "loss": loss,
        "versions": {"python": platform.python_version(), **versions},
    }
    print("\n" + json.dumps(result), flush=True)


def _busy_seconds() -> float | None:
    """CPU seconds spent by everybody since the machine started; None where /proc is missing."""
    if sys.platform != "linux":
        return None
    with open("/proc/stat") as file:
        user, nice, system, _, _, irq, softirq, *_ = (int(word) for word in file.readline().split()[1:])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")
