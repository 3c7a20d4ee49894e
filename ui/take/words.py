"""What the Take away page says of a run: which save leaves, and the command that does the same."""

from __future__ import annotations

import shlex

from ui.runs.run_view import RunView
from vae.runs.checkpoints import weights_step


def of_which_save(view: RunView) -> str:
    """Returns which state of the run is taken."""
    step = weights_step(view.path)
    at = "" if step is None else f", of step {step:,}"
    if view.active:
        return (
            f"This run is still training: its newest save{at}, is taken."
            if at
            else ("This run is still training: its newest save is taken.")
        )
    return f"Made on this server from the run as it was saved last{at}, and kept here for a day at most."


def command(run: str, name: str | None, kind: str | None) -> str:
    """Returns the command that writes the same file; `FORMAT` stands where none is chosen."""
    what = ["--what", kind] if kind else []
    return shlex.join(["python", "-m", "vae", "export", run, "--format", name or "FORMAT", *what])
