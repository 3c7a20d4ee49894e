"""What the runs on one dataset say together: curves, slopes, used dimensions; for the page, the command and the
export."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vae.errors import ElboRoomError
from vae.files import as_csv
from vae.sweeps.linear_curve import LinearDecoder, Spectrum, spectrum_of
from vae.sweeps.planes import Point
from vae.sweeps.slopes import Slope, curve, slopes

LINEAR_POINTS = 120
SLOPES = ("slope_theory", "slope_measured", "slope_error", "slope_training")
COLUMNS = (
    "curve", "name", "C", "fitted", "rate", "rate_error", "squared_error", "squared_error_error", "distortion",
    "distortion_error", "elbo", "elbo_error", "images", *SLOPES, "used", "active", "predicted", "latent", "latent_dim",
    "lr", "seed", "likelihood", "network", "state", "step", "unsettled", "caveat", "sweep",
)  # fmt: skip


@dataclass(frozen=True)
class Curve:
    """Runs of one sweep that differ in nothing but C, by C; or, `sweep` None, a run of none."""

    sweep: str | None
    name: str
    points: tuple[Point, ...]
    slopes: tuple[Slope, ...]


def curves(points: Sequence[Point]) -> list[Curve]:
    """Returns the curves that go through these points. A fitted C is no value of a sweep over C: it stands alone."""
    groups: dict[tuple[Any, ...], list[Point]] = {}
    for p in points:
        own = (p.name,) if p.sweep is None or p.fitted else (p.lr if "lr" in p.varies else None, p.latent_dim, p.seed)
        groups.setdefault((p.sweep, p.likelihood, *own), []).append(p)
    found = []
    for group in groups.values():
        along = curve(group)
        if along:
            alone = along[0].sweep is None or along[0].fitted
            told = tuple(slopes(along)) if along[0].likelihood and not along[0].fitted else ()
            name = along[0].name if alone else _curve_name(along[0])
            found.append(Curve(None if alone else along[0].sweep, name, tuple(along), told))
    return found


def rows(points: Sequence[Point], spectrum: Spectrum | None = None) -> list[dict[str, Any]]:
    """Returns every point with its slopes and the number of dimensions that the linear decoder of its size would use;
    `spectrum`: of the dataset, None where that is not told."""
    found = []
    for one in curves(points):
        for index, point in enumerate(one.points):
            slope = one.slopes[index] if one.slopes else None
            measures = {} if slope is None else {f"slope_{name}": value for name, value in vars(slope).items()}
            row = point.to_json() | dict.fromkeys(SLOPES) | measures
            found.append(row | {"curve": one.name, "predicted": predicted(point, spectrum)})
    return found


def predicted(point: Point, spectrum: Spectrum | None) -> int | None:
    """Returns the number of dimensions that the best linear decoder uses at this C, None where no closed form is."""
    if spectrum is None or point.likelihood != "gaussian" or point.C is None or point.latent == "bernoulli":
        return None
    return spectrum.decoder(point.latent_dim).active(point.C)


def linear(points: Sequence[Point], spectrum: Spectrum | None) -> list[dict[str, float]]:
    """Returns the linear decoder's curve over the values of C of the Gaussian points, at their largest size; [] where
    there are none."""
    gaussian = [p for p in points if p.likelihood == "gaussian" and p.C]
    if spectrum is None or not gaussian:
        return []
    decoder: LinearDecoder = spectrum.decoder(max(p.latent_dim for p in gaussian))
    values = [p.C or 1.0 for p in gaussian]
    return [vars(one) for one in decoder.between(min(values) / 2, max(values) * 2, LINEAR_POINTS)]


def table(found: Sequence[dict[str, Any]]) -> str:
    """Returns the rows as CSV, a number that is not known as nothing."""
    return as_csv(found, COLUMNS)


@functools.lru_cache(maxsize=8)
def spectrum_named(dataset: str, binarize: str, stamp: object = None) -> Spectrum | None:
    """Returns the variances of a dataset by its name or file; None where it is not here or too large. `stamp`: changes
    where the dataset does."""
    from vae.datasets import is_here, load_dataset

    try:
        return spectrum_of(load_dataset(dataset, binarize=binarize)) if is_here(dataset) else None
    except (ElboRoomError, OSError):
        return None


def spectrum_for(path: Path) -> Spectrum | None:
    """Returns the variances of the images of a run, computed once; None where they are not here."""
    from vae.runs import read_config

    try:
        config, data = read_config(path)
    except ElboRoomError:
        return None
    return spectrum_named(config.dataset, config.binarize or "none", data.get("digest"))


def _curve_name(point: Point) -> str:
    """Of the sweep, and of what else varies in it."""
    others = {"lr": point.lr, "latent_dim": point.latent_dim, "seed": point.seed}
    words = {"lr": "learning rate", "latent_dim": "d =", "seed": "seed"}
    told = [f"{words[name]} {value:g}" for name, value in others.items() if name in point.varies and value is not None]
    return " · ".join([point.sweep_name or "", *told])
