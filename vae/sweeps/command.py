"""`python -m vae terms`: the runs on a dataset, their places in both planes and the slopes there."""

from __future__ import annotations

import argparse
import json
from typing import Any

from vae.errors import ConfigError
from vae.sweeps import points as folder
from vae.sweeps.report import linear, rows, spectrum_for, table


def print_terms(options: argparse.Namespace) -> int:
    """Prints the points of a dataset's runs, by curve and C. Raises ConfigError where there are none."""
    there = [row for row in folder.rows(options.runs) if row.point is not None]
    names = list(dict.fromkeys(row.point.dataset for row in there if row.point))
    dataset = options.dataset or next(iter(names), None)
    chosen = [row for row in there if row.point and row.point.dataset == dataset]
    if options.sweep:
        chosen = [row for row in chosen if row.point and options.sweep in (row.point.sweep, row.point.sweep_name)]
    if not chosen:
        known = f"expected one of {', '.join(names)}" if names else "there are no runs yet"
        raise ConfigError(f"terms: no run on {dataset or 'any dataset'} there; {known}")
    points = [row.point for row in chosen if row.point]
    spectrum = spectrum_for(chosen[0].path)
    found = rows(points, spectrum)
    if options.csv:
        print(table(found), end="")
    elif options.json:
        print(json.dumps({"dataset": dataset, "runs": found, "linear": linear(points, spectrum)}))
    else:
        _print_table(found)
    return 0


def _print_table(found: list[dict[str, Any]]) -> None:
    heads = f"{'run':32}{'C':>9}{'rate':>8}{'error':>9}{'distortion':>12}{'slope':>18}{'theory':>9}{'used':>6}"
    print(f"{heads}   held-out means; rate and distortion in nats, error in pixel²")
    for row in found:
        slope = "" if row["slope_measured"] is None else f"{row['slope_measured']:.3g}"
        slope += "" if row["slope_error"] is None else f" ± {row['slope_error']:.1g}"
        cells = f"{_shown(row['C']):>9}{_shown(row['rate']):>8}{_shown(row['squared_error']):>9}"
        cells += f"{_shown(row['distortion']):>12}{slope:>18}{_shown(row['slope_theory']):>9}{_shown(row['used']):>6}"
        why = f"not taken as converged: {row['unsettled']}" if row["unsettled"] else row["caveat"]
        print(f"{row['name'][:31]:32}{cells}   {why}".rstrip())


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
