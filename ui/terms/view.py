"""Which runs the Terms page shows: those on one dataset under one likelihood, of one sweep or all; by the address."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import streamlit as st

from ui.components.address import complete_address
from ui.style import number
from vae.sweeps.linear_curve import Spectrum
from vae.sweeps.planes import Point
from vae.sweeps.points import Row
from vae.sweeps.report import Curve, curves, linear, rows, spectrum_for, table

ALL = "all runs"
FIELDS = ("data", "sweep", "run")  # of the address


@dataclass(frozen=True)
class TermsView:
    """What is shown: the rows of these points, and the run that is chosen."""

    kind: str  # "digits · gaussian"
    sweep: str  # its name, or ALL
    points: tuple[Point, ...]
    chosen: str
    pictured: frozenset[str] = frozenset()  # the runs that have a picture

    @cached_property
    def spectrum(self) -> Spectrum | None:
        """The variances of the images, None where they are not here or the likelihood is no Gaussian."""
        gaussian = [p for p in self.points if p.likelihood == "gaussian"]
        return spectrum_for(_path(gaussian[0])) if gaussian else None

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """The points with their slopes."""
        return _rows(self.points, self.spectrum)

    @cached_property
    def curves(self) -> list[Curve]:
        """The curves through them."""
        return _curves(self.points)

    @property
    def row(self) -> dict[str, Any] | None:
        """The chosen run's."""
        return next((row for row in self.rows if row["name"] == self.chosen), None)

    @property
    def curve(self) -> Curve | None:
        """The curve of the chosen run, of two runs or more; else the longest one."""
        through = [c for c in self.curves if len(c.points) > 1]
        own = [c for c in through if any(p.name == self.chosen for p in c.points)]
        return max(own or through, key=lambda c: len(c.points), default=None)

    @property
    def title(self) -> str:
        """What is shown, in words."""
        return f"{self.kind} · {self.sweep}"

    def linear(self) -> list[dict[str, float]]:
        """The linear decoder's curve."""
        return linear(self.points, self.spectrum)

    def csv(self) -> str:
        """The rows as a table."""
        return table(self.rows)

    def json(self) -> str:
        """The rows and the linear decoder's curve as JSON."""
        return json.dumps({"dataset": self.kind, "runs": self.rows, "linear": self.linear()}, indent=1)


@functools.lru_cache(maxsize=4)
def _rows(points: tuple[Point, ...], spectrum: Spectrum | None) -> list[dict[str, Any]]:
    return rows(points, spectrum)  # of a thousand points: the same ones at most reruns


@functools.lru_cache(maxsize=4)
def _curves(points: tuple[Point, ...]) -> list[Curve]:
    return curves(points)


def choose_view(found: Sequence[Row]) -> TermsView | None:
    """Draws the choice of data and sweep; returns what to show of the folder's runs, None where none tells its
    numbers."""
    there = [row.point for row in found if row.point and row.point.likelihood]
    if not there:
        return None
    kinds = list(dict.fromkeys(kind_of(p) for p in there))
    named = next((p for p in there if p.name == st.query_params.get("run")), there[0])
    kind = _select("data", kinds, "Images and likelihood", kind_of(named))
    of_kind = [p for p in there if kind_of(p) == kind]
    sweeps = list(dict.fromkeys(p.sweep_name for p in of_kind if p.sweep_name))
    usual = named.sweep_name or ALL if kind_of(named) == kind else next(iter(sweeps), ALL)
    sweep = _select("sweep", [*sweeps, ALL], "Sweep", usual)
    shown = [p for p in of_kind if sweep in (ALL, p.sweep_name)]
    pictured = frozenset(row.path.name for row in found if row.pictured)
    return TermsView(kind, sweep, tuple(shown), chosen_of(shown), pictured)


def kind_of(point: Point) -> str:
    """Returns what must be the same for two runs to stand in one plane."""
    return f"{point.dataset} · {point.likelihood}"


def chosen_of(points: Sequence[Point]) -> str:
    """Returns the run of the address; where it names none of these, the one of the highest ELBO, "" if none has one."""
    name = st.query_params.get("run")
    if any(p.name == name for p in points):
        return str(name)
    best = max((p for p in points if p.elbo is not None), key=lambda p: p.elbo or 0.0, default=None)
    return best.name if best else ""


def plane_points(view: TermsView) -> list[dict[str, Any]]:
    """Returns the rows as the planes draw them."""
    places = {p.name: index for index, c in enumerate(view.curves) if len(c.points) > 1 for p in c.points}
    kept = ("name", "C", "rate", "rate_error", "squared_error", "squared_error_error", "distortion", "distortion_error")
    return [
        {name: row[name] for name in kept}
        | {"curve": places.get(row["name"]), "slope": row["slope_theory"], "weighed": row["weights_C"]}
        | {"unsettled": row["unsettled"], "words": words_of(row)}
        | {"step": row["step"] if row["name"] in view.pictured else None}
        for row in view.rows
    ]


def words_of(row: dict[str, Any]) -> str:
    """Returns a point's numbers on one line."""
    told = [f"rate {number(row['rate'], 2)} nats", f"distortion {number(row['distortion'], 2)} nats"]
    if row["squared_error"] is not None:
        told.append(f"error {number(row['squared_error'], 3)} px²")
    return f"C = {row['C']:.4g} · " + " · ".join(told)


def why_not_shown(view: TermsView | None, found: Sequence[Row]) -> str:
    """Returns why the run of the address has no place here, a sentence; "" where it has one, or none is named."""
    name = st.query_params.get("run")
    row = next((row for row in found if row.path.name == name), None)
    if name is None or (view is not None and view.row is not None and view.row["name"] == name):
        return ""
    if row is None:
        return f"There is no run named “{name[:60]}”. It may have been renamed or deleted."
    if row.point is None:
        return row.problem
    if not row.point.likelihood:
        return f"“{name}” does not tell its likelihood: its nats cannot stand beside those of others."
    if view is not None and row.point in view.points:
        return f"“{name}” has no held-out record yet: it has no place in the planes."
    return f"“{name}” is not among the runs shown: choose its images and its sweep."


def _select(name: str, options: list[str], about: str, usual: str) -> str:
    value = st.query_params.get(name)
    if value not in options:
        value = usual
        complete_address(key=f"complete_{name}", **{name: value})
    key = f"terms-{name}"
    st.session_state[key] = value  # the address decides, also after the browser's Back
    st.selectbox(
        about, options, key=key, width=230, required=True, label_visibility="collapsed", on_change=_chosen, args=(name,)
    )
    return value


def _chosen(name: str) -> None:
    kept = ("data",) if name == "sweep" else ()
    others = {k: st.query_params[k] for k in kept if k in st.query_params}
    st.query_params.from_dict(others | {name: st.session_state[f"terms-{name}"]})


def _path(point: Point) -> Any:
    from vae.runs import run_path

    return run_path(point.name)
