"""Figures of a run as charts under each other: the curves of its training, and where its sweep stands in the planes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vae.browser.drawing import Chart, decades
from vae.runs import Run
from vae.sweeps.planes import Point
from vae.sweeps.points import points
from vae.sweeps.report import curves, linear, spectrum_for

POINTS = 400  # of a line; every so-many-th record of more
WIDTH = 720
PLUNGE = 0.02  # share of the values that may leave a panel at its top: the first ones would flatten the rest
Numbers = list[float]


@dataclass(frozen=True)
class Panel:
    """A chart under its title."""

    title: str
    chart: Chart


def curve_panels(history: Sequence[dict[str, Any]], owns_C: bool) -> list[Panel]:
    """Returns a panel for each quantity that the records hold, over steps: held out solid, training dashed, a change
    of C by hand as an upright line; C itself below where it moves. [] without records."""
    records = [line for line in history if line.get("train") or line.get("test")]
    if not records:
        return []
    turns = [line["step"] for line in history if line.get("knob") == "C"]
    ends = (0.0, float(records[-1]["step"]))
    quantities = [("squared_error", "Squared error, pixel²", "distortion")] if owns_C else []
    quantities += [
        ("distortion", "Distortion −E log p(x|z), nats", "distortion"),
        ("rate", "Rate KL(q‖p), nats", "rate"),
    ]
    quantities += [("elbo", "−ELBO = distortion + rate, nats", "elbo")]
    panels = []
    for name, title, idea in quantities:
        sign = -1.0 if name == "elbo" else 1.0
        lines = {part: _values(records, part, name, sign) for part in ("test", "train")}
        if any(ys for _, ys in lines.values()):
            panels.append(Panel(title, _panel(lines, ends, turns, idea)))
    C = _thinned([(line["step"], line["C"]) for line in records if line.get("C") is not None])
    if C[1] and max(C[1]) > 1.001 * min(C[1]):
        panels.append(Panel("C", _C_panel(C, ends)))
    return panels


def _values(records: Sequence[dict[str, Any]], part: str, name: str, sign: float) -> tuple[Numbers, Numbers]:
    """Steps and values of the records that have one."""
    known = [(line["step"], line[part]) for line in records if line.get(part)]
    return _thinned([(step, sign * means[name]) for step, means in known if means.get(name) is not None])


def _thinned(found: Sequence[tuple[int, float]]) -> tuple[Numbers, Numbers]:
    every = -(-len(found) // POINTS) or 1
    kept = found[::-every][::-1]
    return [float(step) for step, _ in kept], [value for _, value in kept]


def _panel(
    lines: dict[str, tuple[Numbers, Numbers]], ends: tuple[float, float], turns: Sequence[int], idea: str
) -> Chart:
    values = sorted(value for _, ys in lines.values() for value in ys)
    high = values[math.ceil((1 - PLUNGE) * (len(values) - 1))]
    room = 0.05 * (high - values[0])
    chart = Chart(ends, (values[0] - room, high + room), height=170, width=WIDTH, labels=("step", ""))
    for step in turns:
        chart.upright(step, "faint", dashed=True)
    for part in ("train", "test"):
        xs, ys = lines[part]
        if xs:
            chart.line(xs, ys, idea, dashed=part == "train")
    return chart


def _C_panel(C: tuple[Numbers, Numbers], ends: tuple[float, float]) -> Chart:
    xs, ys = C[0], [math.log10(value) for value in C[1]]
    low, high = math.floor(min(ys)), math.ceil(max(ys))
    chart = Chart(ends, (low, high), height=120, width=WIDTH, labels=("step", ""), ticks=(None, decades(low, high)))
    chart.line(xs, ys, "sample")
    return chart


def plane_panels(run: Run) -> list[Panel]:
    """Returns the run's sweep in both planes, or without one all runs of its folder on its images under its likelihood:
    over the rate the squared error where C belongs to the model, and the distortion; dashed the best linear decoders;
    [] where none tells its means."""
    found = points(run.path.parent, str(run.data.get("name", run.config.dataset)))
    own = next((point for point in found if point.name == run.name), None)
    if own is None or own.rate is None:
        return []
    if own.sweep is not None:
        found = [point for point in found if point.sweep == own.sweep]
    found = [point for point in found if point.likelihood == own.likelihood and point.rate is not None]
    names = [("distortion", "Distortion, nats, over rate, nats")]
    if not own.weights_C:
        names.insert(0, ("squared_error", "Squared error, pixel², over rate, nats"))
    shown = [(name, title) for name, title in names if getattr(own, name) is not None]
    best = linear(found, spectrum_for(run.path))
    return [
        Panel(title, _plane([p for p in found if getattr(p, name) is not None], name, run.name, best))
        for name, title in shown
    ]


def _plane(found: Sequence[Point], name: str, chosen: str, linear: Sequence[dict[str, float]]) -> Chart:
    most = _around(found, "rate", 0.5)[1]
    ends = (-0.03 * most, most), _around(found, name, 0.4 * most if name == "distortion" else 0.01)
    chart = Chart(*ends, height=360, width=WIDTH, labels=("rate, nats", ""))
    if linear:
        chart.line([one["rate"] for one in linear], [one[name] for one in linear], "faint", dashed=True)
    for curve in curves(found):
        if len(curve.points) > 1:
            along = [(p.rate, getattr(p, name)) for p in curve.points if p.rate is not None]
            chart.line([x for x, _ in along], [y for _, y in along], "elbo")
    for point in found:
        x, y, error = point.rate or 0.0, getattr(point, name), getattr(point, f"{name}_error") or 0.0
        chart.line([x, x], [y - error, y + error], "faint")
        idea = "sample" if point.name == chosen else "elbo"
        chart.marker(x, y, idea, "diamond" if point.unsettled else "circle")
    known = [(p.rate or 0.0, getattr(p, name), f"C = {p.C:.3g}") for p in _first(found, chosen) if p.C is not None]
    chart.words(known, "faint")
    return chart


def _first(found: Sequence[Point], chosen: str) -> list[Point]:
    return sorted(found, key=lambda point: point.name != chosen)


def _around(found: Sequence[Point], name: str, least: float) -> tuple[float, float]:
    """All values with their errors and some room, rate from 0; `least` of the axis's unit where they lie closer."""
    pairs = [(getattr(point, name), getattr(point, f"{name}_error") or 0.0) for point in found]
    low = 0.0 if name == "rate" else min(value - error for value, error in pairs)
    high = max(value + error for value, error in pairs)
    room = max(0.08 * (high - low), (least - (high - low)) / 2)
    return low - room, high + room
