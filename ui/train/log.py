"""What the process of a run printed, wherever it runs: nothing as a rule, and then nothing is drawn."""

from __future__ import annotations

import streamlit as st

from ui import server
from ui.runs.run_view import RunView


def log(view: RunView) -> None:
    """Draws the end of the run's log, closed, as it stands: literally, whatever is in it."""
    if view.shipped or not (written := server.engine_of(view.path).log_tail(view.path)):
        return
    with st.expander("The end of its log", key="log"):
        st.code(written, language=None, wrap_lines=True)
