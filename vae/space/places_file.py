"""A run's map as a file: of each image its index here, its row in the user's own file,
the name of the picture behind it where that is known, its place and its label."""

from __future__ import annotations

import io
import json
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vae.errors import ConfigError, ProjectionError
from vae.files import as_csv, write_atomically
from vae.space.fit_process import project, read_frame, read_projection
from vae.space.projection import LinearProjection

if TYPE_CHECKING:
    from vae.space.encodings import Codes

SUFFIXES = (".csv", ".json", ".npz")


def check_out(out: Path | None) -> None:
    """Raises ConfigError before the work where the file could not be written after it."""
    if out is None:
        return
    if out.suffix.lower() not in SUFFIXES:
        raise ConfigError(f"out: expected a file ending in {', '.join(SUFFIXES)}, got {out.name[:80]!r}")
    if not out.absolute().parent.is_dir():
        raise ConfigError(f"out: there is no folder {out.absolute().parent}; make it first")


def project_to_file(
    path: Path, method: str, part: str, out: Path | None, stop: threading.Event, **settings: Any
) -> dict[str, Any]:
    """Lays the run's codes out and writes them to `out`; returns what was done, for a report. ProjectionError if it
    failed."""
    folder, status, codes = project(path, method, part, stop, **settings)
    if status.state == "failed":
        raise ProjectionError(status.message)
    places = read_frame(folder).places
    result: dict[str, Any] = {"run": str(path), "method": method, "state": status.state, "n": status.n}
    result["seconds"] = status.seconds
    if status.kl is not None:
        result["kl"] = round(status.kl, 4)
    projection = read_projection(folder)
    if isinstance(projection, LinearProjection):
        result["explained"] = [round(float(share), 4) for share in projection.explained]
    if out is not None:
        write_atomically(out, pack_places(places, codes, out.suffix.lower()))
    result["out"] = str(out or folder / "final.npz")
    return result


def pack_places(places: NDArray[Any], codes: Codes, suffix: str) -> bytes:
    """Packs index; row, row_of and file where they are known; x, y; and label where there are any; as a .csv, .json
    or .npz."""
    if suffix == ".npz":
        file = io.BytesIO()
        arrays: dict[str, Any] = {"places": places}
        if codes.rows is not None:
            arrays |= {"rows": codes.rows, "rows_of": np.array(codes.rows_of)}
        if codes.files is not None:
            arrays["files"] = codes.files
        if codes.labels is not None:
            arrays["labels"] = codes.labels
        np.savez_compressed(file, **arrays)
        return file.getvalue()
    columns: dict[str, list[Any]] = {"index": list(range(len(places)))}
    if codes.rows is not None:
        columns |= {"row": codes.rows.tolist(), "row_of": [codes.rows_of] * len(places)}
    if codes.files is not None:
        columns["file"] = codes.files.tolist()
    columns |= {axis: [round(float(value), 5) for value in places[:, i]] for i, axis in enumerate("xy")}
    if codes.labels is not None:
        columns["label"] = [codes.classes[i] if codes.classes else int(i) for i in codes.labels.tolist()]
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    if suffix == ".json":
        return json.dumps(rows).encode()
    return as_csv(rows, list(columns)).encode()
