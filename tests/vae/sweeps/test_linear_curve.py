"""The linear decoder's curve: against the ELBO of the exact model, against gradients, and in the planes."""

from __future__ import annotations

import dataclasses
import itertools
import math

import pytest
import torch
from torch import Tensor

from vae.datasets import Dataset, load_dataset
from vae.errors import ConfigError
from vae.model.kl import kl_normal
from vae.model.linear_gaussian import LinearGaussian, best_at, covariance_eigenvalues, predicted_active_units
from vae.sweeps.grid import spread_out
from vae.sweeps.linear_curve import Spectrum, spectrum, spectrum_of
from vae.sweeps.slopes import slope_at


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load_dataset("digits")


@pytest.fixture(scope="module")
def parts(digits: Dataset) -> tuple[Tensor, Tensor]:
    return tuple(digits.to_float(part).flatten(1).double() for part in (digits.train, digits.test))  # type: ignore


@pytest.fixture(scope="module")
def whole(digits: Dataset) -> Spectrum:
    return spectrum_of(digits)


def terms(model: LinearGaussian, x: Tensor) -> tuple[float, float, float]:
    """Rate, squared error and distortion of the exact model with its exact posterior, means over x (n, D)."""
    loc, cov = model.posterior(x)
    rate = kl_normal(loc, cov.expand(len(x), -1, -1), torch.zeros_like(loc), torch.ones_like(loc)).mean()
    error = (x - loc @ model.W.T - model.b).square().sum(1).mean() + (cov * (model.W.T @ model.W)).sum()
    distortion = -model.expected_log_px_z(x, loc, cov.expand(len(x), -1, -1)).mean()
    return float(rate), float(error), float(distortion)


@pytest.mark.parametrize("C", [0.5, 1.0, 3.0, 40.0, 1000.0])
@pytest.mark.parametrize("k", [2, 10])
def test_it_stands_where_the_exact_model_does_on_held_out_images(
    C: float, k: int, parts: tuple[Tensor, Tensor], whole: Spectrum
) -> None:
    train, test = parts
    model, here = best_at(train, k, 1 / (2 * C)), whole.decoder(k).at(C)
    rate, error, distortion = terms(model, test)
    assert here.rate == pytest.approx(rate, abs=1e-8)
    assert here.squared_error == pytest.approx(error, abs=1e-8)
    assert here.distortion == pytest.approx(distortion, abs=1e-7)
    assert float(model.log_px(test).mean()) == pytest.approx(-here.rate - here.distortion, abs=1e-7)  # q is exact
    means = model.posterior(train)[0]
    observed = int((means.var(0, correction=0) > 1e-9).sum())
    _, values, _ = covariance_eigenvalues(train)
    assert here.active == observed == predicted_active_units(values, 1 / (2 * C), k)


@pytest.mark.parametrize("k", [2, 10])
def test_on_the_training_images_its_slope_is_minus_one_over_C(k: int, whole: Spectrum) -> None:
    """By gradients of the closed forms E(C) and R(C), away from where a dimension comes in."""
    decoder = dataclasses.replace(whole, seen=whole.learned, rest=0.0).decoder(k)
    for C in (2.0, 5.0, 50.0):
        c = torch.tensor(1 / (2 * C), dtype=torch.float64, requires_grad=True)
        n = decoder.active(C)
        rate = 0.5 * (decoder.learned[:n] / c).log().sum()
        error = n * c + decoder.learned[n:].sum()
        dR, dE = (torch.autograd.grad(value, c)[0] for value in (rate, error))
        here = decoder.at(C)
        assert (here.rate, here.squared_error) == pytest.approx((rate.item(), error.item()), abs=1e-8)
        assert dE / dR == pytest.approx(-1 / C, rel=1e-12)


@pytest.mark.parametrize("k", [2, 4, 10])
def test_the_measured_slope_of_a_converged_linear_decoder_is_within_5_per_cent(k: int, whole: Spectrum) -> None:
    """On held-out images, from a sweep of twelve runs, active units coming in between."""
    along = [whole.decoder(k).at(float(C)) for C in spread_out(1, 300, 12)]
    places = [(one.C, one.rate, one.squared_error) for one in along]
    for before, here, after in zip(places, places[1:], places[2:], strict=False):
        assert slope_at([before, here, after]) == pytest.approx(-1 / here[0], rel=0.05)
    assert {one.active for one in along} >= {min(k, 4), k} - {0}


def test_wide_images_have_the_variances_that_their_covariance_has() -> None:
    generator = torch.Generator().manual_seed(0)
    scale = torch.linspace(2, 0.01, 40)
    train = torch.randn(30, 40, generator=generator) * scale
    test = torch.randn(20, 40, generator=generator) * scale
    narrow = spectrum(train, test)
    padded = [torch.cat([part, torch.zeros(len(part), 2000)], 1) for part in (train, test)]
    wide = spectrum(*padded)
    assert len(wide.learned) == 29
    torch.testing.assert_close(wide.learned, narrow.learned[:29], rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(wide.seen, narrow.seen[:29], rtol=1e-6, atol=1e-9)
    for C in (0.1, 1.0, 10.0):
        a, b = wide.decoder(5).at(C), narrow.decoder(5).at(C)
        assert (a.rate, a.squared_error, a.active) == pytest.approx((b.rate, b.squared_error, b.active), rel=1e-9)
    assert wide.total == pytest.approx(float((test - train.mean(0)).square().sum(1).mean()), rel=1e-6)


def test_at_rate_0_it_is_the_mean_image(whole: Spectrum, parts: tuple[Tensor, Tensor]) -> None:
    train, test = parts
    here = whole.decoder(3).at(0.1)
    assert (here.rate, here.active) == (0.0, 0)
    assert here.squared_error == pytest.approx(float((test - train.mean(0)).square().sum(1).mean()), abs=1e-9)
    assert here.distortion == pytest.approx(0.1 * here.squared_error + 32 * math.log(math.pi / 0.1), abs=1e-9)
    between = whole.decoder(3).between(0.5, 50, 30)
    assert [one.C for one in between] == pytest.approx([0.5 * 100 ** (i / 29) for i in range(30)])
    assert all(a.rate <= b.rate and a.active <= b.active for a, b in itertools.pairwise(between))


def test_images_too_large_for_it_are_refused(digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vae.sweeps.linear_curve.MOST_VALUES", 100)
    with pytest.raises(ConfigError, match="images of 64 values are too large"):
        spectrum_of(digits)
