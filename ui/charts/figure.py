"""A drawn figure on the page."""

from __future__ import annotations

from ui.components.mounting import browser_component

_figure = browser_component("learn/lesson_figure")


def show(svg: str, key: str, name: str = "") -> None:
    """Shows `svg` as `drawing.Chart.svg` writes it. It changes in place: nothing flickers while a slider moves.
    `name`: of the files, PNG and SVG, that it can be saved as; "": not to be saved."""
    _figure(key=f"learn-figure-{key}", data={"svg": svg, "name": name})
