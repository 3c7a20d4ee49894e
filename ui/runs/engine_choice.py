"""Where new runs train: the engines of the server, where there is more than one to choose from."""

from __future__ import annotations

import streamlit as st

from ui import style
from vae.engines.engines import ENGINES, chosen, is_set_up, why_absent

WHERE = {"local": "this machine", "slurm": "Slurm", "ray": "Ray"}


def choose_engine(key: str) -> str:
    """Draws the choice, by default the server's own; returns the engine's name. Nothing is drawn where there is but
    one; of those that somebody has set up, and that cannot be chosen, the reason is told."""
    absent = {name: sentence for name in ENGINES if (sentence := why_absent(name))}
    there = [name for name in ENGINES if name not in absent]
    if len(there) < 2:
        return chosen()
    if st.session_state.get(key) not in there:
        st.session_state[key] = chosen() if chosen() in there else there[0]
    st.selectbox(
        "Engine", there, key=key, width=170, format_func=lambda name: WHERE.get(name, name),
        help="Where the training runs; the settings of the server say how its clusters are reached.",
    )  # fmt: skip
    for name, sentence in absent.items():
        if is_set_up(name):
            style.note(f"Not here: {sentence}.")
    return engine_chosen(key)


def engine_chosen(key: str) -> str:
    """Returns the engine that was chosen by `choose_engine`, the server's own where there was nothing to choose."""
    name = st.session_state.get(key)
    return name if name in ENGINES else chosen()
