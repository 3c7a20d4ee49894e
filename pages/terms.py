"""Terms: what a nat buys. All runs on a dataset between rate and distortion. `?data=digits · gaussian&sweep=&run=`"""

from __future__ import annotations

import streamlit as st

from ui import style
from ui.address import check_address
from ui.components.planes import planes
from ui.components.scrubber import SCRUB
from ui.terms.jobs import jobs
from ui.terms.new_sweep import new_sweep
from ui.terms.picked import picked
from ui.terms.scrub import scrub_C
from ui.terms.view import FIELDS, TermsView, choose_view, plane_points, why_not_shown
from vae import runs
from vae.sweeps import points


def empty() -> None:
    """Draws what to do where there is no run yet."""
    style.lead("No runs to lay out yet")
    style.note(
        "A sweep trains one run for each of several values of C and lays them out between rate and distortion. "
        "Eight runs on the digits that come with the app take about a minute."
    )


def show(view: TermsView) -> None:
    """Draws both planes, the chosen run, the runs at work and the scrubber."""
    drawn = plane_points(view)
    if drawn:
        chosen = planes(view.title, drawn, view.linear(), view.chosen, key="planes")
        if chosen and chosen != view.chosen:
            st.query_params["run"] = chosen
            st.rerun()
    else:
        style.note("None of these runs has a held-out record yet; they appear here as they come.")
    if drawn:
        with st.container(key="panel-picked"):
            picked(view)
            save(view)
    jobs(view)
    if view.curve is not None:
        scrub_C(view.curve.points)


def save(view: TermsView) -> None:
    """Draws the buttons that save every number of the runs that are shown."""
    name = runs.clean_name(view.title)
    with st.container(horizontal=True, vertical_alignment="center"):
        style.note("All runs shown, every number:")
        for kind, mime, data in (("csv", "text/csv", view.csv), ("json", "application/json", view.json)):
            st.download_button(
                kind.upper(), data, f"{name}.{kind}", mime, key=f"save-{kind}", type="tertiary", on_click="ignore"
            )


def turn_form(open_at_first: bool) -> None:
    """Opens the form of a sweep, or closes it."""
    st.session_state["sweep-open"] = not st.session_state.get("sweep-open", open_at_first)


check_address([*FIELDS, *SCRUB])
if notice := st.session_state.pop("notice", None):
    style.notice(notice)
with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
    with st.container(width="content"):
        style.title("Terms: what a nat buys", "Means over held-out images; a point is a run.")
    with st.container(horizontal=True, width="content", vertical_alignment="center"):
        found = points.rows()
        view = choose_view(found)
        st.button("New sweep", type="primary", key="new-sweep", on_click=turn_form, args=(view is None,))
if st.session_state.get("sweep-open", view is None):
    with st.container(key="panel-sweep"):
        new_sweep(view)
if sentence := why_not_shown(view, found):
    style.problem(sentence)
if view is None:
    empty()
else:
    show(view)
