"""Step 11 of the Learn page: the gradient through bits, its estimates, and how far those scatter."""

from __future__ import annotations

import dataclasses
import itertools
import math

import pytest
import torch
from scipy.stats import binom
from torch import Tensor

from vae.lessons.derivation import likelihood_ratio
from vae.lessons.derivation.check import BEYOND, bernstein, generator


def t(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


@pytest.mark.parametrize("bits", [1, 3, 6])
def test_the_likelihood_ratio_gradient_is_the_gradient(bits: int) -> None:
    for seed in range(5):
        model, logits = likelihood_ratio.toy(bits, generator(seed), 2.0)
        leaf = logits.clone().requires_grad_()
        (expected,) = torch.autograd.grad(-likelihood_ratio.elbo(model, leaf), leaf)
        assert torch.allclose(likelihood_ratio.gradient(model, logits), expected, rtol=1e-12, atol=1e-12)


def test_the_printed_rule_is_the_gradient_of_the_reconstruction_alone() -> None:
    model, logits = likelihood_ratio.toy(5, generator(3), 4.0)
    leaf = logits.clone().requires_grad_()
    weights = likelihood_ratio.log_q(leaf, model.codes).exp()
    (reconstruction,) = torch.autograd.grad(-(weights * model.log_px_z(model.codes)).sum(), leaf)
    printed = likelihood_ratio.printed_gradient(model, logits)
    assert torch.allclose(printed, reconstruction, rtol=1e-12, atol=1e-12)
    exact = likelihood_ratio.gradient(model, logits)
    assert (printed - exact).norm() > 0.05 * exact.norm()


def test_sampled_gradients_agree_and_a_baseline_calms_them() -> None:
    for seed in range(4):
        model, logits = likelihood_ratio.toy(4, generator(seed), 4.0)
        found = likelihood_ratio.compare(model, logits, 10_000, generator(seed))
        checks = (*found.plain, *found.baseline, found.plain_length, found.baseline_length)
        assert all(check.errors_apart < 4 for check in checks)
        assert found.variance_ratio > 2
        assert any(check.errors_apart > 5 for check in found.printed_sampled)
        assert found.printed_error > 0.05


@pytest.mark.parametrize("samples", [2, 3])
def test_the_error_of_an_estimate_is_that_over_all_draws(samples: int) -> None:
    """The variance over all (2^k)^S samples, each with its probability, of both estimates."""
    model, logits = likelihood_ratio.toy(2, generator(5), 4.0)
    codes, weights = model.codes, likelihood_ratio.log_q(logits, model.codes).exp()
    scores, f = likelihood_ratio.score(logits, codes), likelihood_ratio.log_q(logits, codes) - model.log_joint(codes)
    tuples = torch.cartesian_prod(*[torch.arange(4)] * samples)
    p = weights[tuples].prod(1)
    others = (f[tuples].sum(1, keepdim=True) - f[tuples]) / (samples - 1)
    for check, g in (
        (0, (scores[tuples] * f[tuples][..., None]).mean(1)),
        (1, (scores[tuples] * (f[tuples] - others)[..., None]).mean(1)),
    ):
        mean = p @ g
        assert torch.allclose(mean, likelihood_ratio.gradient(model, logits), rtol=1e-12)
        found = likelihood_ratio.compare(model, logits, samples, generator(1))
        told = t(*(one.error for one in (found.plain, found.baseline)[check]))
        assert torch.allclose(told, (p @ (g - mean).square()).sqrt(), rtol=1e-9)
        one = (found.plain_length, found.baseline_length)[check]
        along = found.exact / found.exact.norm()
        assert one.error == pytest.approx(float((p @ ((g - mean) @ along).square()).sqrt()), rel=1e-9)
        distance = (g - mean).abs()
        reach = t(*(one.reach or 0.0 for one in (found.plain, found.baseline)[check]))
        assert bool(((p[:, None] * (distance > reach)).sum(0) <= BEYOND).all())


def test_a_mean_strays_farther_than_its_reach_as_rarely_as_stated() -> None:
    """Draws of 0 and 1: the binomial distribution, from a handful of rare ones to many."""
    for S, chance in itertools.product((10, 100, 1000), (1e-4, 1e-3, 0.02, 0.5)):
        reach = float(bernstein(t(chance * (1 - chance)), t(max(chance, 1 - chance)), S))
        outside = binom.sf(math.ceil(S * (chance + reach)) - 1, S, chance) + binom.cdf(S * (chance - reach), S, chance)
        assert outside <= BEYOND
    assert reach == pytest.approx(3.63 * 0.5 / math.sqrt(1000), rel=0.05)  # and is not far above three errors


def test_draws_that_are_all_one_code_do_not_refute_the_right_rule() -> None:
    model, logits = likelihood_ratio.toy(1, generator(1), 0.2)
    found = likelihood_ratio.compare(model, logits - 8, 100, generator(0))
    assert found.plain_length.agrees
    assert found.plain_length.errors_apart < 1
    assert math.isfinite(found.variance_ratio)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_wherever_the_sliders_go_the_right_gradient_is_not_called_wrong(bits: int) -> None:
    doubted = total = 0
    places = itertools.product((0.2, 4.0, 8.0), (-3.0, -1.5, 0.0, 1.5, 3.0), (1, 7, 23, 50), (100, 1000))
    for seed, (c, shift, number, samples) in enumerate(places):
        model, logits = likelihood_ratio.toy(bits, generator(number))
        model = dataclasses.replace(model, noise=c)
        found = likelihood_ratio.compare(model, logits + shift, samples, generator(seed))
        checks = (found.plain_length, found.baseline_length, *found.plain, *found.baseline)
        assert all(check.possible for check in checks)
        doubted, total = doubted + sum(not check.agrees for check in checks), total + len(checks)
        assert found.printed_error > 1e-4  # while the printed rule is told from it by all codes
    assert doubted <= total / 100  # in one place they come from the same draws, and are doubted together


def test_the_printed_rule_leaves_no_entropy() -> None:
    model, logits = likelihood_ratio.toy(6, generator(1), 4.0)
    right, wrong = (likelihood_ratio.drive(model, logits, printed) for printed in (False, True))
    assert wrong.entropy < 0.5 < right.entropy
    assert wrong.elbo < right.elbo - 0.5
