"""The map as a figure for print: what is on the page at the moment, without the hand."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from ui.live.cache import current_codes, weights_sha
from ui.live.holes import read_holes
from ui.map.view import MapView
from vae.errors import RunError
from vae.space.fit_process import folder_of, read_frame
from vae.space.projection import LinearProjection
from vae.space.projections import PROJECTIONS

MOST = 6000  # points in a figure, which is made of shapes so that it prints sharply; every so-many-th of more
CLASSES = {  # as in ui/static/map/colours.js
    "light": (
        "#8b53f7", "#fa8e45", "#218f90", "#9b2b42", "#789eff",
        "#b06a02", "#3f1772", "#68c5b1", "#5a5590", "#5a1b08",
    ),
    "dark": (
        "#655be8", "#e89e8f", "#2a9ad2", "#d2638c", "#b4c5ff",
        "#9e9c1e", "#993f9c", "#a1eecb", "#9a5d27", "#dde22b",
    ),
}  # fmt: skip
INKS = {  # ground, text, lines, prior; as in .streamlit/config.toml
    "light": ("#FBFAF6", "#20242C", "#E2DDD2", "#1F7F37"),
    "dark": ("#15171C", "#ECE8DF", "#32363F", "#5BBD72"),
}
HOLES = {  # more prior than codes, as much, more codes; as in ui/static/map/holes.js
    "light": ("#1f7f37", "#cdc7ba", "#aa3377"),
    "dark": ("#5bbd72", "#4b505b", "#dd7fb4"),
}
LEGEND_MOST = 30


def places_of(path: Path, view: MapView) -> tuple[NDArray[Any], Any, tuple[str, str]]:
    """Places (n, 2), the codes behind them, and the axes' names. Raises RunError where a map is not computed yet."""
    sha = weights_sha(path)
    codes = current_codes(path, sha, view.part)
    if view.method == "line":
        return np.stack([codes.loc[:, 0], codes.rate], 1), codes, ("z0", "rate in nats")
    if view.method in ("plane", "dims"):
        i, j = (0, 1) if view.method == "plane" else (view.i, view.j)
        return codes.loc[:, [i, j]], codes, (f"z{i}", f"z{j}")
    projection = PROJECTIONS[view.method]()
    if isinstance(projection, LinearProjection):
        places = projection.fit(codes.loc)
        shares = enumerate(projection.explained, 1)
        first, second = (f"component {a} ({share:.0%} of the variance)" for a, share in shares)
        return places, codes, (first, second)
    try:
        frame = read_frame(folder_of(path, view.method, sha, view.part))
    except FileNotFoundError:
        raise RunError(
            f"{projection.title} is not computed yet; the figure can be made as soon as the map has its places"
        ) from None
    if len(frame.places) != len(codes):
        raise RunError(
            f"the map has {len(frame.places):,} places for {len(codes):,} images: the data have changed; "
            "delete the run's folder projections and ask for the map again"
        )
    return np.array(frame.places), codes, ("", "")


def title_of(view: MapView) -> str:
    """Returns the kind of map in words."""
    pair = f"z{view.i} and z{view.j}"
    return {"plane": "latent plane", "line": "latent line", "dims": pair}.get(view.method) or PROJECTIONS[
        view.method
    ].title


