"""log p(x) exactly, by three ways, and the gap to the ELBO by two."""

from __future__ import annotations

import math

import pytest
import torch
from sklearn.datasets import load_digits
from torch import Generator, Tensor
from torch.distributions import MultivariateNormal

from tests.oracles.ppca import ppca
from vae import Config
from vae.bound.evidence import importance_evidence
from vae.bound.exact_evidence import ExactEvidence, exact_evidence, exact_method, linear_gaussian_of
from vae.bound.objectives import elbo_terms
from vae.errors import ConfigError
from vae.model.latents import LATENTS
from vae.model.likelihoods import LIKELIHOODS
from vae.model.vae import Model, build_model

REAL = [name for name, latent in LATENTS.items() if latent.support == "real"]

SHAPE = (1, 3, 3)


def built(support: str = "unit", **settings: object) -> tuple[Model, Tensor]:
    config = Config(hidden=() if settings.get("network") == "linear" else (6,), activation="tanh", **settings)  # type: ignore[arg-type]
    model = build_model(config, SHAPE).double()
    x = torch.rand(4, *SHAPE, generator=Generator().manual_seed(1), dtype=torch.float64)
    return model, (x > 0.5).double() if support == "binary" else x


def agrees(evidence: ExactEvidence, tolerance: float) -> None:
    torch.testing.assert_close(evidence.log_px - evidence.elbo, evidence.kl_to_posterior, rtol=0, atol=tolerance)
    assert (evidence.kl_to_posterior >= -tolerance).all()


@pytest.mark.parametrize("latent", REAL)
def test_a_linear_decoder_in_closed_form(latent: str) -> None:
    model, x = built(network="linear", likelihood="gaussian", latent=latent, latent_dim=4, C=3.0)
    evidence = exact_evidence(model, x)
    assert evidence.method == exact_method(model) == "closed form"
    W, b, c = model.decoder[0].weight, model.decoder[0].bias, 0.5 / model.likelihood.C  # type: ignore[operator, attr-defined]
    marginal = MultivariateNormal(b, W @ W.T + c * torch.eye(9).double())
    torch.testing.assert_close(evidence.log_px, marginal.log_prob(x.flatten(1)).detach(), rtol=1e-12, atol=1e-12)
    agrees(evidence, 1e-12)
    terms = elbo_terms(model, x, 200_000, Generator().manual_seed(0))
    torch.testing.assert_close(evidence.distortion, terms.distortion.detach(), rtol=5e-3, atol=0)


@pytest.mark.parametrize("seed", range(3))
def test_a_closed_form_keeps_the_digits_of_a_wide_full_covariance(seed: int) -> None:
    """In float32 a product L Lᵀ of this condition is no covariance any more, or one with another determinant."""
    model = build_model(
        Config(
            network="linear", hidden=(), likelihood="gaussian", latent="full-normal", latent_dim=20, C=0.5, seed=seed
        ),
        (1, 8, 8),
    )
    with torch.no_grad():
        model.encoder[1].weight *= 3
    x = torch.rand(20, 1, 8, 8, generator=Generator().manual_seed(0))
    evidence = exact_evidence(model, x)
    torch.testing.assert_close(evidence.log_px - evidence.elbo, evidence.kl_to_posterior, rtol=1e-6, atol=1e-4)


