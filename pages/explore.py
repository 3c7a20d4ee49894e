"""Explore a run's latent space: `?run=name&mode=sliders&z=...`, and what each mode adds to the address."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import streamlit as st

from ui import style
from ui.components import explore_modes
from ui.components.explore import latent_sliders, read_z, released_z, z_fault
from ui.runs.chooser import choose_run
from ui.runs.gallery import last_measured
from ui.runs.limits import limits_note
from vae import runs

ALWAYS = ("run", "mode", "z")
SLIDERS = "latent-sliders"


@dataclass(frozen=True)
class Space:
    """The latent space of a run: k dimensions that take real numbers or 0 and 1, and their rates in nats; those of the
    marginals where q does not factorise."""

    run: str
    k: int
    support: str
    factorises: bool
    rates: list[float] | None


@dataclass(frozen=True)
class Mode:
    """One way to look at the space: its name on the switch, what draws it, its parameters of the address."""

    label: str
    draw: Callable[[Space], None]
    fields: explore_modes.Fields = field(default_factory=dict)


@st.fragment
def sliders(space: Space) -> None:
    """Everything under one hand. A fragment: a released slider draws nothing else anew."""
    key = f"{SLIDERS}-{space.support}"  # sliders and switches are two components
    released = released_z(space.run, key)
    if released[0] is not None and released != st.session_state.get("released"):
        st.session_state["released"] = released
        st.query_params["z"] = released[0]
    z = st.query_params.get("z", "")
    latent_sliders(space.run, space.k, space.rates, z, space.support, space.factorises, key=key)


@st.fragment
def samples(space: Space) -> None:
    key = keep(space, "samples")
    explore_modes.prior_samples(space.run, address(), space.support, key=key)


@st.fragment
def traversal(space: Space) -> None:
    key = keep(space, "traversal")
    explore_modes.traversal_sheet(space.run, address(), space.rates, space.support, space.factorises, key=key)


@st.fragment
def interpolate(space: Space) -> None:
    key = keep(space, "interpolate")
    explore_modes.interpolation(space.run, address(), space.support, key=key)


@st.fragment
def attributes(space: Space) -> None:
    if space.support == "binary":
        style.note(NO_DIRECTIONS)
        return
    key = keep(space, "attributes")
    explore_modes.attributes(space.run, address(), key=key)


NO_DIRECTIONS = (
    "There is no attribute arithmetic for a binary latent: it adds a multiple of the difference of two mean codes to a "
    "code, and the sum of bits and such a difference is no code. Switches and Traversal flip bits, Interpolate goes "
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
    return dict(st.query_params)


def keep(space: Space, mode: str) -> str:
    """Put what came to rest in a mode into the address; a z that is to be opened goes to the sliders. Answers the
    component's key.

    The browser has written the same address by itself, without an entry in its history: written alike, in the same
    order, this one is none either.
    """
    fields = MODES[mode].fields
    key = f"{mode}-{space.support}"  # real numbers and bits are shown by two components
    view = explore_modes.said(space.run, key, fields)
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
    """Another mode of the same run and z; the old mode's parameters leave the address."""
    kept = {name: st.query_params[name] for name in ("run", "z") if name in st.query_params}
    st.query_params.from_dict({**kept, "mode": mode, **more})


def chosen_mode(space: Space) -> Mode:
    """The mode of the address, and the switch to change it."""
    name = st.query_params.get("mode", "sliders")
    if name not in MODES:
        style.notice(f"There is no mode “{name[:30]}”; shown instead is the first one.")
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


def mean_rates(path: Path, k: int) -> list[float] | None:
    """The newest measured rate of each dimension (of its marginal), nats; None where the history has none."""
    record = last_measured(path)
    measured = record.get("test") or record.get("train") or {}
    rates = measured.get("rate_per_dim") or measured.get("marginal_rate_per_dim")
    return rates if isinstance(rates, list) and len(rates) == k else None


def check_address(mode: Mode, space: Space) -> None:
    """The address may hold anything; what this page cannot use is taken out, and said. Values of the mode's own
    parameters are checked by the mode, in the browser."""
    unknown = sorted(set(st.query_params) - {*ALWAYS, *mode.fields})
    for name in unknown:
        del st.query_params[name]
    if unknown:
        named = ", ".join(name[:20] for name in unknown[:3]) + (" and more" if len(unknown) > 3 else "")
        style.notice(f"The address held settings that this view does not know ({named}); they were left out.")
    fault = z_fault(st.query_params.get("z", ""), space.k, space.support)
    if fault:
        del st.query_params["z"]
        usual = "code of all zeros" if space.support == "binary" else "prior mean"
        style.notice(f"The z of the address could not be used: {fault} Shown instead is the {usual}.")


def space_of(path: Path) -> Space:
    from vae.model.latents import LATENTS  # torch takes its time

    config = runs.read_config(path)[0]
    latent, k = LATENTS[config.latent], config.latent_dim
    return Space(path.name, k, latent.support, latent.factorises, mean_rates(path, k))


path = choose_run("Explore", keep=("mode",))
if path is not None:
    st.set_page_config(page_title=f"{path.name} · Explore · ELBO Room")
    space = space_of(path)
    mode = chosen_mode(space)
    check_address(mode, space)
    mode.draw(space)
    limits_note(path)
