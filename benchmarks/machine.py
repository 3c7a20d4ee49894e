"""What a measurement was made on, for its results file, and whether anything else ran there."""

from __future__ import annotations

import os
import platform
import time
from pathlib import Path
from typing import Any

from benchmarks.peers.measuring import busy_seconds

IDLE = 0.1  # cores that other programs may keep busy on a machine that counts as idle
LOOK = 5.0  # seconds of a look at them


def machine() -> dict[str, Any]:
    """The processor's name, how many cores there are, and how busy they are: the mean over the last minute."""
    return {"processor": processor(), "cores": os.cpu_count(), "load": os.getloadavg()[0]}


def processor() -> str:
    """Returns its name; with family and model number where Linux tells them, because virtual machines shorten names."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    told = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    numbers = [f"{name.removeprefix('cpu ')} {told[name]}" for name in ("cpu family", "model") if name in told]
    name = told.get("model name") or platform.processor() or platform.machine()
    return f"{name} ({', '.join(numbers)})" if numbers else name


def busy_cores(seconds: float = LOOK) -> float | None:
    """Returns how many cores other programs keep busy in the next `seconds`; None where that cannot be known."""
    before, began = busy_seconds(), time.perf_counter()
    time.sleep(seconds)
    after = busy_seconds()
    return (after - before) / (time.perf_counter() - began) if after else None


def wait_for_idle(patience: float, look: float = LOOK) -> float | None:
    """Waits until other programs keep at most IDLE cores busy, at most `patience` seconds, and says so in a sentence
    where it has to wait or to go on without. Returns the cores they kept busy at last; None where nobody knows."""
    end, waits = time.monotonic() + patience, False
    while (busy := busy_cores(look)) is not None and busy > IDLE and time.monotonic() < end:
        if not waits:
            print(f"Other programs keep {busy:.1f} cores busy; waiting up to {patience:.0f} s for them.", flush=True)
            waits = True
    if busy is None:
        print("Whether other programs are busy cannot be known on this system.", flush=True)
    elif busy > IDLE:
        print(f"The machine is not idle: other programs keep {busy:.1f} cores busy. Going on.", flush=True)
    return busy
