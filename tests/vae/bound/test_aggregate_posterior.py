"""The bracket for KL(q(z) ‖ p(z)): against quadrature, closed forms and a second way through the densities."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Generator, Tensor

from vae.bound.aggregate_posterior import (
    Posterior,
    information,
    log_aggregate_posterior,
    mean_bound,
    moments_of,
    rows_of,
    together,
)
from vae.bound.density_ratio import Ratio, fit_ratio, measure_ratio
from vae.model.kl import kl_normal
from vae.model.latent import DiagonalNormal, FullNormal, IndependentBernoulli
from vae.model.latents import LATENTS, BernoulliLatent, NormalLatent

PRIOR = NormalLatent.prior(2, torch.device("cpu"), torch.float32)
# Modes (weight, mean, standard deviation of the means around it, of q(z|x) itself), each the same in both dimensions.
MIXTURES = {
    "two far apart": [(0.5, (-1.2, 0.0), 0.3, 0.3), (0.5, (1.2, 0.0), 0.3, 0.3)],
    "a ring of five": [(0.2, (1.3 * math.cos(t), 1.3 * math.sin(t)), 0.2, 0.25) for t in (0.0, 1.26, 2.51, 3.77, 5.03)],
    "one small and one wide": [(0.3, (0.8, -0.5), 0.1, 0.15), (0.7, (-0.3, 0.2), 0.7, 0.5)],
}


def normal(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=Generator().manual_seed(seed))


def images(modes: list, n: int, seed: int, full: bool = False) -> Posterior:
    """q(z|x) of n images drawn from the population whose aggregate posterior is the mixture."""
    generator = Generator().manual_seed(seed)
    weights = torch.tensor([mode[0] for mode in modes])
    which = torch.multinomial(weights, n, replacement=True, generator=generator)
    loc = torch.tensor([mode[1] for mode in modes])[which]
    jitter, scale = (torch.tensor([mode[i] for mode in modes])[which].unsqueeze(1) for i in (2, 3))
    loc = loc + jitter * torch.randn(n, 2, generator=generator)
    if full:
        return FullNormal(loc, torch.diag_embed(scale.expand(n, 2)))
    return DiagonalNormal(loc, 2 * scale.log().expand(n, 2))


def quadrature(modes: list) -> float:
    """KL(mixture ‖ N(0, I)) by a sum over a grid."""
    axis = torch.linspace(-6, 6, 401, dtype=torch.float64)
    z = torch.cartesian_prod(axis, axis)
    log_q = torch.logsumexp(
        torch.stack(
            [
                math.log(weight)
                - (z - torch.tensor(mean, dtype=torch.float64)).square().sum(1) / (2 * (a * a + b * b))
                - math.log(2 * math.pi * (a * a + b * b))
                for weight, mean, a, b in modes
            ]
        ),
        0,
    )
    log_p = -z.square().sum(1) / 2 - math.log(2 * math.pi)
    return float((log_q.exp() * (log_q - log_p)).sum() * 0.03**2)


def classified(modes: list, n: int, monkeypatch: pytest.MonkeyPatch, steps: int = 300) -> Ratio:
    monkeypatch.setattr("vae.bound.density_ratio.STEPS", steps)
    monkeypatch.setattr("vae.bound.density_ratio.WIDTH", 64)
    generator = Generator().manual_seed(n)
    ratio = fit_ratio(images(modes, n, 1), PRIOR, generator)
    return measure_ratio(ratio, images(modes, n, 2), PRIOR, generator)


@pytest.mark.parametrize("name", MIXTURES)
def test_the_bracket_contains_the_value_and_stays_when_there_are_more_images(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes = MIXTURES[name]
    truth = quadrature(modes)
    found = {n: classified(modes, n, monkeypatch) for n in (1000, 4000)}
    for n, told in found.items():
        assert told.unbiased.value < truth + 3 * told.unbiased.error
        assert told.unbiased.value > truth - 0.05 - 3 * told.unbiased.error  # in two dimensions little is missed
        assert told.donsker_varadhan >= told.unbiased.value - 1e-12  # x − 1 ≥ log x
        below = mean_bound(moments_of(images(modes, n, 1)).expected(images(modes, n, 2)))
        assert below.value < truth
        assert below.value < told.unbiased.value + 2 * told.unbiased.error
        held_out = images(modes, n, 2)
        above = information(held_out, held_out.sample((), Generator().manual_seed(3)))
        assert above.divergence.value > truth - 3 * above.divergence.error
        assert above.information.value < above.limit
    moved = found[4000].unbiased.value - found[1000].unbiased.value
    assert abs(moved) < 3 * math.hypot(found[1000].unbiased.error, found[4000].unbiased.error)


def test_rate_less_information_falls_with_the_images_and_never_below_the_value() -> None:
    """What makes it an upper bound and no estimate: narrow posteriors, whose images are told apart."""
    modes = [(1.0, (0.0, 0.0), 0.9, 0.02)]
    truth, falling = quadrature(modes), []
    for n in (50, 500, 4000):
        qz_x = images(modes, n, 4)
        told = information(qz_x, qz_x.sample((), Generator().manual_seed(5)))
        falling.append(told.divergence.value)
        assert told.saturated == (n == 50)
        rate = float(NormalLatent.rate(qz_x).double().mean())
        spread = math.hypot(told.divergence.error, told.information.error)
        assert rate - told.information.value == pytest.approx(told.divergence.value, abs=4 * spread)
    assert falling[0] > falling[1] + 1 > falling[2] + 2 > truth


@pytest.mark.parametrize("name", LATENTS)
def test_the_table_of_densities_is_that_of_every_posterior_by_itself(name: str) -> None:
    latent = LATENTS[name]
    qz_x = latent.posterior(0.7 * normal(6, 9, latent.parameters(3)))
    z = qz_x.sample((), Generator().manual_seed(0))  # (9, 3)
    each = qz_x.log_prob(z.unsqueeze(1)).double()  # (9, 9)
    torch.testing.assert_close(log_aggregate_posterior(qz_x, z), each.logsumexp(1) - math.log(9), rtol=1e-5, atol=1e-5)
    told = information(qz_x, z)
    aggregate = each.logsumexp(1) - math.log(9)
    pz = latent.prior(3, z.device, z.dtype)
    assert told.information.value == pytest.approx(float((each.diagonal() - aggregate).mean()), abs=1e-5)
    assert told.divergence.value == pytest.approx(float((aggregate - pz.log_prob(z)).mean()), abs=1e-5)
    parts = together([rows_of(qz_x, slice(0, 4)), rows_of(qz_x, torch.arange(4, 9))])
    torch.testing.assert_close(parts.log_prob(z), qz_x.log_prob(z))


def test_the_memory_of_the_table_does_not_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    qz_x = DiagonalNormal(normal(0, 40, 2), normal(1, 40, 2))
    z, heard = normal(2, 30, 2), []
    whole = log_aggregate_posterior(qz_x, z)
    monkeypatch.setattr("vae.bound.aggregate_posterior.ENTRIES", 200)
    torch.testing.assert_close(log_aggregate_posterior(qz_x, z, heard.append), whole)
    assert heard == pytest.approx([i / 6 for i in range(1, 7)])


def test_the_moments_of_normals_are_the_mixtures() -> None:
    """Against moments by hand and F1; and by samples, for what other images make of it."""
    loc, L = normal(0, 50, 3).double(), 0.3 * normal(1, 50, 3, 3).double().tril(-1) + 0.5 * torch.eye(3).double()
    qz_x = FullNormal(loc, L)
    second = (loc.unsqueeze(2) * loc.unsqueeze(1) + L @ L.mT).mean(0)
    m = loc.mean(0)
    S = second - torch.outer(m, m)
    moments = moments_of(qz_x)
    expected = kl_normal(m, S, torch.zeros(3).double(), torch.eye(3).double())
    assert float(moments.expected(qz_x).mean()) == pytest.approx(float(expected), abs=1e-12)
    z = qz_x.sample((20_000,), Generator().manual_seed(0))
    by_draws = moments.log_ratio(z).mean(0)
    torch.testing.assert_close(by_draws, moments.expected(qz_x), rtol=0, atol=0.1)
    other = DiagonalNormal(normal(2, 400, 3).double(), torch.zeros(400, 3).double())
    own = float(moments_of(other).expected(other).mean())
    assert float(moments.expected(other).mean()) < own  # no other density's moments say more


def test_the_moments_of_bits_are_their_shares_of_ones() -> None:
    qz_x = IndependentBernoulli(normal(0, 60, 4).double())
    p = qz_x.mean.mean(0)
    expected = (p * (2 * p).log() + (1 - p) * (2 * (1 - p)).log()).sum()
    moments = moments_of(qz_x)
    assert float(moments.expected(qz_x).mean()) == pytest.approx(float(expected), abs=1e-12)
    z = torch.tensor([[1.0, 0.0, 0.0, 1.0]]).double()
    by_hand = (torch.where(z == 1, p, 1 - p) * 2).log().sum()
    assert float(moments.log_ratio(z)) == pytest.approx(float(by_hand), abs=1e-12)


def test_bits_whose_codes_are_few_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every bit is fair, but of 16 codes only two are ever used: KL = log 8, of which the moments see nothing."""
    monkeypatch.setattr("vae.bound.density_ratio.STEPS", 150)
    sign = (torch.arange(800) % 2 * 2 - 1).float().unsqueeze(1)
    qz_x, generator = IndependentBernoulli(9 * sign.expand(800, 4)), Generator().manual_seed(0)
    pz = BernoulliLatent.prior(4, torch.device("cpu"), torch.float32)
    assert abs(float(moments_of(qz_x).expected(qz_x).mean())) < 1e-3
    told = measure_ratio(fit_ratio(qz_x, pz, generator), qz_x, pz, generator)
    assert told.unbiased.value == pytest.approx(math.log(8), abs=0.1)
    above = information(qz_x, qz_x.sample((), generator))
    assert above.divergence.value == pytest.approx(math.log(8), abs=0.02)


def test_where_the_codes_are_the_prior_there_is_nothing_to_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    told = classified([(1.0, (0.0, 0.0), 0.8, 0.6)], 2000, monkeypatch, steps=150)
    assert abs(told.unbiased.value) < 3 * told.unbiased.error + 0.01


def test_a_bound_has_the_error_of_a_mean() -> None:
    told = mean_bound(torch.tensor([1.0, 2.0, 4.0]))
    assert told.value == pytest.approx(7 / 3)
    assert told.error == pytest.approx((((4 / 3) ** 2 + (1 / 3) ** 2 + (5 / 3) ** 2) / 2 / 3) ** 0.5)
