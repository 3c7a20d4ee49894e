"""What every training loop here shares: its command line, its stopwatch and the one JSON line that it prints.

Standard library only: threads are set before torch is there.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from dataclasses import dataclass
from typing import Any


@dataclass
class Settings:
    """The model and the task, the same for every loop that is compared."""

    pixels: str  # an .npz of uint8 pixels, 0 or 1: train and test, (N, height, width) each
    threads: int
    epochs: int  # passes over the training set that are timed
    limit: int  # images of the training set, 0 for all
    network: str  # mlp or conv, as vae.model.networks builds them; hidden layers of one width
    hidden: int
    latent: int
    batch: int
    lr: float
    targets: list[float]  # of the held-out −ELBO, nats; none: nothing is looked at
    look_every: int  # training images between two looks at the held-out ones
    budget: float  # CPU seconds after which a target counts as not reached


def settings(description: str | None, **extra: str) -> tuple[Settings, argparse.Namespace]:
    """Read them from the command line; `extra` options are strings. OpenMP's threads are set before torch is there."""
    parser = argparse.ArgumentParser(description=(description or "").splitlines()[0])
    parser.add_argument("--pixels", required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--limit", type=int, default=0)
    parser.add_argument("--network", default="mlp")
    parser.add_argument("--hidden", type=int, default=400)
    parser.add_argument("--latent", type=int, default=20)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--targets", type=float, nargs="*", default=[])
    parser.add_argument("--look-every", type=int, default=12_800)
    parser.add_argument("--budget", type=float, default=90.0)
    for name, default in extra.items():
        parser.add_argument(f"--{name}", default=default)
    given = vars(parser.parse_args())
    own = argparse.Namespace(**{name: given.pop(name) for name in extra})
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(given["threads"])
    return Settings(**given), own


class Stopwatch:
    """Wall seconds, CPU seconds of all threads of this process, and how busy other processes kept the cores."""

    def __init__(self) -> None:
        self.wall, self.cpu, self.busy = 0.0, 0.0, 0.0
        self.start()

    def start(self) -> None:
        self.running = True
        self._since = (time.perf_counter(), time.process_time(), busy_seconds())

    def stop(self) -> None:
        if self.running:
            now = (time.perf_counter(), time.process_time(), busy_seconds())
            wall, cpu, busy = (after - before for after, before in zip(now, self._since, strict=True))
            self.wall, self.cpu, self.busy = self.wall + wall, self.cpu + cpu, self.busy + busy
            self.running = False

    @property
    def others(self) -> float | None:
        """Cores that others kept busy, on average; None where that cannot be known."""
        return max(0.0, self.busy - self.cpu) / self.wall if sys.platform == "linux" else None


def report(watch: Stopwatch, images: int, loss: float | None, curve: list[Any] | None = None, **versions: str) -> None:
    """Print the result.

    loss: the last training loss in nats per image, to show that the loop did learn. curve: [images, CPU seconds, wall
    seconds, held-out −ELBO] at each look.
    """
    result = {
        "images": images,
        "wall": watch.wall,
        "cpu": watch.cpu,
        "others": watch.others,
        "loss": loss,
        "curve": curve or [],
        "versions": {"python": platform.python_version(), **versions},
    }
    print("\n" + json.dumps(result), flush=True)


def busy_seconds() -> float:
    """CPU seconds since the machine started that were spent by everybody or, on a virtual machine, taken by its host;
    0 where /proc is missing."""
    if sys.platform != "linux":
        return 0.0
    with open("/proc/stat") as file:
        user, nice, system, _, _, irq, softirq, steal, *_ = (int(word) for word in file.readline().split()[1:])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
