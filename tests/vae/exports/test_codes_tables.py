"""The codes as CSV, npz and Parquet are those of the model, and nothing in them is a formula."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from pyarrow import parquet

import vae
from vae import runs
from vae.config import Config
from vae.exports import codes as codes_file
from vae.exports.codes import table_of
from vae.exports.csv_table import CSV
from vae.exports.export import Stopped, unheard
from vae.exports.npz import NPZ
from vae.exports.onnx_halves import decoder_graph, encoder_graph
from vae.exports.parquet import PARQUET
from vae.files import as_csv
from vae.model.vae import build_model
from vae.runs import Run
from vae.space.encodings import codes_of

DEMOS = Path(__file__).resolve().parents[3] / "checkpoints"


@pytest.fixture(scope="module")
def digits() -> Run:
    return runs.load_run(DEMOS / "demo-digits-2d")


def test_a_table_is_the_models_own(digits: Run, tmp_path: Path) -> None:
    facts = CSV.write(digits, "codes", tmp_path / "a.csv", unheard)
    rows = list(csv.DictReader((tmp_path / "a.csv").read_text().splitlines()))
    data, codes = digits.dataset(), codes_of(digits)
    assert facts["rows"] == len(rows) == 360
    qz_x = digits.model.encode(data.to_float(data.test))
    for name, wanted in (("mean", qz_x.mean), ("standard_deviation", qz_x.scale)):  # type: ignore[attr-defined]
        found = torch.tensor([[float(row[f"{name}_z{i}"]) for i in range(2)] for row in rows])
        torch.testing.assert_close(found, wanted)
    np.testing.assert_allclose([float(row["rate"]) for row in rows], digits.model.latent.rate(qz_x), rtol=1e-5)
    np.testing.assert_allclose([float(row["distortion"]) for row in rows], codes.distortion, rtol=1e-5)
    assert [int(row["row"]) for row in rows] == data.test_rows.tolist()
    assert data.test_labels is not None
    assert [int(row["label"]) for row in rows] == data.test_labels.tolist()
    assert {row["part"] for row in rows} == {"test"}


def test_arrays_and_parquet_hold_the_same(digits: Run, tmp_path: Path) -> None:
    NPZ.write(digits, "codes", tmp_path / "a.npz", unheard)
    PARQUET.write(digits, "codes", tmp_path / "a.parquet", unheard)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as arrays:
        held = {name: arrays[name] for name in arrays.files}
    table = parquet.read_table(tmp_path / "a.parquet")
    assert held["mean"].shape == held["standard_deviation"].shape == (360, 2)
    for i in range(2):
        np.testing.assert_array_equal(table[f"mean_z{i}"].to_numpy(), held["mean"][:, i])
    np.testing.assert_array_equal(table["rate"].to_numpy(), held["rate"])
    assert table["label"].to_pylist() == held["label"].tolist()
    assert table.schema.metadata[b"source"] == b"360 held-out images of digits"


def test_bits_have_probabilities_and_a_full_covariance_its_factor(tmp_path: Path) -> None:
    bits = table_of(runs.load_run(DEMOS / "demo-digits-8bits"), unheard)
    assert {"probability", "rate"} < set(bits.arrays())
    assert not {"mean", "standard_deviation", "factor"} & set(bits.arrays())
    assert 0 <= bits.arrays()["probability"].min() <= bits.arrays()["probability"].max() <= 1
    config = Config(latent="full-normal", likelihood="gaussian", C=1.0, latent_dim=3, hidden=(8,))
    model = build_model(config, (1, 5, 4))
    halves = (graph(model).packed({}, ("", "")) for graph in (encoder_graph, decoder_graph))
    x = torch.rand(30, 1, 5, 4)
    run = vae.wrap(*halves, x.numpy(), likelihood="gaussian", C=1.0, latent="full-normal", folder=tmp_path)
    table = table_of(run, unheard)
    qz_x = run.model.encode(x)
    torch.testing.assert_close(torch.from_numpy(table.arrays()["factor"]), qz_x.L)  # type: ignore[attr-defined]
    columns = dict(table.columns())
    assert [name for name in columns if name.startswith("factor")] == [
        "factor_z0_z0", "factor_z1_z0", "factor_z1_z1", "factor_z2_z0", "factor_z2_z1", "factor_z2_z2",
    ]  # fmt: skip
    np.testing.assert_array_equal(columns["factor_z2_z1"], qz_x.L[:, 2, 1])  # type: ignore[attr-defined]


def test_images_that_came_along_stand_in_and_a_large_table_is_its_beginning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ELBO_ROOM_DATA", str(tmp_path / "nothing"))
    run = runs.load_run(shutil.copytree(DEMOS / "demo-mnist-10d", tmp_path / "demo"))
    monkeypatch.setattr(codes_file, "MOST_NUMBERS", 28 * 50)
    facts = NPZ.write(run, "codes", tmp_path / "a.npz", unheard)
    assert (facts["images"], facts["of"]) == (50, 10_000)
    assert facts["source"] == "50 held-out images of mnist that came along, of 2,000"
    with np.load(tmp_path / "a.npz") as arrays:
        assert len(arrays["mean"]) == 50


def test_nothing_in_a_table_is_a_formula() -> None:
    rows = [{"file": '=HYPERLINK("http://x")', "label": "@a", "mean": np.float32(-0.1)}, {"label": None, "more": "+1"}]
    read = list(csv.reader(as_csv(rows).splitlines()))
    assert read == [
        ["file", "label", "mean", "more"], ['\'=HYPERLINK("http://x")', "'@a", "-0.1", ""], ["", "", "", "'+1"],
    ]  # fmt: skip
    assert as_csv(rows, ["mean", "=x"]) == "mean,'=x\n-0.1,\n,\n"


@pytest.mark.parametrize("made", [CSV, NPZ, PARQUET], ids=lambda made: made.ending)
def test_stopped_work_leaves_nothing(made: codes_file.Table, digits: Run, tmp_path: Path) -> None:
    def stop(share: float, words: str) -> None:
        if share >= 0.8:
            raise Stopped

    with pytest.raises(Stopped):
        made.write(digits, "codes", tmp_path / "a", stop)  # type: ignore[attr-defined]
    assert list(tmp_path.iterdir()) == []


def test_what_is_missing_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, digits: Run) -> None:
    run = runs.load_run(shutil.copytree(digits.path, tmp_path / "demo"))
    (run.path / "weights.safetensors").unlink()
    assert all("no weights" in made.why_not(run, "codes") for made in (CSV, NPZ, PARQUET))
    assert CSV.why_not(run, "history") == ""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "pip install pyarrow" in PARQUET.why_not(digits, "codes")
