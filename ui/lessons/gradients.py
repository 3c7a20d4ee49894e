"""Step 11: the likelihood-ratio gradient of a few bits."""

from __future__ import annotations

import dataclasses

import streamlit as st
import torch

from ui import style
from ui.charts import checks, figure
from ui.charts.checks import Card
from ui.lessons import controls
from vae.browser.drawing import Chart
from vae.lessons.derivation import likelihood_ratio as bits
from vae.lessons.derivation.check import Check, generator
from vae.lessons.derivation.likelihood_ratio import Comparison


@st.fragment
def likelihood_ratio() -> None:
    """Draws the check of the gradient through bits."""
    left, right = st.columns([1, 1.25], gap="large")
    with left:
        one, two = st.columns(2)
        with one:
            k = controls.whole("Bits $k$", 1, 8, 4, "bits")
            noise = controls.slider("Noise variance $c$", 0.2, 8.0, 4.0, 0.1, "bits-c")
            toy = controls.whole("Model number", 1, 50, 1, "bits-model")
        with two:
            samples = int(controls.along("Draws $S$", [100, 300, 1000, 3000, 10_000, 30_000], 1000, "bits-S"))
            shift = controls.slider("Logits of $q$ moved by", -3.0, 3.0, 0.0, 0.1, "bits-shift")
        seed = controls.seed("bits")
    model, logits = bits.toy(k, generator(toy))
    model = dataclasses.replace(model, noise=noise)
    found = bits.compare(model, logits + shift, samples, generator(1000 + seed))
    with right:
        figure.show(gradient_chart(found), "gradient")
        style.note(variance_words(found.variance_ratio))
    by = f"{samples:,} draws"
    wrong = Check(0.0, float((found.printed - found.exact).norm()), 0.0)
    checks.show(
        [
            Card("Along the gradient, no baseline", found.plain_length, by, formula="its length, all codes"),
            Card("Along the gradient, with baseline", found.baseline_length, by, formula="its length, all codes"),
            Card("Printed rule: length of its error", wrong, "printed rule, all codes", "exact", formula="right rule"),
        ]
    )
    st.caption(
        r"The printed rule (Hallerfelt 2022) leaves $\log q$ out of the bracket. By enumeration, with no sampling at "
        f"all, its gradient is {style.number(100 * found.printed_error, 1)} % off. A noisy estimate can hide that: "
        "raise the draws."
    )
    table(found)


def variance_words(ratio: float) -> str:
    """Returns in words what the baseline does to the variance of the estimate; `ratio`: without over with it."""
    smaller, factor = ratio > 1, max(ratio, 1 / ratio)
    if factor < 1.05:
        return "With the baseline the estimate’s variance is about the same as without it (both by all codes)."
    word = "smaller" if smaller else "larger"
    return f"With the baseline the estimate’s variance is {style.number(factor, 1)} times {word} (both by all codes)."


def gradient_chart(found: Comparison) -> str:
    """Returns the gradient of each bit, by all codes and sampled, as SVG."""
    k = len(found.exact)
    estimates = [
        (-0.24, found.plain, "sample"),
        (0.0, found.baseline, "sample"),
        (0.24, found.printed_sampled, "bad"),
    ]
    drawn = [check for _, values, _ in estimates for check in values]
    ends = [check.estimate + side * 3 * check.error for check in drawn for side in (-1, 1)]
    low, high = min([0.0, *found.exact.tolist(), *ends]), max([0.0, *found.exact.tolist(), *ends])
    room = 0.05 * (high - low)
    chart = Chart(
        (0.5, k + 0.5),
        (low - room, high + room),
        labels=("bit", "derivative of the loss, nats"),
        legend=[
            ("elbo", "all codes"),
            ("bad", "printed rule"),
            ("sample", "sampled ± 3 errors; diamonds: with baseline"),
        ],
        ticks=({float(i + 1): str(i + 1) for i in range(k)}, None),
    )
    chart.level(0, "faint")
    for j in range(k):
        exact = float(found.exact[j])
        chart.line([j + 0.58, j + 1.42], [exact, exact], "elbo")
        for shift, values, idea in estimates:
            check, at = values[j], j + 1 + shift
            chart.line([at, at], [check.estimate - 3 * check.error, check.estimate + 3 * check.error], idea)
            chart.marker(at, check.estimate, idea, "diamond" if values is found.baseline else "circle")
    return chart.svg(
        "The gradient for each bit: by all codes, sampled with and without baseline, and by the printed rule."
    )


def table(found: Comparison) -> None:
    """Draws a table with every bit in digits."""
    with st.expander("Every bit in digits"):
        names = ("bit", "all codes", "no baseline", "with baseline", "printed rule, all codes")
        rows = [
            dict(
                zip(
                    names,
                    (
                        str(j + 1),
                        style.number(float(found.exact[j]), 4),
                        f"{style.number(found.plain[j].estimate, 4)} ± {checks.small(found.plain[j].error)}",
                        f"{style.number(found.baseline[j].estimate, 4)} ± {checks.small(found.baseline[j].error)}",
                        style.number(float(found.printed[j]), 4),
                    ),
                    strict=True,
                )
            )
            for j in range(len(torch.atleast_1d(found.exact)))
        ]
        st.table(rows)
