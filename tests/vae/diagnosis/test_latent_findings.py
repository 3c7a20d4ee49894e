"""Holes, loose bound, samples, what latents know: planted in small runs, each with the number that was planted."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Generator, Tensor, nn

from tests.oracles.ppca import ppca
from tests.vae.diagnosis.made import DEMOS, found_in, linear_run
from vae import Config
from vae.datasets import is_here, load_dataset
from vae.diagnosis.case import Case
from vae.diagnosis.findings import FINDINGS
from vae.diagnosis.marginals import marginals
from vae.errors import DataError
from vae.model.vae import Model, build_model
from vae.runs import load_run
from vae.space.encodings import Codes, images_of


class Planted(Case):
    """A case of codes that a test has placed: each image's two pixels are its code's mean."""

    def __init__(self, loc: Tensor, scale: float, data: dict[str, Any] | None = None, **codes: Any) -> None:
        super().__init__(SimpleNamespace(name="planted", config=None, data=data or {}))  # type: ignore[arg-type]
        n = len(loc)
        self.__dict__["model"] = encoder_of_pixels(scale)
        self.__dict__["x"] = loc.reshape(n, 1, 1, 2)
        nothing: dict[str, Any] = {"log_variance": None, "rate_per_dim": None, "labels": None, "classes": None}
        zeros = np.zeros(n, np.float32)
        made = nothing | {"rate": zeros, "distortion": zeros, "images": np.zeros((n, 1, 1, 2), np.uint8)} | codes
        self.__dict__["codes"] = Codes(loc=loc.numpy(), source="", **made)


def encoder_of_pixels(scale: float) -> Model:
    model = build_model(Config(network="linear", hidden=(), likelihood="gaussian", C=5.0, latent_dim=2), (1, 1, 2))
    layer = next(m for m in model.encoder if isinstance(m, nn.Linear))
    with torch.no_grad():
        layer.weight.copy_(torch.cat([torch.eye(2), torch.zeros(2, 2)]))
        layer.bias.copy_(torch.tensor([0.0, 0.0, 2 * math.log(scale), 2 * math.log(scale)]))
    return model


def around_a_hole(n: int, lost: float) -> Tensor:
    """Draws of N(0, I) outside the disc that holds so much of it: r² = −2 log(1 − lost)."""
    z = torch.randn(20 * n, 2, generator=Generator().manual_seed(0))
    return z[z.square().sum(1) > -2 * math.log(1 - lost)][:n]


@pytest.fixture(autouse=True)
def no_training_images_of_planted_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted codes have no run on disk that holds images like theirs."""

    def images_of_runs(run: Any, part: Any) -> Any:
        if run.name == "planted":
            raise DataError("planted codes come without images")
        return images_of(run, part)

    for where in ("findings.knows", "posteriors"):
        monkeypatch.setattr(f"vae.diagnosis.{where}.images_of", images_of_runs)


