"""The map as a figure for print, and as a table: what is on the page at the moment, without the hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from ui.codes_routes import current_codes
from ui.decoder_routes import weights_sha
from ui.map_view import MapView
from vae.errors import RunError
from vae.projecting import folder_of, unpack_frame
from vae.projections import PROJECTIONS, Pca

MOST = 6000  # points in a figure, which is made of shapes so that it prints sharply; every so-many-th of more
CLASSES = [  # as in map_colours.js
    "#8b53f7", "#fa8e45", "#218f90", "#9b2b42", "#789eff", "#b06a02", "#3f1772", "#68c5b1", "#5a5590", "#5a1b08",
]  # fmt: skip
LEGEND_MOST = 30


def places_of(path: Path, view: MapView) -> tuple[NDArray[Any], Any, tuple[str, str]]:
    """Places (n, 2), the codes behind them, and the axes' names. RunError where a map is not computed yet."""
    sha = weights_sha(path)
    codes = current_codes(path, sha, view.part).codes
    if view.method == "line":
        return np.stack([codes.loc[:, 0], codes.rate], 1), codes, ("z0", "rate in nats")
    if view.method in ("plane", "dims"):
        i, j = (0, 1) if view.method == "plane" else (view.i, view.j)
        return codes.loc[:, [i, j]], codes, (f"z{i}", f"z{j}")
    if view.method == "pca":
        pca = Pca()
        places = pca.fit(codes.loc)
        first, second = (f"component {a + 1} ({share:.0%} of the variance)" for a, share in enumerate(pca.explained))
        return places, codes, (first, second)
    try:
        frame = unpack_frame((folder_of(path, view.method, sha, view.part) / "frame.bin").read_bytes())
    except OSError:
        title = PROJECTIONS[view.method].title
        raise RunError(
            f"{title} is not computed yet; the figure can be made as soon as the map has its places"
        ) from None
    return np.array(frame.places), codes, ("", "")


def map_figure(path: Path, view: MapView) -> go.Figure:
    """A scatter plot with equal axes, coloured as on the page."""
    places, codes, (across, upwards) = places_of(path, view)
    step = max(1, -(-len(places) // MOST))
    thin = slice(None, None, step)
    places, every = places[thin], f", every {step}." if step > 1 else ""
    traces = _by_class(places, codes, thin) if view.colour == "label" and codes.labels is not None else None
    figure = go.Figure(traces or _by_number(places, codes, view.colour, thin))
    figure.update_layout(
        template="simple_white", width=760, height=720, margin={"l": 50, "r": 10, "t": 50, "b": 50},
        title={"text": f"{codes.source}{every}, {view.method}", "font": {"size": 14}},
        legend={"itemsizing": "constant"}, paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)",
    )  # fmt: skip
    figure.update_xaxes(title=across, visible=bool(across))
    figure.update_yaxes(title=upwards, visible=bool(upwards), scaleanchor=None if view.method == "line" else "x")
    return figure


def _scatter(places: NDArray[Any], marker: dict[str, Any], **more: Any) -> go.Scatter:
    size = float(np.clip(5 * (5000 / max(1, len(places))) ** 0.2, 2.5, 6))
    marker = {"size": size, "opacity": 0.75, **marker}
    return go.Scatter(x=places[:, 0], y=places[:, 1], mode="markers", marker=marker, **more)


def _by_class(places: NDArray[Any], codes: Any, thin: slice) -> list[go.Scatter]:
    labels = codes.labels[thin]
    found = np.unique(codes.labels)
    name = {int(label): codes.classes[label] if codes.classes else str(label) for label in found}
    return [
        _scatter(
            places[labels == label],
            {"color": CLASSES[position % len(CLASSES)]},
            name=name[int(label)],
            showlegend=len(found) <= LEGEND_MOST,
        )
        for position, label in enumerate(found)
    ]


def _by_number(places: NDArray[Any], codes: Any, colour: str, thin: slice) -> go.Scatter:
    by = "rate" if colour == "label" else colour
    values = codes.loc[:, int(by[1:])] if by.startswith("z") else getattr(codes, by)
    low, high = np.percentile(values, [1, 99])
    unit = "" if by.startswith("z") else ", nats"
    bar = {"title": f"{by}{unit}", "thickness": 12, "outlinewidth": 0}
    marker = {"color": values[thin], "colorscale": "Viridis", "cmin": low, "cmax": high, "colorbar": bar}
    return _scatter(places, marker)


def map_table(path: Path, view: MapView) -> str:
    """index, x, y, label, rate, distortion of every image, as CSV."""
    places, codes, _ = places_of(path, view)
    names = None
    if codes.labels is not None:
        names = [codes.classes[label] if codes.classes else str(label) for label in codes.labels]
    lines = ["index,x,y,rate,distortion" + (",label" if names else "")]
    for index, (x, y) in enumerate(places):
        label = f',"{names[index].replace(chr(34), chr(34) * 2)}"' if names else ""
        lines.append(f"{index},{x:.6g},{y:.6g},{codes.rate[index]:.6g},{codes.distortion[index]:.6g}{label}")
    return "\n".join(lines) + "\n"
