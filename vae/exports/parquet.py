"""The codes as a Parquet table, for pandas, polars, DuckDB and Spark."""

from __future__ import annotations

import importlib.util
import io
from pathlib import Path
from typing import Any

from vae.exports.codes import ABOUT, CODES, table_of
from vae.exports.export import Export, Progress, why_no_weights
from vae.files import write_atomically
from vae.runs import Run


def _why_not(run: Run, kind: str) -> str:
    if importlib.util.find_spec("pyarrow") is None:
        return (
            "Parquet is written by the package pyarrow, which comes with streamlit: pip install pyarrow, or take npz."
        )
    return why_no_weights(run)


def _write(run: Run, kind: str, file: Path, progress: Progress) -> dict[str, Any]:
    import pyarrow
    from pyarrow import parquet

    table = table_of(run, progress)
    progress(0.8, "packing")
    packed = io.BytesIO()
    columns = {
        name: pyarrow.array(column.tolist() if column.dtype.kind == "U" else column) for name, column in table.columns()
    }
    about = {"run": run.name, "source": table.codes.source, "unit": "nats"}
    parquet.write_table(pyarrow.table(columns).replace_schema_metadata(about), packed)
    progress(0.99, "writing")
    write_atomically(file, packed.getvalue())
    return {"rows": len(table.codes), "columns": len(columns), **table.facts}


PARQUET = Export(
    title="Table (Parquet)",
    about="The codes of the held-out images, for pandas, polars or DuckDB.",
    ending=".parquet",
    write=_write,
    kinds={CODES: ABOUT},
    why_not=_why_not,
)
