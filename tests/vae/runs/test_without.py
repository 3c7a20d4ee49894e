"""A run that does without some rows is a run like any other: trained, continued to the last bit, evaluated, opened."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load

from tests.vae.command import command
from tests.vae.train_run import train_run
from vae import Config, load_dataset, load_run, runs, train
from vae.config import write_rows
from vae.runs.start import Request
from vae.space.encodings import codes_of

SHORT = ("--epochs", "2", "--hidden", "16", "--threads", "1", "--json")


@pytest.fixture
def without() -> str:
    data = load_dataset("digits")
    return write_rows({"train": data.train_rows[:100].tolist(), "test": data.test_rows[:7].tolist()})


def test_it_trains_on_the_others_alone_and_goes_on_bit_for_bit(tmp_path: Path, without: str) -> None:
    (tmp_path / "rows.json").write_text(json.dumps({"images": [{"part": "train", "row": 3}]}))
    done = command("train", *SHORT, "--without", without, "--name", "whole", runs=tmp_path)
    assert done.returncode == 0, done.stderr
    whole = load_run(tmp_path / "whole")
    assert whole.config.without == without
    assert (whole.data["train"], whole.data["test"]) == (1337, 353)
    assert whole.history[-1]["step"] == -(-2 * 1337 // 128)
    assert whole.history[-1]["test"]["images"] == 353
    rows = whole.dataset().train_rows
    assert torch.equal(rows, load_dataset("digits").train_rows[100:])
    assert len(codes_of(whole, "test")) == 353
    half = command("train", *SHORT[2:], "--epochs", "1", "--without", without, "--name", "half", runs=tmp_path)
    assert half.returncode == 0, half.stderr
    train_run(tmp_path / "half", request=Request(epochs=2))
    ends = [load((tmp_path / name / runs.WEIGHTS).read_bytes()) for name in ("whole", "half")]
    assert all(torch.equal(ends[1][name], value) for name, value in ends[0].items())


def test_evaluate_measures_the_held_out_images_that_stay(tmp_path: Path, without: str) -> None:
    command("train", *SHORT, "--without", without, "--name", "one", runs=tmp_path)
    done = command("evaluate", "one", "--samples", "5", "--json", runs=tmp_path)
    assert json.loads(done.stdout)["n"] == 353


def test_a_file_of_rows_is_read_once_and_a_bad_one_makes_no_run(tmp_path: Path) -> None:
    row = int(load_dataset("digits").train_rows[0])
    file = tmp_path / "rows.json"
    file.write_text(json.dumps({"images": [{"part": "train", "row": row}]}))
    root = tmp_path / "runs"
    done = command("train", *SHORT, "--without", str(file), "--name", "one", runs=root)
    assert done.returncode == 0, done.stderr
    file.unlink()
    assert load_run(root / "one").config.without == f"train {row}"
    assert len(load_run(root / "one").dataset().train) == 1436
    for bad in (str(file), "train 9,8", "train 99999"):
        done = command("train", *SHORT, "--without", bad, "--name", "two", runs=root)
        assert done.returncode == 2
        assert not (root / "two").exists()
        assert done.stderr.decode().count("\n") == 1
        assert b"without" in done.stderr


def test_from_python(tmp_path: Path, without: str) -> None:
    training = train(Config(dataset="digits", without=without, epochs=1, hidden=(8,), threads=1), progress=False)
    run = training.finish().save("one", tmp_path)
    assert len(run.dataset().train) == 1337
    data = load_dataset("digits", without=without)
    given = train(Config(epochs=1, hidden=(8,), threads=1), dataset=data, progress=False).finish()
    assert given.config.without == without
    assert all(torch.equal(a, b) for a, b in zip(given.model.parameters(), run.model.parameters(), strict=True))
