"""The map of the latent space. What the hand drives happens in the browser; Python receives views and requests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ui.components.mounting import browser_component
from ui.map.view import MapView, read_view
from vae.space.map_kinds import describe_methods
from vae.space.parts import PARTS

_map = browser_component("map/map")


@dataclass(frozen=True)
class FitRequest:
    """A request to compute a map, or to end that: action start or stop."""

    action: str
    method: str
    part: str


def latent_map(
    run: str,
    k: int,
    view: MapView,
    problem: str = "",
    support: str = "real",
    holes: bool = False,
    *,
    key: str = "latent_map",
) -> tuple[MapView | None, FitRequest | None]:
    """Draws the run's images where its model puts them. `view` is what to show first; a later one that differs from it
    moves the map there. `problem`: a sentence to show, such as why a map cannot be computed. `support` of the codes:
    real, or binary for codes of 0 and 1, of which the map shows the probabilities. `holes`: whether that finding is
    kept for the newest weights.

    Returns the view as the user changed it (None until then) and a request, once.
    """
    data = {
        "run": run,
        "k": k,
        "support": support,
        "methods": describe_methods(k, support),
        "view": view.to_json(),
        "problem": problem,
        "holes": holes,
    }
    answer = _map(key=key, data=data, on_view_change=_nothing, on_fit_change=_nothing)
    return read_changed(answer.get("view"), run, k, support, holes), read_request(answer.get("fit"), run, k)


def read_changed(sent: object, run: str, k: int, support: str = "real", holes: bool = False) -> MapView | None:
    """Returns the view that a browser sent, if it is one of this run."""
    if not isinstance(sent, dict) or sent.get("run") != run:
        return None
    view, refused = read_view(sent, k, support, holes)
    return None if refused else view


def read_request(sent: object, run: str, k: int) -> FitRequest | None:
    """Returns the request that a browser sent, or None where it is none."""
    if not isinstance(sent, dict) or sent.get("run") != run:
        return None
    action, method, part = (str(sent.get(name)) for name in ("action", "method", "part"))
    computed = [method["name"] for method in describe_methods(k) if method["kind"] == "fitted"]
    if action not in ("start", "stop") or method not in computed or part not in PARTS:
        return None
    return FitRequest(action, method, part)


def _nothing() -> Any:
    """Streamlit returns only those values that have a callback."""
