"""The codes of a run: the model's own numbers, for the dataset or for what a run carries."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from vae import runs
from vae.bound.objectives import elbo_terms
from vae.datasets import DATASETS, is_here
from vae.errors import ConfigError, DataError
from vae.model.latents import LATENTS, DiagonalNormal
from vae.model.vae import build_model
from vae.runs import Run, load_run
from vae.space.encodings import Codes, codes_of

DEMOS = Path(__file__).resolve().parents[3] / "checkpoints"


@pytest.fixture
def no_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELBO_ROOM_DATA", str(tmp_path / "data"))


@pytest.fixture
def digits() -> Run:
    return load_run(DEMOS / "demo-digits-2d")


@pytest.fixture
def mnist(no_data: None) -> Run:
    return load_run(DEMOS / "demo-mnist-10d")


def test_codes_are_what_the_model_says(digits: Run) -> None:
    codes = codes_of(digits)
    dataset = digits.dataset()
    x = dataset.to_float(dataset.test)
    qz_x = digits.model.encode(x)
    np.testing.assert_allclose(codes.loc, qz_x.mean, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(codes.log_variance, qz_x.log_variance, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(codes.labels, dataset.test_labels)
    np.testing.assert_array_equal(codes.images, np.round(dataset.test.numpy() / 16 * 255))
    terms = elbo_terms(digits.model, x, 400)
    np.testing.assert_allclose(codes.rate, terms.rate, rtol=1e-4)
    np.testing.assert_allclose(codes.rate_per_dim, terms.rate_per_dim.mean(0), rtol=1e-4)
    assert codes.distortion.mean() == pytest.approx(float(terms.distortion.mean()), abs=1.5)
    assert codes.source == "360 held-out images of digits"


def test_the_same_codes_each_time_and_a_part_of_them(digits: Run) -> None:
    first, again = codes_of(digits), codes_of(digits)
    np.testing.assert_array_equal(first.distortion, again.distortion)
    few = codes_of(digits, limit=7)
    assert len(few) == 7
    assert few.source == "7 held-out images of digits, of 360"
    np.testing.assert_allclose(few.loc, first.loc[:7], rtol=1e-5, atol=1e-6)


def test_training_images_where_the_dataset_is_there(digits: Run) -> None:
    codes = codes_of(digits, "train")
    assert (len(codes), codes.source, codes.parts) == (1437, "1,437 training images of digits", ("test", "train"))


def test_without_the_dataset_the_images_that_came_along_stand_in(mnist: Run) -> None:
    codes = codes_of(mnist)
    assert (len(codes), codes.parts) == (2000, ("test",))
    assert codes.source == "2,000 held-out images of mnist that came along"
    with np.load(mnist.path / "preview/heldout.npz") as pack:
        np.testing.assert_allclose(codes.loc, pack["codes"], rtol=1e-4, atol=1e-5)
        np.testing.assert_array_equal(codes.images, pack["images"])
    assert codes.classes == tuple("0123456789")
    with pytest.raises(DataError, match="carries no training images"):
        codes_of(mnist, "train")


def test_without_any_images_a_sentence_says_what_to_do(mnist: Run, tmp_path: Path) -> None:
    shutil.copytree(mnist.path, tmp_path / "bare", ignore=shutil.ignore_patterns("heldout.npz"))
    bare = load_run(tmp_path / "bare")
    with pytest.raises(DataError, match="ELBO_ROOM_DATA"):
        codes_of(bare)
    assert not (tmp_path / "data").exists()  # nothing was downloaded, nothing begun


@pytest.mark.parametrize(("part", "limit"), [("valid", None), ("test", 0)])
def test_impossible_requests_are_refused(digits: Run, part: str, limit: int | None) -> None:
    with pytest.raises(ConfigError, match="expected"):
        codes_of(digits, part, limit)  # type: ignore[arg-type]


def test_a_dataset_is_here_only_where_its_files_are(tmp_path: Path) -> None:
    assert {name for name in DATASETS if is_here(name, tmp_path)} >= {"digits"}
    assert not is_here("mnist", tmp_path)
    np.save(tmp_path / "own.npy", np.zeros((10, 4, 4), np.uint8))
    assert is_here(tmp_path / "own.npy")
    assert not is_here(tmp_path / "other.npy")


def test_codes_follow_the_weights(digits: Run, tmp_path: Path) -> None:
    from safetensors.torch import load, save

    shutil.copytree(digits.path, tmp_path / "moved")
    weights = load((tmp_path / "moved" / runs.WEIGHTS).read_bytes())
    bias = next(name for name in sorted(weights, reverse=True) if name.startswith("encoder") and name.endswith("bias"))
    weights[bias] = weights[bias] + torch.tensor([1.0, 0.0, 0.0, 0.0])
    runs.save_checked(tmp_path / "moved", {runs.WEIGHTS: save(weights)})
    before, after = codes_of(digits, limit=5), codes_of(load_run(tmp_path / "moved"), limit=5)
    assert isinstance(after, Codes)
    np.testing.assert_allclose(after.loc - before.loc, [[1.0, 0.0]] * 5, atol=1e-5)


@pytest.mark.parametrize("latent", list(LATENTS))
def test_every_latent_has_codes_and_rates_by_dimension(digits: Run, latent: str) -> None:
    config = dataclasses.replace(digits.config, latent=latent, latent_dim=3, hidden=(8,), likelihood="bernoulli", C=1.0)
    model = digits.model = build_model(config, (1, 8, 8))
    codes = codes_of(digits, limit=50)
    dataset = digits.dataset()
    with torch.no_grad():
        qz_x = model.encode(dataset.to_float(dataset.test[:50]))
    marginals = model.latent.marginal_rate_per_dim(qz_x).mean(0)
    of_q, of_marginals = (codes.rate_per_dim, codes.marginal_rate_per_dim)
    if not model.latent.factorises:
        of_q, of_marginals = of_marginals, of_q
    assert of_marginals is None
    np.testing.assert_allclose(of_q, marginals, rtol=1e-4)
    np.testing.assert_allclose(codes.loc, qz_x.mean, rtol=1e-5, atol=1e-6)
    assert (codes.log_variance is not None) == isinstance(qz_x, DiagonalNormal)
