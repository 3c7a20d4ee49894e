"""The slope that theory asks for at a point of a sweep, beside the one that its neighbours measure.

Training minimises C E + R + const, for a Gaussian with E the squared error, and C D + R where C weighs the distortion
D. At its minimum no exchange of one for the other pays: dE/dR = −1/C in the rate–error plane, or dD/dR = −1/C in the
rate–distortion plane, on the images that are trained on; on held-out ones as far as the model carries over to them. For
a Gaussian this does not hold in nats, where D = C E + (D/2) log(π/C) has C in it: along a sweep the slope there is
−1 + (E − D/2C) dC/dR, with D pixels.

Measured: the slope of the chord between two runs is that of the curve somewhere between them. Where the slope is −1/C
and rate grows with log C (n dimensions in use: dR = (n/2) d log C), 1/C there is the logarithmic mean of both 1/C.
Between the chords before and after a run log(−slope) is interpolated in log C.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from vae.sweeps.planes import Point

STEP = 1e-4  # of a scatter, by which its effect on a slope is measured


@dataclass(frozen=True)
class Slope:
    """At one point of a curve; pixel² or nats of distortion, per nat of rate."""

    theory: float
    measured: float | None = None  # on held-out images; None at the ends of a sweep, and where the curve does not fall
    error: float | None = None  # from the scatter of the last records of the three runs; None where that is unknown
    training: float | None = None  # on training images


def curve(points: Sequence[Point]) -> list[Point]:
    """Returns the points that one curve goes through, by C: those that tell C, rate and what C trades it for."""
    there = [p for p in points if p.C and p.rate is not None and getattr(p, p.error_name) is not None]
    return sorted(there, key=lambda p: (p.C or 0.0, p.name))


def slopes(points: Sequence[Point]) -> list[Slope]:
    """Returns the slope at each point of a `curve`."""
    found = []
    for index, point in enumerate(points):
        theory = -1 / (point.C or 1.0)
        near = points[index - 1 : index + 2] if 0 < index < len(points) - 1 else []
        measured = slope_at(_places(near))
        error = None if measured is None else _error(near, measured)
        found.append(Slope(theory, measured, error, slope_at(_places(near, "train_"))))
    return found


def _places(near: Sequence[Point], part: str = "") -> list[tuple[float, float, float]]:
    """C, rate and error of each; those of the held-out images, or of the training images by their prefix."""
    told = [(p.C or 1.0, getattr(p, f"{part}rate"), getattr(p, part + p.error_name)) for p in near]
    return [one for one in told if None not in one]


def slope_at(three: Sequence[tuple[float, float, float]]) -> float | None:
    """Returns the slope at the middle one of three (C, rate, error), None where a chord does not fall."""
    if len(three) != 3:
        return None
    chords = [
        (chord_place(a[0], b[0]), (b[2] - a[2]) / (b[1] - a[1])) for a, b in itertools.pairwise(three) if b[1] != a[1]
    ]
    if len(chords) != 2 or any(slope >= 0 for _, slope in chords) or chords[0][0] == chords[1][0]:
        return None
    (C0, before), (C1, after) = chords
    share = math.log(three[1][0] / C0) / math.log(C1 / C0)
    return -math.exp((1 - share) * math.log(-before) + share * math.log(-after))


def chord_place(a: float, b: float) -> float:
    """Returns the C at which the curve has the slope of the chord from C = a to b, where dR is proportional to d log C:
    1/C is the logarithmic mean of 1/a and 1/b."""
    return a * b * math.log(b / a) / (b - a) if a != b else a


def _error(near: Sequence[Point], measured: float) -> float | None:
    """The scatters of rate and error of all three runs, each carried to the slope, added as squares: the runs' last
    records are independent of one another, and share their images and their draws of z."""
    three = _places(near)
    total = 0.0
    for index, point in enumerate(near):
        for place, scatter in ((1, point.rate_scatter), (2, getattr(point, f"{point.error_name}_scatter"))):
            if scatter is None:
                return None
            moved = [list(one) for one in three]
            moved[index][place] += STEP * scatter
            other = slope_at([(a, b, c) for a, b, c in moved])
            if other is not None:
                total += ((other - measured) / STEP) ** 2
    return math.sqrt(total)
