"""Small figures as SVG: a pure function of numbers. A shape's class is its idea (`posterior`, `prior`, `rate`, …); the
browser colours it by the theme. Words in a figure are literal."""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Iterable, Sequence
from html import escape
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

WIDTH, LEFT, RIGHT, TOP, BOTTOM = 460, 54, 12, 8, 34
LEGEND_LINE = 18
LETTER = 6.4  # about the width of a letter of the legend
SIDES = ((0, 1), (0.9, 1), (0, -1), (0.9, -1), (1, 0), (-0.9, -1), (-1, 0), (-0.9, 1))  # of a place, for its word
FAR = 1e5  # of a place outside the axes, in units of the figure


class Chart:
    """Axes over the ranges `x` and `y`; `legend` names ideas in words, over the axes."""

    def __init__(
        self,
        x: tuple[float, float],
        y: tuple[float, float],
        *,
        height: int = 250,
        width: int = WIDTH,
        labels: tuple[str, str] = ("", ""),
        legend: Sequence[tuple[str, str]] = (),
        ticks: tuple[dict[float, str] | None, dict[float, str] | None] = (None, None),
    ) -> None:
        self._x, self._y, self._width = _wide(x), _wide(y), width
        self._ground: list[str] = []  # axes and legend
        self._curves: list[str] = []  # cut off at the axes
        self._marks: list[str] = []
        rows = self._legend(legend)
        self._top = TOP + LEGEND_LINE * rows
        self._height = height + LEGEND_LINE * rows
        self._axes(labels, ticks)

    def line(self, xs: Iterable[float], ys: Iterable[float], idea: str, dashed: bool = False) -> None:
        """Draws a line through points."""
        kind = "line dashed" if dashed else "line"
        self._curves.append(f'<path class="{kind} {idea}" d="{self._path(xs, ys)}"/>')

    def area(self, xs: Sequence[float], ys: Sequence[float], idea: str) -> None:
        """Fills the area between a curve and zero."""
        outline = [*xs, xs[-1], xs[0]]
        self._curves.append(f'<path class="area {idea}" d="{self._path(outline, [*ys, 0.0, 0.0])}Z"/>')

    def outline(self, xs: Iterable[float], ys: Iterable[float], idea: str, dashed: bool = False) -> None:
        """Draws a closed curve."""
        kind = "line dashed" if dashed else "line"
        self._curves.append(f'<path class="{kind} {idea}" d="{self._path(xs, ys)}Z"/>')

    def dots(self, xs: Iterable[float], ys: Iterable[float], idea: str) -> None:
        """Draws many small dots."""
        places = "".join(f"M{self._across(a):.1f} {self._up(b):.1f}h0" for a, b in zip(xs, ys, strict=True))
        self._curves.append(f'<path class="dots {idea}" d="{places}"/>')

    def marker(self, x: float, y: float, idea: str, shape: str = "circle") -> None:
        """Draws one place: a circle, or a `diamond`; at the edge where it lies outside."""
        a = self._across(min(max(x, self._x[0]), self._x[1]))
        b = self._up(min(max(y, self._y[0]), self._y[1]))
        if shape == "diamond":
            self._marks.append(f'<path class="marker {idea}" d="M{a:.1f} {b - 5:.1f}l5 5-5 5-5-5Z"/>')
        else:
            self._marks.append(f'<circle class="marker {idea}" cx="{a:.1f}" cy="{b:.1f}" r="4.5"/>')

    def bar(self, left: float, right: float, low: float, high: float, idea: str) -> None:
        """Draws a rectangle by its sides."""
        a, b = sorted((self._across(left), self._across(right)))
        c, d = sorted((self._up(low), self._up(high)))
        self._curves.append(
            f'<rect class="bar {idea}" x="{a:.1f}" y="{c:.1f}" width="{max(0.6, b - a):.1f}" '
            f'height="{max(0.6, d - c):.1f}"/>'
        )

    def pixels(self, left: float, right: float, low: float, high: float, grey: NDArray[np.uint8]) -> None:
        """Draws an image (height, width) or (height, width, 3) between these sides, its first row at the top."""
        from PIL import Image

        file = BytesIO()
        Image.fromarray(grey).save(file, "PNG")
        a, b = self._across(left), self._across(right)
        c, d = self._up(high), self._up(low)
        self._curves.append(
            f'<image x="{a:.1f}" y="{c:.1f}" width="{b - a:.1f}" height="{d - c:.1f}" preserveAspectRatio="none" '
            f'image-rendering="pixelated" href="data:image/png;base64,{b64encode(file.getvalue()).decode()}"/>'
        )

    def upright(self, x: float, idea: str, dashed: bool = False) -> None:
        """Draws a line from bottom to top."""
        self.line([x, x], self._y, idea, dashed)

    def level(self, y: float, idea: str, dashed: bool = False) -> None:
        """Draws a line from left to right."""
        self.line(self._x, [y, y], idea, dashed)

    def word(self, x: float, y: float, text: str, idea: str, anchor: str = "start") -> None:
        """Writes a word at a place."""
        a, b = self._across(x), self._up(y)
        words = f'x="{a:.1f}" y="{b:.1f}" text-anchor="{anchor}">{escape(text)}'
        self._marks.append(f'<text class="named {idea}" {words}</text>')

    def words(self, places: Iterable[tuple[float, float, str]], idea: str) -> None:
        """Writes a word beside each of these places, (x, y, text), where it lies over none of them and over no other
        word; the first ones first, and of a crowd as many as there is room for."""
        known = [(self._across(x), self._up(y), text) for x, y, text in places]
        taken = [(a - 6, b - 6, a + 6, b + 6) for a, b, _ in known]
        for a, b, text in known:
            half = LETTER * len(text) / 2
            for across, up in SIDES:
                left, top = a + across * (half + 8) - half, b - up * 13 - 7
                box = (left, top, left + 2 * half, top + 14)
                inside = box[0] >= LEFT and box[2] <= self._width and box[1] >= 0 and box[3] <= self._height - BOTTOM
                if inside and not any(_overlap(box, other) for other in taken):
                    taken.append(box)
                    words = f'x="{left + half:.1f}" y="{top + 11:.1f}" text-anchor="middle">{escape(text)}'
                    self._marks.append(f'<text class="named {idea}" {words}</text>')
                    break

    def svg(self, about: str, x: int | None = None) -> str:
        """Returns the figure; `about` says in words what it shows. `x`: where it stands within another (`beside`)."""
        place = "" if x is None else f'x="{x}" width="{self._width}" height="{self._height}" '
        across, up = self._width - LEFT - RIGHT, self._height - BOTTOM - self._top
        window = f'x="{LEFT}" y="{self._top}" width="{across}" height="{up}" viewBox="{LEFT} {self._top} {across} {up}"'
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" {place}viewBox="0 0 {self._width} {self._height}" role="img" '
            f'aria-label="{escape(about)}">{"".join(self._ground)}<svg {window}>{"".join(self._curves)}</svg>'
            f"{''.join(self._marks)}</svg>"
        )

    @property
    def size(self) -> tuple[int, int]:
        """The width and height, the legend's rows in it."""
        return self._width, self._height

    def _across(self, value: float) -> float:
        low, high = self._x
        return _near(LEFT + (value - low) / (high - low) * (self._width - LEFT - RIGHT))

    def _up(self, value: float) -> float:
        low, high = self._y
        foot = self._height - BOTTOM
        return _near(foot - (value - low) / (high - low) * (foot - self._top))

    def _path(self, xs: Iterable[float], ys: Iterable[float]) -> str:
        return "M" + "L".join(f"{self._across(a):.1f} {self._up(b):.1f}" for a, b in zip(xs, ys, strict=True))

    def _legend(self, legend: Sequence[tuple[str, str]]) -> int:
        """Draw it; answer how many rows it took."""
        at, row = float(LEFT), 0
        for idea, words in legend:
            wide = 22 + LETTER * len(words)
            if at + wide > self._width and at > LEFT:
                at, row = float(LEFT), row + 1
            y = TOP + LEGEND_LINE * row + 8
            self._ground.append(f'<rect class="bar {idea}" x="{at:.1f}" y="{y - 8}" width="9" height="9" rx="2"/>')
            self._ground.append(f'<text class="named {idea}" x="{at + 14:.1f}" y="{y}">{escape(words)}</text>')
            at += wide + 6
        return row + 1 if legend else 0

    def _axes(self, labels: tuple[str, str], ticks: tuple[dict[float, str] | None, dict[float, str] | None]) -> None:
        foot = self._height - BOTTOM
        for value, words in (nice_ticks(*self._x) if ticks[0] is None else ticks[0]).items():
            a = self._across(value)
            self._ground.append(f'<path class="axis" d="M{a:.1f} {self._top}V{foot}"/>')
            self._ground.append(f'<text x="{a:.1f}" y="{foot + 14}" text-anchor="middle">{escape(words)}</text>')
        for value, words in (nice_ticks(*self._y) if ticks[1] is None else ticks[1]).items():
            b = self._up(value)
            self._ground.append(f'<path class="axis" d="M{LEFT} {b:.1f}H{self._width - RIGHT}"/>')
            self._ground.append(f'<text x="{LEFT - 6}" y="{b + 4:.1f}" text-anchor="end">{escape(words)}</text>')
        if labels[0]:
            middle = (LEFT + self._width - RIGHT) / 2
            self._ground.append(
                f'<text x="{middle:.0f}" y="{self._height - 4}" text-anchor="middle">{escape(labels[0])}</text>'
            )
        if labels[1]:
            turned = f"translate(9 {(self._top + foot) / 2:.0f}) rotate(-90)"
            self._ground.append(f'<text transform="{turned}" text-anchor="middle">{escape(labels[1])}</text>')


