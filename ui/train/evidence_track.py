"""log p(x), the ELBO and the gap of a run's weights as they are saved, measured in a thread and kept while the server
lives. Nothing here touches Streamlit's elements; training never waits for it."""

from __future__ import annotations

import copy
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from ui.live.cache import model_of, weights_sha
from vae.errors import ElboRoomError
from vae.files import told
from vae.runs.checkpoints import weights_step

if TYPE_CHECKING:
    from vae.model.vae import Model

EVERY = 3.0  # seconds between two measurements at least
IDLE = 5.0  # and so many times what the last one took: training has the cores
IMAGES, IMAGES_ON_A_GRID = 100, 25
SAMPLES = 200  # K of the importance bound
ROWS = 10  # images between two words about progress
WORK = 1.5e10  # multiply-adds of one measurement: about two seconds
GRID_NODES = sum((64 * 2**i + 1) ** 2 for i in range(4))  # of a quadrature that goes to its finest grid
MOST_POINTS = 500
Progress = Callable[[float], None]


@dataclass(frozen=True)
class Point:
    """Means over images, nats."""

    step: int
    log_px: float
    elbo: float
    error: float | None  # of `log_px`: of a grid or of an importance bound; None where no error of a bound holds
    kl: float | None  # KL(q(z|x) ‖ p(z|x)), where the posterior is known
    method: str  # of `exact_evidence`, or "importance bound"
    images: int
    grid_difference: float | None = None  # quadrature: by how much its last grid moved log p(x) of an image, at most
    worst: int | None = None  # quadrature: which image that was
    worst_row: str = ""  # and where it is in the data, "row 1,302 of digits", where that is known
    ways_differ: float | None = None  # quadrature that is not believed: the gap in two ways, mean over images
    elbo_error: float = 0.0  # Monte-Carlo error of `elbo`
    flagged: int = 0  # images at which the importance bound is only a bound
    effective: tuple[float, float] | None = None  # samples of the bound: median and smallest

    @property
    def gap(self) -> float:
        return self.log_px - self.elbo


def plan(model: Model) -> tuple[str, int]:
    """Returns how log p(x) is computed, and from how many images, so that it takes about two seconds at most."""
    import torch

    from vae.bound.evaluation import DRAWS
    from vae.bound.exact_evidence import exact_method
    from vae.model.networks import multiply_adds

    one = multiply_adds(copy.deepcopy(model.decoder), torch.zeros(1, model.k))  # others use the model meanwhile
    method, pixels = exact_method(model), math.prod(model.shape)
    if method == "quadrature" and GRID_NODES * (one + pixels * IMAGES_ON_A_GRID) <= WORK:
        return method, IMAGES_ON_A_GRID
    if method in ("closed form", "all codes"):
        return method, IMAGES
    per_image = (SAMPLES + DRAWS) * one
    return "importance bound", max(1, min(IMAGES, int(WORK / per_image)))


def measure(model: Model, x: Any, step: int, method: str, progress: Progress) -> Point:
    """Measures images x on the support. A grid that is too coarse is weighed against an importance bound."""
    if method == "importance bound":
        return _estimate(model, x, step, progress)
    from vae.bound.exact_evidence import exact_evidence

    exact = exact_evidence(model, x, progress)
    moved = None if exact.grid_difference is None else float(exact.grid_difference.max())
    if not exact.converged:
        estimate = _estimate(model, x, step, progress)
        if not exact.better_than(estimate.log_px, estimate.error):
            return replace(estimate, grid_difference=moved, worst=exact.worst, ways_differ=exact.ways_differ)
    log_px, elbo, kl = (float(v.mean()) for v in (exact.log_px, exact.elbo, exact.kl_to_posterior))
    return Point(step, log_px, elbo, exact.error, kl, exact.method, len(x), moved, exact.worst)


