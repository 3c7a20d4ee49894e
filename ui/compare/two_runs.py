"""Two runs beside each other: terms with errors, the same image and the same z, maps under one lasso."""

from __future__ import annotations

import streamlit as st

from ui import style
from ui.compare.other import choose_other
from ui.components.compare import MAPS, STEP, compared_maps, compared_terms, in_step
from ui.components.explore_modes import Fields, received
from ui.explore.space import Space, space_of
from ui.runs.run_view import RunView

FIELDS = ("other", *STEP, *MAPS)  # of the address, besides run and mode


def two_runs(view: RunView) -> None:
    """Draws the choice of the other run, and both beside each other."""
    other = choose_other(view)
    if other is None:
        return
    a, b = space_of(view), space_of(other)
    style.note(f"A is “{view.name}”, B is “{other.name}”.")
    compared_terms(a, b)
    _in_step(a, b)
    _maps(a, b)


@st.fragment
def _in_step(a: Space, b: Space) -> None:
    """A fragment: what comes to rest in it draws nothing else anew."""
    key = f"in-step-{a.support}-{b.support}"  # sliders and switches are two components
    keep(a.run, key, STEP)
    in_step(a, b, dict(st.query_params), key)


@st.fragment
def _maps(a: Space, b: Space) -> None:
    key = "compared-maps"
    keep(a.run, key, MAPS)
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
