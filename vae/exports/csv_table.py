"""Tables as CSV: what a training recorded."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from vae.exports.export import Export, Progress
from vae.files import literal, write_atomically
from vae.runs import Run

HISTORY = "history"


def history_rows(run: Run) -> list[dict[str, Any]]:
    """Returns a row for each record: step, epoch, C, learning rate, then `train_…` and `heldout_…` means in nats; a
    value per dimension is a column each. What was not measured is absent."""
    rows = []
    for line in run.history:
        if "knob" in line or not (line.get("train") or line.get("test")):
            continue
        row = {name: line[name] for name in ("step", "epoch", "C", "lr", "seconds") if line.get(name) is not None}
        for part, prefix in (("train", "train"), ("test", "heldout")):
            for name, value in (line.get(part) or {}).items():
                if isinstance(value, list):
                    row |= {f"{prefix}_{name}_{place}": one for place, one in enumerate(value, 1)}
                elif value is not None:
                    row[f"{prefix}_{name}"] = value
        rows.append(row)
    return rows


def as_csv(rows: list[dict[str, Any]]) -> str:
    """Returns the rows as text, a column for each name in any of them; nothing in it is a formula."""
    out = io.StringIO(newline="")
    names = list(dict.fromkeys(name for row in rows for name in row)) or ["step"]
    writer = csv.DictWriter(out, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: literal(value) for name, value in row.items()} for row in rows)
    return out.getvalue()


def _write(run: Run, kind: str, file: Path, progress: Progress) -> dict[str, Any]:
    progress(0.0, "reading the history")
    rows = history_rows(run)
    write_atomically(file, as_csv(rows).encode())
    return {"rows": len(rows)}


CSV = Export(
    title="Table (CSV)",
    about="The training's records, for a spreadsheet.",
    ending=".csv",
    write=_write,
    kinds={HISTORY: "every record of the training, in nats"},
)
