"""Runs between rate and distortion, in two planes side by side; a click chooses one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from ui.components.mounting import browser_component

_planes = browser_component("terms/terms")


def planes(
    title: str,
    points: Sequence[Mapping[str, Any]],
    linear: Sequence[Mapping[str, float]],
    chosen: str,
    *,
    key: str = "planes",
) -> str | None:
    """Draws the points (`ui.terms.view.plane_points`), the linear decoder's curve and the chosen run's tangent.

    Returns the name of a run that was chosen just now, once, else None.
    """
    data = {"title": title, "points": points, "linear": linear, "chosen": chosen}
    answer = _planes(key=key, data=data, on_view_change=_nothing)
    return _received(answer.get("view"), key, {point["name"] for point in points})


def _received(sent: object, key: str, names: set[str]) -> str | None:
    if not isinstance(sent, Mapping) or sent.get("moment") == st.session_state.get(f"{key}-received"):
        return None
    st.session_state[f"{key}-received"] = sent.get("moment")
    name = sent.get("run")
    return name if isinstance(name, str) and name in names else None


def _nothing() -> None:
    """Streamlit returns only those values that have a callback."""
