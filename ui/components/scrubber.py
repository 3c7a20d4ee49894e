"""One scrubber over an ordered list of weights: a run at its moments, or the runs of a sweep, under a fixed z, image
and map. What it decodes it decodes in the browser."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from ui.components.explore_modes import Fields, View, received
from ui.components.mounting import browser_component
from ui.live.cache import weights_sha
from vae import runs
from vae.errors import ConfigError
from vae.runs.checkpoints import weights_step
from vae.runs.moments import moment_at

_scrub = browser_component("scrub/scrub")
SCRUB: Fields = {"at": str, "image": int, "z": str, "show": str}  # what a page keeps in its address


@dataclass(frozen=True)
class Stop:
    """Weights to stop at: those of a run's moment, or with step None its newest. `label` stands above the pictures,
    `short` (or the label) under the thumbnail, and `key` (or step, or the run's name) in the address as `&at=`. `why`:
    "newest" for weights that a training replaces: no plane is theirs."""

    path: Path
    step: int | None
    label: str
    short: str = ""
    key: str = ""
    why: str = ""

    def to_json(self) -> dict[str, Any]:
        """Returns it as the browser takes it. Raises RunError where there are no such weights."""
        sha = weights_sha(self.path) if self.step is None else moment_at(self.path, self.step).sha256
        step = weights_step(self.path) if self.step is None else self.step
        key = self.key or (self.path.name if self.step is None else str(self.step))
        return {
            "run": self.path.name, "sha": sha, "step": step, "key": key, "label": self.label,
            "short": self.short or self.label, "why": self.why,
        }  # fmt: skip


def scrubber(
    stops: Sequence[Stop], *, title: str, image: int = 0, z: str = "", follow: Path | None = None, key: str = "scrubber"
) -> None:
    """Draws the scrubber over `stops`, in their order. Held over all of them are a z, of which each stop's decoded
    image is shown; an image, with what each stop makes of it; and the map of the first 2,000 held-out images, in the
    last stop's PCA plane (two latent dimensions in their own). At each stop distortion and rate are measured on those
    images, in nats, with their standard errors.

    `image`: the number of the held-out image to begin with, 0 to 1,999. `z`: the one to begin with, as an address has
    it ("1.46_-0.3"); "" holds the code of that image at the last stop. `follow`: a run that trains; its new moments
    become stops by themselves. What is turned stands in the address, under the names in SCRUB: a page lists them in
    its `check_address`.

    The runs of a sweep, their z and image held:

        @st.fragment
        def scrub_C() -> None:
            held = [Stop(path, None, f"C = {C:g}") for C, path in sorted(points)]
            scrubber(held, title="Scrub C, z held", image=3, key="scrub-C")

    In a fragment, so that a move draws nothing else anew. Raises ConfigError where the stops' models differ in latent
    dimensions or in the shape of their images, RunError where weights are missing.
    """
    if not stops:
        raise ConfigError("stops: expected at least one run or moment, got none")
    kinds = {_kind_of(path) for path in dict.fromkeys(stop.path for stop in stops)}
    if len(kinds) > 1:
        told = "; ".join(f"{k} dimensions ({latent}), images {shape}" for k, shape, latent in sorted(kinds))
        raise ConfigError(f"stops: one z and one image are held over all, so their models must be alike; got {told}")
    from vae.model.latents import LATENTS  # torch takes its time

    ((k, (channels, height, width), latent),) = kinds
    run = (follow or stops[0].path).name
    _keep(received(run, key, SCRUB))
    data = {
        "run": run,
        "stops": [stop.to_json() for stop in stops],
        "follow": None if follow is None else follow.name,
        "shape": {"k": k, "height": height, "width": width, "channels": channels},
        "support": LATENTS[latent].support,
        "title": title,
        "held": {"image": image, "z": z},
        "start": {name: st.query_params[name] for name in SCRUB if name in st.query_params},
    }
    _scrub(key=key, data=data, on_view_change=_nothing)


def _keep(view: View | None) -> None:
    """Puts what came to rest into the address; what is as usual needs no room there. The browser has written the same
    by itself."""
    if view is not None:
        new = {name: view[name] for name in SCRUB if name in view}
        kept = {name: new.get(name, value) for name, value in st.query_params.to_dict().items()}
        st.query_params.from_dict(
            {name: value for name, value in {**kept, **new}.items() if name in new or name not in SCRUB}
        )


def _kind_of(path: Path) -> tuple[int, tuple[int, ...], str]:
    config, data = runs.read_config(path)
    return config.latent_dim, tuple(data["shape"]), config.latent


def _nothing() -> None:
    """Streamlit returns only those values that have a callback."""
