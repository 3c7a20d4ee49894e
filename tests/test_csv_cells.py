"""No text of anybody's is a formula in any CSV that the application writes."""

from __future__ import annotations

import ast
import csv
import io
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ui.binary.table import table_csv
from ui.map.tables import _table
from vae.files import as_csv, literal
from vae.lessons.gradient_table import Row
from vae.space.places_file import pack_places
from vae.sweeps import report

ROOT = Path(__file__).resolve().parents[1]
FORMULAS = (
    '=HYPERLINK("http://evil.example/","x")', "+1+cmd|' /C calc'!A0", "-1+1", "@SUM(1)", "\t=1", "\r=1", " =1", "\n=1",
    "x\r=1", "x\r\n,=1", "＝1", "＋1", "－1", "＠x",
)  # fmt: skip


def codes(text: str) -> Any:
    """Two images whose file, set and class are called so."""
    zeros = np.zeros(2, np.float32)
    return Codes(
        rows=np.arange(2), rows_of=text, files=np.array([text, text]), labels=np.zeros(2, int), classes=[text],
        rate=zeros, distortion=zeros, loc=np.zeros((2, 2), np.float32),
    )  # fmt: skip


class Codes(SimpleNamespace):
    def __len__(self) -> int:
        return 2


def places(text: str) -> str:
    return pack_places(np.zeros((2, 2)), codes(text), ".csv").decode()


TABLES: dict[str, Callable[[str], str]] = {
    "any": lambda text: as_csv([{"row": 1, "note": text, text: 2}]),
    "places of a map": places,
    "sweeps": lambda text: report.table([dict.fromkeys(report.COLUMNS, text)]),
    "map": lambda text: _table(Path("run"), codes(text), {"rate": np.zeros(2)}),
    "estimators": lambda text: table_csv([Row("exact", 1, 1.0, 0.0, 0.0, True)]),  # their names are ours
}


def test_there_is_one_writer_of_tables() -> None:
    found = {
        str(file.relative_to(ROOT))
        for folder in ("vae", "ui", "pages")
        for file in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Attribute) and ast.unparse(node) in ("csv.writer", "csv.DictWriter")
    }
    assert found == {"vae/files.py", "ui/binary/table.py"}  # everybody else calls as_csv


def test_the_tables_that_the_browser_writes_are_known() -> None:
    told = subprocess.run(
        ["grep", "-rlE", "text/csv", "--include=*.js", "ui/static"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(told.stdout.split()) == {
        "ui/static/map/selection.js",  # tests/js/map/parts.test.mjs
        "ui/static/train/curves_save.js",  # numbers only
    }


@pytest.mark.parametrize("text", FORMULAS)
@pytest.mark.parametrize("table", TABLES)
def test_no_cell_begins_as_a_formula_does(table: str, text: str) -> None:
    for line in csv.reader(io.StringIO(TABLES[table](text), newline="")):
        for cell in line:
            assert literal(cell) == cell, cell


@pytest.mark.parametrize("value", [-1, -1.5, None, "", "a=b", "7", "1-2", "é", "'x"])
def test_numbers_and_other_texts_stay_as_they_are(value: object) -> None:
    assert literal(value) == value
