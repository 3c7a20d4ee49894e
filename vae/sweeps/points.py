"""The runs of a folder as points of the planes, each read again only when it changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vae import runs
from vae.checked_json import Misfit
from vae.errors import ElboRoomError
from vae.runs.index import Index
from vae.runs.sweep_mark import read_mark
from vae.sweeps.planes import LAST, Point, point_of

TAIL, SHARE = 1 << 16, 1.5 * LAST  # of a history that is read: bytes at least, and the share where that is more


@dataclass(frozen=True)
class Row:
    """A run of the folder: its point, or a sentence where it cannot be read."""

    path: Path
    point: Point | None
    problem: str = ""
    pictured: bool = False  # whether there is a picture of what it makes of held-out images


def rows(root: Path | None = None) -> list[Row]:
    """Returns the runs of a folder, newest first."""
    return _INDEX.rows(root)


def points_of(paths: Sequence[Path]) -> list[Point]:
    """Returns the points of these runs, those that are there and can be read; the folder is not listed."""
    return [row.point for row in _INDEX.rows_of(paths) if row.point]


def points(root: Path | None = None, dataset: str | None = None) -> list[Point]:
    """Returns the points of the runs that can be read, newest first; of one dataset, by the name of its images."""
    return [row.point for row in rows(root) if row.point and dataset in (None, row.point.dataset)]


def read_row(path: Path) -> Row:
    """Returns what one run's files say; whatever is wrong with them is a sentence, and the other runs are listed."""
    try:
        config, data = runs.read_config(path)
        status, history = runs.read_status(path), read_end(path)
        if status.knobs_revision and (C := runs.read_knobs(path).C) is not None:
            history = [{"step": 0, "knob": "C", "value": C}, *history]
        point = point_of(path.name, config, str(data.get("name", config.dataset)), status, history, read_mark(path))
        return Row(path, point, pictured=(path / "preview/live.bin").is_file())
    except ElboRoomError as error:
        return Row(path, None, str(error))
    except Exception as error:  # whatever lies in one folder
        return Row(path, None, f"{type(error).__name__}: {str(error)[:200]}")


def read_end(path: Path) -> list[dict[str, Any]]:
    """Returns the lines at the end of a history: the last tenth of its steps, and a held-out record before."""
    try:
        if not (path / "history.jsonl").is_file():  # a pipe would never answer
            return []
        with open(path / "history.jsonl", "rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - max(TAIL, int(SHARE * size))))
            pieces = file.read().split(b"\n")
    except OSError:
        return []
    lines: list[dict[str, Any]] = []
    for piece in reversed(pieces):
        try:
            lines.append(runs.read_line(piece))
        except Misfit:
            continue  # the first piece begins in mid-line, the last may be torn
        if lines[-1]["step"] < (1 - LAST) * lines[0]["step"] and lines[-1].get("test"):
            break
    return lines[::-1]


def _at_work(row: Row) -> bool:
    return row.point is not None and row.point.state in runs.ACTIVE and row.point.state not in runs.WAITING


_INDEX: Index[Row] = Index(read_row, _at_work)
