"""Threads of their own for slow answers, so that many who wait for one never take those that serve static files."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

import anyio
import anyio.to_thread
from anyio.lowlevel import RunVar

THREADS = {"computing codes": 1, "sending codes": 4, "packing decoders": 2, "decoding": 4}
_limiters: RunVar[dict[str, anyio.CapacityLimiter]] = RunVar("limiters")  # one set for each event loop
T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")


async def in_thread_of(kind: str, function: Callable[[*Arguments], T], *arguments: *Arguments) -> T:
    """Returns what `function` answers in one of the threads of this kind; who waits for one holds none."""
    limiters = _limiters.get(None)
    if limiters is None:
        limiters = {name: anyio.CapacityLimiter(threads) for name, threads in THREADS.items()}
        _limiters.set(limiters)
    return await anyio.to_thread.run_sync(function, *arguments, limiter=limiters[kind])
