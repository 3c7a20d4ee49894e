"""Two runs beside each other: reconstructions, sliders in step, terms with errors, maps under one lasso."""

from __future__ import annotations

from ui import style
from ui.compare.other import choose_other
from ui.runs.run_view import RunView

FIELDS = ("other", "image", "z", "meaning", "colour", "neighbours")  # of the address, besides run and mode


def two_runs(view: RunView) -> None:
    """Draws the choice of the other run, and both beside each other."""
    other = choose_other(view)
    if other is None:
        return
    style.note(f"A is “{view.name}”, B is “{other.name}”.")
