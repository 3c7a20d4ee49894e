"""Whether two runs see the same images: what they cost can only be compared on these."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vae.config import YOURS, Config
from vae.runs import Run

if TYPE_CHECKING:
    from vae.datasets.dataset import DataInfo

VIEWS = {"none": "as they are stored", "threshold": "binarised at ½"}
DRAWN = "binarised by one fixed draw"  # what is held out in the views `fixed` and `epoch`


def why_not_comparable(a: Run, b: Run) -> str:
    """Returns a sentence on why the held-out images of two runs differ, by what their configs tell of them; "" where
    nothing does. Raises DataError where a description of the data cannot be read."""
    from vae.datasets.dataset import DataInfo  # torch takes its time

    one, other = DataInfo.from_json(a.data), DataInfo.from_json(b.data)
    if one.shape != other.shape:
        return _refusal(a, b, _size(one), _size(other))
    if YOURS in (a.config.dataset, b.config.dataset):
        return ""  # such a run brings its images along: whether they are the same shows when they are read
    if one.digest and other.digest:
        if one.digest != other.digest:
            of = [f"{info.name}, {info.test:,} held out" for info in (one, other)]
            return _refusal(a, b, *(of if of[0] != of[1] else [of[0], f"other images called {other.name}"]))
    elif a.config.dataset != b.config.dataset:
        return _refusal(a, b, one.name, other.name)
    if view_of(a.config) != view_of(b.config):
        return _refusal(a, b, *(f"{one.name} {view_of(run.config)}" for run in (a, b)))
    return ""


def view_of(config: Config) -> str:
    """Returns how the held-out images of a run are binarised, in words."""
    return VIEWS.get(config.binarize or "none", DRAWN)


def other_images(a: Run, b: Run, how: str) -> str:
    """Returns the sentence on two runs whose images turn out to be others when they are read."""
    return f"“{a.name}” and “{b.name}” cannot be compared: their held-out images are not the same ({how})."


def _refusal(a: Run, b: Run, of_a: str, of_b: str) -> str:
    return f"“{a.name}” and “{b.name}” cannot be compared: one sees {of_a}, the other {of_b}; choose two on the same."


def _size(info: DataInfo) -> str:
    channels, height, width = info.shape
    return f"images of {height} x {width}" + (f" x {channels}" if channels > 1 else "")
