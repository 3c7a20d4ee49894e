"""The form filled with the settings of another run, and without the images that were marked there as suspect."""

from __future__ import annotations

import streamlit as st

from ui.runs.run_view import RunView
from ui.suspects.marks import marked_rows
from ui.train import form_values
from ui.train.form import fill_in
from vae import runs
from vae.config import parse_rows, write_rows
from vae.errors import ElboRoomError

MARKED = "marked"  # as `?without=`: the rows that are marked in the run of `?from=`


def copy_settings(name: str, without: str = "") -> None:
    """Fills the form with the settings of the run in `?from=name`; once per visit, so that edits stay."""
    if st.session_state.get("copied") == (name, without):
        return
    st.session_state["copied"] = (name, without)
    notice = ""
    try:
        view = RunView(runs.run_path(name))
        if view.config.is_yours:
            notice = f"“{name[:60]}” is a model of your own: it has no settings to copy."
        elif left_out := fill_in(view.config):
            notice = (
                f"“{name[:60]}” has settings that the form does not offer ({', '.join(left_out)}): "
                "these are the defaults."
            )
        if without == MARKED and not view.config.is_yours and "dataset" not in left_out:
            _leave_out(view)
    except ElboRoomError:
        notice = f"The settings of “{name[:60]}” could not be read; these are the defaults."
    if notice:
        st.session_state["notice"] = notice


def _leave_out(view: RunView) -> None:
    """Those that are marked, and those that the run did without already."""
    rows: dict[str, list[int]] = {"train": [], "test": []}
    for text in (view.config.without, marked_rows(view)):
        for part, spans in (parse_rows(text) if text else {}).items():
            rows[part] += [row for span in spans for row in span]
    st.session_state[form_values.key("without")] = write_rows(rows)
