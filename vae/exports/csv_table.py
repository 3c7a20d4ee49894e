"""Tables as CSV: the codes of held-out images, and what a training recorded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vae.exports.codes import ABOUT, CODES, table_of
from vae.exports.export import Export, Progress, why_no_weights
from vae.exports.history_rows import history_rows
from vae.files import as_csv, write_atomically
from vae.runs import Run

HISTORY = "history"
AT_ONCE = 2000  # rows between two looks at whether the work is to end


def _write(run: Run, kind: str, file: Path, progress: Progress) -> dict[str, Any]:
    if kind == HISTORY:
        progress(0.0, "reading the history")
        rows = history_rows(run.history)
        write_atomically(file, as_csv(rows, () if rows else ("step",)).encode())
        return {"rows": len(rows)}
    table = table_of(run, progress)
    columns = dict(table.columns())
    write_atomically(file, as_csv(_rows(columns, progress), list(columns)).encode())
    return {"rows": len(table.codes), **table.facts}


def _rows(columns: dict[str, Any], progress: Progress) -> Iterator[dict[str, Any]]:
    """float32 stays float32, whose shortest text is short."""
    count = len(next(iter(columns.values())))
    for index, row in enumerate(zip(*columns.values(), strict=True)):
        if index % AT_ONCE == 0:
            progress(0.8 + 0.2 * index / count, "writing rows")
        yield dict(zip(columns, row, strict=True))


def _why_not(run: Run, kind: str) -> str:
    return why_no_weights(run) if kind == CODES else ""


CSV = Export(
    title="Table (CSV)",
    about="The codes of the held-out images, or the training's records, for a spreadsheet.",
    ending=".csv",
    write=_write,
    kinds={CODES: ABOUT, HISTORY: "every record of the training, in nats"},
    why_not=_why_not,
)
