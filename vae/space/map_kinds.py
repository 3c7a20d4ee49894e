"""The kinds of map of a latent space: its own plane or line, two of its dimensions, and the projections."""

from __future__ import annotations

from vae.space.projections import PROJECTIONS, installed

OWN = {  # laid out by the page itself: their axes are the codes' own
    "plane": {"title": "Latent plane", "kind": "linear", "about": "the true plane (d = 2), no projection"},
    "line": {"title": "Latent line", "kind": "line", "about": "the one latent dimension across, the rate upwards"},
    "dims": {"title": "Two dimensions", "kind": "linear", "about": "two of the dimensions, the others held at a code"},
}


def methods_for(k: int, support: str = "real") -> list[str]:
    """Returns the kinds of map for k latent dimensions, the first one first. Bits have no plane: their codes are
    corners."""
    if k == 1:
        return ["line"]
    there = sorted(installed(), key=list(PROJECTIONS).index)
    linear, fitted = ([name for name in there if PROJECTIONS[name].kind == kind] for kind in ("linear", "fitted"))
    return ["plane", *fitted] if k == 2 and support == "real" else [*linear, *fitted, "dims"]


def describe_methods(k: int, support: str = "real") -> list[dict[str, str]]:
    """Returns what the page knows of each kind of map, in the order of `methods_for`: name, title, kind (linear, fitted
    by a process, or line) and about, a phrase."""
    names = methods_for(k, support)
    return [{"name": name, **OWN[name]} if name in OWN else PROJECTIONS[name].descriptor() for name in names]
