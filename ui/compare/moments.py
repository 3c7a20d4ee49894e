"""At which of its moments each of both is looked at: `&at=1200` for A, `&other_at=` for B; left out: the newest."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from ui import style
from ui.components.compare import Side
from ui.explore.space import space_of
from ui.runs.run_view import RunView
from vae.runs.moments import Moment, list_moments

NEWEST = "newest"


def choose_moment(name: str, view: RunView, parameter: str, usual: str = NEWEST) -> Side:
    """Draws the choice of a moment where the run keeps some; returns the side that is to be shown. Raises RunDamaged.

    `name`: "A" or "B". `parameter`: of the address; where that has none, `usual` is shown.
    """
    moments = {str(moment.step): moment for moment in list_moments(view.path)}
    asked = st.query_params.get(parameter, usual)
    if asked != NEWEST and asked not in moments:
        style.notice(f"“{view.name}” keeps no moment “{asked[:20]}”; its newest weights are shown instead.")
        asked = NEWEST
    if asked == NEWEST:
        st.query_params.pop(parameter, None)
    if moments:
        st.session_state[f"compare-{parameter}"] = asked  # the address decides, also after the browser's Back
        st.selectbox(
            f"{name} at", [*moments, NEWEST], key=f"compare-{parameter}", width=230, required=True,
            format_func=lambda key: f"{name}: {'newest weights' if key == NEWEST else _word(moments[key])}",
            label_visibility="collapsed", on_change=_chosen, args=(parameter,),
        )  # fmt: skip
    moment = moments.get(asked)
    channels, height, width = view.data["shape"]
    kept = (moment.step, moment.sha256) if moment else (None, None)
    return Side(space_of(view), (channels, height, width), *kept)


def middle_moment(path: Path) -> str | None:
    """Returns the step of a moment in the middle of those that a run keeps, as an address has it; None without any."""
    moments = list_moments(path)
    return str(moments[len(moments) // 2].step) if moments else None


def _word(moment: Moment) -> str:
    return f"step {moment.step:,}" + ("" if moment.C is None else f", C = {moment.C:.3g}")


def _chosen(parameter: str) -> None:
    chosen = st.session_state.get(f"compare-{parameter}")
    if chosen == NEWEST:
        st.query_params.pop(parameter, None)
    elif chosen:
        st.query_params[parameter] = chosen
