"""The estimators side by side: a table with bars on a logarithmic axis. What a colour means, here and in the race."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vae.lessons.gradient_table import Row

COLOURS = {  # light, dark
    "exact": ("#20242c", "#ece8df"),
    "rloo-4": ("#0072b2", "#56a8e0"),
    "rloo-2": ("#218f90", "#68c5b1"),
    "disarm": ("#1f7f37", "#5bbd72"),
    "running-mean": ("#8b53f7", "#b4a0ff"),
    "score": ("#b98300", "#e3b341"),
    "straight-through": ("#aa3377", "#dd7fb4"),
    "concrete": ("#6b6a66", "#a09c93"),
    "printed": ("#b3261e", "#ff8a80"),
}
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def colour_of(name: str) -> str:
    """Returns the colour of an estimator in CSS, for light and dark."""
    light, dark = COLOURS[name]
    return f"light-dark({light}, {dark})"


def estimator_table(rows: Sequence[Row]) -> str:
    """Returns the table as HTML, in order of variance."""
    rows = sorted(rows, key=lambda row: row.variance)
    low, high = decades([row.variance for row in rows])
    ticks = "".join(
        f'<i style="left:{100 * (power - low) / (high - low):.1f}%">10{str(power).translate(SUPERSCRIPTS)}</i>'
        for power in range(low, high + 1, max(1, round((high - low) / 4)))
    )
    body = "".join(_row(row, low, high) for row in rows)
    return (
        '<table class="er-estimators"><thead><tr><th scope="col">Estimator</th>'
        '<th scope="col" class="codes">codes</th><th scope="col" class="variance">total variance, nats²'
        f'<span class="ticks" aria-hidden="true">{ticks}</span></th><th scope="col">relative bias</th></tr></thead>'
        f"<tbody>{body}</tbody></table>"
    )


def decades(variances: Sequence[float]) -> tuple[int, int]:
    """Powers of ten around those that are not 0."""
    logs = [math.log10(v) for v in variances if v > 0 and math.isfinite(v)] or [0.0]
    low, high = math.floor(min(logs)), math.ceil(max(logs))
    return low, max(high, low + 1)


def _row(row: Row, low: int, high: int) -> str:
    share = (math.log10(row.variance) - low) / (high - low) if row.variance > 0 else 0.0
    return (
        f'<tr data-estimator="{escape(row.name)}" style="--colour:{colour_of(row.name)}">'
        f'<th scope="row"><b>{escape(row.name)}</b><small>{escape(about(row.name))}</small></th>'
        f'<td class="codes">{row.codes}</td>'
        f'<td class="variance" data-value="{row.variance!r}">{significant(row.variance)}'
        f'<span class="bar" style="width:{100 * share:.1f}%"></span></td>'
        f"<td>{bias_words(row)}</td></tr>"
    )


def about(name: str) -> str:
    """Returns a line about an estimator."""
    from vae.bound.estimators import ESTIMATORS

    return ESTIMATORS[name].about


def bias_words(row: Row) -> str:
    """Returns the bias in words, and what noise alone could make of none."""
    if row.name == "exact":
        return "0"
    noise = f"<small>± {significant(row.noise)}</small>"
    if row.known:
        return f"{significant(row.bias)} <small>known exactly</small>" if row.bias else f"none {noise}"
    if row.noise == 0:
        return "unknown <small>all draws were alike</small>"
    if row.bias <= 2 * row.noise:
        return f"not distinguishable from 0 {noise}"
    return f"{significant(row.bias)} {noise}"


def significant(value: float) -> str:
    """Returns a number with three digits: 3,910, 0.0737."""
    if value == 0:
        return "0"
    power = math.floor(math.log10(abs(value)))
    return f"{float(f'{value:.3g}'):,.{max(0, 2 - power)}f}".replace("-", "−")


def table_csv(rows: Sequence[Row]) -> str:
    """Returns the table as CSV."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["estimator", "codes", "total_variance", "relative_bias", "noise_of_bias"])
    for row in rows:
        writer.writerow([row.name, row.codes, f"{row.variance:.6g}", f"{row.bias:.6g}", f"{row.noise:.6g}"])
    return text.getvalue()
