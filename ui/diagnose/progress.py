"""How far a diagnosis is, looked at every moment; the page is drawn anew when there is something new to show."""

from __future__ import annotations

from html import escape
from pathlib import Path

import streamlit as st

from vae.diagnosis.results import WORKING, DiagnosisStatus, read_status

LOOK_EVERY = 0.3  # seconds


@st.fragment(run_every=LOOK_EVERY)
def follow(folder: Path, done: int) -> None:
    """Draws the progress of the work in `folder`, of which the page shows `done` findings; flat, without widgets."""
    status = read_status(folder)
    if status.state not in WORKING or status.done > done:
        st.rerun()
    st.html(progress_html(status))


def progress_html(status: DiagnosisStatus) -> str:
    """Returns the bar and what is being done."""
    if status.state == "starting":
        return '<p class="er-progress" role="status"><progress max="1"></progress> starting</p>'
    words = ": ".join(filter(None, (status.finding.replace("_", " "), status.words)))
    return (
        f'<p class="er-progress" role="status"><progress max="1" value="{status.fraction:.3f}"></progress> '
        f"{status.done} of {status.total} done. {escape(words)}</p>"
    )
