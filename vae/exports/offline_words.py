"""What a page without a server says of a run: its numbers with their errors, how it was made, what the file holds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vae import runs
from vae.bound.metrics import ACTIVE_THRESHOLD
from vae.exports.model_card import fitted
from vae.model.latent_words import words_of
from vae.runs import Run
from vae.runs.checkpoints import weights_step
from vae.runs.origin import ended
from vae.space.encodings import Codes


@dataclass(frozen=True)
class Number:
    """One number of the head: its name, its idea's class in the styles, the value, its error and its unit, as texts."""

    name: str
    idea: str
    value: str
    error: str
    unit: str


def numbers(codes: Codes) -> list[Number]:
    """Returns ELBO, distortion and rate, each with the standard error of its mean over the images, and active units."""
    distortion, rate = codes.distortion.astype(np.float64), codes.rate.astype(np.float64)
    active = int((codes.loc.astype(np.float64).var(0) > ACTIVE_THRESHOLD).sum())
    measured = {"ELBO": -(distortion + rate), "Distortion": distortion, "Rate": rate}
    return [
        *(_in_nats(name, values) for name, values in measured.items()),
        Number("Active units", "", f"{active}", "", f"of {codes.loc.shape[1]}"),
    ]


def _in_nats(name: str, values: NDArray[np.float64]) -> Number:
    return Number(name, name.lower(), signed(float(values.mean())), f"± {error_of(values):.2g}", "nats")


def error_of(values: NDArray[np.float64]) -> float:
    """Returns the standard error of the mean of values (n,)."""
    return float(values.std() / np.sqrt(len(values)))


def signed(value: float, digits: int = 2) -> str:
    """Returns a number for reading, with a true minus sign."""
    return f"{value:,.{digits}f}".replace("-", "−")


def how_made(run: Run, codes: Codes) -> list[tuple[str, str]]:
    """Returns pairs of a name and what is to be said: data, likelihood, C, latent, network, training."""
    config, status = run.config, runs.read_status(run.path)
    data = str(run.data.get("name", config.dataset))
    if config.binarize not in (None, "none"):
        data += f", binarised ({config.binarize})"
    channels, height, width = codes.images.shape[1:]
    network = (
        "a model of somebody's own"
        if config.is_yours
        else " ".join([config.network, "-".join(map(str, config.hidden or ())), config.activation or ""])
    )
    return [
        ("Data", f"{data}, {height} × {width}" + (f" × {channels}" if channels > 1 else "")),
        ("Likelihood p(x|z)", config.likelihood or "not told"),
        ("C", what_C_is(run)),
        ("Latent z", words_of(config.latent).whole(config.latent_dim)),
        ("Network", " ".join(network.split())),
        ("Objective", f"importance-weighted bound, {config.samples} samples" if config.objective == "iwae" else "ELBO"),
        ("Trained", when_trained(run, status)),
    ]


def what_C_is(run: Run) -> str:
    """Returns the value of C that the weights go with, and what it does."""
    config, likelihood = run.config, run.model.likelihood
    if likelihood.owns_C:
        if config.likelihood is None:
            return f"{float(likelihood.C):.4g}, weights the squared error"
        how = " (fitted)" if fitted(config, run.history) else ""
        return f"{float(likelihood.C):.4g}{how}, part of the model: C = 1/(2c)"
    newest = next((line["C"] for line in reversed(run.history) if line.get("C") is not None), config.C)
    return f"{newest:.4g}, weights the distortion" if isinstance(newest, (int, float)) else str(newest)


def when_trained(run: Run, status: runs.Status) -> str:
    """Returns the step of the weights and the day."""
    step = weights_step(run.path)
    step = status.step if step is None else step
    day = f"{datetime.fromtimestamp(ended(run.path, status.heartbeat), UTC):%Y-%m-%d}"
    if run.config.is_yours and not step:
        return f"not here; taken in on {day}"
    going = ", still training then" if status.state in runs.ACTIVE else ""
    return f"to step {step:,}, {day}{going}"


def what_it_holds(
    codes: Codes,
    few: Codes,
    errors: dict[str, float],
    images: float | None,
    decoder: dict[str, Any] | None,
    reason: str,
) -> list[str]:
    """Returns sentences on the images, the codes and the decoder in the file and on how exact they are. `errors`: those
    of `offline_data.quantise`; `images`: of `rounding_of_images`; `decoder`: its header, None where `reason` says why
    there is none."""
    rounding = "" if images is None else f", off by at most {images:.2g} of the range that the model saw"
    spread = f", their log-variances to {errors['log_variance']:.1g}" if "log_variance" in errors else ""
    held = [
        f"The numbers above are means over {codes.source}; ± is the standard error of the mean over them.",
        f"Images: {few.source}, as one picture of 8 bit a value{rounding}.",
        f"Codes: 16 bit of each dimension's range; means exact to {errors['loc']:.1g}{spread}, rates to "
        f"{errors['rate']:.1g} and distortions to {errors['distortion']:.1g} nats.",
    ]
    if decoder is None:
        return [*held, f"No decoder: {reason}"]
    return [
        *held,
        f"Decoder: {decoder['count']:,} weights as {decoder['precision']}; its pixels differ from the model's by at "
        f"most {decoder['difference']:.1g} of their range, measured on draws from the prior.",
    ]
