"""Through time: one run at the moments of its training that it kept, under one z, one image and one map."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st

from ui import style
from ui.address import check_address
from ui.components.scrubber import SCRUB, Stop, scrubber
from ui.live.moments import stops_of
from ui.runs.chooser import TRAIN
from ui.runs.run_view import RunView
from vae import runs
from vae.errors import ElboRoomError
from vae.runs.moments import why_none
from vae.runs.own_numbers import why_no_likelihood

FEWEST = 2  # stops that there is anything to scrub between


def time_machine(view: RunView) -> None:
    """Draws the run at the moments that it kept, or says why there are none and what to do."""
    check_address(["run", "mode", *SCRUB])
    try:
        why = why_none(view.path)
        if why:
            style.note(why)
            st.page_link(TRAIN, label="Go to Train", query_params={"run": view.name})
            return
        _scrub(view.path)
    except ElboRoomError as error:
        style.problem(str(error))
        return
    if note := why_no_likelihood(view.config, view.data):
        style.note(note)


@st.fragment
def _scrub(path: Path) -> None:
    """A fragment: a move of the scrubber draws nothing else anew."""
    try:
        found = stops_of(path)
        trains = runs.read_status(path).state in runs.ACTIVE
        if len(found) < FEWEST and not trains:
            style.note("This run ended before its first record: it has one moment only. Continue it to get more.")
            return
        stops = [_stop(path, one) for one in found]
        scrubber(stops, title="Through time", follow=path if trains else None, key="time-machine")
    except ElboRoomError as error:
        style.problem(str(error))


def _stop(path: Path, one: dict[str, Any]) -> Stop:
    step = None if one["why"] == "newest" else one["step"]
    return Stop(path, step, **{name: one[name] for name in ("label", "short", "key", "why")})
