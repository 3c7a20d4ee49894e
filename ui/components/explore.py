"""The sliders of the Explore page and the image that they decode to. What the hand drives happens in the browser."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import streamlit as st

from ui.components.mounting import browser_component

_explore = browser_component("explore")
_NUMBER = re.compile(r"-?\d{1,6}(\.\d{1,9})?")


def latent_sliders(
    run: str,
    k: int,
    rates: Sequence[float] | None = None,
    z: str = "",
    *,
    key: str = "latent_sliders",
) -> str | None:
    """One slider per latent dimension, the decoded image, and ways to start; the z that was last released, as text.

    `rates`: the mean rate of each dimension in nats, for the order; None where it does not split into dimensions.
    `z`: where to begin, as text (see `read_z`). A z that differs from what the browser released last moves the
    sliders there. Returns None until something was released, and for a z of another run.
    """
    released = _released(st.session_state.get(key), run)
    data = {
        "run": run,
        "k": k,
        "rates": None if rates is None else [float(rate) for rate in rates],
        "z": z,
        "echo": released is not None and released == z,
    }
    return _released(_explore(key=key, data=data, on_z_change=_nothing), run)


def _released(state: object, run: str) -> str | None:
    """The z in the component's state, if it is one of this run."""
    sent = state.get("z") if hasattr(state, "get") else None
    if not isinstance(sent, dict) or sent.get("run") != run or not isinstance(sent.get("z"), str):
        return None
    return sent["z"] if all(_NUMBER.fullmatch(part) for part in sent["z"].split("_")) else None


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
