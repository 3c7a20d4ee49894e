"""The components of the Train page. Data reaches them through `ui/live/live.py`, without reruns of the page.

`key` names a place on the page: a component whose `run` changes under one key switches over without flicker.
"""

from __future__ import annotations

import math
from typing import Literal

from ui.components.mounting import browser_component
from ui.runs.states import STATES
from vae.config import C_GAUSSIAN_RANGE, C_WEIGHT_RANGE, check_C
from vae.errors import ConfigError

_charts = browser_component("train/charts")
_slider = browser_component("train/c_slider")
_trail = browser_component("train/trail")
_preview = browser_component("train/preview")
_bars = browser_component("train/rate_bars")
_state = browser_component("train/status_line")


def live_charts(
    run: str, likelihood: str, pixels: int, objective: str = "elbo", samples: int = 1, key: str = "live_charts"
) -> None:
    """Draws squared error (pixel²), distortion, rate and −ELBO (nats) per image of a run as it trains, training and
    held-out.

    With the objective `iwae` the last curve is what that minimises, the negative bound with `samples` samples.

    `pixels` is D, the number of values of an image (height x width x channels): a Gaussian distortion is shown with
    its two parts C·‖x − f(z)‖² and (D/2)·log(2πc).
    """
    data = {"run": run, "likelihood": likelihood, "owns_C": owns_C(likelihood)}
    _charts(key=key, data={**data, "pixels": pixels, "objective": objective, "samples": samples})


def C_slider(
    run: str,
    likelihood: str,
    pixels: int,
    C: float | Literal["fit"] | None = None,
    spread: float = 1.0,
    *,
    disabled: bool = False,
    key: str = "C_slider",
) -> float | Literal["fit"] | None:
    """Draws the live slider of C; returns what the user has just asked for, once, and None in all other script runs.

    `C` is the config's C, the value until somebody changes it; from then on the slider follows the run's knobs, also
    those set in other tabs. Write the answer to the run:

        if (C := C_slider(...)) is not None:
            change_knobs(path, C=C)

    The range is that of the likelihood; a typed value may lie outside it. A Gaussian's C goes with the data's scale as
    1 / spread², `spread` being that of the data (`DataInfo.spread`): the range moves by whole decades with it.
    """
    owned = owns_C(likelihood)
    low, high = gaussian_range(spread) if owned else C_WEIGHT_RANGE
    data = {
        "run": run,
        "owns_C": owned,
        "pixels": pixels,
        "C": C,
        "low": low,
        "high": high,
        "disabled": disabled,
    }
    return read_C(_slider(key=key, data=data, on_C_change=_nothing).get("C"), owned)


def owns_C(likelihood: str) -> bool:
    """Returns whether C belongs to the model with this likelihood; False for one that this version does not know."""
    from vae.model.likelihoods import LIKELIHOODS  # torch takes its time

    return likelihood in LIKELIHOODS and LIKELIHOODS[likelihood].owns_C


def gaussian_range(spread: float) -> tuple[float, float]:
    """Returns the slider's ends for data of this spread; those of full contrast where a damaged run has no spread."""
    if not (isinstance(spread, (int, float)) and 1e-15 < spread < 1e15):
        spread = 1.0
    low, high = (math.log10(end) - 2 * math.log10(spread) for end in C_GAUSSIAN_RANGE)
    return 10.0 ** round(low), 10.0 ** round(high)


def read_C(value: object, owned: bool) -> float | Literal["fit"] | None:
    """Returns what a browser sent as C, checked; None for nothing and for what cannot be a C."""
    if value == "fit":
        return "fit" if owned else None
    try:
        return check_C(value)
    except ConfigError:
        return None


def live_trail(run: str, likelihood: str, C: float | Literal["fit"] | None = None, *, key: str = "live_trail") -> None:
    """Draws a run's trail as C is turned, in the plane of rate (nats) and squared error (pixel²; distortion in nats
    where C weights that), with the line of slope −1/C at its present point. `C` is the config's."""
    _trail(key=key, data={"run": run, "owns_C": owns_C(likelihood), "C": C})


def live_preview(run: str, key: str = "live_preview") -> None:
    """Draws held-out images over their reconstructions, with the same noise each time, as the run trains."""
    _preview(key=key, data={"run": run})


def rate_bars(run: str, key: str = "rate_bars") -> None:
    """Draws the rate of each latent dimension in nats, largest first, as the run trains."""
    _bars(key=key, data={"run": run})


def run_state(run: str, state: str, *, visible: bool = True, key: str = "run_state") -> str | None:
    """Draws a line with state, step, epoch, speed, time left and viewers; reruns the page when the run's state changes.

    `state` is the state that this page was drawn for. When the run enters another one (paused in another tab,
    finished, failed; "gone" when it was renamed or deleted) the script, or the fragment this is called in, runs again,
    and the new state is returned once.
    """
    data = {"run": run, "state": state, "visible": visible, "words": STATES}
    answer = _state(key=key, data=data, on_state_change=_nothing)
    new = answer.get("state")
    return new if isinstance(new, str) else None


def _nothing() -> None:
    """Streamlit returns only those values that have a callback."""
