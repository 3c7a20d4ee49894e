"""Explore a run's latent space: `?run=name&mode=sliders&z=...`, and what each mode adds to the address."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from ui import look
from ui.components import explore_modes
from ui.components.explore import latent_sliders, pack_z, read_z, released_z
from ui.gallery import last_measured
from ui.run_chooser import choose_run
from vae import runs

ALWAYS = ("run", "mode", "z")
SLIDERS = "latent-sliders"  # the component's key


@dataclass(frozen=True)
class Mode:
    """One way to look at the space: its name on the switch, what draws it, its parameters of the address."""

    label: str
    draw: Callable[[str, int, list[float] | None], None]
    parameters: tuple[str, ...] = ()


@st.fragment
def sliders(run: str, k: int, rates: list[float] | None) -> None:
    """Everything under one hand. A fragment: a released slider draws nothing else anew."""
    released = released_z(run, SLIDERS)
    if released[0] is not None and released != st.session_state.get("released"):
        st.session_state["released"] = released
        st.query_params["z"] = released[0]
    latent_sliders(run, k, rates, st.query_params.get("z", ""), key=SLIDERS)


@st.fragment
def samples(run: str, k: int, rates: list[float] | None) -> None:
    keep(explore_modes.prior_samples(run, start=address()))


@st.fragment
def traversal(run: str, k: int, rates: list[float] | None) -> None:
    keep(explore_modes.traversal_sheet(run, z_of_address(k), address(), rates))


@st.fragment
def interpolate(run: str, k: int, rates: list[float] | None) -> None:
    keep(explore_modes.interpolation(run, start=address()))


@st.fragment
def attributes(run: str, k: int, rates: list[float] | None) -> None:
    keep(explore_modes.attributes(run, z_of_address(k), address()))


MODES = {
    "sliders": Mode("Sliders", sliders),
    "samples": Mode("Samples", samples, tuple(explore_modes.PRIOR)),
    "traversal": Mode("Traversal", traversal, tuple(explore_modes.TRAVERSAL)),
    "interpolate": Mode("Interpolate", interpolate, tuple(explore_modes.INTERPOLATION)),
    "attributes": Mode("Attributes", attributes, tuple(explore_modes.ATTRIBUTES)),
}


def address() -> dict[str, Any]:
    return dict(st.query_params)


def z_of_address(k: int) -> list[float] | None:
    return read_z(st.query_params.get("z", ""), k)


def keep(view: dict[str, Any] | None) -> None:
    """Put what came to rest in a mode into the address. A z that was taken from a picture goes to the sliders."""
    if view is None:
        return
    z = view.pop("z", None)
    if z is None:
        st.query_params.update({name: str(value) for name, value in view.items()})
        return
    go_to("sliders", z=pack_z(z))
    st.rerun()


def go_to(mode: str, **more: str) -> None:
    """Another mode of the same run and z; the old mode's parameters leave the address."""
    kept = {name: st.query_params[name] for name in ("run", "z") if name in st.query_params}
    st.query_params.from_dict({**kept, "mode": mode, **more})


def chosen_mode() -> Mode:
    """The mode of the address, and the switch to change it."""
    name = st.query_params.get("mode", "sliders")
    if name not in MODES:
        look.notice(f"There is no mode “{name[:30]}”; these are the sliders.")
        name = st.query_params["mode"] = "sliders"
    st.session_state["mode"] = name  # the address decides, also after the browser's Back
    st.segmented_control(
        "Mode", list(MODES), key="mode", format_func=lambda name: MODES[name].label, required=True,
        label_visibility="collapsed", on_change=lambda: go_to(st.session_state["mode"]),
    )  # fmt: skip
    return MODES[name]


def mean_rates(path: Path, k: int) -> list[float] | None:
    """The newest measured rate of each dimension, nats; None where the history has none."""
    record = last_measured(path)
    rates = (record.get("test") or record.get("train") or {}).get("rate_per_dim")
    return rates if isinstance(rates, list) and len(rates) == k else None


def check_address(mode: Mode, k: int) -> None:
    """The address may hold anything; what this page cannot use is taken out, and said."""
    unknown = sorted(set(st.query_params) - {*ALWAYS, *mode.parameters})
    for name in unknown:
        del st.query_params[name]
    if unknown:
        named = ", ".join(name[:20] for name in unknown[:3]) + (" and more" if len(unknown) > 3 else "")
        look.notice(f"The address held settings that this view does not know ({named}); they were left out.")
    if "z" in st.query_params and z_of_address(k) is None:
        del st.query_params["z"]
        look.notice(f"The z of the address does not fit this run's {k} latent dimensions; it was left out.")


path = choose_run(keep=("mode",))
if path is not None:
    st.set_page_config(page_title=f"{path.name} · Explore · ELBO Room")
    k = runs.read_config(path)[0].latent_dim
    mode = chosen_mode()
    check_address(mode, k)
    mode.draw(path.name, k, mean_rates(path, k))
