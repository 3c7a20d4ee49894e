"""Histograms over the images of a run: rate, distortion, and the codes of one dimension against the prior."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from ui.live.cache import current_codes, weights_sha
from ui.map.figures import INKS, LEGEND_MOST, classes_of, dress
from vae import runs
from vae.errors import RunError
from vae.runs.own_numbers import why_no_likelihood

BINS = (20, 80)  # fewest and most
ABOUT = {  # name in the title, the axis
    "rate": ("rate per image", "rate KL(q(z|x) ‖ p(z)), nats per image"),
    "distortion": ("distortion per image", "distortion −E log p(x|z) by one sample of z, nats per image"),
}


def values_of(codes: Any, quantity: str) -> NDArray[np.float64]:
    """Returns the values of rate, distortion (nats) or the codes of one dimension, z0, z1, ...; (n,)."""
    values = codes.loc[:, int(quantity[1:])] if quantity.startswith("z") else getattr(codes, quantity)
    return np.asarray(values, np.float64)


def histogram(path: Path, quantity: str, part: str = "test", tone: str = "light") -> go.Figure:
    """Returns a histogram with the labels stacked in each bar; for z3 as a density, with the prior's. Raises
    RunError where no value is finite."""
    codes = current_codes(path, weights_sha(path), part)
    values = values_of(codes, quantity)
    finite = np.isfinite(values)
    if not finite.any():
        raise RunError(f"run {path.name!r}: {quantity} is not a finite number for any image; the run has diverged")
    coded = quantity.startswith("z")
    edges = bins_of(values[finite])
    shares = len(values) * np.diff(edges) if coded else np.ones(len(edges) - 1)
    figure = go.Figure(
        [_bars(values[rows], edges, shares, name, colour) for name, colour, rows in _groups(codes, tone)]
    )
    from vae.model.latents import LATENTS  # torch takes its time

    binary = LATENTS[runs.read_config(path)[0].latent].support == "binary"
    if coded:
        _prior(figure, edges, binary, INKS[tone][3])
    mean = f"q({quantity} = 1|x)" if binary else f"E_q[{quantity}]"
    name, axis = ABOUT.get(quantity) or (f"{quantity} against the prior", f"{mean} of each image")
    if quantity == "distortion" and why_no_likelihood(*runs.read_config(path)):
        axis = "distortion by one sample of z, per image; not a likelihood's"
    left = "" if finite.all() else f"; {int((~finite).sum()):,} not finite, left out"
    dress(figure, f"{path.name} · {name}", f"{codes.source}, mean {values[finite].mean():.4g}{left}", tone, 500)
    figure.update_layout(barmode="stack", bargap=0, showlegend=len(figure.data) <= LEGEND_MOST)
    figure.update_xaxes(title=axis)
    figure.update_yaxes(title="density" if coded else "images", rangemode="tozero")
    return figure


def bins_of(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Edges between the smallest and the largest value, 2·IQR/n^⅓ apart (Freedman and Diaconis 1981) within BINS."""
    width = 2 * float(np.subtract(*np.percentile(values, [75, 25]))) / len(values) ** (1 / 3)
    count = BINS[0] if width == 0 else np.clip(np.ptp(values) / width, *BINS)
    return np.histogram_bin_edges(values, int(count))


def _groups(codes: Any, tone: str) -> list[tuple[str, str, NDArray[Any]]]:
    """Name, colour and rows of each label; of all images where there are no labels."""
    if codes.labels is None:
        return [("images", INKS[tone][1], np.ones(len(codes), bool))]
    return [(name, colour, codes.labels == label) for name, colour, label in classes_of(codes, tone)]


def _bars(values: NDArray[Any], edges: NDArray[Any], shares: NDArray[Any], name: str, colour: str) -> go.Bar:
    heights = np.histogram(values[np.isfinite(values)], edges)[0] / shares
    middles, marker = (edges[1:] + edges[:-1]) / 2, {"color": colour, "line": {"width": 0}}
    return go.Bar(x=middles, y=heights, width=np.diff(edges), name=name, marker=marker)


def _prior(figure: go.Figure, edges: NDArray[Any], binary: bool, colour: str) -> None:
    """The density of N(0, 1); of bits, whose probabilities have none, their prior probability ½."""
    if binary:
        figure.add_vline(
            x=0.5, line={"color": colour, "width": 2}, annotation={"text": "prior ½", "font_color": colour}
        )
        return
    z = np.linspace(min(-3.5, edges[0]), max(3.5, edges[-1]), 200)
    density = np.exp(-z * z / 2) / np.sqrt(2 * np.pi)
    figure.add_scatter(x=z, y=density, mode="lines", name="prior N(0, 1)", line={"color": colour, "width": 2})
