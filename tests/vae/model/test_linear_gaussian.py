"""Linear decoders in closed form: probabilistic PCA on scikit-learn's digits, and the law of collapse."""

from __future__ import annotations

import math

import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from torch import Generator, Tensor
from torch.distributions import MultivariateNormal

from vae.model.kl import kl_normal
from vae.model.linear_gaussian import LinearGaussian, best_at, covariance_eigenvalues, ppca, predicted_active_units


@pytest.fixture(scope="module")
def x() -> Tensor:
    return torch.from_numpy(load_digits().data / 16)  # (1797, 64) float64


def gap(model: LinearGaussian, x: Tensor, loc: Tensor, cov: Tensor) -> float:
    """Mean of log p(x) − ELBO for q = N(loc, cov), (n, k) variances or (n, k, k)."""
    zeros, ones = torch.zeros_like(loc), torch.ones_like(loc)
    elbo = model.expected_log_px_z(x, loc, cov) - kl_normal(loc, cov, zeros, ones)
    return float((model.log_px(x) - elbo).mean())


def rotated(model: LinearGaussian, seed: int) -> LinearGaussian:
    k = model.W.shape[1]
    R = torch.linalg.qr(torch.randn(k, k, generator=Generator().manual_seed(seed), dtype=torch.float64)).Q
    return LinearGaussian(model.W @ R, model.b, model.c)


def best_diagonal(model: LinearGaussian, x: Tensor) -> tuple[Tensor, Tensor]:
    """The best q with a diagonal covariance: the posterior's mean, and the inverse of its precision's diagonal."""
    mean, cov = model.posterior(x)
    return mean, (1 / torch.linalg.inv(cov).diagonal()).expand_as(mean)


@pytest.mark.parametrize(("k", "log_px"), [(2, 0.005707), (5, 8.907637), (10, 17.451947), (20, 27.277300)])
def test_probabilistic_pca_of_the_digits(x: Tensor, k: int, log_px: float) -> None:
    model = ppca(x, k)
    assert float(model.log_px(x).mean()) == pytest.approx(log_px, abs=5e-7)
    marginal = MultivariateNormal(model.b, model.W @ model.W.T + model.c * torch.eye(64).double())
    torch.testing.assert_close(model.log_px(x), marginal.log_prob(x), rtol=1e-10, atol=1e-10)
    assert PCA(k).fit(x.numpy()).noise_variance_ * 1796 / 1797 == pytest.approx(float(model.c), rel=1e-9)
    mean, variance = best_diagonal(model, x)
    assert gap(model, x, mean, variance) < 1e-10  # PCA's axes are orthogonal: the posterior is diagonal


@pytest.mark.parametrize("k", [10, 20])
def test_a_rotated_decoder_costs_a_diagonal_posterior_and_not_a_full_one(x: Tensor, k: int) -> None:
    """p(x) is the same for every rotation; what a diagonal q loses depends on it."""
    model, losses = ppca(x, k), []
    for seed in range(5):
        turned = rotated(model, seed)
        torch.testing.assert_close(turned.log_px(x), model.log_px(x), rtol=1e-10, atol=1e-9)
        mean, cov = turned.posterior(x)
        assert abs(gap(turned, x, mean, cov.expand(len(x), -1, -1))) < 1e-10
        losses.append(gap(turned, x, *best_diagonal(turned, x)))
    low, high = {10: (0.4, 0.9), 20: (2.9, 3.9)}[k]
    assert all(low < loss < high for loss in losses), losses


def test_F6_the_gap_is_the_divergence_from_the_posterior(x: Tensor) -> None:
    model, some = rotated(ppca(x, 4), 1), x[:50]
    mean, cov = model.posterior(some)
    loc = mean + 0.3 * torch.randn(mean.shape, generator=Generator().manual_seed(0), dtype=torch.float64)
    variance = torch.rand(mean.shape, generator=Generator().manual_seed(1), dtype=torch.float64) + 0.1
    elbo = model.expected_log_px_z(some, loc, variance) - kl_normal(loc, variance, 0 * loc, 1 + 0 * loc)
    divergence = kl_normal(loc, variance, mean, cov.expand(50, -1, -1))
    torch.testing.assert_close(model.log_px(some) - elbo, divergence, rtol=1e-12, atol=1e-10)


def test_the_expected_log_likelihood_is_that_of_samples(x: Tensor) -> None:
    model, some, S = ppca(x, 3), x[:4], 40_000
    mean, cov = rotated(model, 2).posterior(some)
    z = (
        mean
        + torch.randn(S, 4, 3, generator=Generator().manual_seed(0), dtype=torch.float64) @ torch.linalg.cholesky(cov).T
    )
    squared = (some - z @ model.W.T - model.b).square().sum(-1)
    sampled = -0.5 * (64 * (math.log(2 * math.pi) + model.c.log()) + squared / model.c)
    exact = model.expected_log_px_z(some, mean, cov.expand(4, -1, -1))
    assert ((sampled.mean(0) - exact).abs() < 5 * sampled.std(0) / S**0.5).all()


@pytest.mark.parametrize(("c", "active"), [(0.2, 7), (0.5, 3)])
def test_the_law_of_collapse(x: Tensor, c: float, active: int) -> None:
    """At a fixed c the best linear decoder uses a direction where the data vary by more than c; by optimisation."""
    k = 10
    _, eigenvalues, _ = covariance_eigenvalues(x)
    assert predicted_active_units(eigenvalues, c, k) == active
    model = best_at(x, k, c)
    assert int((model.W.norm(dim=0) > 1e-6).sum()) == active
    W = (0.3 * torch.randn(64, k, generator=Generator().manual_seed(0), dtype=torch.float64)).requires_grad_()
    optimiser = torch.optim.LBFGS([W], max_iter=500, tolerance_grad=1e-9, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        value = -LinearGaussian(W, x.mean(0), torch.tensor(c, dtype=torch.float64)).log_px(x).mean()
        value.backward()
        return value

    optimiser.step(loss)
    found = LinearGaussian(W.detach(), model.b, model.c)
    assert int((torch.linalg.svdvals(found.W) > 0.02).sum()) == active
    assert float(found.log_px(x).mean()) == pytest.approx(float(model.log_px(x).mean()), abs=1e-5)
    means, _ = model.posterior(x)
    assert int((means.var(0, correction=0) > 0.01).sum()) == active
