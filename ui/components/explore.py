"""The sliders of the Explore page and the image that they decode to. What the hand drives happens in the browser."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

import streamlit as st

from ui.components.mounting import browser_component

_explore = browser_component("explore")
_NUMBER = re.compile(r"-?\d{1,6}(\.\d{1,9})?")


def latent_sliders(
    run: str, k: int, rates: Sequence[float] | None = None, z: str = "", *, key: str = "latent_sliders"
) -> None:
    """One slider per latent dimension, the decoded image, and ways to start.

    `rates`: the mean rate of each dimension in nats, for the order; None where it does not split into dimensions.
    `z`: where the sliders stand, as text (see `read_z`). What the browser released itself it need not be told: give
    back what `released_z` answered. Another z, such as that of a link, moves the sliders there.
    """
    data = {
        "run": run,
        "k": k,
        "rates": None if rates is None else [float(rate) for rate in rates],
        "z": z,
        "echo": released_z(run, key)[0] == z,
    }
    _explore(key=key, data=data, on_z_change=_nothing)


def released_z(run: str, key: str = "latent_sliders") -> tuple[str | None, float]:
    """The z that the browser released last for this run, as text, and the moment by the browser's clock.

    Known from the beginning of the script run that the release has started; (None, 0) until there is one.
    """
    state = st.session_state.get(key)
    sent = state.get("z") if isinstance(state, Mapping) else None
    if not isinstance(sent, Mapping) or sent.get("run") != run:
        return None, 0.0
    z, moment = sent.get("z"), sent.get("moment")
    if not isinstance(z, str) or not all(_NUMBER.fullmatch(part) for part in z.split("_")):
        return None, 0.0
    return z, float(moment) if isinstance(moment, (int, float)) else 0.0


def read_z(text: str, k: int) -> list[float] | None:
    """The z in `1.46_-0.3_0.91`, k numbers; those left out at the end are 0. None where the text is none."""
    parts = text.split("_")
    if len(parts) > k or not all(_NUMBER.fullmatch(part) for part in parts):
        return None
    return [float(part) for part in parts] + [0.0] * (k - len(parts))


def pack_z(z: Sequence[float]) -> str:
    """z as the address carries it: three decimals, zeros at the end left out. Raises ValueError if not finite."""
    if not all(math.isfinite(value) for value in z):
        raise ValueError(f"z: every number should be finite, got {list(z)}")
    parts = [f"{value:.3f}".rstrip("0").rstrip(".") for value in z]
    parts = ["0" if part == "-0" else part for part in parts]
    while len(parts) > 1 and parts[-1] == "0":
        parts.pop()
    return "_".join(parts)


def _nothing() -> None:
    """Streamlit returns only those values that have a callback."""
