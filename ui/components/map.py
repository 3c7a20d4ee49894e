"""The map of the latent space. What the hand drives happens in the browser; Python hears of the view and of wishes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ui.components.mounting import browser_component
from ui.map.view import PARTS, MapView, describe_methods, read_view

_map = browser_component("map/map")


@dataclass(frozen=True)
class FitWish:
    """That a map be computed, or that the computing end: action start or stop."""

    action: str
    method: str
    part: str


def latent_map(
    run: str, k: int, view: MapView, problem: str = "", support: str = "real", *, key: str = "latent_map"
) -> tuple[MapView | None, FitWish | None]:
    """The run's images where its model puts them. `view` is what to show first; a later one that differs from it moves
    the map there. `problem`: a sentence to show, such as why a map cannot be computed. `support` of the codes: real, or
    binary for codes of 0 and 1, of which the map shows the probabilities.

    Returns the view as the user changed it (None until then) and a wish, once.
    """
    data = {
        "run": run,
        "k": k,
        "support": support,
        "methods": describe_methods(k, support),
        "view": view.to_json(),
        "problem": problem,
    }
    answer = _map(key=key, data=data, on_view_change=_nothing, on_fit_change=_nothing)
    return read_changed(answer.get("view"), run, k, support), read_wish(answer.get("fit"), run, k)


def read_changed(sent: object, run: str, k: int, support: str = "real") -> MapView | None:
    """The view that a browser sent, if it is one of this run."""
    if not isinstance(sent, dict) or sent.get("run") != run:
        return None
    view, refused = read_view(sent, k, support)
    return None if refused else view


def read_wish(sent: object, run: str, k: int) -> FitWish | None:
    """What a browser asked for, checked."""
    if not isinstance(sent, dict) or sent.get("run") != run:
        return None
    action, method, part = (str(sent.get(name)) for name in ("action", "method", "part"))
    computed = [method["name"] for method in describe_methods(k) if method["kind"] == "fitted"]
    if action not in ("start", "stop") or method not in computed or part not in PARTS:
        return None
    return FitWish(action, method, part)


def _nothing() -> Any:
    """Streamlit returns only those values that have a callback."""
