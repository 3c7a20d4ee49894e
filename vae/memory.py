"""How much memory a process may ever get here, asked before it is taken."""

from __future__ import annotations

import os
from pathlib import Path

CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def process_memory() -> int | None:
    """Bytes: the least of the machine's memory and the limits set on this process; None where nobody tells."""
    return min((limit for limit in (*_cgroup_limits(), _address_space(), _physical()) if limit), default=None)


def _physical() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not on Windows
        return 0


def _cgroup_limits() -> list[int]:
    """What a container may use."""
    found = []
    for name in CGROUP_LIMITS:
        try:
            text = Path(name).read_text(encoding="utf-8").strip()
        except OSError:
            continue
        found.append(int(text) if text.isdecimal() else 0)
    return found


def _address_space() -> int:
    try:
        import resource
    except ImportError:  # not on Windows
        return 0
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    return 0 if soft == resource.RLIM_INFINITY else soft
