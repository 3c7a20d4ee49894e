"""Where a curve says most by one more point: where it bends, and where a gap is wide."""

from __future__ import annotations

import math
from collections.abc import Sequence

from vae.sweeps.grid import DIGITS
from vae.sweeps.planes import Point
from vae.sweeps.slopes import curve

GAP = 0.05  # how much a squared length counts against the area of a bend, both of a plane of size 1 × 1
CLOSE = 1.02  # ratio of two C between which there is no third worth training


def values_to_add(points: Sequence[Point], count: int) -> list[float]:
    """Returns up to `count` new values of C, each in the middle (by its logarithm) of the gap that was then worth most:
    the areas of the triangles that its ends make with their neighbours, and its length. Fewer where runs lie side by
    side already; [] for fewer than two runs."""
    there = [(math.log(p.C or 1.0), p.rate or 0.0, float(getattr(p, p.error_name))) for p in curve(points)]
    added: list[float] = []
    while len(added) < count and len(there) > 1:
        places = _scaled([one[1:] for one in there])
        worth = [_worth(places, index) for index in range(len(places) - 1)]
        order = sorted(range(len(worth)), key=lambda index: -worth[index])
        gap = next((i for i in order if there[i + 1][0] - there[i][0] > 2 * math.log(CLOSE)), None)
        if gap is None:
            break
        a, b = there[gap], there[gap + 1]
        middle = (a[0] + b[0]) / 2
        there.insert(gap + 1, (middle, (a[1] + b[1]) / 2, (a[2] + b[2]) / 2))
        added.append(float(f"{math.exp(middle):.{DIGITS}g}"))
    return sorted(added)


def _scaled(places: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The places in a plane where both axes go from 0 to 1."""
    axes = [(min(axis), max(axis) - min(axis) or 1.0) for axis in zip(*places, strict=True)]
    return [((x - axes[0][0]) / axes[0][1], (y - axes[1][0]) / axes[1][1]) for x, y in places]


def _worth(places: Sequence[tuple[float, float]], index: int) -> float:
    """Of the gap after a place."""
    (x0, y0), (x1, y1) = places[index : index + 2]
    triangles = [places[i - 1 : i + 2] for i in (index, index + 1) if 0 < i < len(places) - 1]
    bends = sum(abs((b[0] - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (b[1] - a[1])) / 2 for a, b, c in triangles)
    return bends + GAP * ((x1 - x0) ** 2 + (y1 - y0) ** 2)
