"""A view of a dataset without some of its rows: the others are as they were."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from vae.config import Config, count_rows, parse_rows, write_rows
from vae.datasets import describe, load_dataset
from vae.errors import ConfigError, DataError


def test_rows_are_written_as_they_are_read() -> None:
    random = np.random.RandomState(0)
    for _ in range(50):
        rows = {part: set(random.randint(0, 60, random.randint(0, 40)).tolist()) for part in ("train", "test")}
        text = write_rows(rows)
        found = {part: set() for part in rows} | (
            {part: {row for span in spans for row in span} for part, spans in parse_rows(text).items()} if text else {}
        )
        assert found == rows
        assert count_rows(text) == {part: len(rows[part]) for part in rows}
    assert write_rows({"test": [3], "train": [5, 9, 6, 7]}) == "train 5-7,9; test 3"


@pytest.mark.parametrize(
    "text",
    ["", "5", "train", "train 5,", "train 5-", "train 6,5", "train 5,5", "train 7-5", "valid 3", "train 1; train 2",
     "train -1", "train 1;", "train ٣", "train 1e3", "train " + "9" * 13],
)  # fmt: skip
def test_what_is_no_list_of_rows_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="without: expected rows such as train 3,5-9; test 17"):
        Config(without=text)


@pytest.mark.parametrize("binarize", ["none", "threshold", "fixed", "epoch"])
def test_the_others_stay_as_they_are(binarize: str) -> None:
    whole = load_dataset("digits", binarize=binarize)
    gone = {part: getattr(whole, f"{part}_rows")[[3, 9, 10, 200]].tolist() for part in ("train", "test")}
    text = write_rows(gone)
    left = load_dataset("digits", binarize=binarize, without=text)
    for part in ("train", "test"):
        stay = ~torch.isin(getattr(whole, f"{part}_rows"), torch.tensor(gone[part]))
        for name in (part, f"{part}_labels", f"{part}_rows"):
            assert torch.equal(getattr(left, name), getattr(whole, name)[stay])
    assert (left.info.train, left.info.test) == (1433, 356)
    assert left.info.digest == whole.info.digest
    assert left.info == describe("digits", binarize=binarize, without=text)


def test_a_row_that_is_not_there_is_refused() -> None:
    held_out = int(load_dataset("digits").test_rows[0])
    with pytest.raises(DataError, match="without: 1 of the 1 rows to leave out are no training images of digits"):
        load_dataset("digits", without=f"train {held_out}")


@pytest.mark.parametrize(("without", "kind"), [("train 0-1436", "training"), ("test 0-399", "held-out")])
def test_some_images_must_stay(without: str, kind: str) -> None:
    with pytest.raises(ConfigError, match=f"without: digits has .* {kind} images"):
        load_dataset("digits", without=without)


def test_files_keep_their_names(tmp_path: Path) -> None:
    images = np.random.RandomState(0).randint(0, 255, (12, 4, 4)).astype(np.uint8)
    np.savez(tmp_path / "few.npz", x_train=images, x_test=images[:5])
    data = load_dataset(tmp_path / "few.npz", without="train 0,3; test 0")
    assert sorted(data.train_rows.tolist()) == [1, 2, *range(4, 12)]
    assert torch.equal(data.train[:, 0], torch.from_numpy(images)[data.train_rows])
    assert sorted(data.test_rows.tolist()) == [1, 2, 3, 4]
