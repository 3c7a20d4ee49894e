"""Figures as SVG: every program reads them, the lines are the records, words of users are literal."""

from __future__ import annotations

import itertools
import re
import shutil
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from vae import runs
from vae.browser.drawing import Chart, _overlap
from vae.exports.export import unheard
from vae.exports.figures import Panel, curve_panels, plane_panels
from vae.exports.svg import CURVES, INKS, LOOKS, PLANE, SVG, figure
from vae.runs.sweep_mark import SweepMark, write_mark
from vae.sweeps.report import LINEAR_POINTS

DEMOS = Path(__file__).resolve().parents[3] / "checkpoints"
NAMESPACE = "{http://www.w3.org/2000/svg}"


def paths(svg: str, colour: str) -> list[ElementTree.Element]:
    return [one for one in ElementTree.fromstring(svg).iter(f"{NAMESPACE}path") if one.get("stroke") == colour]


def record(step: int, rate: float, **more: Any) -> dict[str, Any]:
    means = {"rate": rate, "distortion": 100.0 - rate, "elbo": -100.0, "squared_error": 5.0}
    return {"step": step, "C": 1.0, "train": means, "test": means, **more}


def test_curves_are_the_records_in_plain_colours(tmp_path: Path) -> None:
    run = runs.load_run(DEMOS / "demo-digits-2d")
    facts = SVG.write(run, CURVES, tmp_path / "a.svg", unheard)
    svg = (tmp_path / "a.svg").read_text()
    assert facts["panels"] == 5
    assert "class=" not in svg
    assert "var(" not in svg
    held, trained = sorted(paths(svg, INKS["rate"]), key=lambda path: path.get("stroke-dasharray") is not None)
    measured = [line for line in run.history if line.get("test")]
    assert held.attrib["d"].count("L") == len(measured) - 1
    assert trained.attrib["stroke-dasharray"] == "5 4"
    ys = [float(y) for y in re.findall(r" ([\d.]+)(?:L|$)", held.attrib["d"])]
    rates = [line["test"]["rate"] for line in measured]
    scale = (ys[-1] - ys[0]) / (rates[-1] - rates[0])
    assert [round(ys[0] + scale * (rate - rates[0])) for rate in rates] == pytest.approx([round(y) for y in ys], abs=1)


def test_panels_are_those_whose_numbers_are_there() -> None:
    history = [record(10, 1.0), record(20, 2.0), {"step": 20, "knob": "C", "value": 4.0}, record(30, 3.0, C=4.0)]
    titles = [panel.title for panel in curve_panels(history, owns_C=True)]
    assert [title.split()[0].strip(",") for title in titles] == ["Squared", "Distortion", "Rate", "−ELBO", "C"]
    assert len(curve_panels(history[:2], owns_C=False)) == 3
    drawn = curve_panels(history, owns_C=False)[0].chart.svg("")
    assert drawn.count('"line dashed faint"') == 1  # the change of C
    assert curve_panels([], owns_C=True) == []
    diverged = [record(10, 1.0), record(20, 2.0) | {"train": {"rate": None, "distortion": None}, "test": None}]
    assert curve_panels(diverged, owns_C=False)


def test_a_sweeps_plane_has_its_runs_alone(tmp_path: Path) -> None:
    for name in ("a", "b", "c", "other"):
        shutil.copytree(DEMOS / "demo-digits-2d", tmp_path / name)
        if name != "other":
            write_mark(tmp_path / name, SweepMark("s1", "sweep", ("C",)))
    run = runs.load_run(tmp_path / "b")
    panels = plane_panels(run)
    assert [panel.title.split(",")[0] for panel in panels] == ["Squared error", "Distortion"]
    assert all(panel.chart.svg("").count("<circle") == 3 for panel in panels)
    assert plane_panels(runs.load_run(tmp_path / "other"))[0].chart.svg("").count("<circle") == 4
    dashed = [re.findall('class="line dashed faint" d="([^"]+)"', panel.chart.svg("")) for panel in panels]
    assert [[path.count("L") for path in one] for one in dashed] == [[LINEAR_POINTS - 1]] * 2, (
        "the best linear decoders"
    )
    assert SVG.write(run, PLANE, tmp_path / "a.svg", unheard)["panels"] == 2
    (tmp_path / "b/history.jsonl").write_text("")
    assert "no held-out record" in SVG.why_not(runs.load_run(tmp_path / "b"), PLANE)
    assert "no held-out record" in SVG.why_not(runs.load_run(tmp_path / "b"), CURVES)


def test_words_beside_places_lie_over_no_place_and_no_other_word() -> None:
    chart, random = Chart((0, 1), (0, 1), height=360, width=720), np.random.default_rng(0)
    places = [(x, y, f"C = {1000 * x:.3g}") for x, y in random.random((60, 2))]
    places += [(0.5, 0.5, "C = 77"), (0.501, 0.5, "C = 78"), (0.0, 0.0, "corner")]
    chart.words(places, "faint")
    drawn = re.findall(r'class="named faint" x="([\d.]+)" y="([\d.]+)" text-anchor="middle">([^<]+)<', chart.svg(""))
    words = [(float(x), float(y), 3.2 * len(text)) for x, y, text in drawn]
    boxes = [(x - half, y - 11, x + half, y + 3) for x, y, half in words]
    assert len(boxes) > 30
    assert not any(_overlap(one, other) for one, other in itertools.combinations(boxes, 2))
    centres = [(chart._across(x), chart._up(y)) for x, y, _ in places]
    marks = [(a - 4.5, b - 4.5, a + 4.5, b + 4.5) for a, b in centres]
    assert not any(_overlap(box, mark) for box in boxes for mark in marks)


def test_words_are_literal_and_every_shape_of_a_chart_has_a_look() -> None:
    chart = Chart((0, 1), (0, 1), legend=[("rate", "<b>rate</b>")])
    chart.area([0, 1], [0, 1], "prior")
    chart.bar(0, 1, 0, 1, "sample")
    chart.dots([0, 1], [0, 1], "posterior")
    chart.line([0, 1], [0, 1], "rate", dashed=True)
    chart.marker(0.5, 0.5, "bad", "diamond")
    chart.word(0.5, 0.5, '<script>alert("x")</script>', "faint")
    used = {name for names in re.findall(r'class="([^"]+)"', chart.svg("")) for name in names.split()}
    assert used - set(INKS) - set(LOOKS) == set()
    svg = figure('<img src="x">', "a & b", [Panel("<i>", chart)])
    root = ElementTree.fromstring(svg)
    assert {one.tag.removeprefix(NAMESPACE) for one in root.iter()} == {
        "svg",
        "title",
        "rect",
        "text",
        "g",
        "path",
        "tspan",
    }
    words = [one.text for kind in ("text", "tspan") for one in root.iter(f"{NAMESPACE}{kind}")]
    assert {'<img src="x">', "a & b", "<i>", '<script>alert("x")</script>', "<b>rate</b>"} <= set(words)
