"""Between which values the pictures of a run are shown, in words, where that is not from 0 to 1."""

from __future__ import annotations

from pathlib import Path

from ui import look
from vae import runs
from vae.errors import ElboRoomError


def limits_note(path: Path) -> None:
    """`Shown: −1 to 1`, for runs of real-valued images."""
    try:
        run = runs.load_run(path)
        if run.data.get("support") != "real":
            return
        from vae.codes import display_limits_of  # torch takes its time

        low, high = (f"{limit:,.4g}".replace("-", "−") for limit in display_limits_of(run))
    except ElboRoomError:
        return  # the page itself says what is wrong
    look.note(
        f"Shown: {low} to {high}, from black to white, the smallest and the largest value of the training images. "
        "Computed is with the values themselves."
    )
