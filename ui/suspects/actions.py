"""What a button or key of the table does: another order or page, a mark, a note."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import streamlit as st

from ui.components.suspects import read_action
from ui.runs.run_view import RunView
from ui.suspects.marks import mark, marks_of
from ui.suspects.panel import go
from ui.suspects.view import SECOND, SuspectsView
from vae.diagnosis.suspects.marks import Marks, Row
from vae.diagnosis.suspects.table import SORTS, Listed, removable
from vae.errors import ElboRoomError

PROBLEM = "suspects-problem"  # of the session: why the last change could not be made


def act(run: RunView, view: SuspectsView, listed: Listed) -> None:
    """Does what the browser asked for, before the page is drawn anew."""
    asked = read_action(run.name)
    if asked is None:
        return
    if asked["action"] == "page":
        go(dataclasses.replace(view, page=max(1, asked["page"])))
    elif asked["action"] == "sort" and asked["sort"] in SORTS:
        flipped = asked["sort"] == view.sort and not view.order
        go(dataclasses.replace(view, sort=asked["sort"], order="flipped" if flipped else "", page=1))
    elif "index" in asked and view.part != SECOND and 0 <= asked["index"] < len(listed) and listed.rows is not None:
        row: Row = (listed.part, listed.row(asked["index"]))
        changes = (lambda marks: {row: marks.get(row, "") if asked["marked"] else None}) if "marked" in asked else None
        change(run, changes or (lambda _: {row: asked["note"]}))


def mark_all(run: RunView, listed: Listed, indices: list[int], keep: bool) -> None:
    """Marks all that is listed; of a group of twins the first one stays unmarked. `keep` False: takes the marks
    back."""
    rows: list[Row] = [(listed.part, listed.row(i)) for i in indices if not keep or removable(listed, i)]
    change(run, lambda marks: {row: marks.get(row, "") if keep else None for row in rows})


def change(run: RunView, changes: Callable[[Marks], dict[Row, str | None]]) -> None:
    """Changes marks; the page says why where that cannot be."""
    fresh = RunView(run.path)
    try:
        mark(fresh, changes(marks_of(fresh)))
    except ElboRoomError as error:
        st.session_state[PROBLEM] = str(error)
