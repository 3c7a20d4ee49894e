"""A browser's identity, handed to another browser by a code that works once, within ten minutes.

The other browser becomes the same visitor: its runs, its name and its rights are then at both. The codes are in memory:
a restarted server knows none, and a new one is made with a click.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

LETTERS = "ACDEFGHJKMNPQRTUVWXY34679"  # no two look alike
LENGTH = 8  # 25⁸ = 1.5e11
LASTS = 600.0  # seconds
MOST = 500  # codes at a time


@dataclass(frozen=True)
class Ticket:
    """Who is handed over, with what was granted, and until when (seconds of the clock)."""

    visitor: str
    grants: tuple[str, ...]
    until: float


class Tickets:
    """The codes that are good now, one for each visitor. From any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._tickets: dict[str, Ticket] = {}  # by the hash of the code: looking one up tells nothing by its time

    def issue(self, visitor: str, grants: tuple[str, ...] = ()) -> str:
        """Returns a new code for this visitor; one that it had before is void. "" where there are too many."""
        code = "".join(secrets.choice(LETTERS) for _ in range(LENGTH))
        with self._lock:
            now = self._clock()
            self._tickets = {
                key: one for key, one in self._tickets.items() if one.until > now and one.visitor != visitor
            }
            if len(self._tickets) >= MOST:
                return ""
            self._tickets[_hash(code)] = Ticket(visitor, grants, now + LASTS)
        return f"{code[:4]} {code[4:]}"

    def redeem(self, text: str) -> Ticket | None:
        """Returns whom a code hands over, once; None for any other text."""
        code = "".join(letter for letter in text.upper() if letter not in " -\t")
        with self._lock:
            ticket = self._tickets.pop(_hash(code), None)
            return ticket if ticket is not None and ticket.until > self._clock() else None


@st.cache_resource(show_spinner=False)
def tickets() -> Tickets:
    """Returns those of this server."""
    return Tickets()


def _hash(code: str) -> str:
    return hashlib.sha256(code.encode(errors="replace")).hexdigest()
