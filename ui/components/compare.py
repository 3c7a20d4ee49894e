"""The parts of the Compare page that the browser draws: terms, the same image and z, both maps. They share one
comparison, which the server computes once (`ui.live.comparison`); what the hand drives happens in the browser.

Each keeps a few small values in the address; see `ui.components.explore_modes`, whose `received` reads them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ui.components.explore_modes import Fields
from ui.components.mounting import browser_component
from ui.explore.space import Space

_terms = browser_component("compare/terms")
_step = browser_component("compare/step")
_maps = browser_component("compare/maps")


@dataclass(frozen=True)
class Side:
    """One of both: a run's newest weights, or with `step` and `sha` those of one of its moments."""

    space: Space
    shape: tuple[int, int, int]  # of an image: channels, height, width
    step: int | None = None
    sha: str | None = None


STEP: Fields = {"image": int, "z": str, "meaning": str}
MAPS: Fields = {"colour": str, "neighbours": str}


def compared_terms(a: Side, b: Side, key: str = "compared-terms") -> None:
    """Draws what both cost on the same images, the differences with their errors, and how far the comparison is."""
    _terms(key=key, data=_data(a, b, {}))


def in_step(a: Side, b: Side, start: Mapping[str, Any], key: str) -> None:
    """Draws one image under both, and one set of sliders that drives both decoders.

    Values: image (0..), z (of A; "" is that of the image), meaning ("aligned" or "numbers": what z of A is for B).
    """
    _step(key=key, data=_data(a, b, start, STEP), on_view_change=_nothing)


def compared_maps(a: Side, b: Side, start: Mapping[str, Any], key: str) -> None:
    """Draws both maps under one lasso.

    Values: colour ("label", "movement" or "kept"), neighbours ("5", "10", "20" or "50").
    """
    _maps(key=key, data=_data(a, b, start, MAPS), on_view_change=_nothing)


def _data(a: Side, b: Side, start: Mapping[str, Any], fields: Fields | None = None) -> dict[str, Any]:
    start = {name: start[name] for name in fields or {} if name in start}
    return {"run": a.space.run, "a": _told(a), "b": _told(b), "start": start}


def _told(side: Side) -> dict[str, Any]:
    space = side.space
    rates = None if space.rates is None else [float(rate) for rate in space.rates]
    return {
        "run": space.run,
        "k": space.k,
        "rates": rates if side.sha is None else None,  # those of the newest weights are not a moment's
        "support": space.support,
        "factorises": space.factorises,
        "image": dict(zip(("channels", "height", "width"), side.shape, strict=True)),
        "step": side.step,
        "sha": side.sha,
    }


def _nothing() -> None:
    """Streamlit returns only those values that have a callback."""
