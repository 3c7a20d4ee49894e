"""What the state of a run is called, for people: the one place for these words."""

from __future__ import annotations

STATES = {
    "queued": "waiting for its turn",
    "starting": "starting",
    "running": "training",
    "paused": "paused",
    "resting": "paused, its place given to another run",
    "saving": "saving",
    "finished": "finished",
    "stopped": "stopped",
    "interrupted": "interrupted",
    "diverged": "diverged",
    "failed": "failed",
    "damaged": "damaged",  # of a card alone: the run cannot be read
}


def in_words(state: str) -> str:
    """Returns the state in words; an unknown one as it is."""
    return STATES.get(state, state)
