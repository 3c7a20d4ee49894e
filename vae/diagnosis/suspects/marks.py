"""Which rows of a run's data somebody marked, and what they noted: `suspects.json` in the run's directory. Marks belong
to the data, by name and digest, and to rows of its file or set: they survive new weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from vae import runs
from vae.checked_json import fields, items, one_of, optional, text, whole
from vae.config import write_rows
from vae.errors import RunError
from vae.files import what_helps, write_json
from vae.space.parts import PARTS, Part

FILE, LOCK = "suspects.json", "suspects.json.lock"
MOST_MARKS, MOST_NOTE, MOST_BYTES = 200_000, 500, 1 << 25
Row = tuple[Part, int]  # the part, and the row of its file or set
Marks = dict[Row, str]  # the notes, "" where there is none
MARK = fields(("part", "row"), part=one_of(*PARTS), row=whole(), note=text(MOST_NOTE))
CONTENT = fields(
    ("format", "data", "marks"),
    format=whole(1, 1),
    data=fields(("name",), name=text(), digest=optional(text(64))),
    marks=items(MARK, MOST_MARKS),
)


def identity(data: Mapping[str, Any]) -> dict[str, str | None]:
    """Returns by what a run's data are known: name and digest."""
    return {"name": str(data.get("name", "")), "digest": data.get("digest")}


def read_marks(path: Path, data: Mapping[str, Any]) -> Marks:
    """Returns the marks on the data of that description. RunDamaged where they cannot be read; RunError where they are
    on other data."""
    try:
        content = runs.read_file(path, FILE, CONTENT, MOST_BYTES)
    except FileNotFoundError:
        return {}
    was, now = content["data"], identity(data)
    known = [side.get("digest") for side in (was, now)]
    if was["name"] != now["name"] or (None not in known and known[0] != known[1]):
        raise RunError(
            f"run {path.name!r}: {FILE} marks rows of other data ({was['name']}); move it out of the run's folder"
        )
    return {(mark["part"], mark["row"]): mark.get("note", "") for mark in content["marks"]}


def change_marks(path: Path, data: Mapping[str, Any], changes: Mapping[Row, str | None]) -> Marks:
    """Sets the notes of these rows, which marks them; None takes a mark back. Returns all marks. Raises RunError where
    there are too many or they cannot be written."""
    try:
        with FileLock(str(path / LOCK), timeout=5):
            marks = changed(read_marks(path, data), changes)
            listed = [{"part": part, "row": row, "note": note} for (part, row), note in sorted(marks.items())]
            write_json(path / FILE, {"format": 1, "data": identity(data), "marks": listed})
    except Timeout:
        raise RunError(f"run {path.name!r}: somebody else is writing {FILE}; try again") from None
    except OSError as error:
        raise RunError(f"run {path.name!r}: {FILE} cannot be written ({error.strerror}); {what_helps(error)}") from None
    return marks


def changed(marks: Marks, changes: Mapping[Row, str | None]) -> Marks:
    """Returns the marks after these changes. Raises RunError where they are too many."""
    new = {row: note for row, note in {**marks, **changes}.items() if note is not None}
    if len(new) > MOST_MARKS:
        raise RunError(f"marks: at most {MOST_MARKS:,} rows can be marked, got {len(new):,}; make a file without them")
    return {row: note[:MOST_NOTE].replace("\0", "") for row, note in new.items()}


def rows_of(marks: Marks) -> str:
    """Returns the marked rows as the setting `without` of a run has them."""
    rows: dict[str, list[int]] = {part: [row for p, row in marks if p == part] for part in PARTS}
    return write_rows(rows)
