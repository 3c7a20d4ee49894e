"""The binary laboratory's parts that follow a run: the bits under one hand, and the estimators on its weights."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import streamlit as st

from ui import style
from ui.binary.job import follow
from ui.binary.table import estimator_table, table_csv
from ui.components.explore_modes import Fields
from ui.components.mounting import browser_component
from ui.live.cache import model_of, weights_sha
from ui.runs.run_view import RunView
from vae import runs
from vae.runs.checkpoints import weights_step

FIELDS: Fields = {"z": str, "image": int, "order": str, "heat": str, "seed": int}
KEY = "bits-lab"
IMAGES = (1, 2, 4, 8, 16, 32)
DRAWS = (100, 200, 500, 1000, 2000, 5000, 10_000, 20_000)
MOST_BITS = 14  # of an exact gradient
NUMBERS = 20_000_000  # images times codes times pixels of it
WEIGHTS = {"now": "as they are now", "initial": "at initialisation"}

_lab = browser_component("bits/laboratory")


def has_bits(view: RunView) -> bool:
    """Returns whether the run's latent is binary. Raises RunError where the run cannot be read."""
    from vae.model.latents import LATENTS  # torch takes its time

    return LATENTS[view.config.latent].support == "binary"


def bit_laboratory(run: str, start: dict[str, str]) -> None:
    """Switches, their image, the sheet of codes. Values (see `explore_modes.received`): z, image (number of a held-out
    one), order ("gray" or "plain"), heat ("yes" or "no"), seed."""
    known = {name: start[name] for name in FIELDS if name in start}
    _lab(key=KEY, data={"run": run, "start": known, "support": "binary"}, on_view_change=_nothing)


def estimators(view: RunView) -> None:
    """Draws the settings of the measurement, and the table as it comes."""
    path, config, data = view.path, view.config, view.data
    if config.latent_dim > MOST_BITS:
        st.markdown(
            f"With {config.latent_dim} bits the exact gradient is out of reach: a sum over "
            f"$2^{{{config.latent_dim}}}$ codes. It is computed for up to {MOST_BITS} bits."
        )
        return
    most = max(1, NUMBERS // (2**config.latent_dim * math.prod(data["shape"])))
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        st.session_state.setdefault("lab-weights", "now")
        weights = (
            st.segmented_control(
                "Weights", list(WEIGHTS), format_func=WEIGHTS.__getitem__, required=True, key="lab-weights"
            )
            or "now"
        )
        images = _select("Held-out images", tuple(n for n in IMAGES if n <= most), 8, "lab-images")
        draws = _select("Estimates", DRAWS, 2000, "lab-draws")
        seed = st.number_input("Seed", 0, 999_999, step=1, key="lab-seed", width=130)
    sha, C, name = weights_sha(path), weight_of(view), path.name

    def draw(rows: list[Any]) -> None:
        st.html(estimator_table(rows))
        st.download_button(
            "Table (CSV)", table_csv(rows), f"{name}-estimators.csv", "text/csv", key="lab-csv", on_click="ignore"
        )

    key = (str(path), sha, weights, images, draws, seed, C)
    follow("estimators", key, lambda: measure(path, sha, weights, images, draws, seed, C), draw)
    step = "" if weights != "now" or weights_step(path) is None else f" of step {weights_step(path):,}"
    weighted = f" The distortion weighs C = {C:g}, as in this run." if C != 1 else ""
    style.note(
        f"{draws:,} estimates of the gradient in the logits of q for each of {images} held-out images, weights "
        f"{WEIGHTS[weights]}{step}; every estimator begins with seed {seed}.{weighted} VIMCO is not included: its "
        "gradient is that of another bound."
    )


def _select(label: str, options: tuple[int, ...], usual: int, key: str) -> int:
    """A slider, where there is a choice: what is asked for and out of reach becomes the largest within it."""
    if len(options) == 1:
        return options[0]
    wanted = st.session_state.setdefault(key, usual)
    if wanted not in options:
        st.session_state[key] = options[-1]
    return int(st.select_slider(label, options, key=key, format_func=lambda n: f"{n:,}", width=220))


def weight_of(view: RunView) -> float:
    """Returns C where it weights the distortion, as the run has it now; 1 for a Gaussian, whose own noise it is."""
    from vae.model.likelihoods import LIKELIHOODS

    if LIKELIHOODS[str(view.config.likelihood)].owns_C:
        return 1.0
    C = view.measured.get("C", view.config.C)
    return float(C) if isinstance(C, (int, float)) else 1.0


def measure(
    path: Path, sha: str, weights: str, images: int, draws: int, seed: int, C: float
) -> Iterator[tuple[float, list[Any]]]:
    """Rows of `vae.lessons.gradient_table`, one after the other."""
    from torch import Generator

    from vae.lessons.gradient_table import STUDIED, rows
    from vae.model.vae import build_model
    from vae.space.encodings import images_of

    run = runs.Run(path)
    model = model_of(path, sha)  # the file's size bounds that of the network: a config alone can ask for any
    if weights != "now":
        model = build_model(run.config, tuple(run.data["shape"])).eval().requires_grad_(False)
    held_out = images_of(run, "test")
    x = held_out.to_float(held_out.stored[:images], Generator().manual_seed(0))
    found: list[Any] = []
    for row in rows(model, x, STUDIED, draws, seed, C):
        found.append(row)
        yield len(found) / len(STUDIED), list(found)


def _nothing() -> None:
    """Streamlit returns only those values that have a callback."""
