"""Wrong codes: a visitor's address may give a few, all of them together some more, and then one has to wait."""

from __future__ import annotations

import ipaddress
import threading
import time
from collections.abc import Callable, Hashable

EACH, EACH_AGAIN = 20, 6.0  # wrong codes of one address, which a class may share; seconds until there is one more
ALL, ALL_AGAIN = 200, 0.5
MOST_ADDRESSES = 4_096
EVERYBODY = ""


class Guesses:
    """A bucket for each address and one for all. A wrong code takes one out of both, time puts it back. Right ones take
    none. From any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._taken: dict[Hashable, tuple[float, float]] = {}  # address -> wrong codes, and when that was

    def wait(self, address: str) -> float:
        """Returns the seconds until a code from this address is looked at; 0 for now."""
        with self._lock:
            return max(
                (self._left(_network(address), EACH_AGAIN) - EACH + 1) * EACH_AGAIN,
                (self._left(EVERYBODY, ALL_AGAIN) - ALL + 1) * ALL_AGAIN,
                0.0,
            )

    def wrong(self, address: str) -> None:
        """Counts a wrong code."""
        with self._lock:
            now = self._clock()
            for one, again in ((_network(address), EACH_AGAIN), (EVERYBODY, ALL_AGAIN)):
                self._taken[one] = (self._left(one, again) + 1, now)
            if len(self._taken) > MOST_ADDRESSES:
                kept = {EVERYBODY: self._taken.pop(EVERYBODY)}
                newest = sorted(self._taken.items(), key=lambda pair: pair[1][1])[MOST_ADDRESSES // 2 :]
                self._taken = kept | dict(newest)

    def _left(self, one: Hashable, again: float) -> float:
        """How many wrong codes still count."""
        count, when = self._taken.get(one, (0.0, 0.0))
        return max(0.0, count - (self._clock() - when) / again)


def _network(address: str) -> Hashable:
    """One machine has many addresses of IP version 6, all in one network of 64 bits."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64] or "unknown"
    mapped = getattr(ip, "ipv4_mapped", None)
    return str(mapped or ip) if ip.version == 4 or mapped else int(ip) >> 64
