"""Whoever started a worker, as a worker receives it on standard input: a run's name, a word, the end of the file."""

from __future__ import annotations

import os
import threading

REST = b"rest\n"  # save and end: the run is paused, and another one waits for its place


class Parent(threading.Event):
    """Set when this process is to save and end, because whoever started it has gone or says so.

    resting: the run goes on later, when a person resumes it.
    """

    resting = False

    def watch(self) -> None:
        """Reads standard input to its end, from a thread of its own."""
        received = b""
        while byte := os.read(0, 1):
            received = (received + byte)[-len(REST) :]
        self.resting = received == REST
        self.set()
