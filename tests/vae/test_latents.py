"""Latents: q(z|x) and p(z) as distributions, and the rate between them."""

from __future__ import annotations

import pytest
import torch
from torch import Generator, Tensor
from torch.distributions import Independent, Normal, kl_divergence

from vae.latents import DiagonalNormal, NormalLatent


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
