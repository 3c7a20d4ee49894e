"""Train: the form, or with `?run=name` a run as it trains."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from ui import style
from ui.components import C_slider, link, live_charts, live_preview, live_trail, rate_bars, run_state
from ui.runs.chooser import has_weights, ways
from ui.runs.gallery import facts
from ui.runs.limits import limits_note
from ui.runs.owners import may_change
from ui.runs.queue_note import queue_note
from ui.train.answers import verdicts
from ui.train.controls import buttons, change, knob_panel, what_to_do
from ui.train.evidence_panel import evidence_panel
from ui.train.form import fill_in, form
from vae import runs
from vae.config import Config
from vae.errors import ElboRoomError, RunError, RunNotFound

HOME = Path(__file__).with_name("home.py")


def find(name: str) -> Path | None:
    """The run of the address; None, with a notice, where there is none."""
    try:
        return runs.run_path(name)
    except RunNotFound:
        st.session_state["notice"] = (
            f"There is no run named “{name[:60]}”: it may have been renamed or deleted. "
            "Start a new one here, or choose one on the Home page."
        )
        return None


def copy_settings(name: str) -> None:
    """`?from=name`: the form starts with that run's settings; once per visit, so that edits stay."""
    if st.session_state.get("copied") == name:
        return
    st.session_state["copied"] = name
    try:
        config = runs.read_config(runs.run_path(name))[0]
        if config.is_yours:
            st.session_state["notice"] = f"“{name[:60]}” is a model of your own: it has no settings to copy."
        elif left_out := fill_in(config):
            st.session_state["notice"] = (
                f"“{name[:60]}” has settings that the form does not offer ({', '.join(left_out)}): "
                "these are the defaults."
            )
    except ElboRoomError:
        st.session_state["notice"] = f"The settings of “{name[:60]}” could not be read; these are the defaults."


def leave(label: str, icon: str, address: dict[str, str]) -> None:
    """A button to the form. No link: to the page that is open already a link would leave the address as it is."""
    st.button(label, icon=icon, key=f"leave-{label}", type="tertiary", on_click=_to_form, args=(address,))


def _to_form(address: dict[str, str]) -> None:
    st.session_state.pop("copied", None)  # asked for once more: once more the run's settings
    st.query_params.from_dict(address)


def header(path: Path, config: Config, dataset: str) -> None:
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        with st.container(width="content"):
            ours = [] if config.is_yours else [config.network, config.objective]
            style.title(path.name, " · ".join([dataset, facts(config), *ours]))
        with st.container(horizontal=True, width="content", gap="small", vertical_alignment="center"):
            if has_weights(path):
                ways(path.name, "Train")
            link()
            if not config.is_yours:
                leave("Copy settings", ":material/content_copy:", {"from": path.name})
            leave("New run", ":material/add:", {})


def watch(path: Path) -> None:
    """The page of one run."""
    try:
        config, data = runs.read_config(path)
        knobs, status, history = runs.read_knobs(path), runs.read_status(path), runs.read_history(path)
    except RunError as error:
        style.problem(str(error))
        st.page_link(HOME, label="All runs", icon=":material/arrow_back:")
        return
    mine = may_change(path)
    likelihood, pixels = config.likelihood or "", data["shape"][0] * data["shape"][1] * data["shape"][2]
    st.set_page_config(page_title=f"{path.name} · ELBO Room")
    header(path, config, str(data.get("name", config.dataset)))
    if fault := runs.history_fault(path):
        style.problem(fault)
    left, right = st.columns([1.12, 1], gap="large")
    with left:
        buttons(path, config, status, knobs, mine)
        run_state(path.name, status.state, key="state")
        if status.state == "queued":
            queue_note(path)
        what_to_do(path, config, status, mine)
        for sentence in verdicts(status.state, config, history):
            style.note(sentence)
        live_charts(path.name, likelihood, pixels, config.objective, config.samples, config.is_yours, key="charts")
    with right:
        kind = {"spread": data.get("spread", 1.0), "fits": not config.is_yours}
        C = C_slider(path.name, likelihood, pixels, config.C, **kind, disabled=not mine, key="C")
        if C is not None and mine:
            change(path, C=C)
            st.rerun()
        live_trail(path.name, likelihood, config.C, key="trail")
        live_preview(path.name, config.is_yours, key="preview")
        limits_note(path)
        rate_bars(path.name, key="rates")
        knob_panel(path, config, knobs, mine)
        evidence_panel(path)


def drop_unknown_parameters() -> None:
    """The address may hold anything; what this page does not know is taken out, and said."""
    unknown = sorted(set(st.query_params) - {"run", "from"})
    if unknown:
        named = ", ".join(name[:20] for name in unknown[:3]) + (
            f" and {len(unknown) - 3:,} more" if len(unknown) > 3 else ""
        )
        st.session_state["notice"] = (
            f"The address held settings that this page does not know ({named}); they were left out."
        )
        st.query_params.from_dict({key: st.query_params[key] for key in ("run", "from") if key in st.query_params})


drop_unknown_parameters()
name = st.query_params.get("run")
path = find(name) if name is not None else None
if path is None and (source := st.query_params.get("from")):
    copy_settings(source)
if notice := st.session_state.pop("notice", None):
    style.notice(notice)
if path is None:
    form()
else:
    watch(path)
