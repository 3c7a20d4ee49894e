"""The settings of the training form that are one click behind: the model, what is minimised, the training."""

from __future__ import annotations

from typing import Any

import streamlit as st

from ui import style
from ui.train import form_values
from ui.train.form_values import AUTOMATIC, key
from vae.config import BINARIZE, PRECISIONS

KEEP: dict[str, Any] = {"persist_state": "session"}


def more_settings() -> None:
    """Draws the settings in three columns."""
    for column, draw in zip(st.columns(3, gap="medium"), (_model, _minimised, _training), strict=True):
        with column:
            draw()


def _value(field: str) -> Any:
    return form_values.value(st.session_state, field)


def _model() -> None:
    from vae.model.latents import LATENTS
    from vae.model.networks import ACTIVATIONS, NETWORKS

    style.label("Model")
    st.selectbox(
        "Network", list(NETWORKS), key=key("network"),
        help="conv suits images of 28 × 28 pixels and more; resconv is sharper on colour images, at a GPU's pace; "
        "linear with a gaussian likelihood is PCA.", **KEEP,
    )  # fmt: skip
    st.text_input(
        "Hidden widths", key=key("hidden"), placeholder="the network's own",
        help="Such as 400 or 512, 256; the decoder mirrors them.", **KEEP,
    )  # fmt: skip
    st.selectbox("Activation", list(ACTIVATIONS), key=key("activation"), **KEEP)
    st.selectbox("Latent", list(LATENTS), key=key("latent"), **KEEP)
    style.note(f"{LATENTS[_value('latent')].about}.".capitalize())


def _minimised() -> None:
    from vae.bound.objectives import OBJECTIVES

    style.label("What is minimised")
    st.selectbox(
        "Objective", list(OBJECTIVES), key=key("objective"),
        help="iwae bounds log p(x) more tightly with more samples; it keeps C at 1.", **KEEP,
    )  # fmt: skip
    st.number_input("Samples of z per image", 1, 512, key=key("samples"), **KEEP)
    _estimator()
    st.text_input(
        "C at the start", key=key("C"), placeholder="1, or fit for a gaussian",
        help="A number, or fit. It can be turned while the model trains.", **KEEP,
    )  # fmt: skip
    st.selectbox(
        "Binarise", [AUTOMATIC, *BINARIZE], key=key("binarize"),
        help="How grey pixels become 0 or 1. epoch draws the training pixels anew each epoch.", **KEEP,
    )  # fmt: skip


def _estimator() -> None:
    """The estimators that go with latent and objective, and a line about the chosen one."""
    from vae.bound.estimators import ESTIMATORS, choices

    fitting = choices(_value("latent"), _value("objective"))
    options = [AUTOMATIC, *fitting] if len(fitting) > 1 else [AUTOMATIC]
    if _value("estimator") not in options:
        st.session_state[key("estimator")] = AUTOMATIC
    st.selectbox(
        "Gradient estimator", options, key=key("estimator"),
        help="How the gradient passes through z. A normal latent has a path through its sample; bits need one of "
        "several estimators, whose noise and bias the Binary laboratory measures.", **KEEP,
    )  # fmt: skip
    chosen = fitting[0] if _value("estimator") == AUTOMATIC else _value("estimator")
    style.note(f"{chosen}: {ESTIMATORS[chosen].about}.")


def _training() -> None:
    style.label("Training")
    st.number_input("Epochs", 1, 1_000_000, key=key("epochs"), placeholder="1–2 minutes", **KEEP)
    st.number_input("Batch size", 1, 100_000, key=key("batch_size"), placeholder=AUTOMATIC, **KEEP)
    st.number_input(
        "Learning rate", 1e-6, 1.0, format="%g", key=key("lr"), step=1e-4, placeholder=AUTOMATIC,
        help="The step size of Adam. Automatic: by network, batch size and number of images. It can be changed while "
        "the model trains.", **KEEP,
    )  # fmt: skip
    st.selectbox(
        "Matrix products", [AUTOMATIC, *PRECISIONS], key=key("precision"),
        help="Precision of the matrix products in a training step; everything else is float32. Automatic: bfloat16 "
        "where the processor has it and the step is large enough.", **KEEP,
    )  # fmt: skip
    st.number_input("Seed", 0, 2**53 - 1, key=key("seed"), help="One config and one seed give one history.", **KEEP)
