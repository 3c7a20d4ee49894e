"""Marks belong to data and rows; files of rows go out and come back as what a run is to do without."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vae import runs
from vae.config import Config
from vae.diagnosis.suspects.export import as_json, read_without
from vae.diagnosis.suspects.marks import FILE, change_marks, read_marks, rows_of
from vae.diagnosis.suspects.options import KS
from vae.diagnosis.suspects.scores import Scores
from vae.diagnosis.suspects.table import SORTS, Listed, describe, order, removable, rows_for
from vae.errors import ConfigError, RunDamaged, RunError
from vae.files import as_csv

DATA: dict[str, Any] = {"name": "faces.npz", "shape": [1, 2, 2], "digest": "a" * 64}


def test_marks_come_back_with_their_notes_and_are_taken_back(tmp_path: Path) -> None:
    assert read_marks(tmp_path, DATA) == {}
    change_marks(tmp_path, DATA, {("train", 7): "wrong\nclass", ("train", 8): "", ("test", 3): ""})
    marks = change_marks(tmp_path, DATA, {("train", 8): None, ("train", 9): "x" * 900})
    assert marks == read_marks(tmp_path, DATA)
    assert marks == {("test", 3): "", ("train", 7): "wrong\nclass", ("train", 9): "x" * 500}
    assert rows_of(marks) == "train 7,9; test 3"
    assert read_without(str(tmp_path / FILE)) == "train 7,9; test 3"


def test_marks_on_other_data_are_kept_and_refused(tmp_path: Path) -> None:
    change_marks(tmp_path, DATA, {("train", 7): ""})
    assert read_marks(tmp_path, {**DATA, "digest": None}) == {("train", 7): ""}  # not read yet: it knows its name alone
    for other in ({**DATA, "digest": "b" * 64}, {**DATA, "name": "cats.npz"}):
        with pytest.raises(RunError, match=r"suspects\.json marks rows of other data \(faces\.npz\)"):
            change_marks(tmp_path, other, {("train", 1): ""})
    assert read_marks(tmp_path, DATA) == {("train", 7): ""}


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"[]",
        b'{"format": 2, "data": {"name": "faces.npz"}, "marks": []}',
        b'{"format": 1, "data": {"name": "faces.npz"}, "marks": [{"part": "valid", "row": 1}]}',
        b'{"format": 1, "data": {"name": "faces.npz"}, "marks": [{"part": "train", "row": -1}]}',
        b'{"format": 1, "data": {"name": "faces.npz"}, "marks": [{"part": "train", "row": 1, "note": 3}]}',
    ],
)
def test_a_damaged_file_of_marks_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(RunDamaged, match=r"suspects\.json cannot be read"):
        read_marks(tmp_path, DATA)
    with pytest.raises(ConfigError, match=r"without: suspects\.json: expected rows"):
        read_without(str(tmp_path / FILE))


def listed() -> Listed:
    """Six images: 0 contradicted, 1 and 4 the same, 2 blank, 3 far out."""
    differ = np.array([[5, 10, 18, 40], [1, 1, 2, 3], [0, 0, 0, 0], [5, 10, 16, 30], [5, 9, 20, 50], [2, 2, 2, 2]])
    scores = Scores(
        rate=np.array([1, 2, 3, 40, 2, 1], np.float32),
        distortion=np.array([10, 20, 5, 8, 20, 9], np.float32),
        blank=np.arange(6) == 2,
        exact=np.array([-1, 3, -1, -1, 3, -1]),  # places: two held-out images come first
        near=np.full(6, -1),
        differ=differ.astype(np.int16),
        suggested=np.ones((6, len(KS)), np.int64),
        agree=(differ // 2).astype(np.int16),
        offset=2,
        neighbours=100,
    )
    labels, rows = np.zeros(6, np.int64), np.array([60, 50, 40, 30, 20, 10])
    files = np.array(["=cmd()", "b.png", "c.png", "d.png", "e.png", "f.png"])
    return Listed("train", scores, labels, rows, "faces", ("cat", "dog"), files, places=(("test", 0), ("train", 2)))


def test_rows_are_ordered_by_what_is_asked() -> None:
    shown = listed()
    assert order(shown, "disagreement", 10).tolist() == [0, 3, 4, 5, 1, 2]  # of two that differ by 10: the larger k
    assert order(shown, "disagreement", 50).tolist() == [4, 0, 3, 1, 5, 2]
    assert order(shown, "elbo").tolist() == [3, 1, 4, 0, 5, 2]
    assert order(shown, "row").tolist() == [5, 4, 3, 2, 1, 0]
    assert order(shown, "row", flipped=True).tolist() == [0, 1, 2, 3, 4, 5]
    assert order(shown, "copies").tolist() == [1, 4, 0, 2, 3, 5]  # without copies last, also the other way round
    assert order(shown, "copies", flipped=True).tolist()[:2] == [4, 1]
    assert order(shown, "log_px").tolist() == order(shown, "elbo").tolist()[::1]  # nothing known
    assert order(shown, kind="exact").tolist() == [4, 1]
    assert order(shown, kind="far").tolist() == [3]
    assert order(shown, kind="marked", marks={("train", 10): "", ("test", 50): ""}).tolist() == [5]
    assert order(shown, label=1).tolist() == []
    assert set(SORTS) == {"disagreement", "elbo", "distortion", "rate", "log_px", "copies", "row"}


def test_of_two_copies_the_first_one_stays() -> None:
    shown = listed()
    assert [removable(shown, i) for i in range(6)] == [True, False, True, True, True, True]
    assert describe(shown, 4, 10, {})["copy_of"] == "train 1"
    assert describe(shown, 1, 10, {})["copy_of"] == ""


def test_files_hold_what_is_known_and_come_back_as_rows(tmp_path: Path) -> None:
    shown = listed()
    rows = rows_for(shown, [0, 4], 10, {("train", 20): "same, as b"})
    table = list(csv.DictReader(io.StringIO(as_csv(rows))))
    assert [line["row"] for line in table] == ["60", "20"]
    assert table[0]["file"] == "'=cmd()"  # no spreadsheet computes it
    assert (table[0]["label"], table[0]["suggested"], table[0]["differ"]) == ("cat", "dog", "10")
    assert (table[1]["note"], table[1]["copy_of"]) == ("same, as b", "train 1")
    made = json.loads(as_json(rows, {"run": "one"}))
    assert made["without"] == "train 20,60"
    assert made["images"][1]["marked"] is True
    for name, text in (("a.csv", as_csv(rows)), ("a.json", as_json(rows, {}))):
        (tmp_path / name).write_text(text)
        assert read_without(str(tmp_path / name)) == "train 20,60"
        (tmp_path / name).write_text(text[: len(text) // 3])
        with pytest.raises(ConfigError, match=rf"without: {name}"):
            read_without(str(tmp_path / name))
    with pytest.raises(ConfigError, match="there is no file"):
        read_without(str(tmp_path / "gone.csv"))


def test_rows_of_a_second_dataset_are_none_of_the_run_s(tmp_path: Path) -> None:
    file = tmp_path / "second.csv"
    file.write_text("part,row\nsecond,3\n")
    with pytest.raises(ConfigError, match="expected the parts test and train"):
        read_without(str(file))


def test_marks_stay_when_the_weights_change(tmp_path: Path) -> None:
    path = runs.create_run(Config(likelihood="gaussian"), {**DATA, "support": "unit"}, "one", tmp_path)
    change_marks(path, DATA, {("train", 1): ""})
    runs.save_checked(path, {runs.WEIGHTS: b"new"})
    assert read_marks(path, DATA) == {("train", 1): ""}
