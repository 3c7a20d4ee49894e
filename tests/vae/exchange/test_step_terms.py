"""What a loop tells is held to its shapes, and its means are its own."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from vae.errors import ConfigError
from vae.exchange.step_terms import HeldOutSums, Likelihood, Sums, batch_of, check_first, fetched, means, summed

BERNOULLI = Likelihood("bernoulli", 784)
GAUSSIAN = Likelihood("gaussian", 784)
UNTOLD = Likelihood(None)


class OtherLibrary:
    """An array of a library that is not installed here: what JAX's has, and nothing that torch's or NumPy's have."""

    def __init__(self, values: Any) -> None:
        self.values = np.asarray(values)
        self.shape, self.dtype = self.values.shape, self.values.dtype

    def sum(self, axis: int | None = None) -> OtherLibrary:
        return OtherLibrary(self.values.sum(axis))

    def astype(self, dtype: str) -> OtherLibrary:
        return OtherLibrary(self.values.astype(dtype))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self.values, dtype)


class Capsule:
    """Numbers that come by dlpack alone."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = values

    def __dlpack__(self, **named: Any) -> Any:
        return self.values.__dlpack__(**named)

    def __dlpack_device__(self) -> Any:
        return self.values.__dlpack_device__()


KINDS: dict[str, Any] = {
    "torch": torch.from_numpy,
    "with a gradient": lambda x: torch.from_numpy(x).requires_grad_() * 1,
    "numpy": lambda x: x,
    "list": lambda x: x.tolist(),
    "another": OtherLibrary,
    "dlpack": Capsule,
}


@pytest.mark.parametrize("kind", KINDS)
def test_means_are_those_of_all_images_whatever_the_batches(kind: str) -> None:
    rng = np.random.default_rng(0)
    sizes = [128, 128, 7, 1]
    distortion = [100 + 50 * rng.random(size) for size in sizes]
    rate = [rng.random((size, 5)) for size in sizes]
    sums = Sums()
    for d, r in zip(distortion, rate, strict=True):
        sums.add(batch_of(KINDS[kind](d), KINDS[kind](r), None, BERNOULLI))
    found = means(sums, BERNOULLI, 2.5)
    all_d, all_r = np.concatenate(distortion), np.concatenate(rate)
    assert found["images"] == 264
    assert found["distortion"] == pytest.approx(all_d.mean(), rel=1e-12)
    assert found["rate_per_dim"] == pytest.approx(all_r.mean(0).tolist(), rel=1e-12)
    assert found["rate"] == pytest.approx(all_r.sum(1).mean(), rel=1e-12)
    assert found["elbo"] == pytest.approx(-(all_d + all_r.sum(1)).mean(), rel=1e-12)  # at weight 1
    assert found["loss"] == pytest.approx((2.5 * all_d + all_r.sum(1)).mean(), rel=1e-12)
    assert found["squared_error"] is found["normaliser"] is None


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_summed_in_float32(dtype: torch.dtype) -> None:
    """128 images of 600 nats are more than float16 holds."""
    d = torch.full((128,), 600.0, dtype=dtype)
    assert float(summed(d)) == 128 * float(d[0])
    x = OtherLibrary(np.full(128, 600, np.float16))
    assert float(np.asarray(summed(x))) == 76800


def test_the_nats_of_a_gaussian_are_made_of_its_squared_error() -> None:
    e, r, C = torch.tensor([30.0, 50.0]), torch.tensor([[1.0, 2.0], [0.5, 0.5]]), 8.0
    sums = Sums()
    sums.add(batch_of(None, r, e, GAUSSIAN))
    found = means(sums, GAUSSIAN, C)
    density = torch.distributions.Normal(torch.zeros(784), math.sqrt(1 / (2 * C)))
    nats = [-float(density.log_prob(torch.full((784,), math.sqrt(error / 784))).double().sum()) for error in e.tolist()]
    assert found["distortion"] == pytest.approx(sum(nats) / 2, rel=1e-5)
    assert found["squared_error"] == pytest.approx(40.0, rel=1e-12)
    assert found["distortion"] == pytest.approx(C * 40 + found["normaliser"], rel=1e-12)
    assert found["loss"] == -found["elbo"] == pytest.approx(found["distortion"] + 2.0, rel=1e-12)
    told = Sums()
    told.add(batch_of(torch.tensor(nats), r, None, GAUSSIAN))
    assert means(told, GAUSSIAN, C)["squared_error"] == pytest.approx(40.0, rel=1e-4)


def test_the_standard_error_is_that_of_the_images() -> None:
    rng = np.random.default_rng(1)
    d, r = rng.random((3, 40)), rng.random((3, 40, 2))
    held_out = HeldOutSums()
    for one, other in zip(d, r, strict=True):
        held_out.add(batch_of(torch.from_numpy(one), torch.from_numpy(other), None, UNTOLD))
    elbo = (d + r.sum(2)).ravel()
    assert held_out.means(UNTOLD, 3.0)["elbo_error"] == pytest.approx(elbo.std() / math.sqrt(120), rel=1e-12)
    squared = HeldOutSums()
    squared.add(batch_of(None, r[0], d[0], GAUSSIAN))
    expected = (3.0 * d[0] + r[0].sum(1)).std() / math.sqrt(40)
    assert squared.means(GAUSSIAN, 3.0)["elbo_error"] == pytest.approx(expected, rel=1e-12)


def test_what_is_not_finite_is_null_and_the_rest_is_there() -> None:
    sums = Sums()
    sums.add(batch_of(torch.tensor([math.nan, 1.0]), torch.ones(2, 2), None, UNTOLD))
    found = means(sums, UNTOLD, 1.0)
    assert found["distortion"] is found["elbo"] is found["loss"] is None
    assert found["rate"] == 2.0


def test_a_long_record_does_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vae.exchange.step_terms.TOGETHER", 3)
    sums = Sums()
    for step in range(10):
        sums.add(batch_of(torch.full((2,), float(step)), torch.ones(2), None, UNTOLD))
        assert len(sums._errors) < 3
    found = means(sums, UNTOLD, 1.0)
    assert (found["distortion"], found["rate"], found["images"], found["rate_per_dim"]) == (4.5, 1.0, 20, None)


B = torch.ones(8) * 400
R = torch.ones(8, 3)
REDUCED = {
    "a scalar": ({"distortion": B.mean()}, BERNOULLI, "a mean over 784 pixels: your C is 0.00128, β = 784"),
    "a squared scalar": ({"squared_error": B.mean()}, GAUSSIAN, "a mean over 784 pixels: your C is 0.00128, β = 392"),
    "a float": ({"distortion": 3.25}, UNTOLD, "a mean over D pixels divides C by D"),
    "pixels": ({"distortion": torch.ones(8, 1, 28, 28)}, BERNOULLI, r"got shape \(8, 1, 28, 28\); give the sum over"),
    "a rate": ({"distortion": B, "rate": R.mean()}, BERNOULLI, "rate: .*a mean over k dimensions makes β 1/k"),
    "another batch": ({"distortion": B, "rate": R[:4]}, BERNOULLI, "rate: expected one row for each of the 8 images"),
    "both": ({"distortion": B, "squared_error": B}, BERNOULLI, "either distortion="),
    "neither": ({}, BERNOULLI, "either distortion="),
    "none": ({"distortion": B[:0], "rate": R[:0]}, BERNOULLI, "each of the 0 images"),
}


@pytest.mark.parametrize("case", REDUCED)
def test_what_is_no_row_of_images_is_refused_in_the_converters_words(case: str) -> None:
    given, likelihood, sentence = REDUCED[case]
    with pytest.raises(ConfigError, match=sentence):
        batch_of(**{"distortion": None, "squared_error": None, "rate": R} | given, likelihood=likelihood)


MEANS = {
    "cross-entropy": (
        {"distortion": B / 784},
        BERNOULLI,
        "0.51 for an image of 784 pixels looks like a mean over 784",
    ),
    "squared error": ({"squared_error": B / 8000}, GAUSSIAN, "looks like a mean over 784 pixels: your C is 0.00128"),
    "of a wide range": ({"squared_error": B / 400}, Likelihood("gaussian", 784, 2.0), "looks like a mean"),
    "no constant": ({"distortion": B / 10}, GAUSSIAN, r"40 nats are less than the constant .* = 448\.7"),
    "no Gaussian": ({"squared_error": B}, BERNOULLI, "only a Gaussian turns it into nats"),
    "no pixels": ({"squared_error": B}, UNTOLD, "only a Gaussian turns it into nats"),
}


@pytest.mark.parametrize("case", MEANS)
def test_a_mean_that_kept_its_images_is_refused_too(case: str) -> None:
    given, likelihood, sentence = MEANS[case]
    batch = batch_of(**{"distortion": None, "squared_error": None, "rate": R} | given, likelihood=likelihood)
    with pytest.raises(ConfigError, match=sentence):
        check_first(batch, likelihood, 1.0)


@pytest.mark.parametrize(
    ("likelihood", "given"),
    [
        (BERNOULLI, {"distortion": B}),
        (GAUSSIAN, {"squared_error": B / 100}),  # 4 pixel² in 784: what a trained model reaches
        (GAUSSIAN, {"distortion": B + 100}),
        (UNTOLD, {"distortion": B / 784}),  # whatever it is: no likelihood was told
        (Likelihood("continuous-bernoulli", 784), {"distortion": B - 500}),  # a density may exceed 1
        (BERNOULLI, {"distortion": B * math.nan}),
    ],
)
def test_sums_are_taken(likelihood: Likelihood, given: dict[str, Any]) -> None:
    check_first(
        batch_of(**{"distortion": None, "squared_error": None, "rate": R} | given, likelihood=likelihood),
        likelihood,
        1.0,
    )


def test_nothing_is_fetched_before_a_record_is_due() -> None:
    """On the meta device there is nothing to fetch: shapes and sums are all that a step asks for."""
    sums = Sums()
    sums.add(batch_of(torch.ones(8, device="meta"), torch.ones(8, 3, device="meta"), None, UNTOLD))
    with pytest.raises(NotImplementedError):
        fetched(sums._errors)
