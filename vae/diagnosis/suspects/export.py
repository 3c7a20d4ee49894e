"""Rows of the table as JSON, and a file of rows as those that a run is to do without."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

from vae.checked_json import Misfit, fields, items, one_of, parse, read_bytes, whole
from vae.config import MOST_WITHOUT, parse_rows, write_rows
from vae.diagnosis.suspects.marks import CONTENT, MOST_BYTES
from vae.errors import ConfigError
from vae.space.parts import PARTS

SUFFIXES = (".csv", ".json")
ROWS = fields(("images",), images=items(fields(("part", "row"), part=one_of(*PARTS), row=whole()), 1_000_000))


def as_json(rows: list[dict[str, Any]], about: dict[str, Any]) -> str:
    """Returns `about`, the rows as `--without` takes them, and all that is known of each image."""
    known = [row for row in rows if row["row"] is not None and row["part"] in PARTS]
    without = write_rows({part: [row["row"] for row in known if row["part"] == part] for part in PARTS})
    return json.dumps({**about, "without": without, "images": rows}, indent=1, allow_nan=False)


def read_without(given: str) -> str:
    """Returns the rows that a run is to do without: `train 3,5-9; test 17` as it is, or those in a file: of the table's
    CSV or JSON, or a run's suspects.json. Raises ConfigError."""
    try:
        parse_rows(given)
        return given
    except ConfigError:
        if given.split(" ")[0] in PARTS or len(given) > MOST_WITHOUT:
            raise
    file = Path(given)
    try:
        data = read_bytes(file, MOST_BYTES)
        rows = _csv_rows(data) if file.suffix.lower() == ".csv" else _json_rows(data)
    except FileNotFoundError:
        raise ConfigError(
            f"without: there is no file {given[:200]!r}; give rows such as 'train 3,5-9; test 17', or a file that the "
            "Suspects page saved"
        ) from None
    except (OSError, Misfit) as error:
        raise ConfigError(
            f"without: {file.name}: expected rows that the Suspects page saved, or a run's suspects.json ({error})"
        ) from None
    if not rows:
        raise ConfigError(f"without: {file.name} names no rows; mark some first")
    written = write_rows({part: [row for p, row in rows if p == part] for part in PARTS})
    parse_rows(written)
    return written


def _json_rows(data: bytes) -> list[tuple[str, int]]:
    value = parse(data, MOST_BYTES)
    marks = CONTENT(value)["marks"] if isinstance(value, dict) and "marks" in value else ROWS(value)["images"]
    return [(mark["part"], mark["row"]) for mark in marks]


def _csv_rows(data: bytes) -> list[tuple[str, int]]:
    try:
        lines = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"))))
        found = [(line["part"], int(line["row"])) for line in lines]
    except (UnicodeDecodeError, csv.Error, KeyError, TypeError, ValueError):
        raise Misfit("expected columns part and row") from None
    if not all(part in PARTS and row >= 0 for part, row in found):
        raise Misfit(f"expected the parts {' and '.join(PARTS)}, and rows from 0 on")
    return found
