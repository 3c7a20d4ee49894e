"""Wrong codes: a browser may give a few and then waits longer and longer; its address, which a whole class may share,
may give many, all of them together some more. So a student's typos hold up that student alone, and guessing stays
hopeless: whoever takes a new browser for every guess has one in ALL_AGAIN seconds in the end, which `ui.room.settings`
reckons with where it asks for codes that are not too easy.
"""

from __future__ import annotations

import ipaddress
import threading
import time
from collections.abc import Callable, Hashable

BROWSER, FIRST_WAIT, LONGEST_WAIT = 5, 2.0, 300.0  # wrong codes of a browser; seconds after one more, doubled by each
BROWSER_AGAIN = 600.0  # seconds until a browser's wrong code is forgotten
EACH, EACH_AGAIN = 300, 6.0  # wrong codes of one address; seconds until there is one more
ALL, ALL_AGAIN = 1_000, 1.0
MOST_KEPT = 4_096
EVERYBODY = ""


class Guesses:
    """A bucket for each browser, each address and all. A wrong code takes one out of each, time puts it back. Right
    ones take none. From any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._taken: dict[Hashable, tuple[float, float]] = {}  # whose -> wrong codes, and when that was

    def wait(self, address: str, visitor: str) -> float:
        """Returns the seconds until a code of this browser at this address is looked at; 0 for now."""
        with self._lock:
            return max(
                self._browser_waits(visitor),
                (self._left(_network(address), EACH_AGAIN) - EACH + 1) * EACH_AGAIN,
                (self._left(EVERYBODY, ALL_AGAIN) - ALL + 1) * ALL_AGAIN,
                0.0,
            )

    def wrong(self, address: str, visitor: str) -> None:
        """Counts a wrong code."""
        with self._lock:
            now = self._clock()
            buckets = ((_browser(visitor), BROWSER_AGAIN), (_network(address), EACH_AGAIN), (EVERYBODY, ALL_AGAIN))
            for one, again in buckets:
                self._taken[one] = (self._left(one, again) + 1, now)
            if len(self._taken) > MOST_KEPT:
                kept = {EVERYBODY: self._taken.pop(EVERYBODY), buckets[1][0]: self._taken.pop(buckets[1][0])}
                most = sorted(self._taken.items(), key=lambda pair: pair[1])[MOST_KEPT // 2 :]
                self._taken = kept | dict(most)

    def _browser_waits(self, visitor: str) -> float:
        count, when = self._taken.get(_browser(visitor), (0.0, 0.0))
        if round(count) < BROWSER:
            return 0.0
        return min(FIRST_WAIT * 2 ** min(max(count - BROWSER, 0), 30), LONGEST_WAIT) - (self._clock() - when)

    def _left(self, one: Hashable, again: float) -> float:
        """How many wrong codes still count."""
        count, when = self._taken.get(one, (0.0, 0.0))
        return max(0.0, count - (self._clock() - when) / again)


def _browser(visitor: str) -> Hashable:
    return ("browser", visitor)


def _network(address: str) -> Hashable:
    """One machine has many addresses of IP version 6, all in one network of 64 bits."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64] or "unknown"
    mapped = getattr(ip, "ipv4_mapped", None)
    return str(mapped or ip) if ip.version == 4 or mapped else int(ip) >> 64
