"""Steps 4 to 6: KL divergences of normal distributions."""

from __future__ import annotations

import streamlit as st
import torch
from torch import Tensor

from ui import style
from ui.charts import checks, figure
from ui.charts.checks import Card
from ui.lessons import controls
from vae.browser.drawing import Chart, ellipse
from vae.lessons.derivation import gaussians
from vae.lessons.derivation.check import generator
from vae.lessons.derivation.gaussians import Rate
from vae.lessons.derivation.scalar_model import log_normal

SAMPLES = 20_000
DIMENSIONS = 3


@st.fragment
def kl_1d() -> None:
    """Draws the check of the KL in one dimension."""
    left, right = st.columns([1, 1.25], gap="large")
    with left:
        m1 = controls.slider("First: mean $m$", -3.0, 3.0, 1.0, 0.05, "kl-m1")
        s1 = controls.slider("First: scale $s$", 0.1, 3.0, 0.5, 0.05, "kl-s1")
        m2 = controls.slider(r"Second: mean $\mu$", -3.0, 3.0, 0.0, 0.05, "kl-m2")
        s2 = controls.slider(r"Second: scale $\sigma$", 0.1, 3.0, 1.0, 0.05, "kl-s2")
        st.button("Swap the two", icon=":material/swap_vert:", key="learn-swap", on_click=swap)
    parts = gaussians.kl_1d(m1, s1, m2, s2)
    with right:
        figure.show(densities_1d(m1, s1, m2, s2), "kl-1d")
        figure.show(integrand_1d(m1, s1, m2, s2), "kl-1d-integrand")
    by = "integral on a grid"
    checks.show(
        [
            Card("Negative entropy of the first", parts.negative_entropy, by, "quadrature"),
            Card("Cross-entropy to the second", parts.cross_entropy, by, "quadrature"),
            Card("KL: their sum", parts.total, by, "quadrature"),
        ]
    )


def swap() -> None:
    """Swaps the settings of the two distributions."""
    for name in ("m", "s"):
        first, second = controls.key_of(f"kl-{name}1"), controls.key_of(f"kl-{name}2")
        st.session_state[first], st.session_state[second] = st.session_state[second], st.session_state[first]


def _range(m1: float, s1: float, m2: float, s2: float) -> tuple[float, float]:
    return min(m1 - 3.5 * s1, m2 - 3.5 * s2), max(m1 + 3.5 * s1, m2 + 3.5 * s2)


def densities_1d(m1: float, s1: float, m2: float, s2: float) -> str:
    """Returns the two densities as SVG."""
    low, high = _range(m1, s1, m2, s2)
    z = torch.linspace(low, high, 400, dtype=torch.float64)
    first, second = log_normal(z, m1, s1).exp().tolist(), log_normal(z, m2, s2).exp().tolist()
    chart = Chart(
        (low, high),
        (0, 1.05 * max(*first, *second)),
        height=190,
        labels=("z", "density"),
        legend=[("posterior", "first"), ("prior", "second")],
    )
    for idea, values in (("posterior", first), ("prior", second)):
        chart.area(z.tolist(), values, idea)
        chart.line(z.tolist(), values, idea)
    return chart.svg("The two densities over z.")


def integrand_1d(m1: float, s1: float, m2: float, s2: float) -> str:
    """Returns the integrand of the KL as SVG."""
    low, high = _range(m1, s1, m2, s2)
    z = torch.linspace(low, high, 400, dtype=torch.float64)
    log_first = log_normal(z, m1, s1)
    values = (log_first.exp() * (log_first - log_normal(z, m2, s2))).tolist()
    bottom, top = min(0.0, *values), max(0.0, *values)
    chart = Chart(
        (low, high),
        (bottom - 0.02, 1.05 * top + 0.02),
        height=150,
        labels=("z", "nats × density"),
        legend=[("rate", "what is integrated: its area is the KL")],
    )
    chart.area(z.tolist(), values, "rate")
    chart.line(z.tolist(), values, "rate")
    chart.level(0, "faint")
    return chart.svg("The first density times the log-ratio of the two, over z.")


