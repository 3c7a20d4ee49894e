"""Not converged: the loss still falls as the training ends."""

from __future__ import annotations

import numpy as np

from vae.browser.drawing import Chart, beside, nice_ticks
from vae.diagnosis.case import Case
from vae.diagnosis.curves import FEWEST, Array, Curve, both_curves, held_out_curve, training_curve
from vae.diagnosis.finding import Finding, Found, measured, steering_advice

SHARE = 0.1  # of the training: its last tenth
# Bounds on log p(x) are published to a tenth of a nat; where they are thousands of nats, of large images, to a
# thousandth of them. A run that would gain so much in another tenth of its training is not done.
GAIN, RELATIVE_GAIN = 0.1, 1e-3
ERRORS = 3.0  # standard errors of the slope; of 100 flat runs none is called falling


class Converged(Finding):
    """The slope of a straight line through the last tenth of the held-out loss, by least squares, of the training loss
    where there are too few held-out values; its error from the scatter about that line."""

    name = "converged"
    question = "Has the training come to its end?"
    seconds = 0.05

    def why_not(self, case: Case) -> str:
        if training_curve(case) is None and held_out_curve(case) is None:
            return f"Its history has fewer than {FEWEST} records since C was last changed."
        return ""

    def find(self, case: Case) -> Found:
        held_out, training = held_out_curve(case), training_curve(case)
        curve: Curve | None = held_out or training
        assert curve is not None
        end = curve.last(SHARE, 5)
        slope, error, line = fitted_slope(end.epochs, end.losses)
        tenth = SHARE * float(curve.epochs[-1] - curve.begin)
        least = max(GAIN, RELATIVE_GAIN * abs(float(end.losses[-1])))
        gain, threshold = -slope * tenth, -least / tenth
        found = slope < threshold and slope < -ERRORS * error
        per = "an epoch" if curve.unit == "epoch" else f"a {curve.unit}"
        trend = measured(slope, error)
        which = f"held-out loss of the same {held_out.images:,} images" if held_out else "training loss"
        span = f"from {curve.unit} {end.epochs[0]:,.4g} to {end.epochs[-1]:,.4g}"
        sentence = f"The {which} {'still ' if found else ''}changes by {trend} nats {per}, {span}"
        more = f": another {tenth:,.3g} {curve.unit}{'s' * (tenth != 1)} at this slope would gain {gain:,.2f} nats."
        return Found(
            found=found,
            title=_title(found, slope - 2 * error > threshold),
            shown=f"{trend} nats {per}",
            sentence=sentence + (more if found else "."),
            value=slope,
            unit=f"nats {per}",
            standard_error=error,
            threshold=threshold,
            source=f"{least:.2g} nats in another tenth of the training: bounds are published to a tenth of a nat",
            nats=gain if found else 0.0,
            n=held_out.images if held_out else None,
            advice=steering_advice(case, "Train on") if found else (),
            picture=_picture(held_out, training, end, line),
            numbers={"gain_of_another_tenth": gain, "tenth": tenth, "clock": curve.unit, "values": len(end.epochs)},
        )


def _title(found: bool, surely_not: bool) -> str:
    if found:
        return "Training was cut off"
    return "The loss has levelled off" if surely_not else "No slope that stands out from the noise"


def fitted_slope(x: Array, y: Array) -> tuple[float, float, Array]:
    """Returns the slope of the least-squares line, its standard error, and the line (m,)."""
    away = x - x.mean()
    slope = float((away * y).sum() / (away**2).sum())
    line = y.mean() + slope * away
    variance = float(((y - line) ** 2).sum()) / max(1, len(x) - 2)
    return slope, (variance / float((away**2).sum())) ** 0.5, line


def _picture(held_out: Curve | None, training: Curve | None, end: Curve, line: Array) -> str:
    """Both curves; beside them the end of the one, enlarged, with the line."""
    both = np.concatenate([end.losses, line])
    margin = 0.1 * float(np.ptp(both)) + 1e-9
    ends, span = (end.epochs[0], end.epochs[-1]), (both.min() - margin, both.max() + margin)
    enlarged = Chart(
        ends, span, height=200, width=210, labels=("its end", ""), legend=[("elbo", "straight line")],
        ticks=(nice_ticks(*ends, 2), None),
    )  # fmt: skip
    for x, y in zip(end.epochs, end.losses, strict=True):
        enlarged.marker(float(x), float(y), "posterior" if held_out else "faint")
    enlarged.line(end.epochs.tolist(), line.tolist(), "elbo", dashed=True)
    about = f"Held-out and training loss; the last {len(line)} values with a straight line"
    return beside(both_curves(held_out, training, 250), enlarged, about)
