"""Steps 7 and 8: drawing z, and what a mean over draws is worth."""

from __future__ import annotations

import math

import streamlit as st
import torch
from torch import Tensor

from ui import style
from ui.charts import checks, figure
from ui.charts.checks import Card
from ui.lessons import controls
from ui.lessons.evidence import the_model, the_q
from vae.browser.drawing import Chart, decades, ellipse
from vae.lessons.derivation import gaussians, monte_carlo, noise
from vae.lessons.derivation.check import generator
from vae.lessons.derivation.monte_carlo import REPEATS, Law
from vae.lessons.derivation.noise import Draw

DRAWN = 500  # dots in a figure
WAYS = {
    "diagonal": ("Diagonal", r"$z = m + s\odot\varepsilon$"),
    "full": ("Full covariance", r"$z = m + L\varepsilon$"),
    "one-number": (
        "One number for all dimensions",
        r"$z = m + s\,\varepsilon,\ \varepsilon\sim\mathcal N(0,1)$",
    ),
    "elementwise": ("Elementwise with a full covariance", r"$z = m + \varepsilon\odot\Sigma^{1/2}$"),
}


@st.fragment
def reparameterise() -> None:
    """Draws the check of four ways to draw z."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        s1 = controls.slider("Scale $s_1$", 0.2, 2.0, 1.0, 0.05, "noise-s1")
        s2 = controls.slider("Scale $s_2$", 0.2, 2.0, 0.7, 0.05, "noise-s2")
        correlation = controls.slider("Correlation $r$", -0.95, 0.95, 0.8, 0.05, "noise-r")
        samples = int(controls.along("Draws $S$", [100, 300, 1000, 3000, 10_000, 30_000], 3000, "noise-S"))
        seed = controls.seed("noise")
    covariance, loc = gaussians.covariance_2d(s1, s2, correlation), torch.zeros(2, dtype=torch.float64)
    for row in (("diagonal", "full"), ("one-number", "elementwise")):
        for column, way in zip(st.columns(2, gap="large"), row, strict=True):
            with column:
                one_way(way, noise.draw(way, loc, covariance, samples, generator(seed)), samples)
    style.note(
        "Relative error: the length of the difference of the two matrices over the length of the wanted one. Even "
        "correct draws leave some. The elementwise form is read as the diagonal of the root."
    )


def one_way(way: str, found: Draw, samples: int) -> None:
    """Draws one way: its draws, the covariance measured and wanted, the verdict."""
    title, rule = WAYS[way]
    st.markdown(f"**{title}**: {rule}")
    with st.container(key=f"learn-way-{way}"):
        drawn, numbers = st.columns([1.5, 1], vertical_alignment="center")
    with drawn:
        figure.show(cloud(found), f"cloud-{way}")
    with numbers, st.container(horizontal=True):
        st.latex(rf"\underbrace{{{matrix(found.measured)}}}_{{\text{{measured, rank {found.rank}}}}}", width="content")
        st.latex(rf"\underbrace{{{matrix(found.wanted)}}}_{{\text{{wanted}}}}", width="content")
    agrees = str(found.right and found.check.possible).lower()
    st.html(f'<p class="er-verdict" data-agrees="{agrees}">{covariance_verdict(found, samples)}</p>')


def covariance_verdict(found: Draw, samples: int) -> str:
    """Returns whether the rule is right, which is a matter of algebra, and what these draws show of it."""
    wrong, error, left = (
        f"{style.number(100 * value, 1)} %" for value in (found.exact_error, found.relative_error, found.check.error)
    )
    sample = f"these draws are {error} off, where {samples:,} right ones leave about {left}"
    if found.right:
        verdict = "✓ Right" if found.check.possible else "✗ The draws do not follow the rule, which is right"
        return f"{verdict}: its exact covariance is the wanted one; {sample}."
    hidden = " So few draws do not show it." if found.check.agrees else ""
    return f"✗ Wrong: its exact covariance is {wrong} off; {sample}.{hidden}"


def matrix(values: Tensor) -> str:
    """Returns a matrix in LaTeX."""
    rows = r" \\ ".join(" & ".join(f"{value:.2f}" for value in row) for row in values.tolist())
    return rf"\begin{{pmatrix}} {rows} \end{{pmatrix}}"


def cloud(found: Draw) -> str:
    """Returns draws of z and the ellipse that they should fill, as SVG."""
    reach = 3.2 * math.sqrt(float(found.wanted.diagonal().max()))
    chart = Chart(
        (-reach, reach),
        (-reach, reach),
        width=280,
        height=256,
        legend=[("sample", "draws"), ("posterior", "wanted, 2 scales")],
    )
    z = found.z[:DRAWN]
    chart.dots(z[:, 0].tolist(), z[:, 1].tolist(), "sample")
    chart.outline(*ellipse([0.0, 0.0], torch.linalg.cholesky(found.wanted).tolist(), 2.0), "posterior")
    return chart.svg("Draws of z and the ellipse of two standard deviations that they should fill.")


@st.fragment
def monte_carlo_error() -> None:
    """Draws the check of the error of S samples."""
    left, right = st.columns([1, 1.25], gap="large")
    with left:
        model, x = the_model()
        m, s = the_q()
        seed = controls.seed("law")
    law = monte_carlo.measure(model, x, m, s, generator(seed))
    with right:
        figure.show(law_chart(law), "law")
    checks.show(
        [
            Card("Slope on logarithmic axes", law.slope, "fitted line", unit="", formula="law"),
            Card("Scatter of one sample", law.spread[0], f"{REPEATS:,} estimates"),
            Card(f"Scatter of {law.sizes[-1]} samples", law.spread[-1], f"{REPEATS:,} estimates"),
            Card("Mean of one-sample estimates", law.mean, f"{REPEATS:,} estimates", formula="distortion, formula"),
        ]
    )


def law_chart(law: Law) -> str:
    """Returns the scatter against S as SVG."""
    sizes = [math.log10(size) for size in law.sizes]
    exact = [math.log10(check.formula) for check in law.spread]
    low, high = min(exact) - 0.15, max(exact) + 0.15
    chart = Chart(
        (-0.1, sizes[-1] + 0.1),
        (low, high),
        labels=("samples S", "scatter of the estimate, nats"),
        legend=[("distortion", "formula"), ("sample", "measured, ± 3 standard errors")],
        ticks=(
            {math.log10(size): str(size) for size in law.sizes[::2]},
            decades(low, high)
            or {exact[0]: f"{law.spread[0].formula:.2g}", exact[-1]: f"{law.spread[-1].formula:.2g}"},
        ),
    )
    chart.line(sizes, exact, "distortion")
    for at, check in zip(sizes, law.spread, strict=True):
        ends = [max(check.estimate + sign * 3 * check.error, 1e-9) for sign in (-1, 1)]
        chart.line([at, at], [math.log10(end) for end in ends], "sample")
        chart.marker(at, math.log10(check.estimate), "sample")
    return chart.svg(f"Scatter against S on logarithmic axes: slope {law.slope.estimate:.3f}.")
