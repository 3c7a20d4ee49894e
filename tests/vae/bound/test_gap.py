"""Where the gap goes: against linear decoders, where both parts have a closed form, and against all codes of bits."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Generator, Tensor

from tests.oracles.ppca import ppca
from vae import Config, load_dataset
from vae.bound.evidence import evidence_around
from vae.bound.exact_evidence import exact_evidence
from vae.bound.gap import best_posteriors, can_split
from vae.model.vae import build_model


def normal(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize(("seed", "off"), [(0, 0.0), (1, 0.4)])
def test_both_parts_on_a_linear_gaussian_model(seed: int, off: float, make_linear_gaussian) -> None:
    """The encoder is the best diagonal one, its means and widths then put off by so much."""
    toy = make_linear_gaussian(normal(seed, 6, 3), normal(7, 6), 0.5, (1, 2, 3))
    x = normal(3, 300, 1, 2, 3)
    toy.set_best_diagonal_posterior()
    best, log_px = toy.elbo(x), toy.log_evidence(x)
    with torch.no_grad():
        layer = next(m for m in toy.model.encoder if isinstance(m, torch.nn.Linear))
        layer.bias += off
    found = best_posteriors(toy.model, x, Generator().manual_seed(0))
    amortisation, family = (found.best - found.encoder).mean().item(), (log_px - found.best).mean().item()
    assert amortisation == pytest.approx((best - toy.elbo(x)).mean().item(), abs=0.03)
    assert family == pytest.approx((log_px - best).mean().item(), abs=0.08)  # draws of q alone, not paired
    assert found.full is not None
    assert (found.full - found.best).mean().item() == pytest.approx((log_px - best).mean().item(), abs=0.05)
    told = evidence_around(toy.model, x, found.widest, 400, Generator().manual_seed(1))
    assert told.effective_samples.median() > 150  # of 400, of which 40 % are from the best q: near p(z|x) itself
    torch.testing.assert_close(told.iw_bound, log_px, rtol=0, atol=0.3)
    assert told.iw_bound.mean().item() == pytest.approx(log_px.mean().item(), abs=0.02)


def test_the_family_loses_what_a_rotation_of_W_costs(make_linear_gaussian) -> None:
    """maths.md, section 4, 2: .59 nats at k = 10 for a typical rotation; here what this one costs, in closed form."""
    data = load_dataset("digits")
    x = torch.cat([data.to_float(data.train), data.to_float(data.test)]).double()
    solution = ppca(x.flatten(1), 10)
    turned = make_linear_gaussian(
        solution.W @ torch.linalg.qr(normal(0, 10, 10)).Q, solution.b, float(solution.c), (1, 8, 8)
    )
    turned.set_best_diagonal_posterior()
    some = x[::12]
    _, covariance = turned.posterior(some)
    precision = torch.linalg.inv(covariance)
    lost = 0.5 * float(precision.diagonal().log().sum() - torch.logdet(precision))
    assert 0.3 < lost < 0.9
    found = best_posteriors(turned.model, some, Generator().manual_seed(0))
    assert found.full is not None
    assert (found.best - found.encoder).mean().item() == pytest.approx(0, abs=0.03)  # it is the best diagonal
    assert lost - 0.08 < (found.full - found.best).mean().item() < lost + 0.03  # 55 numbers of each image, 100 steps
    assert (turned.log_evidence(some) - found.best).mean().item() == pytest.approx(lost, abs=0.08)


def test_a_full_covariance_of_the_encoders_own_is_searched_in_its_family() -> None:
    config = Config(hidden=(6,), activation="tanh", latent="full-normal", latent_dim=2, likelihood="gaussian", C=3.0)
    model = build_model(config, (1, 3, 3)).double()
    with torch.no_grad():
        model.encoder[-1].bias += 0.7
    x = torch.rand(6, 1, 3, 3, generator=Generator().manual_seed(1), dtype=torch.float64)
    exact, found = exact_evidence(model, x), best_posteriors(model, x, Generator().manual_seed(0))
    torch.testing.assert_close(found.encoder, exact.elbo, rtol=0, atol=0.15)
    assert ((exact.log_px - found.best) < 0.15 * (exact.log_px - exact.elbo)).all()
    assert found.full is None


def test_bits_come_to_the_best_product_by_all_codes() -> None:
    """Against a search by gradients over the same exact ELBO, and log p(x)."""
    config = Config(hidden=(6,), activation="tanh", latent="bernoulli", latent_dim=4, likelihood="gaussian", C=8.0)
    model = build_model(config, (1, 3, 3)).double()
    with torch.no_grad():
        model.decoder[0].weight *= 3
        model.encoder[-1].bias += 1.5
    x = torch.rand(5, 1, 3, 3, generator=Generator().manual_seed(1), dtype=torch.float64)
    exact, found = exact_evidence(model, x), best_posteriors(model, x, Generator().manual_seed(0))
    torch.testing.assert_close(found.encoder, exact.elbo, rtol=0, atol=1e-10)
    assert (found.best <= exact.log_px + 1e-10).all()
    assert (found.best > found.encoder + 0.01).all()
    codes = torch.cartesian_prod(*[torch.tensor([0.0, 1.0]).double()] * 4)
    table = model.decode(codes).log_prob_table(x).detach().T
    logits = found.widest.logits.clone().requires_grad_()  # type: ignore[union-attr]
    optimiser = torch.optim.LBFGS([logits], max_iter=200, line_search_fn="strong_wolfe")

    def elbo() -> Tensor:
        log_q = logits @ codes.T - torch.nn.functional.softplus(logits).sum(1, keepdim=True)
        return (log_q.exp() * (table - 4 * math.log(2) - log_q)).sum(1)

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = -elbo().sum()
        loss.backward()
        return loss

    torch.testing.assert_close(elbo(), found.best, rtol=0, atol=1e-9)
    optimiser.step(closure)
    torch.testing.assert_close(elbo(), found.best, rtol=0, atol=1e-4)  # no gradient leads up from there
    assert found.full is None


def test_it_can_be_stopped_and_says_what_it_cannot() -> None:
    model = build_model(Config(hidden=(6,), latent_dim=2, likelihood="gaussian", C=3.0), (1, 3, 3)).double()
    x = torch.rand(4, 1, 3, 3, generator=Generator().manual_seed(1), dtype=torch.float64)
    heard: list[float] = []

    def stop(fraction: float) -> None:
        heard.append(fraction)
        if len(heard) == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        best_posteriors(model, x, Generator().manual_seed(0), stop)
    assert heard == sorted(heard)
    assert 0 < heard[-1] < 1
    many = build_model(Config(hidden=(6,), latent="bernoulli", latent_dim=20, likelihood="gaussian", C=3.0), (1, 3, 3))
    assert can_split(model)
    assert not can_split(many)
