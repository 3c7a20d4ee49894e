"""The sliders of the Explore page and the image that they decode to. What the hand drives happens in the browser."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import streamlit as st

from ui.components.mounting import browser_component

_explore = browser_component("explore/explore")
_SEPARATOR = re.compile("[_,]")  # commas are what people type
FAR = 100.0  # from 0, in any dimension: farther out there is nothing to see, and the arithmetic overflows
_NUMBER = re.compile(r"-?\d{1,6}(\.\d{1,9})?")


def latent_sliders(
    run: str,
    k: int,
    rates: Sequence[float] | None = None,
    z: str = "",
    support: str = "real",
    factorises: bool = True,
    *,
    key: str = "latent_sliders",
) -> None:
    """Draws one slider per latent dimension, or one switch where its support is binary, the decoded image, ways to
    start.

    `rates`: the mean rate of each dimension in nats, for the order; those of the marginals where q does not factorise.
    `z`: where the sliders stand, as text (see `read_z`). What the browser released itself it knows: give back
    what `released_z` answered. Another z, such as that of a link, moves the sliders there.
    """
    data = {
        "run": run,
        "k": k,
        "rates": None if rates is None else [float(rate) for rate in rates],
        "z": z,
        "support": support,
        "factorises": factorises,
        "echo": released_z(run, key)[0] == z,
    }
    _explore(key=key, data=data, on_z_change=_nothing)


def released_z(run: str, key: str = "latent_sliders") -> tuple[str | None, float]:
    """Returns the z that the browser released last for this run, as text, and the moment by the browser's clock.

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


def read_z(text: str, k: int, support: str = "real") -> list[float] | None:
    """Returns the z in `1.46_-0.3_0.91`, k numbers; those left out at the end are 0. None where the text is none."""
    return None if not text or z_fault(text, k, support) else _numbers(text) + [0.0] * (k - len(_numbers(text)))


def z_fault(text: str, k: int, support: str = "real") -> str:
    """Returns what is wrong with such a text for k dimensions, a sentence; "" if nothing is, or there is none."""
    parts = _SEPARATOR.split(text) if text else []
    wrong = next((part for part in parts if not _NUMBER.fullmatch(part)), None)
    if wrong is not None:
        return f"expected numbers such as 1.46_-0.3_0.91, not “{wrong[:24]}”."
    if len(parts) > k:
        return f"it holds {len(parts)} numbers, and this run has {k} latent dimension{'s' if k > 1 else ''}."
    far = next((part for part in parts if abs(float(part)) > FAR), None)
    if far is not None:
        return f"each number should be between −{FAR:.0f} and {FAR:.0f}, not “{far[:24]}”."
    if support == "binary" and not {float(part) for part in parts} <= {0.0, 1.0}:
        return "this run's latent dimensions are bits, so each number should be 0 or 1."
    return ""


def _numbers(text: str) -> list[float]:
    return [float(part) for part in _SEPARATOR.split(text)]


def _nothing() -> None:
    """Streamlit returns only those values that have a callback."""