def beside(left: Chart, right: Chart, about: str) -> str:
    """Returns two figures as one; `about` says in words what they show."""
    width, height = left.size[0] + right.size[0], max(left.size[1], right.size[1])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(about)}">{left.svg("", 0)}{right.svg("", left.size[0])}</svg>'
    )


def nice_ticks(low: float, high: float, about: int = 5) -> dict[float, str]:
    """Returns round numbers between low and high, with their words."""
    step = 10 ** math.floor(math.log10((high - low) / about))
    step *= next(factor for factor in (1, 2, 5, 10) if (high - low) / (step * factor) <= about + 1)
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    first = math.ceil(low / step - 1e-9)
    values = [(first + i) * step for i in range(int((high - first * step) / step + 1e-9) + 1)]
    return {value: f"{value + 0.0:,.{digits}f}".replace("-", "−") for value in values}


def decades(low: float, high: float) -> dict[float, str]:
    """Ticks for an axis of log10 values: the powers of ten."""
    return {float(p): f"{10.0**p:g}".replace("-", "−") for p in range(math.ceil(low), math.floor(high) + 1)}


def ellipse(loc: Sequence[float], root: Sequence[Sequence[float]], radius: float) -> tuple[list[float], list[float]]:
    """Returns the curve m + radius · L u over unit vectors u; `root` is L (2, 2)."""
    turns = [2 * math.pi * i / 72 for i in range(72)]
    xs = [loc[0] + radius * (root[0][0] * math.cos(t) + root[0][1] * math.sin(t)) for t in turns]
    ys = [loc[1] + radius * (root[1][0] * math.cos(t) + root[1][1] * math.sin(t)) for t in turns]
    return xs, ys


def _overlap(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    """Whether two boxes (left, top, right, bottom) share a place."""
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _wide(pair: tuple[float, float]) -> tuple[float, float]:
    """A range of some width."""
    low, high = pair
    return (low, high) if high - low > 1e-9 * max(1.0, abs(low), abs(high)) else (low - 0.5, high + 0.5)


def _near(value: float) -> float:
    """Browsers draw numbers of any size differently; nobody sees what lies so far outside."""
    return min(max(value, -FAR), FAR)
