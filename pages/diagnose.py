"""Diagnose: what is wrong with a run's latent space, finding by finding. `?run=name&finding=holes`"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from ui import style
from ui.address import check_address
from ui.diagnose import progress, rows, work
from ui.diagnose.painting import where_they_differ
from ui.diagnose.report import downloads
from ui.diagnose.words import Shown, facts_line, parts_of, shown_of, verdict
from ui.live.cache import weights_sha
from ui.runs.chooser import choose_run
from ui.runs.display_limits import limits_note
from ui.runs.run_view import RunView

KNOWN = ("finding",)


def diagnose(view: RunView) -> None:
    """Draws what is known of the run; where nothing is, has it found out."""
    sha = weights_sha(view.path)
    shown = shown_of(view.path, sha)
    problem = st.session_state.pop("diagnose-problem", "")
    if shown.diagnosis.status.state == "absent" and not problem:
        problem = work.start_diagnosis(view.path)
        shown = shown_of(view.path, sha)
    head(view, shown)
    state_of(view.path, shown, problem)
    findings(view.name, shown)
    if not shown.stale:
        where_they_differ(view)
    if not shown.working:
        work.warm()  # for the next run, or the next weights


def head(view: RunView, shown: Shown) -> None:
    """Draws the verdict, what it rests on, and ways to take it along."""
    with st.container(key="diagnose-head", horizontal=True, vertical_alignment="bottom"):
        with st.container(key="diagnose-verdict"):
            style.title(verdict(view.run, shown.diagnosis), facts_line(shown))
        with st.container(key="diagnose-ways", horizontal=True, width="content"):
            if shown.diagnosis.results:
                downloads(view.run, shown.diagnosis)


def state_of(path: Path, shown: Shown, problem: str) -> None:
    """Draws how far it is, or why it is no further, with the one button that helps."""
    status = shown.diagnosis.status
    if problem:
        style.problem(problem)
    if shown.stale:
        style.notice("The run has newer weights than these findings.")
    if shown.working:
        with st.container(horizontal=True, vertical_alignment="center", key="diagnose-progress"):
            progress.follow(shown.folder, status.done)
            free = work.may_end(shown.folder)
            st.button("Stop", key="diagnose-stop", disabled=not free, on_click=work.end_diagnosis, args=(shown.folder,))
        return
    failed = [one.name for one in shown.diagnosis.results.values() if one.failed]
    if status.state == "failed":
        style.problem(status.message)
    elif status.state == "stopped":
        count = f"{len(shown.diagnosis.results)} of the findings" if shown.diagnosis.results else "nothing yet"
        style.notice(f"Stopped with {count}; what was found stays. {status.message}")
    label = "Diagnose" if status.state == "absent" else "Go on" if status.state == "stopped" else "Try again"
    if shown.stale:
        label = "Diagnose the newest weights"
    elif not problem and status.state == "finished" and not failed:
        return
    st.button(label, type="primary", key="diagnose-start", on_click=start, args=(path,))


def start(path: Path, again: bool = False) -> None:
    """Starts it; where it cannot start, the page says why."""
    st.session_state["diagnose-problem"] = work.start_diagnosis(path, again)


def findings(run: str, shown: Shown) -> None:
    """Draws a row for each finding, then those that do not apply."""
    opened = st.query_params.get("finding")
    shown_rows, others = parts_of(shown.diagnosis)
    if opened is not None and opened not in shown.diagnosis.results and not shown.working:
        del st.query_params["finding"]
        style.notice(f"There is no finding “{opened[:40]}”.")
    with st.container(key="findings"):
        for result in shown_rows:
            rows.row(run, result, result.name == opened)
        rows.do_not_apply(others, opened)


check_address(KNOWN)
view = choose_run("Diagnose")
if view is not None:
    st.set_page_config(page_title=f"{view.name} · Diagnose · ELBO Room")
    st.html(style.STATIC / "diagnose/diagnose.css")
    diagnose(view)
    limits_note(view.run)
