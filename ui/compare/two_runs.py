"""Two runs beside each other: terms with errors, the same image and the same z, maps under one lasso."""

from __future__ import annotations

import streamlit as st

from ui import style
from ui.compare.moments import NEWEST, choose_moment, middle_moment
from ui.compare.other import choose_other
from ui.components.compare import MAPS, STEP, Side, compared_maps, compared_terms, in_step
from ui.components.explore_modes import Fields, received
from ui.runs.run_view import RunView
from vae.errors import RunDamaged

FIELDS = ("at", "other", "other_at", *STEP, *MAPS)  # of the address, besides run and mode


def two_runs(view: RunView) -> None:
    """Draws the choice of the other run and of moments, and both beside each other."""
    try:
        named = "other" in st.query_params
        row = st.container(horizontal=True, vertical_alignment="center", gap="small", key="compare-choices")
        other = choose_other(view, row)
        if other is None:
            return
        usual = NEWEST if named or other.path != view.path else middle_moment(view.path)
        with row:
            a = choose_moment("A", view, "at", usual or NEWEST)
            b = choose_moment("B", other, "other_at")
    except RunDamaged as error:  # what it keeps of its training
        style.problem(str(error))
        return
    style.note(f"A is {_named(a)}, B is {_named(b)}.")
    compared_terms(a, b)
    _in_step(a, b)
    _maps(a, b)


def _named(side: Side) -> str:
    return f"“{side.space.run}”" + ("" if side.step is None else f" at step {side.step:,}")


@st.fragment
def _in_step(a: Side, b: Side) -> None:
    """A fragment: what comes to rest in it draws nothing else anew."""
    key = f"in-step-{a.space.support}-{b.space.support}"  # sliders and switches are two components
    keep(a.space.run, key, STEP)
    in_step(a, b, dict(st.query_params), key)


@st.fragment
def _maps(a: Side, b: Side) -> None:
    key = "compared-maps"
    keep(a.space.run, key, MAPS)
    compared_maps(a, b, dict(st.query_params), key)


def keep(run: str, key: str, fields: Fields) -> None:
    """Puts what came to rest in a part into the address, in the order in which the browser wrote it."""
    view = received(run, key, fields)
    if view is None:
        return
    view.pop("open")
    kept = {
        name: view.get(name, st.query_params[name]) for name in st.query_params if name in view or name not in fields
    }
    st.query_params.from_dict(kept | {name: view[name] for name in fields if name in view})