@st.fragment
def kl_2d() -> None:
    """Draws the check of the KL with full covariance."""
    left, right = st.columns([1, 1.1], gap="large")
    with left:
        one, two = st.columns(2)
        with one:
            style.label("First")
            loc = [controls.slider(f"Mean $m_{i}$", -2.0, 2.0, (0.8, -0.4)[i - 1], 0.1, f"f-m{i}") for i in (1, 2)]
            cov1 = covariance("first", "s", (0.6, 1.0, 0.6))
        with two:
            style.label("Second, at the origin")
            cov2 = covariance("second", r"\sigma", (1.2, 0.9, -0.3))
            seed = controls.seed("kl-2d")
    loc1, loc2 = torch.tensor(loc, dtype=torch.float64), torch.zeros(2, dtype=torch.float64)
    found = gaussians.kl_2d(loc1, cov1, loc2, cov2, SAMPLES, generator(seed))
    with right:
        figure.show(ellipses(loc1, cov1, loc2, cov2, found.z[:400]), "kl-2d")
    checks.show([Card("KL from the first to the second", found.kl, f"{SAMPLES:,} draws of z")])
    left_out = found.without_correlation - found.kl.formula
    style.note(
        f"With the off-diagonal numbers left out the formula would give {style.number(found.without_correlation, 4)} "
        f"nats, {style.number(abs(left_out), 4)} nats {'more' if left_out >= 0 else 'less'}."
    )


def covariance(name: str, letter: str, defaults: tuple[float, float, float]) -> Tensor:
    """Draws two scales and a correlation; returns the covariance, (2, 2)."""
    s1 = controls.slider(f"Scale ${letter}_1$", 0.2, 2.0, defaults[0], 0.05, f"{name}-s1")
    s2 = controls.slider(f"Scale ${letter}_2$", 0.2, 2.0, defaults[1], 0.05, f"{name}-s2")
    correlation = controls.slider("Correlation $r$", -0.95, 0.95, defaults[2], 0.05, f"{name}-r")
    return gaussians.covariance_2d(s1, s2, correlation)


def ellipses(loc1: Tensor, cov1: Tensor, loc2: Tensor, cov2: Tensor, z: Tensor) -> str:
    """Returns both distributions as ellipses, with draws from the first, as SVG."""
    chart = Chart(
        (-4.2, 4.2),
        (-4.2, 4.2),
        height=404 + 42,
        labels=("first dimension of z", "second dimension"),
        legend=[("posterior", "first"), ("prior", "second"), ("sample", "draws from the first")],
    )
    chart.dots(z[:, 0].tolist(), z[:, 1].tolist(), "sample")
    for loc, cov, idea in ((loc2, cov2, "prior"), (loc1, cov1, "posterior")):
        root = torch.linalg.cholesky(cov).tolist()
        for radius in (1.0, 2.0):
            chart.outline(*ellipse(loc.tolist(), root, radius), idea, dashed=radius > 1)
    return chart.svg("Ellipses of one and two standard deviations of both distributions, and draws from the first.")


@st.fragment
def rate() -> None:
    """Draws the check of the rate by dimension."""
    left, right = st.columns([1, 1.25], gap="large")
    defaults = ((1.5, 0.3), (-0.5, 0.8), (0.0, 1.0))
    with left:
        columns = st.columns(2)
        loc, scale = [], []
        for i in range(DIMENSIONS):
            with columns[0]:
                loc.append(controls.slider(f"Mean $m_{i + 1}$", -3.0, 3.0, defaults[i][0], 0.05, f"rate-m{i + 1}"))
            with columns[1]:
                scale.append(controls.slider(f"Scale $s_{i + 1}$", 0.05, 2.0, defaults[i][1], 0.05, f"rate-s{i + 1}"))
        seed = controls.seed("rate")
    found = gaussians.rate(
        torch.tensor(loc, dtype=torch.float64), torch.tensor(scale, dtype=torch.float64), SAMPLES, generator(seed)
    )
    with right:
        figure.show(rate_chart(found), "rate")
    by = f"{SAMPLES:,} draws of z"
    cards = [Card(f"Dimension {i + 1}", check, by) for i, check in enumerate(found.per_dim)]
    checks.show([*cards, Card("Rate: their sum", found.total, by)])


def rate_chart(found: Rate) -> str:
    """Returns the rates by dimension as SVG."""
    top = max(check.formula for check in found.per_dim)
    chart = Chart(
        (0.4, DIMENSIONS + 0.6),
        (0, 1.15 * max(top, 0.2)),
        labels=("dimension", "nats"),
        legend=[("rate", "formula"), ("sample", "sampled, ± 3 standard errors")],
        ticks=({float(i + 1): str(i + 1) for i in range(DIMENSIONS)}, None),
    )
    for i, check in enumerate(found.per_dim, 1):
        chart.bar(i - 0.3, i + 0.3, 0, check.formula, "rate")
        reach = 3 * check.error
        chart.line([i, i], [check.estimate - reach, check.estimate + reach], "sample")
        chart.marker(i, check.estimate, "sample")
    return chart.svg("The rate of each dimension: " + ", ".join(f"{check.formula:.2f}" for check in found.per_dim))
