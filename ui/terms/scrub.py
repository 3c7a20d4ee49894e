"""Scrub C: a slider over the runs of a curve, z and image held."""

from __future__ import annotations

import streamlit as st

from ui import style
from ui.components.scrubber import Stop, scrubber
from vae import runs
from vae.errors import ElboRoomError
from vae.runs import run_path
from vae.sweeps.planes import Point

FEWEST = 2  # runs that there is anything to scrub between
MOST = 60  # runs whose decoders a browser holds


@st.fragment
def scrub_C(along: tuple[Point, ...]) -> None:
    """Draws the scrubber over runs in the order of C: those that have weights. A fragment, so that a move draws nothing
    else anew."""
    there = [(p, run_path(p.name)) for p in along if p.C is not None]
    stops = [
        Stop(path, None, f"C = {p.C:.4g}", short=f"{p.C:.3g}") for p, path in there if (path / runs.WEIGHTS).is_file()
    ]
    if len(stops) < FEWEST:
        style.note("A slider over C appears here with the second run of a sweep that has weights.")
        return
    try:
        scrubber(stops[:MOST], title="Scrub C, z held", key="scrub-C")
    except ElboRoomError as error:
        style.problem(str(error))
