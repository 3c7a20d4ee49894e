"""What a measurement was made on, for its results file."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any


def machine() -> dict[str, Any]:
    """The processor's name, how many cores there are, and how busy they are: the mean over the last minute."""
    return {"processor": processor(), "cores": os.cpu_count(), "load": os.getloadavg()[0]}


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
