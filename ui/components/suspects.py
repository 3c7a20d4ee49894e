"""The table of suspects: a page of rows with pictures; its buttons and keys are told to Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from ui.components.mounting import browser_component

_table = browser_component("suspects/table")
ACTIONS = ("sort", "page", "mark", "note")


def suspects_table(data: dict[str, Any], on_action: Callable[[], None], *, key: str = "suspects-table") -> None:
    """Draws rows that `ui.suspects.table` made. `on_action` is called before the page is drawn anew; `read_action` then
    tells what was asked for."""
    _table(key=key, data=data, on_action_change=on_action)


def read_action(run: str, key: str = "suspects-table") -> dict[str, Any] | None:
    """Returns what the browser asks for: {action: sort, sort}, {action: page, page}, {action: mark, index, marked} or
    {action: note, index, note}; None where it is none of these, or of another run."""
    state = st.session_state.get(key)
    sent = state.get("action") if isinstance(state, Mapping) else None
    if not isinstance(sent, Mapping) or sent.get("run") != run or sent.get("action") not in ACTIONS:
        return None
    action = sent["action"]
    kinds: dict[str, dict[str, type]] = {
        "sort": {"sort": str}, "page": {"page": int}, "mark": {"index": int, "marked": bool},
        "note": {"index": int, "note": str},
    }  # fmt: skip
    if not all(type(sent.get(name)) is kind for name, kind in kinds[action].items()):
        return None
    return {"action": action, **{name: sent[name] for name in kinds[action]}}
