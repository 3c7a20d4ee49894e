"""The runs that are shown and at work: how far they are, stop one or all, add more where the curve bends."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from ui import server, style
from ui.room.limits import place_for
from ui.runs.owners import current_owner, may_change, record_owner
from ui.terms.view import TermsView
from vae import runs
from vae.errors import ElboRoomError
from vae.files import told
from vae.runs import run_path
from vae.sweeps import points as folder
from vae.sweeps.bend import values_to_add
from vae.sweeps.more import add_runs
from vae.sweeps.planes import Point

EVERY = 1.0  # seconds between two looks at runs at work
FEW = 30  # runs at work that are asked one by one, and offered to be stopped so
MORE = 3  # runs that are added at once


def jobs(view: TermsView) -> None:
    """Draws the panel; where all have ended, only what can be added."""
    at_work = any(p.state in runs.ACTIVE for p in view.points)
    if not at_work and not _values(view):
        return
    with st.container(key="panel-jobs"):
        if at_work:
            _follow(tuple(p.name for p in view.points), sum(p.state in runs.ENDED for p in view.points))
        _more(view)


@st.fragment(run_every=EVERY)
def _follow(names: tuple[str, ...], ended: int) -> None:
    """The line of the runs at work; draws the whole page anew where one more has ended."""
    there = folder.points_of([runs.runs_root() / name for name in names])
    if sum(p.state in runs.ENDED for p in there) != ended:
        st.rerun()
    active = [p for p in there if p.state in runs.ACTIVE]
    waiting = [p for p in active if p.state in runs.WAITING]
    running = [p for p in active if p.state not in runs.WAITING]
    where = " and ".join(dict.fromkeys(server.names_of([p.name for p in active]).values()))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.html(f'<p class="er-note"><b class="er-label">Jobs</b> {where} · {words(there)}</p>', width="content")
        st.progress(fraction(there), width="stretch")
        if left := time_left(running, len(waiting)):
            st.html(f'<p class="er-note">about {left} left</p>', width="content")
    mine = [p.name for p in [*running, *waiting][:FEW] if may_change(run_path(p.name))]
    with st.container(horizontal=True, vertical_alignment="center"):
        one = st.selectbox(
            "Stop one", mine, index=None, placeholder="Stop one …", label_visibility="collapsed", width=260
        )
        st.button("Stop it", key="stop-one", disabled=one is None, on_click=_stop, args=([one],))
        every = [p.name for p in [*waiting, *running]]  # those that wait first: no place becomes free for one of them
        st.button("Stop all", key="stop-all", disabled=not mine, on_click=_stop, args=(every,))
        if sentence := _told(running or waiting):
            style.note(sentence)


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


def time_left(running: Sequence[Point], waiting: int) -> str:
    """Returns the time until all have ended, in words: the longest of those that train, and those that wait at the
    same pace, as many at a time; "" where none tells its own yet."""
    known = [(p, left) for p in running[:FEW] if (left := runs.read_status(run_path(p.name)).seconds_left) is not None]
    whole = [left * p.total_steps / (p.total_steps - p.step) for p, left in known if p.step < p.total_steps]
    if not whole:
        return ""
    return in_time(max(left for _, left in known) + waiting * sum(whole) / len(whole) / len(running))


def in_time(seconds: float) -> str:
    """Returns a length of time as a person would say it."""
    if seconds < 180:
        return f"{seconds:,.0f} s"
    return f"{seconds / 60:,.0f} min" if seconds < 7200 else f"{seconds / 3600:,.1f} h"


def _told(at_work: Sequence[Point]) -> str:
    """What the engine says of the first of these; nothing of this machine's."""
    try:
        path = run_path(at_work[0].name)
        return server.engine_of(path).state(path).words
    except ElboRoomError as error:
        return str(error)


def _stop(names: Sequence[str]) -> None:
    for name in names:
        try:
            path = run_path(name)
            if may_change(path):
                server.engine_of(path).stop(path)
        except (ElboRoomError, OSError) as error:
            st.session_state["notice"] = told(error)


def _values(view: TermsView) -> list[float]:
    """The values of C to add to the curve, but for those whose runs are on their way."""
    if view.curve is None or not view.curve.sweep:
        return []
    like = view.curve.points[0]
    same = (like.sweep, like.lr, like.latent_dim, like.seed)
    coming = {p.C for p in view.points if (p.sweep, p.lr, p.latent_dim, p.seed) == same}
    return [value for value in values_to_add(view.curve.points, MORE) if value not in coming]


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
    from vae.datasets import DataInfo  # torch takes its time
    from vae.training.defaults import needs_of

    try:
        if not all(may_change(run_path(p.name)) for p in along):
            st.session_state["notice"] = "Points are added to a curve by whoever may steer all of its runs."
            return
        config, data = runs.read_config(run_path(along[0].name))
        disk = needs_of(config, DataInfo.from_json(data)).disk
        with place_for(current_owner(), disk * len(values), config.epochs or 0, len(values)):
            begin(add_runs(along, values), disk)
    except (ElboRoomError, OSError) as error:
        st.session_state["notice"] = told(error)


def begin(paths: list[Path], disk: float, engine: str | None = None) -> None:
    """Hands new runs to an engine, the server's own where none is named, in the order in which they can be trained, in
    this browser's name. disk: the bytes that each will have."""
    owner = current_owner()
    for path in paths:
        record_owner(path, owner, disk)
    server.engine(engine).submit(paths, owner)
