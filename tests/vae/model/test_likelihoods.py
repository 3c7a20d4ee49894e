"""Likelihoods: every log p(x|z) is a normalised density in nats, its mean and its samples belong to it."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
import torch.distributions as td
from torch import Generator, Tensor

from vae.model.likelihood import PixelDistribution
from vae.model.likelihood import contains as contains_support
from vae.model.likelihoods import Bernoulli, ContinuousBernoulli, ContinuousBernoulliPixels, Gaussian
from vae.training.trainer import best_C

EXACT = {"rtol": 1e-12, "atol": 1e-12}
LOGITS = [0.0, 1e-6, -1e-3, 0.1, -0.299999, 0.3, -0.300001, 1.0, -4.0, 30.0, -30.0]


def normal(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=Generator().manual_seed(seed))


def one_pixel(logits: Tensor) -> ContinuousBernoulliPixels:
    """A continuous Bernoulli of one pixel for each logit: batch shape of `logits`, event (1, 1, 1)."""
    return ContinuousBernoulliPixels(logits.reshape(*logits.shape, 1, 1, 1))


def test_supports_are_nested() -> None:
    order = ("binary", "unit", "real")
    for (i, outer), (j, inner) in itertools.product(enumerate(order), repeat=2):
        assert contains_support(outer, inner) == (j <= i)


@pytest.mark.parametrize("make", [Bernoulli, Gaussian, ContinuousBernoulli])
def test_pixels_and_channels_are_summed_and_leading_axes_kept(make: type) -> None:
    parameters = normal(0, 5, 4, 1, 3, 2, 2)  # (S, B, P, channels, height, width)
    px_z: PixelDistribution = make()(parameters)
    x = (normal(1, 4, 3, 2, 2) > 0).double()
    log_px_z = px_z.log_prob(x)
    assert log_px_z.shape == (5, 4)
    alone = sum(
        make()(parameters[2, 1][..., c : c + 1, h : h + 1, w : w + 1]).log_prob(x[1][c : c + 1, h : h + 1, w : w + 1])
        for c, h, w in itertools.product(range(3), range(2), range(2))
    )
    torch.testing.assert_close(log_px_z[2, 1], alone, **EXACT)
    torch.testing.assert_close(px_z.squared_error(x)[2, 1], ((x[1] - px_z.mean[2, 1]) ** 2).sum(), **EXACT)
    both = px_z.log_prob_and_squared_error(x)
    assert torch.equal(both[0], log_px_z)
    assert torch.equal(both[1], px_z.squared_error(x))


# Bernoulli


def test_bernoulli_equals_torch_and_sums_to_one_over_all_images() -> None:
    logits = 3 * normal(0, 4)
    px_z = Bernoulli()(logits.reshape(1, 1, 1, 2, 2))
    images = torch.tensor(list(itertools.product([0.0, 1.0], repeat=4)), dtype=torch.float64)
    log_p = torch.stack([px_z.log_prob(image.reshape(1, 2, 2))[0] for image in images])
    torch.testing.assert_close(log_p, td.Bernoulli(logits=logits).log_prob(images).sum(-1), **EXACT)
    assert torch.logsumexp(log_p, 0).abs() < 1e-12
    torch.testing.assert_close(px_z.mean.flatten(), (log_p.exp().unsqueeze(-1) * images).sum(0), **EXACT)


def test_bernoulli_in_float32_at_extreme_logits() -> None:
    logit = torch.tensor(17.0, requires_grad=True)
    minus_log_p = -Bernoulli()(logit.reshape(1, 1, 1, 1)).log_prob(torch.zeros(1, 1, 1))
    minus_log_p.backward()
    assert minus_log_p.item() == 17.0  # 17 + 4e-8; through a probability it would be 16.6 or infinite
    assert logit.grad is not None
    assert logit.grad.item() == 1.0
    for logit_value, x, nats in ((100.0, 0.0, 100.0), (-100.0, 1.0, 100.0), (100.0, 1.0, 0.0), (-100.0, 0.0, 0.0)):
        px_z = Bernoulli()(torch.full((1, 1, 1, 1), logit_value))
        assert -px_z.log_prob(torch.full((1, 1, 1), x)).item() == pytest.approx(nats, abs=1e-30)


def test_bernoulli_samples_are_binary_with_the_right_mean() -> None:
    logits = torch.linspace(-3, 3, 9).reshape(1, 1, 3, 3)
    px_z = Bernoulli()(logits.expand(20_000, 1, 1, 3, 3))
    x = px_z.sample(Generator().manual_seed(0))
    assert set(x.unique().tolist()) == {0.0, 1.0}
    p = logits.flatten().sigmoid()
    assert ((x.mean(0).flatten() - p).abs() < 5 * (p * (1 - p) / 20_000).sqrt()).all()


# Gaussian


@pytest.mark.parametrize("C", [0.01, 0.5, 1.0, 37.5, 1000.0])
def test_F10_gaussian_equals_torch_with_its_constant(C: float) -> None:
    likelihood = Gaussian().double()
    likelihood.set_C(C)
    assert pytest.approx(C, rel=1e-14) == likelihood.C
    f_z, x = normal(0, 3, 1, 2, 4, 5), normal(1, 3, 2, 4, 5)
    px_z = likelihood(f_z)
    c = 1 / (2 * C)
    want = td.Normal(f_z.squeeze(1), c**0.5).log_prob(x).sum((-3, -2, -1))
    torch.testing.assert_close(px_z.log_prob(x), want, **EXACT)
    squared_error = (x - f_z.squeeze(1)).square().sum((-3, -2, -1))
    formula = -(C * squared_error + 40 / 2 * math.log(2 * math.pi * c))
    torch.testing.assert_close(px_z.log_prob(x), formula, **EXACT)
    torch.testing.assert_close(px_z.log_prob_and_squared_error(x)[1], squared_error, **EXACT)


def test_the_constant_of_the_gaussian_is_the_size_the_notes_lose() -> None:
    for c, nats in ((1.0, 720.5), (0.01, -1084.8)):  # (D/2) log(2πc) at D = 784
        likelihood = Gaussian().double()
        likelihood.set_C(1 / (2 * c))
        x = torch.zeros(1, 28, 28, dtype=torch.float64)
        assert -likelihood(x.unsqueeze(0)).log_prob(x).item() == pytest.approx(nats, abs=0.06)


def test_gaussian_samples_have_variance_c() -> None:
    likelihood = Gaussian()
    likelihood.set_C(8.0)
    x = likelihood(torch.full((1, 1, 1, 200, 200), 3.0)).sample(Generator().manual_seed(0))
    assert abs(x.mean().item() - 3) < 5 * 0.25 / 200
    assert x.var().item() == pytest.approx(1 / 16, rel=5 * (2 / 40_000) ** 0.5)


def test_a_gradient_step_moves_log_C_towards_the_best_C() -> None:
    likelihood = Gaussian().double()
    likelihood.set_C("fit")
    likelihood.log_C.requires_grad_()
    f_z, x = normal(0, 100, 1, 1, 3, 3), 2 * normal(1, 100, 1, 3, 3)
    squared_error = (x - f_z.squeeze(1)).square().sum((-3, -2, -1)).mean().item()
    optimiser = torch.optim.LBFGS([likelihood.log_C], max_iter=50, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = -likelihood(f_z).log_prob(x).mean()
        loss.backward()
        return loss

    optimiser.step(closure)
    assert pytest.approx(best_C(9, squared_error), rel=1e-6) == likelihood.C


def test_setting_a_number_ends_the_fit_and_the_bound_holds() -> None:
    likelihood = Gaussian()
    likelihood.set_C(5.0)
    likelihood.set_C("fit")
    assert likelihood.fit
    assert pytest.approx(5) == likelihood.C
    likelihood.log_C.data.fill_(40.0)
    likelihood.project(torch.tensor(1.0))
    assert pytest.approx(1e6, rel=1e-5) == likelihood.C
    likelihood.project(torch.tensor(20.0))  # of data twenty times as large
    assert pytest.approx(1e6 / 400, rel=1e-5) == likelihood.C
    likelihood.set_C(2.0)
    assert not likelihood.fit
    assert pytest.approx(2) == likelihood.C


# continuous Bernoulli


@pytest.mark.parametrize("logit", LOGITS)
def test_continuous_bernoulli_integrates_to_one_with_its_mean(logit: float) -> None:
    nodes, weights = (torch.from_numpy(a) for a in np.polynomial.legendre.leggauss(80))
    x, weights = (nodes + 1) / 2, weights / 2
    px_z = one_pixel(torch.full((), logit, dtype=torch.float64))
    density = torch.stack([px_z.log_prob(value.reshape(1, 1, 1)) for value in x]).exp()
    assert (weights * density).sum().item() == pytest.approx(1, abs=5e-9)
    assert (weights * density * x).sum().item() == pytest.approx(px_z.mean.item(), abs=5e-9)


def test_continuous_bernoulli_equals_torch_away_from_one_half() -> None:
    logits = torch.tensor([-12.0, -6.0, -2.0, -0.5, 0.5, 2.0, 6.0, 12.0], dtype=torch.float64)
    reference = td.ContinuousBernoulli(logits=logits, validate_args=False)
    for value in (0.0, 0.013, 0.5, 0.87, 1.0):
        x = torch.full((1, 1, 1), value, dtype=torch.float64)
        want = reference.log_prob(x.squeeze())
        torch.testing.assert_close(one_pixel(logits).log_prob(x), want, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(one_pixel(logits).mean.flatten(), reference.mean, rtol=1e-10, atol=1e-10)


def test_continuous_bernoulli_at_one_half_is_uniform() -> None:
    px_z = one_pixel(torch.zeros(()))
    assert px_z.mean.item() == 0.5
    for value in (0.0, 0.3, 1.0):
        assert px_z.log_prob(torch.full((1, 1, 1), value)).item() == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize("logit", [*LOGITS, 100.0, -100.0, 1e4, -1e4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_score_is_x_minus_the_mean_and_finite(logit: float, dtype: torch.dtype) -> None:
    """d log p(x|l)/dl = x − E[x] for an exponential family: checks the density against the mean, and both for NaN."""
    leaf = torch.tensor(logit, dtype=dtype, requires_grad=True)
    tolerance = 6e-8 if dtype == torch.float64 else 2e-6
    for value in (0.0, 0.25, 1.0):
        log_p = one_pixel(leaf).log_prob(torch.full((1, 1, 1), value, dtype=dtype))
        (score,) = torch.autograd.grad(log_p, leaf)
        assert math.isfinite(log_p.item())
        assert score.item() == pytest.approx(value - one_pixel(leaf).mean.item(), abs=tolerance)


def test_extreme_logits_have_the_density_of_an_exponential() -> None:
    for sign, x in ((1, 1.0), (-1, 0.0)):
        px_z = one_pixel(torch.tensor(sign * 1e4))
        assert px_z.log_prob(torch.full((1, 1, 1), x)).item() == pytest.approx(math.log(1e4), rel=1e-6)
        assert px_z.log_prob(torch.full((1, 1, 1), 1 - x)).item() == pytest.approx(math.log(1e4) - 1e4, rel=1e-6)
        assert px_z.mean.item() == pytest.approx(abs(x - 1e-4), rel=1e-5)


@pytest.mark.parametrize("logit", [0.0, 1e-5, 0.05, 2.0, -2.0, 30.0, -30.0, 1e4, -1e4])
def test_samples_follow_the_distribution_function(logit: float) -> None:
    n = 20_000
    x = one_pixel(torch.full((n,), logit)).sample(Generator().manual_seed(0)).flatten().double()
    assert x.min() >= 0
    assert x.max() <= 1
    mirrored, steep = (1 - x if logit > 0 else x), -abs(logit)  # the distribution function at a logit of −|l|
    u = torch.expm1(steep * mirrored) / math.expm1(steep) if logit else x
    ranks = (torch.arange(n, dtype=torch.float64) + 0.5) / n
    coarse = 1e4 * 2**-24 if abs(logit) > 1000 else 0  # float32's spacing next to 1, where 1 − x cannot be finer
    assert (u.sort().values - ranks).abs().max() < 1.95 / n**0.5 + coarse  # Kolmogorov, at level 0.001
    mean = one_pixel(torch.tensor(logit, dtype=torch.float64)).mean.item()
    assert abs(x.mean().item() - mean) < 5 * x.std().item() / n**0.5 + 1e-7
