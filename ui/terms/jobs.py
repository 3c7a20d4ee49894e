"""The runs that are shown and at work: how far they are, stop one or all, add more where the curve bends."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from ui import server, style
from ui.runs.owners import current_owner, may_change, record_owner
from ui.terms.view import TermsView
from vae import runs
from vae.errors import ElboRoomError
from vae.runs import run_path
from vae.sweeps import points as folder
from vae.sweeps.bend import values_to_add
from vae.sweeps.more import add_runs
from vae.sweeps.planes import Point

EVERY = 1.0  # seconds between two looks at runs at work
MORE = 3  # runs that are added at once


def jobs(view: TermsView) -> None:
    """Draws the panel; where all have ended, only what can be added."""
    at_work = any(p.state in runs.ACTIVE for p in view.points)
    if not at_work and not _values(view):
        return
    with st.container(key="panel-jobs"):
        style.label("Jobs")
        if at_work:
            _follow(tuple(p.name for p in view.points), sum(p.state in runs.ENDED for p in view.points))
        _more(view)


@st.fragment(run_every=EVERY)
def _follow(names: tuple[str, ...], ended: int) -> None:
    """Counts, and draws the whole page anew where one more has ended."""
    there = [p for p in folder.points() if p.name in set(names)]
    if sum(p.state in runs.ENDED for p in there) != ended:
        st.rerun()
    st.progress(fraction(there), text=words(there))
    active = [p for p in there if p.state in runs.ACTIVE]
    mine = [p.name for p in active if may_change(run_path(p.name))]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        one = st.selectbox(
            "Stop one", mine, index=None, placeholder="Stop one …", label_visibility="collapsed", width=260
        )
        st.button("Stop it", key="stop-one", disabled=one is None, on_click=_stop, args=([one],))
        st.button("Stop all", key="stop-all", disabled=not mine, on_click=_stop, args=(mine,))


def words(there: Sequence[Point]) -> str:
    """Returns how many have finished, train and wait."""
    finished = sum(p.state == "finished" for p in there)
    waiting = sum(p.state in runs.WAITING for p in there)
    ended = sum(p.state in runs.ENDED and p.state != "finished" for p in there)
    told = f"{finished:,} finished, {len(there) - finished - waiting - ended:,} running, {waiting:,} waiting"
    return told + (f", {ended:,} ended early" if ended else "")


def fraction(there: Sequence[Point]) -> float:
    """Returns the share of all steps that is done."""
    done = [1.0 if p.state in runs.ENDED else p.step / p.total_steps if p.total_steps else 0.0 for p in there]
    return min(1.0, sum(done) / max(1, len(done)))


def _stop(names: Sequence[str]) -> None:
    for name in names:
        path = run_path(name)
        if may_change(path):
            try:
                server.engine().stop(path)
            except (ElboRoomError, OSError) as error:
                st.session_state["notice"] = str(error)


def _values(view: TermsView) -> list[float]:
    """The values of C to add to the curve."""
    return values_to_add(view.curve.points, MORE) if view.curve and view.curve.sweep else []


def _more(view: TermsView) -> None:
    curve, values = view.curve, _values(view)
    if curve is None or not values:
        return
    mine = all(may_change(run_path(p.name)) for p in curve.points)
    listed = ", ".join(f"{value:g}" for value in values)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Add points where the curve bends", key="add-points", icon=":material/add:", disabled=not mine,
            on_click=_add, args=(curve.points, values),
        )  # fmt: skip
        style.note(f"C = {listed}, otherwise as “{curve.name}”.")


def _add(along: Sequence[Point], values: Sequence[float]) -> None:
    try:
        begin(add_runs(along, values))
    except (ElboRoomError, OSError) as error:
        st.session_state["notice"] = str(error)


def begin(paths: list[Path]) -> None:
    """Hands new runs to the engine, in the order in which they can be trained, in this browser's name."""
    owner = current_owner()
    for path in paths:
        record_owner(path, owner)
    server.engine().submit(paths, owner)
