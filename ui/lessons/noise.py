"""Steps 9, 10 and 12: what the noise level decides, and the whole loss."""

from __future__ import annotations

import math

import streamlit as st
import torch

from ui import style
from ui.charts import checks, figure
from ui.charts.checks import Card
from ui.lessons import controls
from ui.lessons.digits import spectrum
from vae.bound.metrics import ACTIVE_THRESHOLD
from vae.browser.drawing import Chart, decades
from vae.lessons.derivation import collapse as linear
from vae.lessons.derivation import gaussian_noise, trained_loss
from vae.lessons.derivation.check import Check, generator
from vae.lessons.derivation.collapse import Collapse
from vae.lessons.derivation.gaussian_noise import Noise
from vae.lessons.derivation.trained_loss import Loss

SAMPLES = 4000
PIXELS = [1, 16, 64, 196, 784, 3072]


@st.fragment
def noise() -> None:
    """Draws the check of where C comes from."""
    left, right = st.columns([1, 1.25], gap="large")
    with left:
        D = int(controls.along("Pixels $D$", PIXELS, 784, "D"))
        C = controls.along("$C$ of the model", controls.by_factors(0.1, 1000), 50.0, "C")
        truth = controls.along("True noise variance", controls.by_factors(0.001, 1), 0.02, "truth")
        images = int(controls.along("Images", [1, 5, 20, 100, 500], 20, "images"))
        seed = controls.seed("C")
    found = gaussian_noise.measure(D, C, truth, images, generator(seed))
    with right:
        figure.show(noise_chart(found, D, C), "C")
        style.note(marks(found, C))
    c = 1 / (2 * C)
    count = f"{images:,} image{'s' if images > 1 else ''}"
    checks.show(
        [
            Card(
                "Distortion of the first image", found.density, "sum of the pixels’ log densities", "exact",
                formula="weighted squared error + constant",
            ),
            constant_card(D, c),
            Card(
                "Best C", found.best, "smallest loss on a grid", "quadrature", unit="",
                formula="pixels over twice the mean squared error",
            ),
            Card(
                "The noise, recovered", found.truth, f"1/(2 best C), {count}", unit="",
                formula="true variance",
            ),
        ]
    )  # fmt: skip
    checks.show([constant_card(784, 1.0), constant_card(784, 0.01)])


def constant_card(D: int, c: float) -> Card:
    """Returns the constant beside the density of an image that is met exactly."""
    check = Check(gaussian_noise.constant(D, c), gaussian_noise.density_at_zero(D, c), 0.0)
    return Card(f"Constant: {D:,} pixels, noise variance {c:.4g}", check, "minus log density at no error", "exact")


def noise_chart(found: Noise, D: int, C: float) -> str:
    """Returns the distortion against C as SVG."""
    best, squared = found.best.formula, found.mean_squared_error
    low, high = axis(found)
    grid = torch.logspace(low, high, 120, dtype=torch.float64)
    weighted, constant = grid * squared, 0.5 * D * (math.log(math.pi) - grid.log())
    total = weighted + constant
    floor = min(float(constant.min()), float(total.min()), 0.0)
    ceiling = max(float(total.max()), float(constant.max()), float(weighted.max()))
    chart = Chart(
        (low, high),
        (floor, ceiling),
        labels=("C", "nats per image"),
        legend=[
            ("distortion", "sum, the distortion; dashed: weighted squared error"),
            ("faint", "constant"),
        ],
        ticks=(decades(low, high), None),
    )
    at = [float(value) for value in grid.log10()]
    chart.line(at, weighted.tolist(), "distortion", dashed=True)
    chart.line(at, constant.tolist(), "faint", dashed=True)
    chart.line(at, total.tolist(), "distortion")
    chart.marker(math.log10(best), float(gaussian_noise.loss(best, D, squared)), "distortion", "diamond")
    if low <= math.log10(C) <= high:
        chart.marker(math.log10(C), float(gaussian_noise.loss(C, D, squared)), "elbo")
    return chart.svg(f"Distortion against C. {marks(found, C)}")


def axis(found: Noise) -> tuple[float, float]:
    """Returns the ends of the axis of log10 C: a factor of ten on either side of the best."""
    middle = math.log10(found.best.formula)
    return middle - 1.0, middle + 1.0


def marks(found: Noise, C: float) -> str:
    """Returns in words what the diamond is, and where the dot is."""
    low, high = axis(found)
    diamond = f"Diamond: the smallest sum, at C = {found.best.formula:,.3g}."
    if low <= math.log10(C) <= high:
        return f"{diamond} Dot: the C that was set, {C:,.3g}."
    side = "left" if math.log10(C) < low else "right"
    return f"{diamond} The C that was set, {C:,.3g}, lies outside the axis, to the {side}."