def _estimate(model: Model, x: Any, step: int, progress: Progress) -> Point:
    from torch import Generator

    from vae.bound.evaluation import sampled_elbo
    from vae.bound.evidence import importance_evidence, joined

    generator, bounds = Generator().manual_seed(0), []
    for start in range(0, len(x), ROWS):
        bounds.append(importance_evidence(model, x[start : start + ROWS], SAMPLES, generator))
        progress(min(1.0, (start + ROWS) / len(x)))
    bound, terms = joined(bounds), sampled_elbo(model, x, generator=generator)
    effective = float(bound.effective_samples.median()), float(bound.effective_samples.min())
    log_px, elbo, flagged = float(bound.iw_bound.mean()), float(terms.elbo.mean()), int(bound.flagged.sum())
    return Point(
        step, log_px, elbo, bound.mean_error, None, "importance bound", len(x),
        elbo_error=terms.mean_error, flagged=flagged, effective=effective,
    )  # fmt: skip


class Track:
    """Of one run: a point for each of its weights that was looked at, in order of steps."""

    def __init__(self, path: Path, part: str) -> None:
        self.path, self.part = path, part
        self.points: list[Point] = []
        self.fraction = 0.0
        self.began = 0.0
        self.problem = ""
        self._sha: str | None = None  # measured, or being measured
        self._rest_until = 0.0
        self._x: Any = None
        self._row: Callable[[int | None], str] = lambda image: ""
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    @property
    def busy(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def look(self) -> None:
        """Begins to measure if there are other weights than last time, and it is time."""
        with self._lock:
            if self.busy or time.monotonic() < self._rest_until:
                return
            try:
                sha = weights_sha(self.path)
            except ElboRoomError as error:
                self.problem = str(error)
                return
            if sha == self._sha:
                return
            self._sha, self.fraction, self.began = sha, 0.0, time.monotonic()
            self._thread = threading.Thread(target=self._measure, args=(sha,), daemon=True, name="evidence")
            self._thread.start()

    def wait(self, seconds: float) -> None:
        """Waits for the measurement that goes on, `seconds` at most."""
        if self._thread is not None:
            self._thread.join(seconds)

    def _measure(self, sha: str) -> None:
        try:
            step = weights_step(self.path) or 0
            model = model_of(self.path, sha)
            method, images = plan(model)
            point = measure(model, self._images(images), step, method, self._set_fraction)
            self._add(replace(point, worst_row=self._row(point.worst)))
            self.problem = ""
        except (ElboRoomError, OSError) as error:  # the run has gone on, or away: the next look tries again
            self.problem, self._sha = told(error), None
        now = time.monotonic()
        self._rest_until = now + max(EVERY, IDLE * (now - self.began))

    def _set_fraction(self, fraction: float) -> None:
        self.fraction = fraction

    def _images(self, count: int) -> Any:
        """The first images of the part as floats on the support."""
        if self._x is None or len(self._x) < count:
            from torch import Generator

            from vae.runs import Run
            from vae.space.encodings import images_of

            found = images_of(Run(self.path), self.part)  # type: ignore[arg-type]
            self._x = found.to_float(found.stored[:count], Generator().manual_seed(0))
            self._row = lambda image: row_of(image, found.rows, found.rows_of, found.files)
        return self._x[:count]

    def _add(self, point: Point) -> None:
        """A run that went back to an earlier state has no later points."""
        self.points = [*(old for old in self.points if old.step < point.step), point][-MOST_POINTS:]


def row_of(image: int | None, rows: Any, of: str, files: Any = None) -> str:
    """Returns where an image is in the data that a person has, where that is known."""
    if image is None or rows is None:
        return ""
    file = "" if files is None else f"{files[image]}, "
    return f"{file}row {int(rows[image]):,} of {of}"


@st.cache_resource(show_spinner=False, max_entries=32)
def track_of(path: Path, part: str = "test") -> Track:
    """Returns the track of a run, shared by its viewers. `part`: test (held-out images) or train."""
    return Track(path, part)
