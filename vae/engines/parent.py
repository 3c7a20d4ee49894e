"""Whoever started a worker, as the worker hears it on standard input: a run's name, a word, the end of the file."""

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
        """Read standard input to its end, from a thread of its own."""
        heard = b""
        while byte := os.read(0, 1):
            heard = (heard + byte)[-len(REST) :]
        self.resting = heard == REST
        self.set()
