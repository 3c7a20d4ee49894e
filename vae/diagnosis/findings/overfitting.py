"""Overfitting: the held-out loss rises while the training loss falls."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from vae.bound.evaluation import SampledElbo, sampled_elbo
from vae.diagnosis.case import Case
from vae.diagnosis.curves import FEWEST, HeldOutCurve, both_curves, held_out_curve, training_curve
from vae.diagnosis.finding import Advice, Finding, Found, afresh_advice, number_with_error
from vae.diagnosis.parts import some_of
from vae.errors import DataError

MOST, DRAWS = 4000, 2  # images of each part, and codes of each
# A rise is a fault where other held-out images would show it too: where it is more than two standard errors of the
# held-out mean. That every model does better on what it was trained on is told (`gap`), but is no fault by itself.
ERRORS = 2.0


@dataclass(frozen=True)
class Rise:
    """How far the held-out loss has risen from where it was lowest, means over `window` values each."""

    nats: float
    error: float
    epoch: float  # of the lowest mean


class Overfitting(Finding):
    """The rise compares the same images under the same noise (`vae.diagnosis.curves`). The gap, held-out minus training
    −ELBO of the newest weights, is of as many images of each part, with the same number of codes each; as these are
    different images, its error is that of both means."""

    name = "overfitting"
    question = "Does it get worse on images that it has not seen?"
    seconds = 1.0

    def why_not(self, case: Case) -> str:
        if held_out_curve(case) is None:
            return f"Its history has fewer than {FEWEST} held-out evaluations since C was last changed."
        return ""

    def find(self, case: Case) -> Found:
        curve = held_out_curve(case)
        assert curve is not None
        rise, threshold = rise_of(curve), ERRORS * curve.error
        found = rise.nats > max(threshold, ERRORS * rise.error)
        shown = number_with_error(rise.nats, rise.error, 2)
        gap, words = _gap(case)
        if rise.nats > ERRORS * rise.error:
            sentence = f"The held-out loss has risen by {shown} nats since {curve.unit} {rise.epoch:,.0f}"
            sentence += "" if found else f", less than {curve.images:,} images can tell ({threshold:.2f} nats)"
        else:
            sentence = f"The held-out loss is no higher than it ever was ({shown} nats)"
        return Found(
            found=found,
            title=f"Overfitting since {curve.unit} {rise.epoch:,.0f}" if found else "No overfitting to speak of",
            shown=f"{shown} nats",
            sentence=f"{sentence}. {words}",
            value=rise.nats,
            standard_error=rise.error,
            threshold=threshold,
            source=f"two standard errors of the mean over {curve.images:,} held-out images",
            nats=rise.nats if found else 0.0,
            n=curve.images,
            advice=_advice(case, curve, rise) if found else (),
            picture=_picture(case, curve, rise),
            numbers={"since": rise.epoch, "clock": curve.unit, "gap": gap},
        )


def rise_of(curve: HeldOutCurve) -> Rise:
    """Returns the rise: the mean of the last values less the lowest mean of as many neighbours; 0 where the last are
    the lowest."""
    window = min(max(3, len(curve.losses) // 10), len(curve.losses) // 2)
    means = np.convolve(curve.losses, np.ones(window) / window, "valid")
    lowest = int(means.argmin())
    error = curve.scatter * math.sqrt(2 / window)
    return Rise(float(means[-1] - means[lowest]), error, float(curve.epochs[lowest : lowest + window].mean()))


def _advice(case: Case, curve: HeldOutCurve, rise: Rise) -> tuple[Advice, ...]:
    """The form takes whole epochs; a loop that tells steps is none that trains here."""
    epochs = max(1, round(rise.epoch))
    return afresh_advice(case, f"Train again, to epoch {epochs:,}", epochs=epochs) if curve.unit == "epoch" else ()


def _gap(case: Case) -> tuple[dict[str, float | int] | None, str]:
    """Held-out minus training terms of the newest weights, and a sentence about them."""
    most = min(MOST, case.limit or MOST)
    try:
        images = {part: some_of(case, part, most) for part in ("train", "test")}
    except DataError:
        return None, "What it gives images that it was trained on is not known: they are not here."
    n = min(len(x) for x in images.values())
    terms = {part: _terms(case, x[torch.linspace(0, len(x) - 1, n).round().long()]) for part, x in images.items()}
    gap: dict[str, float | int] = {"images": n}
    for name in ("elbo", "distortion", "rate"):
        sign = -1 if name == "elbo" else 1
        values = {part: sign * getattr(found, name) for part, found in terms.items()}
        gap[name] = float(values["test"].mean() - values["train"].mean())
        gap[name + "_error"] = math.sqrt(sum(float(each.var()) / n for each in values.values()))
    shown = number_with_error(gap["elbo"], gap["elbo_error"])
    return gap, f"−ELBO is higher by {shown} nats on held-out images than on training ones ({n:,} of each)."


def _terms(case: Case, x: torch.Tensor) -> SampledElbo:
    blocks = []
    for start in range(0, len(x), 1000):
        case.progress(start / len(x), "comparing held-out and training images")
        blocks.append(sampled_elbo(case.model, x[start : start + 1000], DRAWS, case.generator()))
    return SampledElbo(*(torch.cat([getattr(b, name) for b in blocks]) for name in SampledElbo.__dataclass_fields__))


def _picture(case: Case, curve: HeldOutCurve, rise: Rise) -> str:
    chart = both_curves(curve, training_curve(case), 460, [("elbo", "held out: where it was lowest")])
    chart.upright(rise.epoch, "elbo", dashed=True)
    return chart.svg(f"Held-out and training loss over {len(curve.epochs)} evaluations")
