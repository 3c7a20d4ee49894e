"""Latents: q(z|x) and p(z) as distributions, and the rate between them."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Generator, Tensor
from torch.distributions import Bernoulli, Independent, MultivariateNormal, Normal, kl_divergence

from vae.model.kl import kl_bernoulli_half, kl_normal
from vae.model.latent import DiagonalNormal, FullNormal
from vae.model.latents import BernoulliLatent, FullNormalLatent, NormalLatent


def parameters(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=Generator().manual_seed(seed))


@pytest.fixture
def qz_x() -> DiagonalNormal:
    return NormalLatent.posterior(parameters(0, 5, NormalLatent.parameters(3)))


def reference(q: DiagonalNormal) -> Independent:
    return Independent(Normal(q.loc, (0.5 * q.log_variance).exp()), 1)


def test_the_encoders_output_is_means_then_log_variances() -> None:
    row = torch.tensor([[1.0, 2.0, 0.0, -1.0]])
    q = NormalLatent.posterior(row)
    assert q.mean.tolist() == [[1.0, 2.0]]
    assert q.variance.tolist() == [[1.0, pytest.approx(0.36787945)]]
    assert (q.batch_shape, q.event_shape) == ((1,), (2,))


def test_log_prob_equals_torch(qz_x: DiagonalNormal) -> None:
    z = parameters(1, 7, 5, 3)
    torch.testing.assert_close(qz_x.log_prob(z), reference(qz_x).log_prob(z), rtol=1e-12, atol=1e-12)


def test_F8_is_elementwise_with_a_draw_of_its_own_for_each_dimension(qz_x: DiagonalNormal) -> None:
    z = qz_x.rsample((4,), Generator().manual_seed(3))
    noise = torch.randn(4, 5, 3, generator=Generator().manual_seed(3), dtype=torch.float64)
    torch.testing.assert_close(z, qz_x.loc + qz_x.variance.sqrt() * noise, rtol=1e-14, atol=1e-14)
    assert torch.equal(z, qz_x.sample((4,), Generator().manual_seed(3)))


def test_gradients_pass_through_rsample_and_stop_at_sample() -> None:
    loc, log_v = torch.zeros(1, 2, requires_grad=True), torch.zeros(1, 2, requires_grad=True)
    q = DiagonalNormal(loc, log_v)
    z = q.rsample((3,), Generator().manual_seed(0))
    z.sum().backward()
    assert loc.grad is not None
    assert log_v.grad is not None
    assert loc.grad.tolist() == [[3.0, 3.0]]
    torch.testing.assert_close(log_v.grad, 0.5 * z.detach().sum(0))  # dz/d log v = ½ s ε, here s = 1 and m = 0
    assert not q.sample((3,)).requires_grad


def test_moments_of_samples(qz_x: DiagonalNormal) -> None:
    n = 40_000
    z = qz_x.sample((n,), Generator().manual_seed(0))
    v = qz_x.variance
    assert ((z.mean(0) - qz_x.mean).abs() < 5 * (v / n).sqrt()).all()
    assert ((z.var(0) - v).abs() < 5 * v * (2 / n) ** 0.5).all()
    centred = (z - z.mean(0)) / v.sqrt()
    correlations = torch.einsum("nbi,nbj->bij", centred, centred) / n - torch.eye(3, dtype=v.dtype)
    assert correlations.abs().max() < 5 * (2 / n) ** 0.5


def test_the_prior_is_standard_normal() -> None:
    prior = NormalLatent.prior(4, torch.device("cpu"), torch.float64)
    z = parameters(0, 6, 4)
    standard = Independent(Normal(torch.zeros(4).double(), torch.ones(4).double()), 1)
    torch.testing.assert_close(prior.log_prob(z), standard.log_prob(z), rtol=1e-12, atol=1e-12)
    assert prior.mean.shape == (4,)
    assert prior.sample((9,)).shape == (9, 4)


def test_rate_is_the_sum_of_its_dimensions_and_torchs_kl(qz_x: DiagonalNormal) -> None:
    prior = Independent(Normal(torch.zeros(5, 3).double(), torch.ones(5, 3).double()), 1)
    want = kl_divergence(reference(qz_x), prior)
    torch.testing.assert_close(NormalLatent.rate(qz_x), want, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(NormalLatent.rate_per_dim(qz_x).sum(-1), want, rtol=1e-12, atol=1e-12)


def test_rate_is_the_mean_of_log_q_minus_log_p(qz_x: DiagonalNormal) -> None:
    z = qz_x.sample((100_000,), Generator().manual_seed(0))
    prior = NormalLatent.prior(3, torch.device("cpu"), torch.float64)
    difference = qz_x.log_prob(z) - prior.log_prob(z)
    error = difference.std(0) / 100_000**0.5
    assert ((difference.mean(0) - NormalLatent.rate(qz_x)).abs() < 5 * error).all()


# a full covariance


@pytest.fixture
def full() -> FullNormal:
    return FullNormalLatent.posterior(parameters(0, 5, FullNormalLatent.parameters(3)))


def full_reference(q: FullNormal) -> MultivariateNormal:
    return MultivariateNormal(q.loc, scale_tril=q.L)


def test_the_encoders_output_fills_the_factor_row_by_row() -> None:
    row = torch.tensor([[1.0, 2.0, 3.0, 0.0, 2.0, 4.0, 0.1, 0.2, 0.3]])
    q = FullNormalLatent.posterior(row)
    e = math.e
    assert q.mean.tolist() == [[1, 2, 3]]
    torch.testing.assert_close(q.L, torch.tensor([[[1, 0, 0], [0.1, e, 0], [0.2, 0.3, e**2]]]), rtol=1e-6, atol=0)
    torch.testing.assert_close(q.variance, q.covariance.diagonal(dim1=-2, dim2=-1), rtol=1e-6, atol=0)


@pytest.mark.parametrize("k", range(1, 9))
def test_every_number_of_dimensions_finds_its_own_parameters(k: int) -> None:
    q = FullNormalLatent.posterior(parameters(k, 2, FullNormalLatent.parameters(k)))
    assert q.L.shape == (2, k, k)
    assert len(set(q.L[0].tril()[q.L[0].tril() != 0].tolist())) == k * (k + 1) // 2


def test_full_log_prob_and_F2_equal_torch(full: FullNormal) -> None:
    z = parameters(1, 7, 5, 3)
    torch.testing.assert_close(full.log_prob(z), full_reference(full).log_prob(z), rtol=1e-12, atol=1e-12)
    prior = MultivariateNormal(torch.zeros(3).double(), torch.eye(3).double())
    rate = FullNormalLatent.rate(full)
    torch.testing.assert_close(rate, kl_divergence(full_reference(full), prior), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(rate, kl_normal(full.loc, full.covariance, torch.zeros(5, 3).double(),
                                               torch.ones(5, 3).double()), rtol=1e-10, atol=1e-12)  # fmt: skip
    marginals = kl_divergence(Normal(full.loc, full.variance.sqrt()), Normal(0.0, 1.0))
    torch.testing.assert_close(FullNormalLatent.marginal_rate_per_dim(full), marginals, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("axes", [(5,), (7, 5), (2, 7, 5), (1,), (7, 1)])
def test_codes_of_any_number_of_axes_are_each_their_own_normals(full: FullNormal, axes: tuple[int, ...]) -> None:
    z = parameters(2, *axes, 3)
    torch.testing.assert_close(full.log_prob(z), full_reference(full).log_prob(z), rtol=1e-12, atol=1e-12)
    one = FullNormal(full.loc[0], full.L)  # one mean, five covariances
    torch.testing.assert_close(one.log_prob(z), full_reference(one).log_prob(z), rtol=1e-12, atol=1e-12)


def test_F9_is_a_matrix_product(full: FullNormal) -> None:
    z = full.rsample((4,), Generator().manual_seed(3))
    noise = torch.randn(4, 5, 3, generator=Generator().manual_seed(3), dtype=torch.float64)
    by_hand = torch.stack([torch.stack([full.loc[b] + full.L[b] @ noise[s, b] for b in range(5)]) for s in range(4)])
    torch.testing.assert_close(z, by_hand, rtol=1e-12, atol=1e-12)


def test_without_its_lower_part_a_full_normal_is_the_diagonal_one() -> None:
    row = parameters(4, 5, FullNormalLatent.parameters(3))
    row[:, 6:] = 0
    full, diagonal = FullNormalLatent.posterior(row), NormalLatent.posterior(row[:, :6])
    z = parameters(5, 5, 3)
    torch.testing.assert_close(full.log_prob(z), diagonal.log_prob(z), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(FullNormalLatent.rate(full), NormalLatent.rate(diagonal), rtol=1e-12, atol=1e-12)


# bits


def test_bits_equal_torch() -> None:
    q = BernoulliLatent.posterior(parameters(0, 5, 3))
    reference = Independent(Bernoulli(logits=q.logits), 1)
    z = (parameters(1, 7, 5, 3) > 0).double()
    torch.testing.assert_close(q.log_prob(z), reference.log_prob(z), rtol=1e-12, atol=1e-12)
    fair = Bernoulli(probs=torch.tensor(0.5).double())
    expected = kl_divergence(Bernoulli(logits=q.logits), fair)
    torch.testing.assert_close(BernoulliLatent.rate_per_dim(q), expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(BernoulliLatent.rate(q), expected.sum(-1), rtol=1e-12, atol=1e-12)
    assert BernoulliLatent.decoder_input(z).unique().tolist() == [-1, 1]


def test_the_rate_of_bits_keeps_its_digits_from_fair_to_certain() -> None:
    """float32 against float64 of the plain formula; below |l| = 0.1 against its series, where the plain one cancels."""
    logits = torch.tensor([0.0, 1e-4, 0.01, 0.099, 0.101, 1.0, 10.0, 80.0, 1e4])
    rate = kl_bernoulli_half(logits)
    l = logits.double()  # noqa: E741  the letter of the formula
    plain = torch.sigmoid(l) * l - torch.nn.functional.softplus(l) + math.log(2)
    wanted = torch.where(l < 0.05, l**2 / 8 - l**4 / 64, plain)
    torch.testing.assert_close(rate.double(), wanted, rtol=1e-4, atol=0)
    torch.testing.assert_close(kl_bernoulli_half(-logits), rate, rtol=0, atol=0)
    assert float(rate[-1]) == pytest.approx(math.log(2))
    assert float(rate[0]) == 0


def test_the_slope_of_the_rate_of_bits_is_finite_and_right_everywhere() -> None:
    (steep,) = torch.autograd.grad(kl_bernoulli_half(wide := torch.tensor([1e8, -1e20]).requires_grad_()).sum(), wide)
    assert steep.tolist() == [0, 0]
    logits = torch.tensor([-200.0, -3.0, -0.1001, -0.0999, 0.0, 0.05, 0.5, 200.0], dtype=torch.float64).requires_grad_()
    (slope,) = torch.autograd.grad(kl_bernoulli_half(logits).sum(), logits)
    p = logits.detach().sigmoid()
    torch.testing.assert_close(slope, logits.detach() * p * (1 - p), rtol=1e-9, atol=1e-15)
