"""The modes of the Explore page besides its sliders: sheets of samples and traversals, interpolation, attributes.

Each function mounts one component, which decodes in the browser. It returns what has just come to rest there, once,
and None in all other script runs: a dict of a few small JSON values, which the page may put into its address and give
back as `start` (numbers may come back as text; what cannot be meant is ignored). Where the user has taken a picture's
z, the dict also holds `z`, k numbers: the page's new z.

    view = prior_samples(run, start=dict(st.query_params))
    if view is not None:
        z = view.pop("z", z)
        st.query_params.update(view)
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ui.components.mounting import browser_component

TEXT_LIMIT = 4000  # characters of one value: a hand-picked set is a list of image numbers
CODE_LIMIT = 4096  # latent dimensions

_samples = browser_component("sheet_prior")
_traversal = browser_component("sheet_traversal")
_interpolation = browser_component("interpolation")
_attributes = browser_component("attributes")

View = dict[str, Any]
Start = Mapping[str, Any] | None


def prior_samples(run: str, start: Start = None, key: str = "prior_samples") -> View | None:
    """A seeded sheet of samples from the prior; clicking a picture takes its z.

    Values: seed (0..999999), count (20, 40, 80, 160), show ("mean" or "sample" of p(x|z)).
    """
    return _mount(_samples, PRIOR, key, run, start)


def traversal_sheet(
    run: str,
    z: Sequence[float] | None = None,
    start: Start = None,
    rate_per_dim: Sequence[float] | None = None,
    key: str = "traversal_sheet",
) -> View | None:
    """Latent dimensions (most nats first) by values around `z`; clicking a picture takes its z.

    `rate_per_dim` (k,) nats orders the rows; without it the held-out codes do. Values: columns (5, 7, ... 13),
    values ("even": −2.5 ... 2.5, or "quantiles": the prior's), rows.
    """
    rates = None if rate_per_dim is None else [float(rate) for rate in rate_per_dim]
    return _mount(_traversal, TRAVERSAL, key, run, start, z=_numbers(z), rate_per_dim=rates)


def interpolation(run: str, start: Start = None, key: str = "interpolation") -> View | None:
    """Between the codes of two held-out images, straight and spherical, with a scrubber; taking a z is a button.

    Values: a, b (numbers of held-out images), path ("straight" or "spherical"), t (0..1), steps (5, 7, ... 13).
    """
    return _mount(_interpolation, INTERPOLATION, key, run, start)


def attributes(run: str, z: Sequence[float] | None = None, start: Start = None, key: str = "attributes") -> View | None:
    """A direction from the mean code of set A to that of set B, its effect size, and a slider along it.

    Values: a, b ("class:3", "rest": all other images, or image numbers "12,55,801"), origin ("z": the page's `z`, or
    an image's number), t (−2.5..2.5).
    """
    return _mount(_attributes, ATTRIBUTES, key, run, start, z=_numbers(z))


PRIOR: dict[str, type] = {"seed": int, "count": int, "show": str}
TRAVERSAL: dict[str, type] = {"columns": int, "values": str, "rows": int}
INTERPOLATION: dict[str, type] = {"a": int, "b": int, "path": str, "t": float, "steps": int}
ATTRIBUTES: dict[str, type] = {"a": str, "b": str, "origin": str, "t": float}


def _mount(component: Any, fields: dict[str, type], key: str, run: str, start: Start, **more: Any) -> View | None:
    known = {name: start[name] for name in fields if name in start} if start else None
    answer = component(key=key, data={"run": run, "start": known, **more}, on_view_change=_nothing)
    return read_view(answer.get("view"), fields)


def read_view(value: object, fields: dict[str, type]) -> View | None:
    """What a browser sent, checked: all of `fields`, and `z` where it is a code; None for anything else."""
    if not isinstance(value, Mapping):
        return None
    view: View = {}
    for name, kind in fields.items():
        given: Any = value.get(name)
        if kind is float and _is_number(given):
            view[name] = float(given)
        elif kind is int and _is_number(given) and given == int(given):
            view[name] = int(given)
        elif kind is str and isinstance(given, str) and len(given) <= TEXT_LIMIT:
            view[name] = given
        else:
            return None
    if "z" in value:
        z = value["z"]
        if not isinstance(z, list) or not 0 < len(z) <= CODE_LIMIT or not all(map(_is_number, z)):
            return None
        view["z"] = [float(number) for number in z]
    return view


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _numbers(z: Sequence[float] | None) -> list[float] | None:
    return None if z is None else [float(number) for number in z]


def _nothing() -> None:
    """Streamlit returns only those values that have a callback."""
