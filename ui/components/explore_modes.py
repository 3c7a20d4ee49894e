"""The modes of the Explore page besides its sliders: sheets of samples and traversals, interpolation, attributes.

Each function mounts one component, which decodes in the browser. `received` answers what has come to rest in one of
them since the last time: a few small values that the page keeps in its address and gives back as `start` (as text; what
cannot be meant is refused in the browser, with a sentence). Ask before drawing, so that a component gets back what it
has said, not what it said the time before:

    view = received(run, "sheet", PRIOR)
    if view is not None:
        keep(view)
    prior_samples(run, start=address(), key="sheet")
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from ui.components.mounting import browser_component

TEXT_LIMIT = 12_000  # characters of one value: a z, or a hand-picked set, a list of image numbers

_samples = browser_component("sheets/prior")
_traversal = browser_component("sheets/traversal")
_interpolation = browser_component("interpolation/interpolation")
_attributes = browser_component("attributes/attributes")

View = dict[str, Any]
Start = Mapping[str, Any]
Fields = dict[str, type]

PRIOR: Fields = {"z": str, "seed": int, "count": int, "show": str}
TRAVERSAL: Fields = {"z": str, "columns": int, "values": str, "rows": int}
INTERPOLATION: Fields = {"a": int, "b": int, "path": str, "t": float, "steps": int}
ATTRIBUTES: Fields = {"z": str, "a": str, "b": str, "origin": str, "t": float}


def prior_samples(run: str, start: Start, support: str = "real", key: str = "prior_samples") -> None:
    """Draws a seeded sheet of samples from the prior; clicking a picture takes its z.

    Values: z, seed (0..999999), count (20, 40, 80, 160), show ("mean" or "sample" of p(x|z)).
    """
    _mount(_samples, PRIOR, key, run, start, support)


def traversal_sheet(
    run: str,
    start: Start,
    rate_per_dim: Sequence[float] | None = None,
    support: str = "real",
    factorises: bool = True,
    key: str = "traversal_sheet",
) -> None:
    """Draws latent dimensions (most nats first) by values around z; clicking a picture takes its z.

    `rate_per_dim` (k,) nats orders the rows; without it the held-out codes do. Values: z, columns (5, 7, ... 13),
    values ("even": −2.5 ... 2.5, or "quantiles": the prior's), rows.
    """
    rates = None if rate_per_dim is None else [float(rate) for rate in rate_per_dim]
    _mount(_traversal, TRAVERSAL, key, run, start, support, rate_per_dim=rates, factorises=factorises)


def interpolation(run: str, start: Start, support: str = "real", key: str = "interpolation") -> None:
    """Draws the way between the codes of two held-out images, straight and spherical, with a scrubber.

    Values: a, b (numbers of held-out images), path ("straight" or "spherical"), t (0..1), steps (5, 7, ... 13).
    """
    _mount(_interpolation, INTERPOLATION, key, run, start, support)


def attributes(run: str, start: Start, key: str = "attributes") -> None:
    """Draws a direction from the mean code of set A to that of set B, its effect size, and a slider along it.

    Values: z, a, b ("class:3", "rest": all other images, or image numbers "12,55,801"), origin ("z", or an image's
    number), t (−2.5..2.5).
    """
    _mount(_attributes, ATTRIBUTES, key, run, start, "real")


def received(run: str, key: str, fields: Fields) -> View | None:
    """Returns what has come to rest in a mode since the last call: `fields` that differ from what is usual, as the
    address has them (text), and `open`: whether to go to the sliders with this z. None where nothing has."""
    state = st.session_state.get(key)
    sent = state.get("view") if isinstance(state, Mapping) else None
    if not isinstance(sent, Mapping) or sent.get("run") != run:
        return None
    before = f"{key}-received"
    if sent.get("moment") == st.session_state.get(before):
        return None
    st.session_state[before] = sent.get("moment")
    return read_view(sent, fields)


def read_view(value: object, fields: Fields) -> View | None:
    """Returns what a browser sent, checked: those of `fields` that are there, as text, `open`, and the z to open;
    else None."""
    if not isinstance(value, Mapping):
        return None
    view: View = {"open": value.get("open") is True}
    if view["open"]:
        fields = {**fields, "z": str}
    for name in fields.keys() & value.keys():
        given: Any = value[name]
        if fields[name] is str and isinstance(given, str) and len(given) <= TEXT_LIMIT:
            view[name] = given
        elif fields[name] is not str and _is_number(given) and (fields[name] is float or given == int(given)):
            view[name] = f"{given:.9g}"
        else:
            return None
    return view


def _mount(component: Any, fields: Fields, key: str, run: str, start: Start, support: str, **more: Any) -> None:
    known = {name: start[name] for name in fields if name in start}
    component(key=key, data={"run": run, "start": known, "support": support, **more}, on_view_change=_nothing)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _nothing() -> None:
    """Streamlit returns only those values that have a callback."""
