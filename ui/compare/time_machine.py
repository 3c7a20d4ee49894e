"""Through time: one run at the moments of its training that it kept."""

from __future__ import annotations

from ui import style
from ui.runs.run_view import RunView


def time_machine(view: RunView) -> None:
    """Draws the run at the moments that it kept, or says why there are none."""
    style.note(f"“{view.name}” keeps no moments of its training: only its newest weights are there.")
