"""What a run's pictures and numbers are, in words, where they are not what they mostly are."""

from __future__ import annotations

import math

from ui import style
from vae.errors import ElboRoomError
from vae.runs import Run
from vae.runs.own_numbers import why_no_likelihood


def limits_note(run: Run) -> None:
    """Says between which values the pictures are shown, `Shown: −1 to 1`, for runs of real-valued images; and of a
    model of one's own that its nats are none of a likelihood, where that is so."""
    if why := why_no_likelihood(run.config, run.data):
        style.note(why)
    if run.data.get("support") != "real":
        return
    from vae.space.encodings import display_limits_of  # torch takes its time

    try:
        low, high = display_limits_of(run)
    except ElboRoomError:
        return  # the page itself says what is wrong
    style.note(
        f"Shown: {shown(low, high)}, from black to white, the smallest and the largest value of its images. "
        "Everything is computed from the values themselves."
    )


def shown(low: float, high: float) -> str:
    """Returns `−1 to 1`: both to a thousandth of their distance."""
    digits = 3 - math.floor(math.log10(high - low))
    first, last = (round(limit, digits) + 0.0 for limit in (low, high))  # + 0: no negative zero
    return f"{first:,.10g} to {last:,.10g}".replace("-", "−")
