"""Steps 1 to 3: the evidence, its bound, the gap, and the two halves of the bound, for one pixel and one dimension."""

from __future__ import annotations

import numpy as np
import streamlit as st
import torch

from ui import style
from ui.charts import checks, figure
from ui.charts.checks import Card
from ui.lessons import controls
from vae.browser.drawing import Chart
from vae.lessons.derivation import scalar_model
from vae.lessons.derivation.check import generator
from vae.lessons.derivation.scalar_model import PRIOR_DRAWS, Identity, ScalarModel, log_normal

SAMPLES = 4000
MEANS, SCALES = (-3.0, 3.0, 0.01), (0.05, 2.0, 0.01)  # low, high, step
Z = torch.linspace(-4, 4, 401, dtype=torch.float64)
DECODERS = {"straight": "straight: $f(z)=z$", "bent": "bent: $f(z)=z^2-1$"}


def the_model() -> tuple[ScalarModel, float]:
    """Draws the settings of the model; returns it, and x."""
    decoder = controls.choice("Decoder", list(DECODERS), "bent", "decoder", DECODERS.get)
    one, two = st.columns(2)
    with one:
        x = controls.slider("Data $x$", -3.0, 3.0, 1.0, 0.1, "x")
    with two:
        noise = controls.slider("Noise variance $c$", 0.1, 2.0, 0.5, 0.05, "scalar-c")
    return ScalarModel(decoder == "bent", noise), x


def the_q() -> tuple[float, float]:
    """Draws mean and scale of q; returns them."""
    one, two = st.columns(2)
    with one:
        m = controls.slider("Mean $m$ of $q$", MEANS[0], MEANS[1], 0.6, MEANS[2], "m")
    with two:
        s = controls.slider("Scale $s$ of $q$", SCALES[0], SCALES[1], 0.6, SCALES[2], "s")
    return m, s


def best_q(model: ScalarModel, x: float) -> None:
    """Sets the two sliders to the setting with the largest ELBO."""
    means, scales = (
        torch.linspace(low, high, round((high - low) / step) + 1, dtype=torch.float64)
        for low, high, step in (MEANS, SCALES)
    )
    m, s = model.best_q(x, means, scales)
    st.session_state[controls.key_of("m")], st.session_state[controls.key_of("s")] = round(m, 2), round(s, 2)


@st.fragment
def jensen() -> None:
    """Draws the check of the evidence and its bound."""
    left, right = st.columns([1, 1.25], gap="large")
    with left:
        model, x = the_model()
        m, s = the_q()
        seed = controls.seed("jensen")
    found = scalar_model.jensen(model, x, m, s, SAMPLES, generator(seed))
    log_px = found.evidence.formula
    with right:
        figure.show(weights_chart(found.log_w.numpy(), found.elbo.formula, log_px), "jensen")
        gap = log_px - found.elbo.formula
        st.caption(rf"The bound lies {style.number(gap, 4)} nats below $\log p(x)$, and never above it.")
        style.note(
            "The histogram’s weights w are of draws of q. The evidence below is estimated from other draws, of the "
            "prior: there w is p(x|z)."
        )
    evidence = Card(
        "Evidence: log of the mean of p(x|z), z from the prior",
        found.evidence,
        f"{PRIOR_DRAWS:,} draws of the prior",
        formula="integral on a grid" if model.bent else "formula",
    )
    checks.show([evidence, Card("ELBO: mean of the logarithms", found.elbo, f"{SAMPLES:,} draws of q")])


def weights_chart(log_w: np.ndarray, elbo: float, log_px: float) -> str:
    """Returns the histogram of log w as SVG."""
    low = min(float(np.percentile(log_w, 1)), elbo) - 0.5
    high = max(float(log_w.max()), log_px) + 0.5
    counts, edges = np.histogram(log_w, bins=40, range=(low, high))
    chart = Chart(
        (low, high),
        (0, 1.1 * max(1, counts.max())),
        labels=("logarithm of the weight w, nats", "draws"),
        legend=[
            ("sample", "log w, z drawn from q"),
            ("elbo", "their mean, the ELBO"),
            ("faint", "log of the mean of w"),
        ],
    )
    for count, a, b in zip(counts, edges, edges[1:], strict=False):
        if count:
            chart.bar(a, b, 0, count, "sample")
    chart.upright(elbo, "elbo")
    chart.upright(log_px, "faint", dashed=True)
    return chart.svg(f"Histogram of log w; the ELBO at {elbo:.2f}, log p(x) at {log_px:.2f} nats.")


