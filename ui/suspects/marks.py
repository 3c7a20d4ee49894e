"""This browser's marks: with the run where it may change the run, else in the browser's session."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from ui.runs.run_view import RunView
from vae.diagnosis.suspects.marks import Marks, Row, change_marks, changed, read_marks, rows_of

KEY = "suspects-marks"  # of the session: run -> marks
SESSION = "Marks and notes stay in this browser's session: {why} Save them as a file to keep them."


def marks_of(view: RunView) -> Marks:
    """Returns the marks that this browser sees: its own on a run that it may not change, else the run's. Raises
    RunError."""
    own = None if view.mine else st.session_state.get(KEY, {}).get(view.name)
    return read_marks(view.path, view.data) if own is None else dict(own)


def mark(view: RunView, changes: Mapping[Row, str | None]) -> None:
    """Sets the notes of rows, None takes a mark back. Raises RunError where they cannot be kept."""
    if view.mine:
        change_marks(view.path, view.data, changes)
    else:
        kept = st.session_state.get(KEY, {})
        st.session_state[KEY] = {**kept, view.name: changed(marks_of(view), changes)}


def where_they_stay(view: RunView) -> str:
    """Returns a sentence where marks are not kept with the run; "" where they are."""
    if view.mine:
        return ""
    return SESSION.format(
        why="the demo runs stay as they are." if view.shipped else "this browser may not change the run."
    )


def marked_rows(view: RunView) -> str:
    """Returns the marked rows as a run's setting `without` has them, "" where none is marked. Raises RunError."""
    return rows_of(marks_of(view))