def test_the_closed_forms_posterior_is_bayes() -> None:
    model, x = built(network="linear", likelihood="gaussian", latent_dim=3, C=3.0)
    exact = linear_gaussian_of(model)
    mean, cov = exact.posterior(x.flatten(1))
    z = torch.randn(len(x), 3, generator=Generator().manual_seed(0)).double()
    posterior = MultivariateNormal(mean, cov.expand(len(x), -1, -1)).log_prob(z)
    joint = model.decode(z).log_prob(x) + model.prior().log_prob(z)
    torch.testing.assert_close(posterior, (joint - exact.log_px(x.flatten(1))).detach(), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_bits_by_all_their_codes(likelihood: str) -> None:
    """Against a loop over the codes, one image at a time."""
    support = "binary" if LIKELIHOODS[likelihood].support == "binary" else "unit"
    model, x = built(support, likelihood=likelihood, latent="bernoulli", latent_dim=5, C=3.0)
    evidence = exact_evidence(model, x)
    assert evidence.method == "all codes"
    agrees(evidence, 1e-10)
    q = model.encode(x).mean
    log_px, kl = torch.zeros(4).double(), torch.zeros(4).double()
    for n in range(4):
        log_joint, probability = [], []
        for code in range(32):
            bits = torch.tensor([[code >> place & 1 for place in (4, 3, 2, 1, 0)]]).double()
            log_joint.append(model.decode(bits).log_prob(x[n : n + 1])[0] - 5 * math.log(2))
            probability.append(torch.where(bits[0] == 1, q[n], 1 - q[n]).prod())
        posterior = torch.softmax(torch.stack(log_joint), 0)
        log_px[n] = torch.stack(log_joint).exp().sum().log().detach()
        kl[n] = sum(p * (p / r).log() for p, r in zip(probability, posterior, strict=True)).detach()  # type: ignore[union-attr]
    torch.testing.assert_close(evidence.log_px, log_px, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(evidence.kl_to_posterior, kl, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("k", [1, 2])
@pytest.mark.parametrize("latent", REAL)
def test_one_and_two_dimensions_by_a_grid_that_converges(k: int, latent: str) -> None:
    """A linear decoder has a closed form to compare with; hiding it makes the grid do the work."""
    model, x = built(network="linear", likelihood="gaussian", latent=latent, latent_dim=k, C=3.0)
    exact = exact_evidence(model, x)
    model.decoder.append(torch.nn.Identity())
    grid = exact_evidence(model, x)
    assert grid.method == "quadrature"
    assert grid.grid_difference is not None
    assert float(grid.grid_difference.max()) < 1e-3
    for name in ("log_px", "distortion", "rate", "kl_to_posterior"):
        torch.testing.assert_close(getattr(grid, name), getattr(exact, name), rtol=0, atol=1e-6)
    agrees(grid, 1e-6)


def test_a_grid_too_coarse_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """With C = 1e5 the posterior is far narrower than a cell of an 9 x 9 grid."""
    monkeypatch.setattr("vae.bound.exact_evidence.GRID", {2: (5, 9)})
    model, x = built(likelihood="gaussian", latent_dim=2, C=1e5)
    grid = exact_evidence(model, x)
    assert grid.grid_difference is not None
    assert float(grid.grid_difference.max()) > 1


def test_the_importance_bound_meets_the_exact_value_within_its_error() -> None:
    model, x = built("binary", likelihood="bernoulli", latent_dim=2)
    exact = exact_evidence(model, x).log_px
    bound = importance_evidence(model, x, 20_000, Generator().manual_seed(0))
    assert ((bound.iw_bound - exact).abs() < 5 * bound.standard_error).all()


def test_the_exact_posterior_as_proposal_has_weights_without_variance_and_the_prior_gains_with_samples() -> None:
    model, x = built(network="linear", likelihood="gaussian", latent="full-normal", latent_dim=2, C=3.0)
    exact = linear_gaussian_of(model)
    _, cov = exact.posterior(x.flatten(1))
    W, b = exact.W, exact.b
    encoder = model.encoder[1]
    with torch.no_grad():  # m = M⁻¹ Wᵀ (x − b); L = cholesky(c M⁻¹)
        shrink = cov @ W.T / exact.c
        L = torch.linalg.cholesky(cov)
        encoder.weight.zero_()
        encoder.weight[:2] = shrink
        encoder.bias[:2] = -shrink @ b
        encoder.bias[2:4] = 2 * L.diagonal().log()
        encoder.bias[4:] = L[1, 0]
    one = importance_evidence(model, x, 1, Generator().manual_seed(0), proposal="q")
    torch.testing.assert_close(one.iw_bound, exact.log_px(x.flatten(1)), rtol=0, atol=1e-10)
    assert (
        float(importance_evidence(model, x, 50, Generator().manual_seed(0), proposal="q").standard_error.max()) < 1e-6
    )
    agrees(exact_evidence(model, x), 1e-12)
    assert float(exact_evidence(model, x).kl_to_posterior.abs().max()) < 1e-10
    with torch.no_grad():
        for parameter in model.encoder.parameters():
            parameter.zero_()
    bounds = [
        float(importance_evidence(model, x, K, Generator().manual_seed(0), proposal="q").iw_bound.mean())
        for K in (1, 10, 100, 1000)
    ]
    assert bounds == sorted(bounds)
    assert bounds[-1] < float(exact.log_px(x.flatten(1)).mean()) + 0.05


def test_chunks_change_nothing_and_progress_ends_at_one(monkeypatch: pytest.MonkeyPatch) -> None:
    model, x = built("binary", likelihood="bernoulli", latent="bernoulli", latent_dim=6)
    whole = exact_evidence(model, x)
    monkeypatch.setattr("vae.bound.exact_evidence.NUMBERS_AT_ONCE", 200)
    heard: list[float] = []
    parts = exact_evidence(model, x, heard.append)
    torch.testing.assert_close(parts.log_px, whole.log_px, rtol=1e-13, atol=1e-13)
    assert len(heard) > 5
    assert heard == sorted(heard)
    assert heard[-1] == 1

    def stop(_: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        exact_evidence(model, x, stop)


def test_a_model_without_an_exact_way_is_refused_in_a_sentence() -> None:
    for settings in ({"latent_dim": 3}, {"latent": "bernoulli", "latent_dim": 15}):
        model, x = built("binary", likelihood="bernoulli", **settings)
        assert exact_method(model) is None
        with pytest.raises(ConfigError, match="use an importance bound"):
            exact_evidence(model, x)


def test_a_grid_that_has_not_converged_says_so_and_its_two_gaps_part() -> None:
    """A far sharper p(x|z) than the finest grid can follow, against the closed form that the grid does not see."""
    model, x = built(network="linear", likelihood="gaussian", latent_dim=2, C=1e5)
    exact = exact_evidence(model, x)
    assert exact.converged
    model.decoder.append(torch.nn.Identity())
    grid = exact_evidence(model, x)
    assert not grid.converged
    assert float((grid.log_px - exact.log_px).abs().max()) > 0.01
    torch.testing.assert_close(grid.elbo, exact.elbo, rtol=1e-9, atol=0)  # q's own nodes are exact for a parabola


def test_float32_models_keep_the_digits_of_a_sharp_gaussian() -> None:
    """‖m‖² − 2 m·x + ‖x‖² in float32 would be off by 0.2 nats at 784 pixels and C = 1,000."""
    config = Config(network="linear", likelihood="gaussian", latent="bernoulli", latent_dim=4, C=1000.0)
    model = build_model(config, (1, 28, 28))
    x = torch.rand(3, 1, 28, 28, generator=Generator().manual_seed(0))
    single = exact_evidence(model, x)
    log_C = model.likelihood.log_C.clone()
    double = exact_evidence(model.double(), x.double())
    assert torch.equal(model.likelihood.log_C.float(), log_C)
    torch.testing.assert_close(single.log_px, double.log_px, rtol=0, atol=0.02)


def test_the_linear_vae_with_the_solution_of_probabilistic_pca_put_in_has_no_gap() -> None:
    x = torch.from_numpy(load_digits().images / 16).unsqueeze(1)
    for k, log_px in ((2, 0.005707), (10, 17.451947)):
        best = ppca(x.flatten(1), k)
        config = Config(network="linear", likelihood="gaussian", latent_dim=k, C=float(0.5 / best.c))
        model = build_model(config, (1, 8, 8)).double()
        mean, cov = best.posterior(x.flatten(1))
        M = cov @ best.W.T / best.c
        with torch.no_grad():
            model.likelihood.log_C.fill_(float((0.5 / best.c).log()))
            model.decoder[0].weight.copy_(best.W)
            model.decoder[0].bias.copy_(best.b)
            model.encoder[1].weight.zero_()
            model.encoder[1].weight[:k] = M
            model.encoder[1].bias[:k] = -M @ best.b
            model.encoder[1].bias[k:] = cov.diagonal().log()
        torch.testing.assert_close(model.encode(x).mean, mean, rtol=1e-9, atol=1e-12)
        evidence = exact_evidence(model, x)
        assert float(evidence.log_px.mean()) == pytest.approx(log_px, abs=5e-7)
        assert float((evidence.log_px - evidence.elbo).abs().max()) < 1e-10
        assert float(evidence.kl_to_posterior.abs().max()) < 1e-10


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("k", [1, 2])
def test_the_kinks_of_a_relu_decoder_are_no_lack_of_convergence(seed: int, k: int) -> None:
    config = Config(hidden=(16,), likelihood="gaussian", latent_dim=k, C=2.0, seed=seed)
    model = build_model(config, SHAPE)
    x = torch.rand(4, *SHAPE, generator=Generator().manual_seed(seed))
    assert exact_evidence(model, x).converged


def test_a_far_too_coarse_grid_is_never_believed_however_poor_the_bound() -> None:
    """The two ways to the gap part by tens of nats; a flagged bound far below says nothing for the grid."""
    model = build_model(Config(hidden=(16,), likelihood="gaussian", latent_dim=2, C=2000.0), (1, 8, 8))
    with torch.no_grad():
        for parameter in model.decoder.parameters():
            parameter *= 3
    x = torch.rand(8, 1, 8, 8, generator=Generator().manual_seed(0))
    grid = exact_evidence(model, x)
    assert grid.ways_differ > 10
    bound = importance_evidence(model, x, 200, Generator().manual_seed(0), proposal="q")
    assert bound.mean_error is None
    for value in (float(bound.iw_bound.mean()), -1e6):
        assert not grid.better_than(value, None)
    assert not grid.better_than(-1e6, 1e6)


def test_a_grid_is_weighed_against_a_bound_only_where_both_ways_agree_and_it_moved_little() -> None:
    zeros = torch.zeros(2, dtype=torch.float64)

    def grid(moved: float, ways: float) -> ExactEvidence:
        apart = torch.tensor([ways, -ways]).double()  # of two images: their mean would hide it
        return ExactEvidence(zeros - 50, zeros + 60, zeros, 10 + apart, "quadrature", zeros + moved)

    assert grid(0.05, 0.02).better_than(-50, 0.06)
    assert not grid(0.05, 0.02).better_than(-50, 0.04)
    assert not grid(0.05, 0.5).better_than(-60, None)
    assert not grid(83.0, 0.02).better_than(-500, None)
    assert grid(0.005, 0.02).converged
    assert not grid(0.005, 0.5).converged
