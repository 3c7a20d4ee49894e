"""What a run that waits is told: its place in the queue, which run is ahead of it, whose that is, how long it takes."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from ui import server, style
from ui.room.people import name_of
from ui.runs.owners import current_owner, recorded_owner
from vae import runs
from vae.engines import places

EVERY = 2.0  # seconds between two looks


@st.fragment(run_every=EVERY)
def queue_note(path: Path) -> None:
    """Draws the note and keeps it up to date; nothing for a run that does not wait."""
    engine = server.engine_of(path)
    if runs.read_status(path).state != "queued":
        return
    if words := engine.state(path).words:
        style.note(words)
        return
    queue = engine.queued()
    if path in queue:
        style.note(sentence(queue[: queue.index(path)], places.at_work(path.parent), current_owner()))
    elif runs.is_locked(path):
        style.note("It waits for its turn in another server on this folder of runs.")


def sentence(ahead: list[Path], at_work: list[Path], owner: str) -> str:
    """Returns the note for the person with this owner id: the queue before a run, and the runs that have the places."""
    words = [f"Waiting: number {len(ahead) + 1} in the queue."]
    if ahead:
        words.append(f"{_named(ahead[-1], owner)} waits just ahead of it.")
    left = {path: _seconds_left(path) for path in at_work}
    known = sorted((seconds, path) for path, seconds in left.items() if seconds is not None)
    if known:
        words.append(f"{_named(known[0][1], owner)} {_will_leave(known[0][1], known[0][0])}.")
    elif at_work:
        words.append(f"{_named(at_work[0], owner)} trains now; how long it will take is not known yet.")
    if ahead and len(ahead) < len(known):
        words.append(f"Its own turn comes {_in_about(known[len(ahead)][0])}.")
    return " ".join([*words, "It starts by itself."])


def _named(path: Path, owner: str) -> str:
    recorded = recorded_owner(path)
    name = name_of(recorded)
    whose = f"{name}’s" if name else "another browser’s"
    if recorded in ("", owner):
        whose = "yours" if recorded else "started from the command line"
    return f"“{path.name}” ({whose})"


def _seconds_left(path: Path) -> float | None:
    status = runs.read_status(path)
    return 0.0 if status.state in ("paused", "saving") else status.seconds_left


def _will_leave(path: Path, seconds: float) -> str:
    state = runs.read_status(path).state
    if state == "paused":
        return "is paused and gives its place up in a few seconds"
    return "is saving" if state == "saving" else f"trains now and is done {_in_about(seconds)}"


def _in_about(seconds: float) -> str:
    """`in about 40 seconds`, `in about 3 minutes`."""
    if seconds < 10:
        return "in a few seconds"
    if seconds < 95:
        return f"in about {10 * round(seconds / 10):.0f} seconds"
    if seconds < 5700:
        return f"in about {max(2, round(seconds / 60))} minutes"
    return f"in about {max(2, round(seconds / 3600))} hours"
