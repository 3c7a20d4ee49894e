"""What a training recorded, a row for each record, and how long it took."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

PARTS = (("train", "train"), ("test", "heldout"))  # in the history, and in a table


def seconds_passed(records: Sequence[dict[str, Any]]) -> list[float]:
    """Returns the seconds of training up to each record: the clock of each process begins anew, and a pause between two
    is not told."""
    passed, before, found = 0.0, 0.0, list[float]()
    for record in records:
        seconds = record.get("seconds", before)
        passed += seconds - before if seconds >= before else seconds
        before = seconds
        found.append(passed)
    return found


def history_rows(history: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns a row for each record: step, epoch, C, learning rate, seconds since its process began, then `train_…`
    and `heldout_…` means, nats; a value per dimension is a column each, `train_rate_per_dim_z0`. What was not
    measured is absent."""
    rows = []
    for line in history:
        if "knob" in line or not (line.get("train") or line.get("test")):
            continue
        row = {name: line[name] for name in ("step", "epoch", "C", "lr", "seconds") if line.get(name) is not None}
        for part, prefix in PARTS:
            for name, value in (line.get(part) or {}).items():
                if isinstance(value, list):
                    row |= {f"{prefix}_{name}_z{i}": one for i, one in enumerate(value) if one is not None}
                elif value is not None:
                    row[f"{prefix}_{name}"] = value
        rows.append(row)
    return rows
