"""Where prior and codes differ: a small map painted by the finding `holes`, with what decodes there."""

from __future__ import annotations

from ui.components.mounting import browser_component

_holes = browser_component("diagnose/holes")


def holes_map(run: str, k: int, method: str, support: str, key: str = "holes-map") -> None:
    """Draws it for the run's newest weights; `method`: the kind of map, the first of `methods_for`; `support` of the
    codes: real or binary."""
    _holes(key=key, data={"run": run, "k": k, "method": method, "support": support})
