"""Train: the form, or with `?run=name` a run as it trains."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from ui import style
from ui.address import take_unknown
from ui.components import C_slider, link, live_charts, live_preview, live_trail, rate_bars, run_state
from ui.room.menu import about_the_disk
from ui.runs.chooser import ways
from ui.runs.display_limits import limits_note
from ui.runs.gallery import facts
from ui.runs.owners import by_words
from ui.runs.queue_note import queue_note
from ui.runs.run_view import RunView
from ui.train.advice import verdicts, what_to_do
from ui.train.controls import buttons, change, knob_panel
from ui.train.copying import SETTINGS, copy_settings
from ui.train.evidence_panel import evidence_panel
from ui.train.form import form
from vae import runs
from vae.errors import RunError, RunNotFound

HOME = Path(__file__).with_name("home.py")


def find(name: str) -> Path | None:
    """Returns the run of the address; None, with a notice, where there is none."""
    try:
        return runs.run_path(name)
    except RunNotFound:
        st.session_state["notice"] = (
            f"There is no run named “{name[:60]}”: it may have been renamed or deleted. "
            "Start a new one here, or choose one on the Home page."
        )
        return None


def leave(label: str, icon: str, address: dict[str, str]) -> None:
    """Draws a button to the form. It is no link: to the page that is open, a link would leave the address as it is."""
    st.button(label, icon=icon, key=f"leave-{label}", type="tertiary", on_click=_to_form, args=(address,))


def _to_form(address: dict[str, str]) -> None:
    st.session_state.pop("copied", None)  # asked for once more: once more the run's settings
    st.query_params.from_dict(address)


def header(view: RunView) -> None:
    """Draws the run's name, what it is, and the ways to its other pages and to the form."""
    config = view.config
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        with st.container(width="content"):
            ours = [] if config.is_yours else [config.network, config.objective]
            by = filter(None, [by_words(view.owner)])
            style.title(view.name, " · ".join([view.dataset, facts(config), *map(str, ours), *by]))
        with st.container(horizontal=True, width="content", gap="small", vertical_alignment="center", key="run-ways"):
            if view.has_weights:
                ways(view.name, "Train")
            link()
            if not config.is_yours:
                leave("Copy settings", ":material/content_copy:", {"from": view.name})
            leave("New run", ":material/add:", {})


def watch(view: RunView) -> None:
    """Draws the page of one run."""
    try:
        _ = view.config, view.knobs, view.history
    except RunError as error:
        style.problem(str(error))
        st.page_link(HOME, label="All runs", icon=":material/arrow_back:")
        return
    st.set_page_config(page_title=f"{view.name} · ELBO Room")
    header(view)
    if view.history_fault:
        style.problem(view.history_fault)
    about_the_disk()
    left, right = st.columns([1.12, 1], gap="large")
    with left:
        progress(view)
    with right:
        steering(view)


def progress(view: RunView) -> None:
    """Draws the buttons, the state with what can be done in it, the curves."""
    path, config = view.path, view.config
    buttons(view)
    run_state(path.name, view.status.state, key="state")
    if view.status.state == "queued":
        queue_note(path)
    what_to_do(view)
    for sentence in verdicts(view):
        style.note(sentence)
    objective = (config.objective, config.samples)
    live_charts(path.name, config.likelihood or "", pixels(view), *objective, config.is_yours, key="charts")


def steering(view: RunView) -> None:
    """Draws C with what it does, and the other knobs."""
    name, C, likelihood = view.name, view.config.C, view.config.likelihood or ""
    kind = {"spread": view.data.get("spread", 1.0), "fits": not view.config.is_yours}
    asked = C_slider(name, likelihood, pixels(view), C, **kind, disabled=not view.mine, key="C")
    if asked is not None and view.mine:
        change(view.path, C=asked)
        st.rerun()
    live_trail(name, likelihood, C, key="trail")
    live_preview(name, view.config.is_yours, key="preview")
    limits_note(view.run)
    rate_bars(name, key="rates")
    knob_panel(view)
    evidence_panel(view)


def pixels(view: RunView) -> int:
    """Returns the number of values of an image."""
    channels, height, width = view.data["shape"]
    return channels * height * width


if sentence := take_unknown(("from", "without", *(SETTINGS if "from" in st.query_params else ()))):
    st.session_state["notice"] = sentence
name = st.query_params.get("run")
path = find(name) if name is not None else None
if path is None and (source := st.query_params.get("from")):
    copy_settings(source, st.query_params)
if notice := st.session_state.pop("notice", None):
    style.notice(notice)
if path is None:
    form()
else:
    watch(RunView(path))
