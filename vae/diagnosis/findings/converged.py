"""Not converged: the held-out loss still falls as the training ends."""

from __future__ import annotations

import numpy as np

from vae.browser.drawing import Chart, beside
from vae.diagnosis.case import Case
from vae.diagnosis.curves import FEWEST, Array, Curve, loss_curve
from vae.diagnosis.finding import Advice, Finding, Found, number_with_error

SHARE = 0.1  # of the training: its last tenth
# Bounds on log p(x) are published to a tenth of a nat; where they are thousands of nats, of large images, to a
# thousandth of them. A run that would gain so much in another tenth of its training is not done.
GAIN, RELATIVE_GAIN = 0.1, 1e-3
ERRORS = 3.0  # standard errors of the slope; of 100 flat runs none is called falling


class Converged(Finding):
    """The slope of a straight line through the last tenth of the held-out loss, by least squares; its error from the
    scatter about that line."""

    name = "converged"
    question = "Has the training come to its end?"
    seconds = 0.05

    def why_not(self, case: Case) -> str:
        curve = loss_curve(case)
        return "" if curve else f"Its history has fewer than {FEWEST} held-out evaluations since C was last changed."

    def find(self, case: Case) -> Found:
        curve = loss_curve(case)
        assert curve is not None
        count = curve.window(SHARE, 5)
        epochs, losses = curve.epochs[-count:], curve.held_out[-count:]
        slope, error, line = fitted_slope(epochs, losses)
        tenth = SHARE * float(curve.epochs[-1] - curve.begin)
        least = max(GAIN, RELATIVE_GAIN * abs(float(losses[-1])))
        gain, threshold = -slope * tenth, -least / tenth
        found = slope < threshold and slope < -ERRORS * error
        trend = number_with_error(slope, error, 3).replace("-", "−")
        span = f"from epoch {epochs[0]:,.4g} to {epochs[-1]:,.4g}"
        if found:
            sentence = f"The held-out loss still changes by {trend} nats an epoch, {span}: another {tenth:,.3g} epochs "
            sentence += f"at this slope would gain {gain:,.2f} nats."
        else:
            sentence = (
                f"The held-out loss changes by {trend} nats an epoch, {span}, on the same {curve.images:,} images."
            )
        return Found(
            found=found,
            title="Training was cut off" if found else "The training has come to its end",
            shown=f"{trend} nats an epoch",
            sentence=sentence,
            value=slope,
            unit="nats an epoch",
            standard_error=error,
            threshold=threshold,
            source=f"{least:.2g} nats in another tenth of the training: bounds are published to a tenth of a nat",
            nats=gain if found else 0.0,
            n=count,
            advice=(Advice("Train on", "train"),) if found else (),
            picture=_picture(curve, epochs, losses, line),
            numbers={"gain_of_another_tenth": gain, "last_tenth_epochs": tenth, "evaluations": count},
        )


def fitted_slope(x: Array, y: Array) -> tuple[float, float, Array]:
    """Returns the slope of the least-squares line, its standard error, and the line (m,)."""
    away = x - x.mean()
    slope = float((away * y).sum() / (away**2).sum())
    line = y.mean() + slope * away
    variance = float(((y - line) ** 2).sum()) / max(1, len(x) - 2)
    return slope, (variance / float((away**2).sum())) ** 0.5, line


def _picture(curve: Curve, epochs: Array, losses: Array, line: Array) -> str:
    """Both curves; beside them the last tenth, enlarged, with the line."""
    every = np.concatenate([curve.held_out, curve.training])
    low, high = float(every.min()), float(np.quantile(every, 0.97))  # the first plunge would flatten the rest
    legend = [("posterior", "held out"), ("faint", "training")]
    whole = Chart(
        (curve.begin, curve.epochs[-1]),
        (low, high),
        height=200,
        width=250,
        labels=("epoch", "loss, nats"),
        legend=legend,
    )
    whole.line(curve.epochs.tolist(), curve.training.tolist(), "faint")
    whole.line(curve.epochs.tolist(), curve.held_out.tolist(), "posterior")
    both = np.concatenate([losses, line])
    margin = 0.1 * float(np.ptp(both)) + 1e-9
    span = (both.min() - margin, both.max() + margin)
    legend = [("elbo", "straight line")]
    end = Chart((epochs[0], epochs[-1]), span, height=200, width=210, labels=("its end", ""), legend=legend)
    end.dots(epochs.tolist(), losses.tolist(), "posterior")
    end.line(epochs.tolist(), line.tolist(), "elbo", dashed=True)
    return beside(
        whole, end, f"Held-out and training loss; the last {len(losses)} held-out values with a straight line"
    )