@st.fragment
def identity() -> None:
    """Draws the check that the gap is a KL."""
    left, right = st.columns([1, 1.25], gap="large")
    with left:
        model, x = the_model()
        m, s = the_q()
        st.button("Best q", icon=":material/target:", key="learn-best-q", on_click=best_q, args=(model, x))
        style.note("Best q: the largest ELBO among the settings of these two sliders.")
    three = scalar_model.identity(model, x, m, s)
    with right:
        figure.show(three_bars(three), "bars")
        figure.show(densities_chart(model, x, m, s, three.log_px), "posterior")
    one, two = st.columns(2, vertical_alignment="center")
    with one:
        card = Card("The bars add up", three.check, "ELBO + KL", "quadrature", formula="log of the evidence")
        checks.show([card])
    with two:
        style.facts(
            {
                "log of the evidence": f"{style.number(three.log_px, 6)} nats, integral over the prior",
                "ELBO": f"{style.number(three.elbo, 6)} nats, formula",
                "KL from q to the posterior": f"{style.number(three.gap, 6)} nats, integral over q",
            }
        )


def three_bars(three: Identity) -> str:
    """Returns log p(x), the ELBO and the KL as bars, SVG."""
    ends = [0.0, three.log_px, three.elbo]
    span = max(ends) - min(ends)
    chart = Chart(
        (min(ends) - 0.03 * span, max(ends) + 0.03 * span),
        (0, 3),
        height=150,
        labels=("nats", ""),
        legend=[("faint", "log of the evidence"), ("elbo", "ELBO"), ("posterior", "KL from q to the posterior")],
        ticks=(None, {}),
    )
    chart.bar(0, three.log_px, 2.2, 2.8, "faint")
    chart.bar(0, three.elbo, 1.2, 1.8, "elbo")
    chart.bar(three.elbo, three.log_px, 0.2, 0.8, "posterior")
    chart.upright(three.log_px, "faint", dashed=True)
    return chart.svg(f"Bars: log p(x) {three.log_px:.2f} = ELBO {three.elbo:.2f} + KL {three.gap:.2f} nats.")


def densities_chart(model: ScalarModel, x: float, m: float, s: float, log_px: float) -> str:
    """Returns prior, q and posterior over z as SVG."""
    prior, q = log_normal(Z, 0.0, 1.0).exp(), log_normal(Z, m, s).exp()
    posterior = (model.log_joint(x, Z) - log_px).exp()
    top = min(float(torch.stack([prior, q, posterior]).max()), 4.0)
    chart = Chart(
        (-4, 4),
        (0, 1.05 * top),
        height=210,
        labels=("z", "density"),
        legend=[("posterior", "q, filled, and the posterior, dashed"), ("prior", "prior")],
    )
    z = Z.tolist()
    chart.line(z, prior.tolist(), "prior")
    chart.area(z, q.tolist(), "posterior")
    chart.line(z, q.tolist(), "posterior")
    chart.line(z, posterior.tolist(), "posterior", dashed=True)
    return chart.svg("Densities over z of the prior, of q and of the true posterior.")


@st.fragment
def two_terms() -> None:
    """Draws the check of distortion and rate."""
    left, right = st.columns([1, 1.25], gap="large")
    with left:
        model, x = the_model()
        m, s = the_q()
        seed = controls.seed("terms")
    terms = scalar_model.two_terms(model, x, m, s, SAMPLES, generator(seed))
    with right:
        figure.show(trade_chart(model, x, m, s), "terms")
        style.note(narrowing(model, x, m))
    by = f"{SAMPLES:,} draws of z"
    checks.show(
        [
            Card("Distortion", terms.distortion, by),
            Card("Rate", terms.rate, by),
            Card("Sum: minus ELBO", terms.total, by),
        ]
    )


def narrowing(model: ScalarModel, x: float, m: float) -> str:
    """Returns in words what a narrower q does to the distortion at this mean."""
    best = model.best_scale(x, m)
    if best == 0:
        return "At this mean the distortion falls all the way as q narrows."
    at = style.number(best, 2)
    return f"At this mean the distortion is least at s = {at}: a narrower q raises it, and so does a wider one."


def trade_chart(model: ScalarModel, x: float, m: float, s: float) -> str:
    """Returns both terms against the scale of q, at this mean, as SVG."""
    scales = torch.linspace(SCALES[0], SCALES[1], 120, dtype=torch.float64)
    means = torch.full_like(scales, m)
    distortion, rate = model.distortion(x, means, scales), model.rate(means, scales)
    here = torch.tensor([s], dtype=torch.float64)
    now = {
        "distortion": float(model.distortion(x, here * 0 + m, here)),
        "rate": float(model.rate(here * 0 + m, here)),
    }
    curves = {"distortion": distortion, "rate": rate, "elbo": distortion + rate}
    low = min(0.0, *(float(curve.min()) for curve in curves.values()))
    high = min(float(curves["elbo"].max()), max(float(curves["elbo"].min()) * 2.5, 2.0) + 4)
    chart = Chart(
        (0, SCALES[1]),
        (low, max(high, 1.1 * sum(now.values()))),
        labels=("scale s of q", "nats"),
        legend=[("distortion", "distortion"), ("rate", "rate"), ("elbo", "sum, minus ELBO")],
    )
    for idea, curve in curves.items():
        chart.line(scales.tolist(), curve.tolist(), idea)
    for idea, value in (*now.items(), ("elbo", sum(now.values()))):
        chart.marker(s, value, idea)
    return chart.svg("Distortion, rate and their sum against the scale of q; the dots are the present q.")
