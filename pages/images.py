"""Your own images: drop them, look at what is there, choose what the model will see, train on them."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from ui import style
from ui.components.drop import drop_zone
from ui.own import drops, shelf
from ui.own.draft import Draft, Look, draft, look_at, make_dataset, preview, start_over
from ui.own.places import checked, may_give_paths
from ui.own.questions import ask, show_report
from ui.own.work import follow
from ui.runs.owners import at_this_machine, current_owner
from vae.datasets.own.entries import MOST_DROPPED
from vae.datasets.own.prepare import suggested_name
from vae.datasets.own.stored import check_name
from vae.errors import ConfigError

TRAIN = Path(__file__).with_name("train.py")
HERE = "Nothing leaves this computer: the pictures are copied to the app's own folder on it, and to nowhere else."
THERE = (
    "The pictures go to the computer that runs this app, and to nowhere else: whoever runs it can see them, other "
    "visitors cannot, except in the runs that you train on them."
)
CLOSED = "Folders of this server are read for other visitors only where its owner allows it (ELBO_ROOM_IMAGES)."


def source(own: Draft) -> None:
    """Where the pictures come from."""
    style.lead("Your own images")
    style.note(HERE if at_this_machine() else THERE)
    st.space("small")
    if drop_zone(own.token, drops.MOST_BYTES, MOST_DROPPED, key=f"drop-{own.token}"):
        look_at(own, None)
    style.note("Folders are classes: cat/1.png, dog/2.jpg. With train/ and test/ above them, test is held out.")
    if not may_give_paths():
        style.note(CLOSED)
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        path = st.text_input(
            "Or a folder or file on the server's machine", key="own-path", placeholder="such as ~/pictures/faces"
        )
        if st.button("Look", key="own-look") and path.strip():
            try:
                look_at(own, checked(path))
            except ConfigError as error:
                style.problem(str(error))


def decide(own: Draft, look: Look) -> None:
    """The report, the choices with what they do, the button."""
    left, right = st.columns([1, 1.25], gap="large")
    with left, st.container(key="panel-own-report"):
        show_report(look.report)
    with right:
        choices = ask(look.report, look.key)
        if choices is not None:
            preview(look, choices)
        with st.container(horizontal=True, vertical_alignment="bottom"):
            first = suggested_name(look.report.source)
            name = st.text_input("Name", first, max_chars=40, key=f"own-name-{look.key}", width=260)
            pressed = st.button(
                "Use these images", type="primary", icon=":material/check:", key="own-use", disabled=choices is None
            )
            st.button("Start over", type="tertiary", key="own-over", on_click=start_over)
        if pressed and choices is not None:
            try:
                check_name(name)
                make_dataset(own, look, name, choices, current_owner())
            except ConfigError as error:
                style.problem(str(error))
    if own.make is not None and follow(own.make, "make"):
        shelf.use(own.make.result)
        start_over()
        st.switch_page(TRAIN, query_params={})


own = draft()
if notice := st.session_state.pop("notice", None):
    style.notice(notice)
source(own)
if own.look is not None:
    st.space("small")
    if follow(own.look, "look"):
        decide(own, own.look.result)
st.space("medium")
shelf.shelf(TRAIN)
shelf.confirm()
