"""Signs of life: whether the heartbeat in a status still beats, where no lock tells.

Clocks of machines differ. A heartbeat is fresh where it is close to our own clock; and, whatever the clocks say, where
it changed under our eyes a short while ago by ours.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

WATCH = 1.0  # seconds that a heartbeat is watched: a worker writes one every quarter of a second as a rule


class HasHeartbeat(Protocol):
    heartbeat: float


_seen: dict[Path, tuple[float, float]] = {}  # heartbeat, and since when we know it; -inf: from the first look


def alive(path: Path, heartbeat: float, limit: float) -> bool:
    """Returns whether the last sign of life is less than `limit` seconds old, as far as can be told in one look."""
    now = time.monotonic()
    before = _seen.get(path)
    if before is None:
        _seen[path] = heartbeat, float("-inf")
    elif before[0] != heartbeat:
        _seen[path] = heartbeat, now
    return abs(time.time() - heartbeat) < limit or now - _seen[path][1] < limit


def watch(read: Callable[[], HasHeartbeat | None], heartbeat: float) -> bool:
    """Returns whether another heartbeat comes within WATCH seconds."""
    end = time.monotonic() + WATCH
    while time.monotonic() < end:
        time.sleep(WATCH / 10)
        found = read()
        if found is not None and found.heartbeat != heartbeat:
            return True
    return False