@st.fragment
def collapse() -> None:
    """Draws the check of how many dimensions collapse."""
    left, right = st.columns([1, 1.25], gap="large")
    with left:
        c = controls.along("Noise variance $c$", controls.by_factors(0.02, 2), 0.2, "collapse-c")
        k = controls.whole("Latent dimensions $k$", 1, 20, 10, "collapse-k")
        seed = controls.seed("collapse", "New start")
        style.note(
            "Data: scikit-learn’s 1,797 digits, 64 pixels from 0 to 1. Active: the posterior’s mean varies over the "
            f"data by more than {ACTIVE_THRESHOLD:g}, as in evaluate. Explore’s grey dimensions and Train’s bars go by "
            "another rule, the rate."
        )
    data = spectrum()
    found = linear.observe(data, k, c, generator(seed))
    with right:
        figure.show(eigenvalue_chart(data.values.tolist(), found, k, c), "eigenvalues")
    worst = max(found.variances, key=lambda check: check.difference)
    st.html(f'<p class="er-verdict er-large">{counts_in_words(found, k)}</p>')
    checks.show(
        [
            Card("Loss at the optimum", found.loss, "search from random weights", "search"),
            Card("Variance of the posterior mean, worst dimension", worst, "search from random weights", "search", ""),
        ]
    )


def counts_in_words(found: Collapse, k: int) -> str:
    """Returns in words how many active dimensions were predicted and observed."""
    sentence = (
        f"Predicted: {found.predicted} active of {k}. Observed: {found.observed} active at the optimum, "
        f"{k - found.observed} equal to the prior. "
    )
    if found.observed == found.predicted:
        return f"{sentence}✓ They agree."
    if found.agrees:
        return (
            f"{sentence}✓ They agree: {found.near} of the predicted are so little above c that their variance stays "
            f"below the usual threshold of {ACTIVE_THRESHOLD:g}."
        )
    return f"{sentence}✗ They do not agree."


def eigenvalue_chart(values: list[float], found: Collapse, k: int, c: float) -> str:
    """Returns the eigenvalues of the data, those in use marked, as SVG."""
    shown = values[:24]
    low, high = math.log10(0.01), math.log10(3)
    chart = Chart(
        (0.2, len(shown) + 0.8),
        (low, high),
        labels=("principal axis of the digits", "variance"),
        legend=[("posterior", "used"), ("faint", "not used"), ("distortion", "noise c")],
        ticks=({float(i): str(i) for i in (1, 5, 10, 15, 20, 24)}, decades(low, high)),
    )
    for i, value in enumerate(shown, 1):
        used = i <= min(k, found.observed)
        chart.bar(i - 0.38, i + 0.38, low, math.log10(value), "posterior" if used else "faint")
    chart.level(math.log10(c), "distortion")
    if k < len(shown):
        chart.upright(k + 0.5, "faint", dashed=True)
        chart.word(k + 0.6, high - 0.12, f"k = {k}", "faint")
    return chart.svg(f"Eigenvalues of the digits; {found.observed} dimensions are used at c = {c:g}.")


@st.fragment
def trained() -> None:
    """Draws the check of the loss that is trained."""
    left, right = st.columns([1, 1.25], gap="large")
    data = spectrum()
    with left:
        index = controls.whole("Number of the digit", 0, len(data.x) - 1, 0, "digit")
        C = controls.along("$C$", controls.by_factors(0.5, 100), 20.0, "loss-C")
        k = controls.whole("Latent dimensions $k$", 1, 20, 10, "loss-k")
        seed = controls.seed("loss")
    image = data.x[index]
    found = trained_loss.measure(data, image, k, C, SAMPLES, generator(seed))
    with right:
        figure.show(loss_chart(found), "loss")
        figure.show(digit_pair(image.tolist(), found.reconstruction.tolist()), "pair")
    by = f"the trainer, {SAMPLES:,} draws"
    checks.show(
        [
            Card("Weighted squared error", found.weighted_squared_error, by),
            Card("Rate", found.rate, "the trainer", "exact"),
            Card("Loss: with the constant", found.total, by),
        ]
    )


def loss_chart(found: Loss) -> str:
    """Returns the terms of the loss as bars, SVG."""
    weighted, rate, total = found.weighted_squared_error.formula, found.rate.formula, found.total.formula
    steps = [0.0, weighted, weighted + rate, total]
    span = max(steps) - min(steps)
    chart = Chart(
        (min(steps) - 0.03 * span, max(steps) + 0.03 * span),
        (0, 4),
        height=170,
        labels=("nats", ""),
        legend=[("distortion", "weighted squared error"), ("rate", "rate"), ("faint", "constant"), ("elbo", "loss")],
        ticks=(None, {}),
    )
    for row, (start, end, idea) in enumerate(
        [(0.0, weighted, "distortion"), (steps[1], steps[2], "rate"), (steps[2], total, "faint"), (0.0, total, "elbo")]
    ):
        chart.bar(start, end, 3.2 - row, 3.8 - row, idea)
    return chart.svg(
        f"Weighted squared error {weighted:.1f}, rate {rate:.1f}, constant {found.constant:.1f}: {total:.1f}."
    )


def digit_pair(image: list[float], reconstruction: list[float]) -> str:
    """Returns the digit and its reconstruction as squares of grey, SVG."""
    cells = []
    for offset, values in ((0, image), (9, reconstruction)):
        for i, value in enumerate(values):
            grey = round(255 * min(max(value, 0.0), 1.0))
            cells.append(
                f'<rect x="{offset + i % 8}" y="{i // 8}" width="1.02" height="1.02" fill="rgb({grey},{grey},{grey})"/>'
            )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 17 8" style="max-width:17rem" role="img" '
        f'aria-label="The digit and its reconstruction">{"".join(cells)}</svg>'
    )
