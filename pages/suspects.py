"""Suspects: which images of a run look wrong. `?run=name&part=train&sort=disagreement&k=10&kind=exact&page=2`"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import streamlit as st

from ui import style
from ui.address import check_address
from ui.components.suspects import suspects_table
from ui.live.cache import weights_sha
from ui.runs.chooser import choose_run
from ui.runs.run_view import RunView
from ui.suspects import work
from ui.suspects.actions import PROBLEM, act
from ui.suspects.below import ask, classes_table, evidence_control, rows_panel, second_control
from ui.suspects.datasets import like_these, may_see
from ui.suspects.marks import marks_of
from ui.suspects.panel import choices, kinds, progress
from ui.suspects.shown import images_shown, listed_shown
from ui.suspects.table import table_data
from ui.suspects.view import FIELDS, SECOND, SuspectsView, read_view
from vae.diagnosis.results import WORKING, read_status
from vae.diagnosis.suspects.results import folder_of, folder_to_show, read_scores
from vae.errors import ElboRoomError


def page(run: RunView) -> None:
    """Draws the page of one run: the work, where some is to do, and what is known by now."""
    sha = weights_sha(run.path)
    folder = folder_to_show(run.path, sha)
    wanted = read_status(folder).state not in WORKING and not work.is_whole(folder_of(run.path, sha))
    if wanted and not run.active and not asked_already(run, sha):
        if problem := work.start(run.path):
            st.session_state[PROBLEM] = problem
        folder = folder_to_show(run.path, sha)
    status, older = read_status(folder), folder != folder_of(run.path, sha)
    if problem := st.session_state.pop(PROBLEM, "") or status.message:
        style.problem(problem)
    working = status.state in WORKING
    scores = read_scores(folder)
    if older and scores:
        style.notice("The run has newer weights than these numbers; the reconstructions are of the newest.")
    if working:
        progress(folder)
    elif older or not work.is_whole(folder):
        if run.active:
            style.note("The run trains on: what is found is of the weights of that moment, and newer ones ask anew.")
        label = "Look again with the newest weights" if older else "Look for suspects"
        st.button(label, icon=":material/play_arrow:", key="again", on_click=ask, args=(run.path, "", ""))
    if not scores:
        style.note("Each image is scored by this model and compared with its neighbours; the first come in seconds.")
        return
    parts = tuple(part for part in ("train", "test") if part in scores)
    labelled = scores[parts[0]].differ is not None
    view, refused = read_view(st.query_params, parts, "disagreement" if labelled else "elbo", may_see)
    if refused:
        style.notice(f"The address asked for what this run does not have ({', '.join(refused)}); it was left out.")
    table(run, sha, folder, view, parts, working or older)


def asked_already(run: RunView, sha: str) -> bool:
    """Whether this browser's page has started the work on these weights by itself: it does so once, and a person who
    stopped it may go on."""
    before = st.session_state.get("suspects-asked")
    st.session_state["suspects-asked"] = (run.name, sha)
    return bool(before == (run.name, sha))


def table(run: RunView, sha: str, kept: Path, view: SuspectsView, parts: tuple[str, ...], wait: bool) -> None:
    """Draws what is listed and what can be done with it; `wait`: with more to come, or to be asked for, first."""
    from vae.diagnosis.suspects.table import order

    try:
        listed = listed_shown(run.path, sha, view, kept)
    except ElboRoomError as error:
        choices(view, parts, None, like_these(run))
        style.problem(str(error))
        return
    choices(view, parts, listed, like_these(run))
    if listed is None:
        second_control(run, view, wait)
        return
    marks = marks_of(run)
    kinds(view, listed, marks)
    if view.part == SECOND and listed.second is not None:
        style.note(
            f"An image of {view.second} has a higher −ELBO than one of the run's own held-out images in "
            f"{listed.second.auroc:.1%} of all pairs; 50 % would be by chance."
        )
    label = view.label if view.label >= 0 else None
    indices = order(listed, view.sort, view.k, view.order == "flipped", view.kind, label, marks)
    images = images_shown(run.path, sha, view)
    data = table_data(run.path, sha, view, listed, images, indices, marks)
    rows_panel(run, view, listed, indices.tolist(), marks)
    suspects_table(data, partial(act, run, view, listed))
    evidence_control(run, view, listed, wait)
    classes_table(listed)


check_address(FIELDS)
chosen = choose_run("Suspects")
if chosen is not None:
    st.set_page_config(page_title=f"{chosen.name} · Suspects · ELBO Room")
    try:
        page(chosen)
    except ElboRoomError as error:
        style.problem(str(error))
        st.page_link(Path(__file__).with_name("home.py"), label="All runs", icon=":material/grid_view:")
