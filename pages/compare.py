"""Compare: two runs on the same image and the same z, or one run through its training. `?run=a&other=b&mode=two`"""

from __future__ import annotations

import streamlit as st

from ui import style
from ui.address import check_address
from ui.compare.other import has_something_beside_it
from ui.compare.time_machine import time_machine
from ui.compare.two_runs import FIELDS, two_runs
from ui.runs.chooser import choose_run
from ui.runs.display_limits import limits_note

MODES = {"two": "Two runs", "time": "Through time"}


def chosen_mode() -> str:
    """Returns the mode of the address; draws the switch to change it."""
    name = st.query_params.get("mode", "two")
    if name not in MODES:
        style.notice(f"There is no mode “{name[:30]}”; the first one is shown instead.")
        name = st.query_params["mode"] = "two"
    st.session_state["compare-mode"] = name  # the address decides, also after the browser's Back
    st.segmented_control(
        "Mode", list(MODES), key="compare-mode", format_func=MODES.__getitem__, required=True,
        label_visibility="collapsed", on_change=go_to,
    )  # fmt: skip
    return name


def go_to() -> None:
    """Goes to the chosen mode of the same run."""
    kept = {name: st.query_params[name] for name in ("run",) if name in st.query_params}
    st.query_params.from_dict({**kept, "mode": st.session_state["compare-mode"]})


view = choose_run("Compare", keep=("mode",), first=has_something_beside_it)
if view is not None:
    st.set_page_config(page_title=f"{view.name} · Compare · ELBO Room")
    if chosen_mode() == "time":
        time_machine(view)
    else:
        check_address(["mode", *FIELDS])
        two_runs(view)
    limits_note(view.run)
