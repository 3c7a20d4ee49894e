"""The ways to look at a latent space, and how each keeps what it shows in the address: `?run=name&mode=sliders&z=...`,
and what a mode adds. A new one is a function here and a line in MODES."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from ui import style
from ui.components import explore_modes
from ui.components.explore import latent_sliders, read_z, released_z
from ui.explore.space import Space

ALWAYS = ("run", "mode", "z")
SLIDERS = "latent-sliders"


@dataclass(frozen=True)
class Mode:
    """One way to look at the space: its name on the switch, what draws it, its parameters of the address."""

    label: str
    draw: Callable[[Space], None]
    fields: explore_modes.Fields = field(default_factory=dict)


@st.fragment
def sliders(space: Space) -> None:
    """Draws all dimensions under one hand. A fragment: a released slider draws nothing else anew."""
    key = f"{SLIDERS}-{space.support}"  # sliders and switches are two components
    released = released_z(space.run, key)
    if released[0] is not None and released != st.session_state.get("released"):
        st.session_state["released"] = released
        st.query_params["z"] = released[0]
    z = st.query_params.get("z", "")
    latent_sliders(space.run, space.k, space.rates, z, space.support, space.factorises, key=key)


@st.fragment
def samples(space: Space) -> None:
    """Draws the sheet of samples from the prior."""
    key = keep(space, "samples")
    explore_modes.prior_samples(space.run, address(), space.support, key=key)


@st.fragment
def traversal(space: Space) -> None:
    """Draws the sheet of traversals."""
    key = keep(space, "traversal")
    explore_modes.traversal_sheet(space.run, address(), space.rates, space.support, space.factorises, key=key)


@st.fragment
def interpolate(space: Space) -> None:
    """Draws the interpolation between two images."""
    key = keep(space, "interpolate")
    explore_modes.interpolation(space.run, address(), space.support, key=key)


@st.fragment
def attributes(space: Space) -> None:
    """Draws the attribute arithmetic, or why there is none."""
    if space.support == "binary":
        style.note(NO_DIRECTIONS)
        return
    key = keep(space, "attributes")
    explore_modes.attributes(space.run, address(), key=key)


NO_DIRECTIONS = (
    "There is no attribute arithmetic for a binary latent: it adds a multiple of the difference of two mean codes to a "
    "code, and the sum of bits and such a difference is not a code. Switches and Traversal flip bits, Interpolate goes "
    "from one image's bits to another's."
)
MODES = {
    "sliders": Mode("Sliders", sliders),
    "samples": Mode("Samples", samples, explore_modes.PRIOR),
    "traversal": Mode("Traversal", traversal, explore_modes.TRAVERSAL),
    "interpolate": Mode("Interpolate", interpolate, explore_modes.INTERPOLATION),
    "attributes": Mode("Attributes", attributes, explore_modes.ATTRIBUTES),
}


def address() -> dict[str, Any]:
    """Returns the parameters of the address."""
    return dict(st.query_params)


def keep(space: Space, mode: str) -> str:
    """Puts what came to rest in a mode into the address; a z that is to be opened goes to the sliders. Answers the
    component's key.

    The browser has written the same address by itself, without an entry in its history: written alike, in the same
    order, this one is none either.
    """
    fields = MODES[mode].fields
    key = f"{mode}-{space.support}"  # real numbers and bits are shown by two components
    view = explore_modes.received(space.run, key, fields)
    if view is None:
        return key
    if view.pop("open"):
        z = view.get("z", "")
        go_to("sliders", **({"z": z} if read_z(z, space.k, space.support) else {}))
        st.rerun()
    kept = {name: view.get(name, value) for name, value in address().items() if name in view or name not in fields}
    new = {name: view[name] for name in fields if name in view}
    st.query_params.from_dict({**kept, **new})
    return key


def go_to(mode: str, **more: str) -> None:
    """Goes to another mode of the same run and z; the old mode's parameters leave the address."""
    kept = {name: st.query_params[name] for name in ("run", "z") if name in st.query_params}
    st.query_params.from_dict({**kept, "mode": mode, **more})


def chosen_mode(space: Space) -> Mode:
    """Returns the mode of the address; draws the switch to change it."""
    name = st.query_params.get("mode", "sliders")
    if name not in MODES:
        style.notice(f"There is no mode “{name[:30]}”; the first one is shown instead.")
        name = st.query_params["mode"] = "sliders"
    st.session_state["mode"] = name  # the address decides, also after the browser's Back
    labels = {name: mode.label for name, mode in MODES.items()}
    if space.support == "binary":
        labels["sliders"] = "Switches"
    st.segmented_control(
        "Mode", list(MODES), key="mode", format_func=labels.__getitem__, required=True,
        label_visibility="collapsed", on_change=lambda: go_to(st.session_state["mode"]),
    )  # fmt: skip
    return MODES[name]
