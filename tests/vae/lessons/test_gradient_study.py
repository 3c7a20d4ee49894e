"""The study of estimators: against enumeration, and with the errors that it states."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Generator, Tensor

from vae import Config
from vae.errors import ConfigError
from vae.lessons.gradient_study import enumerated_gradient, estimates, make, study
from vae.model.bit_codes import MOST_BITS, all_codes, index_of
from vae.model.vae import Model, build_model


@pytest.fixture
def model() -> Model:
    config = Config(latent="bernoulli", latent_dim=3, likelihood="bernoulli", hidden=(5,), activation="tanh", seed=1)
    return build_model(config, (1, 3, 3)).double()


@pytest.fixture
def x() -> Tensor:
    return torch.bernoulli(torch.full((4, 1, 3, 3), 0.5, dtype=torch.float64), generator=Generator().manual_seed(1))


def test_all_codes_are_all_codes() -> None:
    codes = all_codes(3)
    assert codes.tolist() == [list(map(float, code)) for code in itertools.product((0, 1), repeat=3)]
    assert index_of(codes).tolist() == list(range(8))
    assert all_codes(0).shape == (1, 0)
    with pytest.raises(ConfigError, match="15 \\(32,768 codes\\)"):
        all_codes(MOST_BITS + 1)


def test_the_variance_of_the_score_function_is_the_enumerated_one(model: Model, x: Tensor) -> None:
    """Var[f (z − p)] over all 8 codes, and what 20,000 draws say."""
    qz_x = model.encode(x)
    codes = all_codes(3, dtype=torch.float64).unsqueeze(1)
    log_q = qz_x.log_prob(codes)
    f = log_q - model.prior().log_prob(codes) - torch.stack([model.decode(c).log_prob(x) for c in codes[:, 0]])
    g = (f.unsqueeze(-1) * (codes - qz_x.mean)).detach()
    q = log_q.exp().unsqueeze(-1).detach()
    mean = (q * g).sum(0)
    variance = (q * (g - mean).square()).sum(0)
    looked_at = study(make("score"), model, x, 20_000, generator=Generator().manual_seed(0))
    torch.testing.assert_close(looked_at.exact, mean, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(looked_at.variance, variance, rtol=0.05, atol=0)
    assert looked_at.total_variance == pytest.approx(float(variance.sum(-1).mean()), rel=0.05)
    assert looked_at.relative_bias < 3 * looked_at.relative_noise


def test_exact_has_neither_noise_nor_bias(model: Model, x: Tensor) -> None:
    looked_at = study(make("exact"), model, x, 3)
    assert looked_at.total_variance < 1e-25
    assert looked_at.relative_bias < 1e-12


def test_estimates_come_in_portions_without_a_difference_and_leave_the_model_alone(
    model: Model, x: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = estimates(make("rloo-4"), model, x, 50, generator=Generator().manual_seed(0))
    assert whole.shape == (50, 4, 3)
    monkeypatch.setattr("vae.lessons.gradient_study.ROWS_AT_ONCE", 64)
    parts = estimates(make("rloo-4"), model, x, 2000, generator=Generator().manual_seed(1))
    error = (whole.var(0) / 50 + parts.var(0) / 2000).sqrt()
    assert ((whole.mean(0) - parts.mean(0)).abs() < 5 * error).all()
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_weight_changes_the_gradient_as_it_changes_the_loss(model: Model, x: Tensor) -> None:
    none, one, two = (enumerated_gradient(model, x, weight) for weight in (0.0, 1.0, 2.0))
    torch.testing.assert_close(two - one, one - none, rtol=1e-10, atol=1e-12)  # linear in C
    p = model.encode(x).mean
    logits = model.encode(x).logits  # type: ignore[attr-defined]
    torch.testing.assert_close(none, (logits * p * (1 - p)).detach(), rtol=1e-10, atol=1e-12)  # the rate's own


def test_a_running_mean_is_studied_with_its_mean(model: Model, x: Tensor) -> None:
    """Its variance is far below that of the bare score function, which it equals while it remembers nothing."""
    bare = study(make("score"), model, x, 3000, generator=Generator().manual_seed(0))
    settled = study(make("running-mean"), model, x, 3000, generator=Generator().manual_seed(0))
    assert settled.total_variance < 0.5 * bare.total_variance
    assert settled.relative_bias < 3 * settled.relative_noise


def test_vimco_is_held_against_the_gradient_of_its_own_bound(model: Model, x: Tensor) -> None:
    looked_at = study(make("vimco"), model, x, 20_000, samples=3, generator=Generator().manual_seed(0))
    assert looked_at.relative_bias < 3 * looked_at.relative_noise
    other = enumerated_gradient(model, x)
    assert float((looked_at.exact - other).norm() / other.norm()) > 0.05  # it is another gradient than the ELBO's
    with pytest.raises(ConfigError, match="15 "):
        study(make("vimco"), model, x, 2, samples=5)


def test_where_nothing_moves_there_is_neither_bias_nor_noise(model: Model, x: Tensor) -> None:
    with torch.no_grad():
        for parameter in model.encoder.parameters():
            parameter.zero_()
        model.encoder[-1].bias.fill_(1e4)
    looked_at = study(make("rloo-4"), model, x, 10)
    assert (looked_at.relative_bias, looked_at.relative_noise) == (0.0, 0.0)
