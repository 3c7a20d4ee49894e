"""The numbers behind the Learn page, against closed forms, torch.distributions, enumeration and plain sums."""

from __future__ import annotations

import itertools
import math
import random

import pytest
import torch
from scipy.stats import chi2, norm
from torch import Tensor
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from vae.lessons.derivation import collapse, gaussian_noise, gaussians, monte_carlo, noise, trained_loss
from vae.lessons.derivation.check import Check, generator, sampled, trapezoid
from vae.lessons.derivation.collapse import Spectrum
from vae.lessons.derivation.scalar_model import ScalarModel, identity, jensen, log_normal, two_terms
from vae.model.linear_gaussian import best_at


def t(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


@pytest.fixture(scope="module")
def digits() -> Spectrum:
    return collapse.spectrum(collapse.digits())


# a number twice


def test_two_numbers_agree_within_three_errors_or_up_to_rounding() -> None:
    assert Check(1.0, 1.29, 0.1).agrees
    assert not Check(1.0, 1.31, 0.1).agrees
    assert Check(1.0, 1.31, 0.1).errors_apart == pytest.approx(3.1)
    assert Check(1e4, 1e4 + 1e-9, 0.0).exact
    assert not Check(1.0, 1.0 + 1e-9, 0.0).agrees
    assert not Check(0.0, math.nan, 1.0).agrees


def test_a_sample_knows_its_error() -> None:
    check = sampled(0.0, t(1, 3, 5, 7))
    assert (check.estimate, check.error) == (4.0, pytest.approx(math.sqrt(20 / 3) / 2))


def test_the_doubled_grid_shows_whether_a_quadrature_has_converged() -> None:
    density = lambda z: Normal(t(0.0), t(1.0)).log_prob(z).exp()  # noqa: E731
    value, change = trapezoid(density, -12, 12)
    assert value == pytest.approx(1.0, abs=1e-14)
    assert change < 1e-14
    coarse, change = trapezoid(density, -12, 12, points=8)
    assert abs(coarse - 1) < change < 0.5


# the evidence, the bound and the gap

CORNERS = list(itertools.product((False, True), (0.1, 2.0), (-3.0, 0.3, 3.0), (-3.0, 3.0), (0.05, 2.0)))


@pytest.mark.parametrize(("bent", "c", "x", "m", "s"), CORNERS)
def test_evidence_is_elbo_plus_gap_wherever_the_sliders_go(bent: bool, c: float, x: float, m: float, s: float) -> None:
    three = identity(ScalarModel(bent, c), x, m, s)
    assert three.check.agrees
    assert three.log_px == pytest.approx(three.elbo + three.gap, rel=1e-10, abs=1e-10)
    assert three.gap >= -1e-12


def test_log_evidence_against_a_closed_form_and_a_plain_sum() -> None:
    for c, x in itertools.product((0.1, 0.5, 2.0), (-3.0, 0.0, 3.0)):
        log_px, change = ScalarModel(False, c).log_evidence(x)
        assert log_px == pytest.approx(float(Normal(t(0.0), t(1 + c).sqrt()).log_prob(t(x))), abs=1e-12)
        z = torch.linspace(-10, 10, 400_001, dtype=torch.float64)
        joint = Normal(z**2 - 1, math.sqrt(c)).log_prob(t(x)) + Normal(0.0, 1.0).log_prob(z)
        bent, _ = ScalarModel(True, c).log_evidence(x)
        assert bent == pytest.approx(float(joint.logsumexp(0)) + math.log(20 / 400_000), abs=1e-10)
        assert change < 1e-13


@pytest.mark.parametrize("bent", [False, True])
def test_distortion_and_rate_in_closed_form_against_quadrature(bent: bool) -> None:
    model, x, m, s = ScalarModel(bent, 0.3), 1.2, -0.7, 0.9
    under_q = lambda f: trapezoid(lambda z: log_normal(z, m, s).exp() * f(z), m - 12 * s, m + 12 * s)[0]  # noqa: E731
    assert float(model.distortion(x, t(m), t(s))) == pytest.approx(under_q(lambda z: -model.log_px_z(x, z)), rel=1e-12)
    expected = kl_divergence(Normal(t(m), t(s)), Normal(t(0.0), t(1.0)))
    assert float(model.rate(t(m), t(s))) == pytest.approx(float(expected), rel=1e-12)


def test_the_best_q_of_the_straight_decoder_is_the_posterior() -> None:
    model, x = ScalarModel(False, 0.6), 1.5
    m, s = model.best_q(x, torch.linspace(-3, 3, 601).double(), torch.linspace(0.05, 2, 196).double())
    assert (m, s) == (pytest.approx(x / 1.6, abs=0.006), pytest.approx(math.sqrt(0.6 / 1.6), abs=0.006))
    assert 0 <= identity(model, x, m, s).gap < 1e-3


def test_samples_agree_with_the_formulas() -> None:
    apart = []
    for seed, (bent, c, x, m, s) in enumerate(CORNERS):
        model = ScalarModel(bent, c)
        bound = jensen(model, x, m, s, 4000, generator(seed))
        terms = two_terms(model, x, m, s, 4000, generator(seed))
        assert bound.elbo.formula <= bound.evidence.formula + 1e-10
        checks = (bound.elbo, bound.evidence, terms.distortion, terms.rate, terms.total)
        apart += [check.errors_apart for check in checks]
    assert max(apart) < 5
    assert sum(a > 3 for a in apart) <= 6  # of 240; chance alone makes one


@pytest.mark.parametrize(("bent", "x", "m"), [(True, 1.0, 0.6), (True, 1.0, 1.2), (True, -3.0, 0.1), (False, 1.0, 0.6)])
def test_a_narrow_q_is_not_always_the_closest(bent: bool, x: float, m: float) -> None:
    """At the page's first setting the distortion is least at s = .55; the rate falls with s up to 1 all the same."""
    model, scales = ScalarModel(bent, 0.5), torch.linspace(0, 2, 20_001, dtype=torch.float64)
    distortion = model.distortion(x, torch.full_like(scales, m), scales)
    assert float(scales[distortion.argmin()]) == pytest.approx(model.best_scale(x, m), abs=1e-4)
    rate = model.rate(torch.full_like(scales, m), scales)[1:10_001]
    assert bool((rate.diff() < 0).all())
    if (bent, x, m) == (True, 1.0, 0.6):
        assert model.best_scale(x, m) == pytest.approx(math.sqrt(2 / 3 - 0.36), rel=1e-12)
        assert float(distortion[0]) > float(distortion.min()) + 0.2


def test_wherever_the_sliders_go_no_right_formula_is_called_wrong() -> None:
    """The sampled checks of steps 1, 3, 5, 6 and 8, at ends, at special places and in between."""
    pick, checks = random.Random(4), []
    at = lambda low, high, *special: pick.choice([low, high, *special, pick.uniform(low, high)])  # noqa: E731
    for seed in range(60):
        model = ScalarModel(pick.random() < 0.6, at(0.1, 2.0))
        x, m, s = at(-3.0, 3.0, -1.0, 0.0), at(-3.0, 3.0, 0.0, 0.01), at(0.05, 2.0, 1.0)
        bound, terms = (made(model, x, m, s, 4000, generator(seed)) for made in (jensen, two_terms))
        checks += [bound.elbo, bound.evidence, terms.distortion, terms.rate, terms.total]
        cov1, cov2 = (gaussians.covariance_2d(at(0.2, 2.0), at(0.2, 2.0), at(-0.95, 0.95, 0.0, 0.05)) for _ in range(2))
        loc = t(at(-2.0, 2.0, 0.0), at(-2.0, 2.0, 0.0))
        checks.append(gaussians.kl_2d(loc, cov1, t(0.0, 0.0), cov2, 20_000, generator(seed)).kl)
        found = gaussians.rate(t(at(-3.0, 3.0, 0.0), 0.0), t(at(0.05, 2.0, 1.0), 1.0), 20_000, generator(seed))
        checks += [*found.per_dim, found.total]
        if seed % 4 == 0:
            law = monte_carlo.measure(model, x, m, s, generator(seed))
            checks += [law.slope, law.spread[0], law.spread[-1], law.mean]
    assert all(check.possible for check in checks)
    assert sum(not check.agrees for check in checks) <= len(checks) / 100


# divergences


@pytest.mark.parametrize(
    ("m1", "s1", "m2", "s2"), list(itertools.product((-3.0, 1.0), (0.1, 3.0), (0.0, 3.0), (0.1, 3.0)))
)
def test_the_one_dimensional_kl_and_its_parts(m1: float, s1: float, m2: float, s2: float) -> None:
    parts = gaussians.kl_1d(m1, s1, m2, s2)
    first, second = Normal(t(m1), t(s1)), Normal(t(m2), t(s2))
    assert parts.total.formula == pytest.approx(float(kl_divergence(first, second)), rel=1e-12, abs=1e-12)
    assert parts.negative_entropy.formula == pytest.approx(-float(first.entropy()), rel=1e-12)
    for check in (parts.negative_entropy, parts.cross_entropy, parts.total):
        assert check.agrees
        assert check.estimate == pytest.approx(check.formula, rel=1e-10, abs=1e-10)


def test_the_two_dimensional_kl() -> None:
    apart = []
    for seed, (r1, r2, s) in enumerate(itertools.product((-0.95, 0.0, 0.95), (-0.95, 0.4), (0.2, 2.0))):
        loc, zero = t(0.8, -2.0), t(0.0, 0.0)
        cov1, cov2 = gaussians.covariance_2d(0.6, s, r1), gaussians.covariance_2d(1.2, 0.9, r2)
        found = gaussians.kl_2d(loc, cov1, zero, cov2, 20_000, generator(seed))
        expected = kl_divergence(MultivariateNormal(loc, cov1), MultivariateNormal(zero, cov2))
        assert found.kl.formula == pytest.approx(float(expected), rel=1e-12)
        independent = kl_divergence(Normal(loc, cov1.diagonal().sqrt()), Normal(zero, cov2.diagonal().sqrt())).sum()
        assert found.without_correlation == pytest.approx(float(independent), rel=1e-12)
        apart.append(found.kl.errors_apart)
    assert max(apart) < 4


def test_the_rate_by_dimension() -> None:
    found = gaussians.rate(t(1.5, -3.0, 0.0), t(0.05, 2.0, 1.0), 20_000, generator(3))
    expected = kl_divergence(Normal(t(1.5, -3.0, 0.0), t(0.05, 2.0, 1.0)), Normal(0.0, 1.0))
    assert [check.formula for check in found.per_dim] == pytest.approx(expected.tolist(), rel=1e-12, abs=1e-12)
    assert found.total.formula == pytest.approx(float(expected.sum()), rel=1e-12)
    assert all(check.errors_apart < 4 for check in (*found.per_dim, found.total))


# drawing z


@pytest.mark.parametrize("way", noise.WAYS)
@pytest.mark.parametrize("correlation", [-0.9, 0.5])
def test_right_draws_have_the_wanted_covariance_and_wrong_ones_do_not(way: str, correlation: float) -> None:
    cov = gaussians.covariance_2d(1.0, 0.7, correlation)
    found = noise.draw(way, t(0.0, 0.0), cov, 30_000, generator(5))
    assert (found.measured - found.exact).norm() < 0.03
    right = way in ("diagonal", "full")
    assert found.check.agrees is right
    assert torch.equal(found.exact, found.wanted) is right
    assert found.right is right
    assert found.rank == (1 if way == "one-number" else 2)


def test_without_correlation_the_elementwise_product_is_right() -> None:
    found = noise.draw("elementwise", t(0.0, 0.0), gaussians.covariance_2d(1.0, 0.7, 0.0), 30_000, generator(5))
    assert found.check.agrees
    assert found.right


@pytest.mark.parametrize("samples", [100, 30_000])
def test_a_rule_is_right_or_wrong_by_algebra_however_few_the_draws(samples: int) -> None:
    for seed, (s1, s2, r) in enumerate(itertools.product((0.2, 1.0, 2.0), (0.2, 2.0), (-0.95, -0.05, 0.0, 0.05, 0.95))):
        for way in noise.WAYS:
            found = noise.draw(way, t(0.0, 0.0), gaussians.covariance_2d(s1, s2, r), samples, generator(seed))
            assert found.right is (way in ("diagonal", "full") or (way == "elementwise" and r == 0))
            assert found.check.possible or not found.right


def test_the_error_that_right_draws_leave() -> None:
    cov = gaussians.covariance_2d(1.0, 0.5, 0.6)
    squares = [noise.draw("full", t(0.0, 0.0), cov, 200, generator(seed)).relative_error ** 2 for seed in range(400)]
    expected = noise.sampling_error(cov, 200) / float(cov.norm())
    assert math.sqrt(sum(squares) / 400) == pytest.approx(expected, rel=0.1)


# the error of S samples


@pytest.mark.parametrize("bent", [False, True])
def test_moments_of_the_distortion_against_quadrature(bent: bool) -> None:
    model, x, m, s = ScalarModel(bent, 0.4), 1.0, 0.6, 0.8

    def under_q(power: int, centre: float) -> float:
        density = lambda z: log_normal(z, m, s).exp() * (-model.log_px_z(x, z) - centre) ** power  # noqa: E731
        return trapezoid(density, m - 14 * s, m + 14 * s)[0]

    mean, second, fourth = monte_carlo.distortion_moments(model, x, m, s)
    assert mean == pytest.approx(under_q(1, 0.0), rel=1e-12)
    assert second == pytest.approx(under_q(2, mean), rel=1e-12)
    assert fourth == pytest.approx(under_q(4, mean), rel=1e-11)


def test_the_scatter_falls_as_one_over_the_root_of_S() -> None:
    for seed in range(3):
        law = monte_carlo.measure(ScalarModel(True, 0.5), 1.0, 0.6, 0.4, generator(seed))
        assert law.sizes[-1] == 256
        assert law.spread[0].formula == pytest.approx(16 * law.spread[-1].formula, rel=1e-12)
        assert law.slope.estimate == pytest.approx(-0.5, abs=0.03)
        assert all(check.errors_apart < 5 for check in (*law.spread, law.slope, law.mean))


# where C comes from


def test_the_constant() -> None:
    assert gaussian_noise.constant(784, 1.0) == pytest.approx(392 * math.log(2 * math.pi), rel=1e-14)
    assert gaussian_noise.constant(784, 1.0) == pytest.approx(720.45, abs=0.01)
    assert gaussian_noise.constant(784, 0.01) == pytest.approx(-1084.78, abs=0.01)
    assert gaussian_noise.density_at_zero(784, 0.01) == pytest.approx(gaussian_noise.constant(784, 0.01), rel=1e-12)


@pytest.mark.parametrize(("D", "C", "truth"), [(1, 0.1, 1.0), (784, 50.0, 0.02), (3072, 1000.0, 0.001)])
def test_noise_gives_the_weight_and_its_optimum(D: int, C: float, truth: float) -> None:
    found = gaussian_noise.measure(D, C, truth, 100, generator(2))
    assert found.density.agrees
    assert found.best.agrees
    assert found.truth.errors_apart < 4
    at = t(found.best.formula).requires_grad_()
    gaussian_noise.loss(at, D, found.mean_squared_error).backward()
    assert at.grad is not None
    assert abs(float(at.grad)) < 1e-9 * D


@pytest.mark.parametrize("D", [1, 784, 3072])
@pytest.mark.parametrize("truth", [0.001, 1.0])
def test_the_smallest_loss_is_found_wherever_the_sliders_go(D: int, truth: float) -> None:
    """Two samples in a hundred of one pixel have their best C beyond any range that was chosen beforehand."""
    for images, seeds in ((1, 100), (500, 10)):
        for seed in range(seeds):
            best = gaussian_noise.measure(D, 50.0, truth, images, generator(seed)).best
            assert best.agrees
            assert best.error < 1e-5 * best.formula
    for power in (-12, 0, 12):
        found, step = gaussian_noise._smallest(D, 10.0**power)
        assert found == pytest.approx(gaussian_noise.optimum(D, 10.0**power), abs=step)


@pytest.mark.parametrize(("D", "images"), [(1, 1), (1, 5), (16, 1), (64, 20)])
def test_the_noise_is_recovered_within_three_errors_as_often_as_stated(
    D: int, images: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    truth, n = 0.3, D * images
    monkeypatch.setattr(gaussian_noise, "_smallest", lambda *_: (0.0, 1.0))  # the best C, which takes the time
    for side, quantile in ((1, chi2.isf), (-1, chi2.ppf)):
        edge = truth * float(quantile(norm.sf(3.0), n)) / n  # beyond it a right formula lies 1.35 times in 1,000
        inside, outside = edge * (1 - side * 1e-6), edge * (1 + side * 1e-6)
        assert abs(inside - truth) <= 3 * gaussian_noise.variance_error(truth, inside, n)
        assert abs(outside - truth) > 3 * gaussian_noise.variance_error(truth, outside, n)
    many = [gaussian_noise.measure(D, 1.0, truth, images, generator(seed)).truth.agrees for seed in range(3000)]
    assert 3000 - 22 <= sum(many) < 3001  # 8 are expected outside, give or take 2.8


def test_the_error_of_many_squares_is_that_of_a_normal_estimate() -> None:
    for estimate in (0.019, 0.021):
        error = gaussian_noise.variance_error(0.02, estimate, 784 * 500)
        assert error == pytest.approx(0.02 * math.sqrt(2 / (784 * 500)), rel=0.01)


# why dimensions collapse


def test_the_loss_of_the_linear_vae_is_the_mean_over_the_images(digits: Spectrum) -> None:
    """The formula from the covariance alone, against q(z|x) put in image by image."""
    c, W = 0.3, torch.randn(64, 4, generator=generator(1), dtype=torch.float64) / 4
    M = W.mT @ W + c * torch.eye(4, dtype=torch.float64)
    y = digits.x - digits.mean
    m, v = torch.linalg.solve(M, (y @ W).mT).mT, 1 / (1 + W.square().sum(0) / c)
    squared = (y - m @ W.mT).square().sum(1) + (v * W.square().sum(0)).sum()
    rate = kl_divergence(Normal(m, v.sqrt().expand_as(m)), Normal(0.0, 1.0)).sum(1)
    loss = squared / (2 * c) + gaussian_noise.constant(64, c) + rate
    assert float(collapse.negative_elbo(W, digits.covariance, c)) == pytest.approx(float(loss.mean()), rel=1e-12)


@pytest.mark.parametrize(("c", "k", "active"), [(0.2, 10, 7), (0.5, 10, 3), (2.0, 10, 0), (0.02, 5, 5)])
def test_predicted_and_observed_active_units(digits: Spectrum, c: float, k: int, active: int) -> None:
    found = collapse.observe(digits, k, c, generator(0))
    assert (found.predicted, found.observed, found.near) == (active, active, 0)
    assert found.agrees
    assert found.loss.formula == pytest.approx(-float(best_at(digits.x, k, c).log_px(digits.x).mean()), rel=1e-10)
    assert found.loss.difference < 1e-6
    assert all(check.difference < 1e-4 for check in found.variances)


def test_an_eigenvalue_just_above_c_is_used_but_below_the_threshold(digits: Spectrum) -> None:
    c = float(digits.values[2]) * 0.995
    found = collapse.observe(digits, 4, c, generator(0))
    assert (found.predicted, found.near, found.observed) == (3, 1, 2)
    assert found.agrees


# the trained loss


def test_the_trainers_loss_agrees_with_the_closed_form(digits: Spectrum) -> None:
    for index, k, C in ((0, 10, 20.0), (700, 1, 0.5), (1796, 20, 100.0)):
        found = trained_loss.measure(digits, digits.x[index], k, C, 4000, generator(index))
        for check in (found.weighted_squared_error, found.rate, found.total):
            assert check.errors_apart < 4
        assert found.total.formula == pytest.approx(
            C * found.squared_error + 32 * math.log(math.pi / C) + found.rate.formula, rel=1e-12
        )
