"""Pixels in a figure, and two figures as one."""

from __future__ import annotations

import io
from base64 import b64decode
from xml.etree import ElementTree

import numpy as np
from PIL import Image

from vae.browser.drawing import BOTTOM, LEFT, RIGHT, TOP, Chart, beside
from vae.diagnosis.picture import SVG, safe_svg


def test_pixels_stand_where_they_should_as_they_are() -> None:
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
    chart = Chart((0, 4), (0, 3), width=400 + LEFT + RIGHT, height=300 + TOP + BOTTOM)
    chart.pixels(1, 3, 0, 1, grey)
    image = next(ElementTree.fromstring(chart.svg("pixels")).iter(f"{SVG}image"))
    place = [float(image.attrib[name]) for name in ("x", "y", "width", "height")]
    assert place == [LEFT + 100, TOP + 200, 200, 100]
    kind, data = image.attrib["href"].split(",")
    assert kind == "data:image/png;base64"
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(b64decode(data)))), grey)
    assert image.attrib["image-rendering"] == "pixelated"


def test_two_figures_as_one_are_each_as_they_were() -> None:
    left, right = Chart((0, 1), (0, 1), width=200), Chart((0, 1), (0, 1), width=300, legend=[("rate", "rate")])
    right.line([0, 1], [0, 1], "rate")
    both = ElementTree.fromstring(safe_svg(beside(left, right, "two & more")))
    assert both.attrib["viewBox"] == "0 0 500 268"  # a row of legend is 18 high
    assert both.attrib["aria-label"] == "two & more"
    inner = list(both)
    assert [one.attrib["x"] for one in inner] == ["0", "200"]
    assert [(one.attrib["width"], one.attrib["height"]) for one in inner] == [("200", "250"), ("300", "268")]
    alone = ElementTree.fromstring(right.svg(""))
    assert [child.attrib for child in inner[1]] == [child.attrib for child in alone]
