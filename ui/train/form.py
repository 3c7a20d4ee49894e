"""The form of the Train page: a dataset and a button in front, everything else one click behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st

from ui import style
from ui.own.shelf import visible
from ui.train import form_values
from ui.train.answers import described, files_allowed, is_data
from ui.train.form_values import AUTOMATIC, DEFAULTS, OWN_FILE
from ui.train.form_values import key as _key
from ui.train.more_settings import more_settings
from ui.train.summary import size_words, summary
from vae.config import Config, count_rows
from vae.errors import ElboRoomError
from vae.files import told

IMAGES = Path(__file__).resolve().parents[2] / "pages" / "images.py"
ABOUT = {  # one line for each dataset that ships; others show their numbers only
    "digits": "Handwritten digits, tiny: included, starts at once.",
    "mnist": "Handwritten digits, the classic.",
    "fashion-mnist": "Clothes and shoes.",
    "kmnist": "Japanese cursive letters.",
    "binarized-mnist": "The fixed binary digits of the literature.",
    "dsprites": "Shapes that move, turn and grow: five known factors.",
}


def fill_in(config: Config) -> list[str]:
    """Puts an existing run's settings into the form, before it is drawn; returns the names of those that it cannot
    hold."""
    from ui.train.copied_settings import copied_settings
    from vae.datasets import DATASETS
    from vae.datasets.own.stored import is_name

    named = config.dataset in (*DATASETS, *visible())
    own = not named and not is_name(config.dataset)
    values, left_out = copied_settings(config)
    values |= {"dataset": OWN_FILE, "path": config.dataset} if own else {}
    if (own and not files_allowed()) or not (own or named):  # a file from elsewhere, images that are gone
        values |= {"dataset": DEFAULTS["dataset"], "path": ""}
        left_out.append("dataset")
    values |= {
        "C": "" if config.C is None else f"{config.C}",
        "hidden": ", ".join(map(str, config.hidden or ())),
    }
    form_values.fill_in(st.session_state, values)
    return left_out


def form() -> None:
    """Draws the form, and beside it what will be trained, with the button that starts it."""
    for field, default in DEFAULTS.items():  # before the widgets, so that what fill_in wrote is not called a conflict
        st.session_state.setdefault(_key(field), default)
    left, right = st.columns([1.25, 1], gap="large")
    with left:
        style.lead("Train a VAE")
        style.note("Press the button and watch, or choose first. C can be turned while the model trains.")
        st.space("small")
        _in_front()
        with st.expander("More settings", key="more-settings"):
            more_settings()
    with right, st.container(key="panel-start"):
        summary()


def _in_front() -> None:
    from vae.datasets import DATASETS

    choices = [*DATASETS, *visible(), *([OWN_FILE] if files_allowed() else [])]
    if _value("dataset") not in choices:
        st.session_state[_key("dataset")] = DEFAULTS["dataset"]
    st.pills("Images", choices, key=_key("dataset"), required=True, wrap=True, persist_state="session")
    if _value("dataset") == OWN_FILE:
        st.text_input(
            "Path of an .npz or .npy file on this machine",
            key=_key("path"),
            placeholder="for example ~/pictures/faces.npz",
            persist_state="session",
        )
    st.page_link(IMAGES, label="Your images …", icon=":material/add_photo_alternate:")
    form_values.follow(st.session_state, is_data)
    style.note(_about_data())
    _left_out()
    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
        st.number_input(
            "Latent dimensions", 1, 512, key=_key("latent_dim"), width=180, persist_state="session",
            help="Two can be drawn as a plane. More of them reconstruct better, and some may stay unused.",
        )  # fmt: skip
        options = [AUTOMATIC, *_likelihoods()]
        if _value("likelihood") not in options:
            st.session_state[_key("likelihood")] = AUTOMATIC
        st.selectbox(
            "Likelihood", options, key=_key("likelihood"), width=240, persist_state="session",
            help="What p(x|z) is. Automatic: gaussian with a fitted C for grey images, bernoulli for binary ones.",
        )  # fmt: skip
        st.text_input(
            "Name (optional)",
            key=_key("name"),
            max_chars=60,
            width=240,
            placeholder="chosen for you",
            persist_state="session",
        )
        st.button(
            "Defaults", icon=":material/restart_alt:", type="tertiary", key="defaults",
            disabled=not form_values.is_changed(st.session_state), on_click=_reset,
            help="Resets every choice for these images, including those under More settings.",
        )  # fmt: skip


def _left_out() -> None:
    """How many images the new run is to do without, and a way to take them back."""
    if not (without := _value("without")):
        return
    count = sum(count_rows(without).values())
    with st.container(horizontal=True, vertical_alignment="center", key="left-out"):
        style.note(f"Without {count:,} image{'s' * (count != 1)} that {'were' if count != 1 else 'was'} marked.")
        st.button("Take them back in", icon=":material/undo:", type="tertiary", key="take-back", on_click=_take_back)


def _take_back() -> None:
    st.session_state[_key("without")] = ""


def _reset() -> None:
    form_values.reset(st.session_state)


def _value(field: str) -> Any:
    return form_values.value(st.session_state, field)


def _likelihoods() -> list[str]:
    """The likelihoods that some view of the chosen data admits."""
    from vae.model.likelihoods import LIKELIHOODS
    from vae.training.defaults import likelihoods_for

    try:
        return likelihoods_for(described(_dataset()))
    except (ElboRoomError, OSError):
        return list(LIKELIHOODS)


def _dataset() -> str:
    return form_values.dataset(st.session_state)


def _about_data() -> str:
    if not _dataset():
        return (
            "Images as (N, H, W), (N, H, W, 3) or (N, 3, H, W), whole numbers from 0 to 255 or floats in [0, 1]; "
            "labels and a split of your own are optional."
        )
    try:
        info = described(_dataset())
    except (ElboRoomError, OSError) as error:
        return told(error)
    kind = {"binary": "black and white", "unit": "grey" if info.shape[0] == 1 else "colour", "real": "real numbers"}[
        info.support
    ]
    about = ABOUT.get(_value("dataset"), "")
    return f"{about} {info.train + info.test:,} images, {size_words(info.shape)}, {kind}.".strip()
