"""What a history says of a training. Its held-out loss is always of the same images under the same noise: two values
differ by the weights alone."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vae.browser.drawing import Chart
from vae.diagnosis.case import Case

FEWEST = 8  # values below which nothing is said
POINTS = 300  # of a line in a picture
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """A loss, nats an image, at m epochs."""

    epochs: Array  # (m,), or steps: see `unit`
    losses: Array  # (m,)
    unit: str  # "epoch"; "step" of a loop that does not tell its epochs

    @property
    def begin(self) -> float:
        """Where it starts to count: 0, where it goes on from there."""
        return 0.0 if self.epochs[0] < 2 * np.diff(self.epochs).max() else float(self.epochs[0])

    def last(self, share: float, fewest: int) -> Curve:
        """Returns what belongs to the last share of the epochs, `fewest` values at least."""
        late = int((self.epochs >= self.epochs[-1] - share * (self.epochs[-1] - self.begin)).sum())
        return Curve(self.epochs[-max(fewest, late) :], self.losses[-max(fewest, late) :], self.unit)


@dataclass(frozen=True)
class HeldOutCurve(Curve):
    images: int  # that are held out
    error: float  # standard error of a held-out mean: what other images would have given

    @property
    def scatter(self) -> float:
        """The standard deviation of one value about its trend, from second differences: a straight trend has none, and
        noise of variance s² has 6 s²."""
        bend = np.diff(self.losses[-max(FEWEST, len(self.losses) // 2) :], 2)
        return float(np.median(np.abs(bend))) / 0.6745 / math.sqrt(6)


def training_curve(case: Case) -> Curve | None:
    """Returns the training loss since C, or the half that trains, was last changed by hand: means over the steps since
    the last record. None where there are fewer than FEWEST."""
    return _curve(case, _since_the_last_change(case), "train")


def held_out_curve(case: Case) -> HeldOutCurve | None:
    """Returns the held-out loss since then, of the same images; None where there are fewer than FEWEST values."""
    lines = [line for line in _since_the_last_change(case) if _loss(line.get("test")) is not None]
    counts = Counter(line["test"].get("images") for line in lines).most_common(1)
    lines = [line for line in lines if line["test"].get("images") == counts[0][0]]  # the last takes all images
    curve = _curve(case, lines, "test")
    if curve is None:
        return None
    images = int(counts[0][0] or len(case.codes))
    told = [line["test"] for line in case.history if line["test"].get("elbo_error") and line["test"].get("images")]
    if told:
        error = told[-1]["elbo_error"] * math.sqrt(told[-1]["images"] / images)
    else:  # histories of older versions and of other programs
        error = float((case.codes.rate + case.codes.distortion).astype(float).std()) / math.sqrt(images)
    return HeldOutCurve(curve.epochs, curve.losses, curve.unit, images, error)


def _since_the_last_change(case: Case) -> list[dict[str, Any]]:
    history = case.lines
    changed = max((line["step"] for line in history if line.get("knob") in ("C", "part")), default=-1)
    return [line for line in history if line.get("train") and line["step"] > changed]


def clock(case: Case) -> tuple[float, str]:
    """Returns what a step counts in the unit of time that is also returned: epochs, of which some loops tell whole ones
    only; steps where they tell none."""
    last = next((line for line in reversed(case.lines) if line.get("epoch") and line["step"]), None)
    return (last["epoch"] / last["step"], "epoch") if last else (1.0, "step")


def _curve(case: Case, lines: list[dict[str, Any]], part: str) -> Curve | None:
    losses: dict[int, float] = {}
    for line in lines:
        loss = _loss(line.get(part))
        if loss is not None:
            losses[line["step"]] = loss
    if len(losses) < FEWEST:
        return None
    step, unit = clock(case)
    steps = sorted(losses)
    return Curve(step * np.array(steps, float), np.array([losses[one] for one in steps], float), unit)


def _loss(means: dict[str, Any] | None) -> Any:
    """What is minimised; minus the ELBO where a record does not say."""
    if not means:
        return None
    if means.get("loss") is not None:
        return means["loss"]
    return None if means.get("elbo") is None else -means["elbo"]


def both_curves(
    held_out: Curve | None, training: Curve | None, width: int, more: Sequence[tuple[str, str]] = ()
) -> Chart:
    """Returns a chart of both losses, its legend with `more`; a first plunge may leave it at the top, or it would
    flatten the rest."""
    there = [curve for curve in (held_out, training) if curve is not None]
    low = min(float(curve.losses.min()) for curve in there)
    high = max(float(np.quantile(curve.losses, 0.95)) for curve in there)
    legend = [("posterior", "held out")] * (held_out is not None) + [("faint", "training")] * (training is not None)
    legend += more
    ends = min(curve.begin for curve in there), max(float(curve.epochs[-1]) for curve in there)
    chart = Chart(ends, (low, high), height=200, width=width, labels=(there[0].unit, "loss, nats"), legend=legend)
    for curve, idea in ((training, "faint"), (held_out, "posterior")):
        if curve is not None:
            every = -(-len(curve.epochs) // POINTS)
            chart.line(curve.epochs[::-every][::-1].tolist(), curve.losses[::-every][::-1].tolist(), idea)
    return chart