def holes_in(case: Case, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr("vae.bound.density_ratio.STEPS", 400)
    monkeypatch.setattr("vae.bound.density_ratio.WIDTH", 64)
    assert FINDINGS["holes"].why_not(case) == ""
    return FINDINGS["holes"].find(case)


def test_a_planted_hole_is_found_with_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """KL = −log(1 − lost) where codes are the prior outside a disc; of the lost draws 5 % of codes are let pass."""
    lost = 0.7
    case = Planted(around_a_hole(3000, lost), 0.03)
    found = holes_in(case, monkeypatch)
    truth = -math.log(1 - lost)
    assert found.found
    assert found.title == "Holes in the prior"
    assert found.value == pytest.approx(truth, abs=0.08 + 2 * found.standard_error)
    assert found.value < truth + 3 * found.standard_error
    assert found.at_most > truth
    assert found.nats == found.value
    assert found.numbers["draws_where_no_image_lives"] == pytest.approx(lost + 0.05 * (1 - lost), abs=0.04)
    assert found.numbers["moments"] < truth
    assert found.n == 1500  # the other half taught
    arrays = found.arrays
    assert arrays["score"].shape == (3000,)
    radius = np.linalg.norm(arrays["prior"], axis=1)
    inside = radius < math.sqrt(-2 * math.log(1 - lost))
    assert arrays["prior_score"][inside].mean() < arrays["prior_score"][~inside].mean() - 2
    assert np.median(arrays["score"]) == pytest.approx(truth, abs=0.3)


def test_codes_that_fill_the_prior_have_no_hole(monkeypatch: pytest.MonkeyPatch) -> None:
    case = Planted(0.8 * torch.randn(2000, 2, generator=Generator().manual_seed(0)), 0.6)
    found = holes_in(case, monkeypatch)
    assert not found.found
    assert abs(found.value) < 0.02 + 3 * found.standard_error
    assert found.nats == 0
    assert found.numbers["draws_where_no_image_lives"] == pytest.approx(0.05, abs=0.03)


@pytest.mark.parametrize("demo", ["demo-digits-2d", "demo-digits-8bits"])
def test_the_shipped_digits_have_no_hole_that_counts_nor_strange_samples(demo: str, quick: None) -> None:
    run = load_run(DEMOS / demo)
    for name in ("holes", "samples", "knows"):
        assert not found_in(run, name).found, name


def test_the_shipped_mnist_has_holes_samples_that_show_it_and_an_encoder_that_leaves_nats(
    quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As measured with all there is: 2.01 ± 0.03 nats of holes, 73 % told apart, 3.9 ± 0.2 nats between the ELBO and
    log p(x), of which 3.0 ± 0.2 the encoder's. Here with less; of few images a classifier learns few holes."""
    run = load_run(DEMOS / "demo-mnist-10d")
    monkeypatch.setattr("vae.diagnosis.findings.samples.NEIGHBOURHOOD", 1000)  # of the distances, which are not asked
    case = Case(run, limit=2000)
    found = {name: FINDINGS[name].find(case) for name in ("samples", "loose_bound", "knows")}
    assert [name for name, one in found.items() if one.found] == ["samples", "loose_bound"]
    if is_here("mnist"):
        monkeypatch.setattr("vae.bound.density_ratio.STEPS", 300)
        holes = FINDINGS["holes"].find(Case(run))
        assert holes.found
        assert 1 < holes.value < 2.5 < holes.at_most
    assert found["samples"].value > 0.65
    assert found["loose_bound"].title == "The encoder leaves nats behind"
    assert found["loose_bound"].numbers["amortisation"] > 2 * found["loose_bound"].numbers["family"]


def test_training_codes_teach_where_they_are(quick: None) -> None:
    found = found_in(load_run(DEMOS / "demo-digits-2d"), "holes")
    assert found.numbers["taught_by"] == 1437
    assert found.n == 360
    assert "1,437 training images" in found.source


# ---- marginals


def test_histograms_and_quantiles_are_held_against_the_priors() -> None:
    z = torch.randn(20_000, 2, generator=Generator().manual_seed(0)).numpy()
    side = marginals(z, bits=False)
    widths = np.diff(side["edges"])
    np.testing.assert_allclose((side["histogram"] * widths).sum(1), 1)
    assert (side["prior_histogram"] * widths).sum() == pytest.approx(1)
    np.testing.assert_allclose(side["histogram"], np.tile(side["prior_histogram"], (2, 1)), atol=0.03)
    np.testing.assert_allclose(side["quantiles"], np.tile(side["prior_quantiles"], (2, 1)), atol=0.06)
    bits = marginals(np.array([[1.0, 0.0], [1.0, 1.0], [1.0, 0.0], [0.0, 0.0]]), bits=True)
    np.testing.assert_allclose(bits["histogram"], [[0.25, 0.75], [0.75, 0.25]])


# ---- loose bound


def test_a_rotated_decoder_leaves_nats_to_its_family(tmp_path: Path) -> None:
    """maths.md, section 4, 2: the encoder is the best diagonal one, so all of the gap is the family's."""
    data = load_dataset("digits")
    x = torch.cat([data.to_float(data.train), data.to_float(data.test)]).flatten(1).double()
    solution = ppca(x, 20)
    Q = torch.linalg.qr(torch.randn(20, 20, generator=Generator().manual_seed(0), dtype=torch.float64)).Q
    turned = type(solution)(solution.W @ Q, solution.b, solution.c)
    _, covariance = turned.posterior(solution.b.unsqueeze(0))
    precision = torch.linalg.inv(covariance)
    lost = 0.5 * float(precision.diagonal().log().sum() - torch.logdet(precision))
    found = found_in(linear_run(tmp_path, turned), "loose_bound")
    assert found.found
    assert found.title == "The posterior's family leaves nats behind"
    assert found.numbers["exact"] == "closed form"
    assert found.value == pytest.approx(lost, abs=0.1)
    assert found.numbers["family"] == pytest.approx(lost, abs=0.2)
    assert abs(found.numbers["amortisation"]) < 0.1
    assert found.numbers["full_covariance"] > 0.8 * lost
    assert [one["samples"] for one in found.numbers["bounds"]] == [100, 1000, 5000]
    assert found.numbers["bounds"][-1]["iw_bound"] == pytest.approx(found.numbers["log_px"], abs=0.05)


def test_an_encoder_without_a_gap_loses_nothing(tmp_path: Path, quick: None) -> None:
    data = load_dataset("digits")
    x = torch.cat([data.to_float(data.train), data.to_float(data.test)]).flatten(1).double()
    found = found_in(linear_run(tmp_path, ppca(x, 5)), "loose_bound")
    assert not found.found
    assert found.value == pytest.approx(0, abs=0.1)


# ---- what the latents know


def test_labels_that_have_nothing_to_do_with_the_codes_are_found() -> None:
    z = torch.randn(800, 2, generator=Generator().manual_seed(0))
    at_random = torch.randint(4, (800,), generator=Generator().manual_seed(1)).numpy()
    by_sign = (z[:, 0] > 0).long().numpy() + 2
    for labels, knows in ((at_random, False), (by_sign, True)):
        found = FINDINGS["knows"].find(Planted(z, 0.1, labels=labels))
        assert found.found != knows
        assert found.nats == 0
        table = np.array(found.numbers["information"])
        if knows:
            assert table[0, 0] == pytest.approx(math.log(2), abs=0.06)  # less what a bin that holds zero cannot tell
            assert table[0, 1] == pytest.approx(found.numbers["chance"][0][1], abs=0.02)
            assert found.value > 0.95


def test_factors_of_dsprites_are_told_with_ceiling_and_chance() -> None:
    """A code that is position x and noise: one of five factors, and that nearly wholly."""
    rows = np.random.default_rng(0).permutation(46_080)[:4000].astype(np.int64)
    x = np.unravel_index(rows, (3, 6, 10, 16, 16))[3]
    loc = torch.stack([torch.from_numpy(x / 5.0), torch.randn(4000, generator=Generator().manual_seed(0))], 1).float()
    data = {"name": "dsprites", "train": 36_864, "test": 9_216}
    found = FINDINGS["knows"].find(Planted(loc, 0.1, data, rows=rows))
    assert found.unit == "MIG"
    assert found.numbers["rows"] == ["shape", "scale", "orientation", "x", "y"]
    assert found.value == pytest.approx(1 / 5, abs=0.01)
    assert found.numbers["mig_ceiling"] == pytest.approx(2 / 5, abs=0.01)  # two dimensions for five factors
    assert 0 < found.numbers["mig_chance"] < 0.01
    assert not found.found
    assert found.arrays["information"].shape == (5, 2)
    noise = torch.randn(4000, 2, generator=Generator().manual_seed(1))
    assert FINDINGS["knows"].find(Planted(noise, 0.1, data, rows=rows)).found


def test_without_labels_it_says_why_not() -> None:
    case = Planted(torch.zeros(50, 2), 0.1)
    assert "no labels" in FINDINGS["knows"].why_not(case)
    few = Planted(torch.zeros(5, 2), 0.1, labels=np.zeros(5, np.int64))
    for name in ("holes", "samples", "knows"):
        assert "here are 5" in FINDINGS[name].why_not(few)
