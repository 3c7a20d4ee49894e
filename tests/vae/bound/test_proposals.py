"""Proposals: densities that integrate to one, weights without bias, and what widening and refining are worth."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Generator, Tensor

from vae import Config, elbo_terms
from vae.arguments import parser
from vae.bound.evidence import importance_evidence
from vae.bound.exact_evidence import exact_evidence
from vae.bound.proposals import PROPOSALS, SHARES, draw, refine, temper
from vae.errors import ConfigError
from vae.model.bit_codes import all_codes
from vae.model.latents import LATENTS
from vae.model.vae import Model, build_model

SHAPE = (1, 3, 3)
REAL = [name for name, latent in LATENTS.items() if latent.support == "real"]


def built(latent: str = "normal", k: int = 2, C: float = 3.0, seed: int = 0) -> tuple[Model, Tensor]:
    config = Config(hidden=(6,), activation="tanh", latent=latent, latent_dim=k, likelihood="gaussian", C=C, seed=seed)
    x = torch.rand(4, *SHAPE, generator=Generator().manual_seed(1), dtype=torch.float64)
    return build_model(config, SHAPE).double(), x


def proposals(model: Model) -> list[str]:
    return [name for name in PROPOSALS if name != "refined" or model.latent.reparameterised]


def test_the_command_line_offers_all_of_them() -> None:
    given = parser().parse_args(["evaluate", "run"])
    assert given.proposal == "mixture"
    for name in PROPOSALS:
        assert parser().parse_args(["evaluate", "run", "--proposal", name]).proposal == name


@pytest.mark.parametrize("latent", REAL)
def test_densities_integrate_to_one(latent: str) -> None:
    model, x = built(latent)
    axis = torch.linspace(-30, 30, 401, dtype=torch.float64)
    z = torch.cartesian_prod(axis, axis).unsqueeze(1)
    for name in proposals(model):
        density = PROPOSALS[name](model, x, 100, Generator().manual_seed(0)).log_prob(z).exp()  # (nodes, B)
        torch.testing.assert_close(density.sum(0) * 0.15**2, torch.ones(4).double(), rtol=1e-4, atol=0)


def test_over_all_codes_the_weights_have_no_bias() -> None:
    """Σ_j α_j Σ_z r_j(z) p(x, z) / r(z) is p(x) to the last digit, for counts of every size."""
    model, x = built("bernoulli", 4)
    z = all_codes(4, x.device, x.dtype).unsqueeze(1)
    joint = model.decode(z).log_prob(x) + model.prior().log_prob(z)
    exact = exact_evidence(model, x).log_px
    for K in (1, 2, 7, 23, 100):
        for name in proposals(model):
            r = PROPOSALS[name](model, x, K, None)
            assert sum(r.counts) == K
            means = [n / K * (component.log_prob(z) + joint - r.log_prob(z)).exp().sum(0)
                     for component, n in zip(r.components, r.counts, strict=True)]  # fmt: skip
            torch.testing.assert_close(sum(means).log(), exact, rtol=1e-12, atol=1e-12)  # type: ignore[union-attr]


@pytest.mark.parametrize("proposal", PROPOSALS)
def test_the_mean_weight_is_p_of_x_on_a_linear_gaussian_model(proposal: str, make_linear_gaussian) -> None:
    W = torch.randn(6, 3, dtype=torch.float64, generator=Generator().manual_seed(0))
    toy = make_linear_gaussian(W, torch.zeros(6, dtype=torch.float64), 0.4, (1, 2, 3))
    _, covariance = toy.posterior(torch.zeros(1, 1, 2, 3).double())
    A = covariance @ W.mT / 0.4
    toy.set_posterior(A, torch.full((3,), 0.2).double(), 2 * covariance.diagonal())
    x = torch.randn(1, 1, 2, 3, dtype=torch.float64, generator=Generator().manual_seed(1)).expand(400, -1, -1, -1)
    found = importance_evidence(toy.model, x, 60, Generator().manual_seed(2), proposal=proposal)
    w = (found.iw_bound - toy.log_evidence(x)).exp()  # p̂(x) / p(x), 400 times
    assert abs(w.mean().item() - 1) < 4 * w.std().item() / 20
    assert w.std().item() < 0.5
    assert found.iw_bound.mean() < toy.log_evidence(x).mean()  # a bound in expectation
    told = found.standard_error.square().mean().sqrt().item()
    assert found.iw_bound.std().item() == pytest.approx(told, rel=0.3)


def test_samples_come_from_each_part_as_often_as_it_weighs() -> None:
    model, x = built("full-normal")
    r = PROPOSALS["mixture"](model, x, 1000, None)
    assert [n / 1000 for n in r.counts] == pytest.approx(SHARES)
    z = r.sample(4, Generator().manual_seed(0))
    assert z.shape == (1000, 4, 2)
    start = 0
    for component, n in zip(r.components, r.counts, strict=True):
        mean = z[start : start + n].mean(0)
        expected = component.mean.expand(4, 2)
        torch.testing.assert_close(mean, expected, rtol=0, atol=8 * component.variance.max().item() ** 0.5 / n**0.5)  # type: ignore[attr-defined]
        start += n
    assert draw(model.prior(), 5, 3, None).shape == (5, 3, 2)


def test_few_samples_are_all_of_q() -> None:
    model, x = built()
    assert [PROPOSALS["mixture"](model, x, K, None).counts for K in (1, 6, 8)] == [(1,), (6,), (6, 2)]


@pytest.mark.parametrize("latent", LATENTS)
def test_tempering_is_a_power_of_the_density(latent: str) -> None:
    model, x = built(latent, 3)
    q = model.encode(x)
    z = q.sample((200,), Generator().manual_seed(0))
    normaliser = q.tempered(2.5).log_prob(z) - q.log_prob(z) / 2.5  # the same for every z
    torch.testing.assert_close(normaliser, normaliser[:1].expand_as(normaliser), rtol=1e-9, atol=1e-9)


def test_widths_cost_the_same_share_of_samples_in_every_dimension() -> None:
    """∫ p²/r for p = N(0, I), r = N(0, u I) is one number to the power k: by a sum over a grid."""
    z = torch.linspace(-9, 9, 20_001, dtype=torch.float64)

    def share(u: float, k: int) -> float:
        log_p = -0.5 * (z**2 + math.log(2 * math.pi))
        log_r = -0.5 * (z**2 / u + math.log(2 * math.pi * u))
        return float(((2 * log_p - log_r).exp().sum() * (z[1] - z[0])) ** -k)

    for width in (2.0, 5.0):
        assert temper(width, 2) == pytest.approx(width**2)
        for k in (1, 10, 40):
            assert share(temper(width, k), k) == pytest.approx(share(width**2, 2), rel=1e-6)


@pytest.mark.parametrize("latent", REAL)
def test_refining_closes_the_gap_of_a_wrong_encoder(latent: str) -> None:
    model, x = built(latent)
    with torch.no_grad():
        model.encoder[-1].bias += 1.0  # means one off, and widths
    exact = exact_evidence(model, x).log_px
    qz_x, better = model.encode(x), refine(model, x, Generator().manual_seed(0))
    z = better.sample((2000,), Generator().manual_seed(1))
    refined = model.decode(z).log_prob(x).mean(0) - model.latent.rate(better)
    gap = exact - elbo_terms(model, x, 2000, Generator().manual_seed(1)).elbo
    assert ((exact - refined) < 0.1 * gap).all()
    assert not torch.equal(qz_x.mean, better.mean)
    told = {name: importance_evidence(model, x, 500, Generator().manual_seed(2), proposal=name) for name in PROPOSALS}
    assert (told["refined"].effective_samples > 1.5 * told["mixture"].effective_samples).all()
    assert ((told["refined"].iw_bound - exact).abs() < 4 * told["refined"].standard_error).all()


def test_a_refinement_that_ends_in_no_numbers_leaves_q(monkeypatch: pytest.MonkeyPatch) -> None:
    model, x = built()
    monkeypatch.setattr("vae.bound.proposals.RATE", 1e30)
    left = refine(model, x, Generator().manual_seed(0))
    torch.testing.assert_close(left.mean, model.encode(x).mean)
    torch.testing.assert_close(left.variance, model.encode(x).variance)  # type: ignore[attr-defined]


def test_a_refinement_finds_a_mode_far_from_q_and_from_everything_around_it() -> None:
    """Against the grid: q is sure of a place where p(x, z) is nats lower; the mixture around it never gets there."""
    model, x = built(C=60.0)
    with torch.no_grad():
        model.decoder[0].weight *= 3
        model.encoder[-1].weight.zero_()
        model.encoder[-1].bias.copy_(torch.tensor([-1.5, -1.5, -9.0, -9.0]))
    exact = exact_evidence(model, x)
    told = {name: importance_evidence(model, x, 200, Generator().manual_seed(0), proposal=name) for name in PROPOSALS}
    assert ((told["mixture"].iw_bound < exact.log_px - 1) | told["mixture"].flagged).any()
    axis = torch.linspace(-4, 4, 321, dtype=torch.float64)
    z = torch.cartesian_prod(axis, axis)
    joint = model.decode(z).log_prob_table(x) + model.prior().log_prob(z).unsqueeze(1)
    mode = z[joint.argmax(0)]
    better = refine(model, x, Generator().manual_seed(0))
    here = model.decode(better.mean).log_prob(x) + model.prior().log_prob(better.mean)
    assert (here > joint.amax(0) - 1).all()
    assert ((mode - model.encode(x).mean).norm(dim=1) > 1).any()


def test_what_cannot_be_is_said_in_a_sentence() -> None:
    model, x = built("bernoulli", 3)
    with pytest.raises(ConfigError, match="refined needs real codes"):
        importance_evidence(model, x, 10, proposal="refined")
    with pytest.raises(ConfigError, match="proposal: expected one of mixture, refined, q, got 'prior'"):
        importance_evidence(model, x, 10, proposal="prior")


def test_refining_leaves_the_models_weights_and_their_gradients_alone() -> None:
    model, x = built()
    before = [p.clone() for p in model.parameters()]
    importance_evidence(model, x, 10, proposal="refined")
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize("K", [1, 20, 60])
def test_each_image_has_its_own_shape_whatever_the_blocks(K: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vae.bound.chunks.NUMBERS_ON_CPU", 9 * 3)  # three rows of nine pixels at once
    model, x = built()
    found = importance_evidence(model, x, K, Generator().manual_seed(0))
    assert found.pareto_k.shape == found.flagged.shape == (4,)
    assert found.pareto_k.isnan().all() == (K < 25)


def test_a_refinement_can_be_stopped_and_decodes_no_more_at_once_than_the_budget(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("vae.bound.chunks.NUMBERS_ON_CPU", 9 * 16)
    model, x = built()
    decoded: list[int] = []
    decode = Model.decode
    monkeypatch.setattr(Model, "decode", lambda self, z: decoded.append(z[..., 0].numel()) or decode(self, z))
    heard: list[float] = []

    def stop(fraction: float) -> None:
        heard.append(fraction)
        if len(heard) == 30:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        importance_evidence(model, x, 50, Generator().manual_seed(0), stop, "refined")
    assert heard == sorted(heard)
    assert max(decoded) == 16