def map_figure(path: Path, view: MapView, tone: str = "light") -> go.Figure:
    """Returns a scatter plot with equal axes, coloured as on the page; its title names run, method and colouring."""
    places, codes, (across, upwards) = places_of(path, view)
    step = max(1, -(-len(places) // MOST))
    thin = slice(None, None, step)
    places, every = places[thin], f", one in {step} drawn" if step > 1 else ""
    by = view.colour if view.colour != "label" or codes.labels is not None else "rate"
    if by == "label":
        traces = _by_class(places, codes, thin, tone)
    elif by == "hole":
        traces = [_by_score(places, read_holes(path, weights_sha(path))[0], thin, tone)]
    else:
        traces = [_by_number(places, codes, by, thin)]
    figure = go.Figure(traces)
    dress(figure, f"{path.name} · {title_of(view)} · coloured by {by}", codes.source + every, tone, 760)
    figure.update_xaxes(title=across, visible=bool(across))
    figure.update_yaxes(title=upwards, visible=bool(upwards), scaleanchor=None if view.method == "line" else "x")
    return figure


def dress(figure: go.Figure, title: str, about: str, tone: str, height: int) -> None:
    """Sets ground, inks and titles, opaque: a downloaded picture looks like the page. The legend lies below the
    axis."""
    ground, text, lines, _ = INKS[tone]
    figure.update_layout(
        template="none", margin={"l": 64, "r": 12, "t": 76, "b": 64}, paper_bgcolor=ground, plot_bgcolor=ground,
        font={"color": text, "family": "system-ui, 'Segoe UI', Roboto, 'Helvetica Neue', sans-serif"},
        title={
            "text": escape(title, quote=False), "font": {"size": 15}, "x": 0, "xref": "paper",
            "subtitle": {"text": escape(about, quote=False)},
        },
        legend={"itemsizing": "constant", "traceorder": "normal", "orientation": "h", "y": -64 / (height - 220)},
        height=height,
    )  # fmt: skip
    axis = {"showgrid": False, "zeroline": False, "showline": True, "linecolor": lines, "ticks": "outside"}
    figure.update_xaxes(**axis, tickcolor=lines)
    figure.update_yaxes(**axis, tickcolor=lines)


def classes_of(codes: Any, tone: str) -> Iterator[tuple[str, str, int]]:
    """Yields name, colour and label of each class, in order of the labels. Plotly reads tags: the name is escaped."""
    colours = CLASSES[tone]
    for position, label in enumerate(np.unique(codes.labels)):
        yield (
            escape(codes.classes[label] if codes.classes else str(label), quote=False),
            colours[position % len(colours)],
            int(label),
        )


def _scatter(places: NDArray[Any], marker: dict[str, Any], **more: Any) -> go.Scatter:
    size = float(np.clip(5 * (5000 / max(1, len(places))) ** 0.2, 2.5, 6))
    marker = {"size": size, "opacity": 0.75, **marker}
    return go.Scatter(x=places[:, 0], y=places[:, 1], mode="markers", marker=marker, **more)


def _by_class(places: NDArray[Any], codes: Any, thin: slice, tone: str) -> list[go.Scatter]:
    labels, found = codes.labels[thin], list(classes_of(codes, tone))
    return [
        _scatter(places[labels == label], {"color": colour}, name=name, showlegend=len(found) <= LEGEND_MOST)
        for name, colour, label in found
    ]


def _by_number(places: NDArray[Any], codes: Any, by: str, thin: slice) -> go.Scatter:
    values = codes.loc[:, int(by[1:])] if by.startswith("z") else getattr(codes, by)
    low, high = np.percentile(values, [1, 99])
    unit = "" if by.startswith("z") else ", nats"
    bar = {"title": f"{by}{unit}", "thickness": 12, "outlinewidth": 0}
    marker = {"color": values[thin], "colorscale": "Viridis", "cmin": low, "cmax": high, "colorbar": bar}
    return _scatter(places, marker)


def _by_score(places: NDArray[Any], score: NDArray[Any], thin: slice, tone: str) -> go.Scatter:
    """By log q(z)/p(z), 0 in the middle; images beyond those that were looked at count as 0."""
    values = np.zeros(len(places) * (thin.step or 1))
    values[: len(score)] = score[: len(values)]
    reach = max(0.5, float(np.percentile(np.abs(score), 98)))
    bar = {"title": "log q(z)/p(z), nats", "thickness": 12, "outlinewidth": 0}
    marker = {"color": values[thin], "colorscale": list(zip((0, 0.5, 1), HOLES[tone], strict=True)), "colorbar": bar}
    return _scatter(places, {**marker, "cmin": -reach, "cmax": reach})
