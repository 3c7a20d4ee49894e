"""Each dimension of the aggregate posterior against the prior: histograms and quantiles of codes, one of each image."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vae.browser.drawing import Chart

LEVELS = np.arange(1, 100) / 100  # of the quantiles
BINS, REACH = 40, 4.0  # of a histogram, and how far it reaches; what lies further is in the last bins
Array = NDArray[Any]


def marginals(z: Array, bits: bool) -> dict[str, Array]:
    """Returns, of codes z (n, k): `edges` (bins + 1,), `histogram` (k, bins) densities, `prior_histogram` (bins,); of
    real codes `levels`, `quantiles` (k, levels) and `prior_quantiles` (levels,) too."""
    edges = np.array([-0.5, 0.5, 1.5]) if bits else np.linspace(-REACH, REACH, BINS + 1)
    inside = z if bits else z.clip(-REACH, REACH)
    density = np.stack([np.histogram(column, edges, density=True)[0] for column in inside.T])
    if bits:
        return {"edges": edges, "histogram": density, "prior_histogram": np.full(2, 0.5)}
    normal = NormalDist()
    below = np.array([0.0, *(normal.cdf(edge) for edge in edges[1:-1]), 1.0])
    return {
        "edges": edges,
        "histogram": density,
        "prior_histogram": np.diff(below) / np.diff(edges),
        "levels": LEVELS,
        "quantiles": np.quantile(z, LEVELS, axis=0).T,
        "prior_quantiles": np.array([normal.inv_cdf(level) for level in LEVELS]),
    }


def furthest(side: dict[str, Array]) -> int:
    """Returns the dimension whose histogram is furthest from the prior's."""
    off = np.abs(side["histogram"] - side["prior_histogram"]) * np.diff(side["edges"])
    return int(off.sum(1).argmax())


def marginals_picture(side: dict[str, Array]) -> str:
    """Returns the dimension that is furthest from the prior: its quantiles against the prior's; or each bit's share of
    ones."""
    d = furthest(side)
    if "quantiles" in side:
        prior, own = side["prior_quantiles"], side["quantiles"][d]
        low, high = float(min(prior[0], own[0])), float(max(prior[-1], own[-1]))
        legend = [("posterior", f"z{d}, furthest from the prior"), ("prior", "as the prior has it")]
        chart = Chart(
            (low, high),
            (low, high),
            height=230,
            width=400,
            labels=("quantiles of the prior", "of codes"),
            legend=legend,
        )
        chart.line((low, high), (low, high), "prior", dashed=True)
        chart.line(prior.tolist(), own.tolist(), "posterior")
        return chart.svg(f"Quantiles of z{d} against the prior's")
    ones, k = side["histogram"][:, 1], len(side["histogram"])
    legend = [("posterior", "share of ones"), ("prior", "as the prior has it")]
    chart = Chart((-0.6, k - 0.4), (0, 1), height=200, width=400, labels=("bit", ""), legend=legend)
    for bit, share in enumerate(ones.tolist()):
        chart.bar(bit - 0.35, bit + 0.35, 0, share, "posterior")
    chart.level(0.5, "prior", dashed=True)
    return chart.svg("Each bit's share of ones")
