"""Objectives: the ELBO against exact log p(x), the importance bound, and how everything is reduced."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import Generator, Tensor

from vae import Config, elbo_terms, iw_bound, kl_normal
from vae.bound.objective import log_weights
from vae.bound.objectives import OBJECTIVES
from vae.errors import ConfigError
from vae.model.latent import DiagonalNormal
from vae.model.likelihoods import LIKELIHOODS
from vae.model.vae import build_model

PPCA = {2: 0.005707, 5: 8.907637, 10: 17.451947, 20: 27.277300}  # nats per image, log p(x) in closed form
ONE = torch.ones(())


def normal(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=Generator().manual_seed(seed))


@pytest.fixture
def toy(make_linear_gaussian):
    """D = 6, k = 3, W in general position."""
    return make_linear_gaussian(normal(0, 6, 3), normal(1, 6), 0.4, (1, 2, 3))


@pytest.fixture(scope="module")
def digits() -> Tensor:
    return torch.from_numpy(load_digits().images).unsqueeze(1) / 16


def ppca(x: Tensor, k: int) -> tuple[Tensor, Tensor, float]:
    """(W, b, c) of highest likelihood, W in its principal orientation (Tipping & Bishop 1999)."""
    flat = x.flatten(1)
    b = flat.mean(0)
    values, vectors = torch.linalg.eigh((flat - b).mT @ (flat - b) / len(flat))
    values, vectors = values.flip(0), vectors.flip(1)
    c = values[k:].mean()
    return vectors[:, :k] * (values[:k] - c).sqrt(), b, c.item()


# F6: log p(x) = ELBO + KL(q(z|x) ‖ p(z|x))


def test_F6_with_the_exact_posterior_the_gap_is_zero(make_linear_gaussian) -> None:
    Q = torch.linalg.qr(normal(0, 6, 3)).Q * torch.tensor([2.0, 1.0, 0.5])  # orthogonal columns: q factorises
    toy = make_linear_gaussian(Q, normal(1, 6), 0.4, (1, 2, 3))
    toy.set_best_diagonal_posterior()
    x = 3 * normal(2, 9, 1, 2, 3)
    assert (toy.log_evidence(x) - toy.elbo(x)).abs().max() < 1e-12


def test_F6_in_general_the_gap_is_the_divergence_from_the_posterior(toy) -> None:
    x = normal(5, 9, 1, 2, 3)
    variance = normal(4, 3).exp()
    toy.set_posterior(normal(2, 3, 6), normal(3, 3), variance)
    loc, covariance = toy.posterior(x)
    gap = kl_normal(toy.model.encode(x).mean, variance.expand(9, 3), loc, covariance.expand(9, 3, 3))
    assert gap.min() > 0.5
    torch.testing.assert_close(toy.log_evidence(x) - toy.elbo(x), gap, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("k", PPCA)
def test_ppca_on_digits_is_a_vae_without_a_gap(k: int, digits: Tensor, make_linear_gaussian) -> None:
    solution = make_linear_gaussian(*ppca(digits, k), (1, 8, 8))
    solution.set_best_diagonal_posterior()
    log_p, elbo = solution.log_evidence(digits), solution.elbo(digits)
    assert log_p.mean().item() == pytest.approx(PPCA[k], abs=1e-6)
    assert elbo.mean().item() == pytest.approx(PPCA[k], abs=1e-6)
    assert (log_p - elbo).abs().max() < 1e-10


@pytest.mark.parametrize(("k", "nats"), [(10, 0.59), (20, 3.38)])
def test_a_diagonal_posterior_loses_when_W_is_rotated(
    k: int, nats: float, digits: Tensor, make_linear_gaussian
) -> None:
    W, b, c = ppca(digits, k)
    lost = []
    for seed in range(30):
        rotated = make_linear_gaussian(W @ torch.linalg.qr(normal(seed, k, k)).Q, b, c, (1, 8, 8))
        rotated.set_best_diagonal_posterior()
        x = digits[::100]
        log_p, elbo = rotated.log_evidence(x), rotated.elbo(x)
        loc, covariance = rotated.posterior(x)
        precision = torch.linalg.inv(covariance)
        lost.append(0.5 * (precision.diagonal().log().sum() - torch.logdet(precision)).item())
        torch.testing.assert_close(log_p - elbo, torch.full_like(elbo, lost[-1]), rtol=0, atol=1e-10)
        full = kl_normal(loc, covariance.expand(len(x), k, k), loc, covariance.expand(len(x), k, k))
        assert full.abs().max() < 1e-10  # a full-covariance q would lose nothing
        assert rotated.log_evidence(digits).mean().item() == pytest.approx(PPCA[k], abs=1e-6)
    assert min(lost) < nats < max(lost)
    assert max(lost) - min(lost) < 0.5


# F7: the Monte-Carlo estimate


def test_F7_the_distortion_is_unbiased_and_its_variance_falls_as_one_over_S(toy) -> None:
    toy.set_posterior(0.3 * normal(2, 3, 6), normal(3, 3), torch.tensor([0.3, 0.8, 0.1]))
    x = normal(5, 1, 1, 2, 3)
    generator, repeats = Generator().manual_seed(0), 4000
    estimates = {S: elbo_terms(toy.model, x.expand(repeats, 1, 2, 3), S, generator).elbo.detach() for S in (1, 4, 16)}
    exact = toy.elbo(x).item()
    for S, elbo in estimates.items():
        assert abs(elbo.mean().item() - exact) < 4 * elbo.std().item() / repeats**0.5
        assert (elbo.var() * S / estimates[1].var()).item() == pytest.approx(1, abs=0.15)


def test_elbo_terms_are_the_written_formula() -> None:
    model = build_model(Config(likelihood="bernoulli", latent_dim=3, hidden=(9,)), (1, 3, 4)).double()
    x = (normal(0, 5, 1, 3, 4) > 0).double()
    terms = elbo_terms(model, x, 2, Generator().manual_seed(3))
    m, log_v = model.encoder(x).chunk(2, -1)
    noise = torch.randn(2, 5, 3, dtype=torch.float64, generator=Generator().manual_seed(3))
    p = torch.stack([model.decoder(m + (log_v / 2).exp() * e) for e in noise]).sigmoid()
    log_px_z = (x * p.log() + (1 - x) * (1 - p).log()).sum((-3, -2, -1))
    per_dim = 0.5 * (m**2 + log_v.exp() - 1 - log_v)
    close = {"rtol": 1e-12, "atol": 1e-12}
    torch.testing.assert_close(terms.distortion, -log_px_z.mean(0), **close)
    torch.testing.assert_close(terms.rate_per_dim, per_dim, **close)
    torch.testing.assert_close(terms.rate, per_dim.sum(-1), **close)
    torch.testing.assert_close(terms.elbo, log_px_z.mean(0) - per_dim.sum(-1), **close)
    torch.testing.assert_close(terms.squared_error, ((x - p) ** 2).sum((-3, -2, -1)).mean(0), **close)
    assert terms.distortion.shape == terms.rate.shape == terms.elbo.shape == (5,)


# F14: the importance bound


def test_the_exact_posterior_as_proposal_has_no_variance(make_linear_gaussian) -> None:
    Q = torch.linalg.qr(normal(0, 6, 3)).Q * torch.tensor([2.0, 1.0, 0.5])
    toy = make_linear_gaussian(Q, normal(1, 6), 0.4, (1, 2, 3))
    toy.set_best_diagonal_posterior()
    x = normal(2, 9, 1, 2, 3)
    log_w, *_ = log_weights(toy.model, x, 50, Generator().manual_seed(0))
    assert log_w.std(0).max() < 1e-12
    for K in (1, 7):
        bound = iw_bound(toy.model, x, K, Generator().manual_seed(1))
        assert (bound - toy.log_evidence(x)).abs().max() < 1e-12


def test_the_bound_with_the_prior_as_proposal_grows_with_K_up_to_log_p(toy) -> None:
    toy.set_posterior(torch.zeros(3, 6).double(), torch.zeros(3).double(), torch.ones(3).double())
    x = 0.5 * normal(2, 1, 1, 2, 3) + toy.b.reshape(1, 1, 2, 3)
    generator, repeats = Generator().manual_seed(0), 3000
    bounds = [iw_bound(toy.model, x.expand(repeats, 1, 2, 3), K, generator).detach() for K in (1, 2, 4, 16, 64, 1000)]
    means = [bound.mean().item() for bound in bounds]
    errors = [bound.std().item() / repeats**0.5 for bound in bounds]
    for low, high, e1, e2 in zip(means, means[1:], errors, errors[1:], strict=False):
        assert high - low > 3 * math.hypot(e1, e2)
    log_p = toy.log_evidence(x).item()
    assert log_p - 0.05 < means[-1] < log_p + 3 * errors[-1]
    assert means[0] == pytest.approx(toy.elbo(x).item(), abs=4 * errors[0])  # K = 1 is the ELBO


def test_the_bound_is_the_log_of_the_mean_weight(toy) -> None:
    toy.set_posterior(0.3 * normal(2, 3, 6), normal(3, 3), torch.tensor([0.3, 0.8, 0.1]))
    x = normal(5, 4, 1, 2, 3)
    z = toy.model.encode(x).sample((11,), Generator().manual_seed(2))
    w = (
        toy.model.decode(z).log_prob(x) + toy.model.prior().log_prob(z) - toy.model.encode(x).log_prob(z)
    ).exp()  # w = p(x|z) p(z) / q(z|x)
    bound = iw_bound(toy.model, x, 11, Generator().manual_seed(2))
    torch.testing.assert_close(bound, w.mean(0).log(), rtol=1e-12, atol=1e-12)
    loss, terms = OBJECTIVES["iwae"].loss(toy.model, x, 11, ONE, Generator().manual_seed(2))
    torch.testing.assert_close(loss, -bound, rtol=1e-14, atol=1e-14)
    want = elbo_terms(toy.model, x, 11, Generator().manual_seed(2))
    assert torch.equal(terms.distortion, want.distortion)
    assert torch.equal(terms.rate, want.rate)


@pytest.mark.parametrize("samples", [0, -1, 2.0, None, True, np.True_, 10**9 + 1, 2**63, "2"])
def test_impossible_sample_counts_are_refused(samples, toy) -> None:
    for function in (elbo_terms, iw_bound):
        with pytest.raises(ConfigError, match=r"^samples: expected a whole number from 1 to 1,000,000,000, got "):
            function(toy.model, normal(0, 1, 1, 2, 3), samples)


# reductions


def test_C_weights_the_distortion_only(toy) -> None:
    x = normal(5, 4, 1, 2, 3)
    loss, terms = OBJECTIVES["elbo"].loss(toy.model, x, 3, torch.tensor(2.5), Generator().manual_seed(0))
    torch.testing.assert_close(loss, 2.5 * terms.distortion + terms.rate)
    assert torch.equal(terms.elbo, -(terms.distortion + terms.rate))  # at weight 1 whatever C is


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_two_copies_of_an_image_have_the_loss_of_one(likelihood: str, objective: str, monkeypatch) -> None:
    """Sums over pixels and dimensions, the mean over observations: a batch of two copies changes nothing."""
    noise = normal(9, 4, 1, 3)
    monkeypatch.setattr(DiagonalNormal, "rsample", lambda q, shape, generator=None: q.loc + q.scale * noise[: shape[0]])
    results = []
    for copies in (1, 2):
        model = build_model(Config(likelihood=likelihood, latent_dim=3, hidden=(5,), C=1.0), (1, 3, 4)).double()
        x = (normal(0, 1, 1, 3, 4) > 0).double().expand(copies, 1, 3, 4)
        loss, terms = OBJECTIVES[objective].loss(model, x, 4, torch.tensor(1.0), None)
        assert loss.shape == terms.elbo.shape == (copies,)
        loss.mean().backward()
        results.append((loss.mean().detach(), torch.cat([p.grad.flatten() for p in model.decoder.parameters()])))
    torch.testing.assert_close(results[1], results[0], rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_twice_the_pixels_are_twice_the_distortion(likelihood: str) -> None:
    model = build_model(Config(likelihood=likelihood, latent_dim=2, hidden=(5,), C=1.0), (1, 2, 3)).double()
    wide = build_model(Config(likelihood=likelihood, latent_dim=2, hidden=(5,), C=1.0), (1, 2, 6)).double()
    z, x = normal(0, 4, 2), (normal(1, 4, 1, 2, 3) > 0).double()
    parameters = model.decoder(z)
    distortion = -model.likelihood(parameters.unsqueeze(1)).log_prob(x)
    twice = -wide.likelihood(torch.cat([parameters, parameters], -1).unsqueeze(1)).log_prob(torch.cat([x, x], -1))
    torch.testing.assert_close(twice, 2 * distortion, rtol=1e-13, atol=1e-13)


def test_dimensions_at_the_prior_add_nothing_to_the_rate() -> None:
    from vae.model.latents import NormalLatent

    m, log_v = normal(0, 3, 4), normal(1, 3, 4)
    wider = [torch.cat([t, torch.zeros(3, 5).double()], -1) for t in (m, log_v)]
    torch.testing.assert_close(
        NormalLatent.rate(DiagonalNormal(*wider)), NormalLatent.rate(DiagonalNormal(m, log_v)), rtol=1e-14, atol=0
    )
