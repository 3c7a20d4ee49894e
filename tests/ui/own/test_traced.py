"""A person's own pictures from the command to every table: the file's name goes along."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from tests.vae.datasets.own.pictures_made import two_classes, write
from ui.map.tables import map_table
from ui.map.view import MapView
from ui.train.evidence_track import row_of
from vae import load_run, runs, train
from vae.__main__ import main
from vae.bound import evaluation, report
from vae.config import Config
from vae.datasets import load_dataset
from vae.errors import DataError
from vae.runs.ship import held_out, pack_run
from vae.space.encodings import codes_of
from vae.space.packed_codes import pack_codes


@pytest.fixture
def pets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Path:
    """The folder of a dataset that the command made, and a run on it beside."""
    monkeypatch.setenv("ELBO_ROOM_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("ELBO_ROOM_RUNS", str(tmp_path / "runs"))
    folder = two_classes(tmp_path / "Two Pets", 15)
    write(folder, "dog/broken.png", b"no")
    add = ["images", "add", str(folder), "--size", "9x11", "--colour", "grey", "--fit", "pad", "--held-out", "0.4"]
    assert main([*add, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["name"], answer["report"]["images"], answer["report"]["skipped"]) == ("two-pets", 30, 1)
    train(Config(dataset="two-pets", network="conv", hidden=(8,), epochs=1, threads=1)).finish().save("own")
    return folder


def test_the_command_lists_shows_and_removes(pets: Path, capsys: Any) -> None:
    def said(*words: str) -> str:
        assert main(["images", *words]) == 0
        return capsys.readouterr().out

    assert json.loads(said("list", "--json")) == {"datasets": ["two-pets"]}
    assert "18 + 12 held out, 9 x 11, grey" in said("list")
    shown = json.loads(said("show", "two-pets", "--json"))
    assert shown["runs"] == ["own"]
    assert shown["choices"]["fit"] == "pad"
    assert "9 × 11, padded, grey, 40% held out, of each class alike" in said("show", "two-pets")
    report = said("add", str(pets), "--report", "--name", "other")
    assert "30 can be used" in report
    assert json.loads(said("list", "--json")) == {"datasets": ["two-pets"]}
    for words, sentence in (
        (["remove", "two-pets"], "used by own; --force"),
        (["remove", "../x"], "no dataset '../x' of your own"),
        (["show", "none"], "no such dataset"),
        (["add", str(pets)], "already"),
        (["add", str(pets), "--name", "mnist"], "comes with the application"),
        (["add", str(pets / "nothing")], "found nothing"),
        (["add", str(pets), "--name", "x", "--held-out", "given"], "no parts are given"),
    ):
        assert main(["images", *words]) == 2
        assert sentence in capsys.readouterr().err
    assert said("remove", "two-pets", "--force") == "two-pets: removed\n"
    with pytest.raises(DataError, match="not in the data root any more"):
        load_run("own").dataset()
    assert "None yet" in said("list")


def test_the_file_goes_along_into_every_table(pets: Path, tmp_path: Path, capsys: Any) -> None:
    run = load_run("own")
    files = load_dataset("two-pets").files_of("test")
    assert files is not None
    codes = codes_of(run)
    assert codes.files is not None
    assert codes.files.tolist() == files.tolist()
    assert codes_of(run, limit=3).files.tolist() == files[:3].tolist()  # type: ignore[union-attr]
    assert codes_of(run, "train").files.tolist() == load_dataset("two-pets").files_of("train").tolist()  # type: ignore[union-attr]
    table = list(csv.DictReader(io.StringIO(map_table(run.path, MapView("plane")))))
    assert [row["file"] for row in table] == files.tolist()
    assert [row["label"] for row in table] == [name.split("/")[0] for name in files]
    for suffix in (".csv", ".json", ".npz"):
        out = tmp_path / f"places{suffix}"
        assert main(["project", "own", "--out", str(out)]) == 0
        if suffix == ".npz":
            found = np.load(out)["files"].tolist()
        else:
            text = out.read_text()
            rows = json.loads(text) if suffix == ".json" else list(csv.DictReader(io.StringIO(text)))
            found = [row["file"] for row in rows]
        assert found == files.tolist()
    packed = pack_codes(codes)
    names = "\n".join(files).encode()
    assert names in packed
    assert f'"file_bytes": {len(names)}'.replace(" ", "") in packed.decode(errors="replace").replace(" ", "")


def test_a_packed_run_takes_the_names_along(pets: Path, tmp_path: Path, capsys: Any) -> None:
    files = load_dataset("two-pets").files_of("test")
    assert files is not None
    pack_run(runs.run_path("own"), 7)
    shutil.rmtree(tmp_path / "data")
    packed = held_out(runs.run_path("own"))
    assert packed.files is not None
    assert packed.files.tolist() == files[:7].tolist()
    codes = codes_of(load_run("own"))
    assert codes.files is not None
    assert codes.files.tolist() == files[:7].tolist()


def test_the_worst_image_is_named(pets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ones, run = torch.ones(12), load_run("own")
    evidence = SimpleNamespace(
        grid_difference=ones, better_than=lambda *_: True, elbo=ones, distortion=ones, rate=ones, log_px=ones,
        error=0.1, method="a grid", kl_to_posterior=ones, ways_differ=0.0, worst=5,
    )  # fmt: skip
    monkeypatch.setattr(evaluation, "exact_evidence", lambda *_: evidence)
    data = load_dataset("two-pets")
    sampled = {"n": 12, "iw_bound": 0.0, "iw_standard_error": 1.0}
    found = evaluation.evaluate_exactly(run.model, data, sampled)
    files = data.files_of("test")
    assert files is not None
    assert (found["worst_image"], found["worst_file"]) == (5, files[5])
    assert f"image 5 ({files[5]}, row {data.test_rows[5]:,} of two-pets)" in "".join(report._exact(found))
    assert row_of(5, data.test_rows, "two-pets", files) == f"{files[5]}, row {data.test_rows[5]:,} of two-pets"
