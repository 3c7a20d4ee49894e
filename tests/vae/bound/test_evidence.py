"""log p(x) by importance sampling: against closed forms, and its error bars against repetition."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Generator, Tensor

from vae import Config
from vae.bound.chunks import rows_at_once
from vae.bound.evaluation import evaluate
from vae.bound.evidence import Evidence, importance_evidence
from vae.bound.exact_evidence import exact_evidence
from vae.bound.objective import log_weights
from vae.bound.proposals import PROPOSALS, may_miss
from vae.datasets import Dataset
from vae.errors import ConfigError
from vae.model.bit_codes import all_codes
from vae.model.likelihoods import LIKELIHOODS
from vae.model.vae import Model, build_model


def normal(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=Generator().manual_seed(seed))


@pytest.fixture
def toy(make_linear_gaussian):
    """A linear-Gaussian model whose proposal is off, and wide, so that the weights have all their moments."""
    toy = make_linear_gaussian(normal(0, 6, 3), normal(1, 6), 0.4, (1, 2, 3))
    _, covariance = toy.posterior(toy.b.unsqueeze(0))
    A = covariance @ toy.W.mT / toy.c
    toy.set_posterior(A, 0.1 - A @ toy.b, 2 * covariance.diagonal())
    return toy


def test_an_exact_posterior_gives_log_p_without_error(make_linear_gaussian) -> None:
    Q = torch.linalg.qr(normal(0, 6, 3)).Q * torch.tensor([2.0, 1.0, 0.5])
    toy = make_linear_gaussian(Q, normal(1, 6), 0.4, (1, 2, 3))
    toy.set_best_diagonal_posterior()
    x = normal(2, 9, 1, 2, 3)
    evidence = importance_evidence(toy.model, x, 200, Generator().manual_seed(0), proposal="q")
    torch.testing.assert_close(evidence.iw_bound, toy.log_evidence(x), rtol=1e-12, atol=1e-12)
    assert evidence.standard_error.max() < 1e-6  # √ of rounding
    torch.testing.assert_close(evidence.effective_samples, torch.full((9,), 200.0).double(), rtol=1e-12, atol=0)


def weights_in_turn(model: Model, x: Tensor, K: int, rows: int) -> Tensor:
    """log w (K, n) as `importance_evidence` draws them: so many rows at once, images first."""
    generator, blocks = Generator().manual_seed(5), []
    for block in x.split(rows):
        chunk, parts = max(1, rows // len(block)), []
        for start in range(0, K, chunk):
            parts.append(log_weights(model, block, min(chunk, K - start), generator)[0].detach())
        blocks.append(torch.cat(parts))
    return torch.cat(blocks, 1)


@pytest.mark.parametrize("rows", [1, 3, 4, 43, 4000])
@pytest.mark.parametrize("K", [2, 37, 250])
def test_the_running_sums_are_the_formulas(K: int, rows: int, toy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vae.bound.chunks.NUMBERS_ON_CPU", 6 * rows)  # six pixels
    x = normal(2, 4, 1, 2, 3)
    evidence = importance_evidence(toy.model, x, K, Generator().manual_seed(5), proposal="q")
    w = weights_in_turn(toy.model, x, K, rows).exp()
    assert len(w) == K  # K means K
    close = {"rtol": 1e-10, "atol": 1e-10}
    torch.testing.assert_close(evidence.iw_bound, w.mean(0).log(), **close)
    torch.testing.assert_close(evidence.standard_error, w.std(0) / (K**0.5 * w.mean(0)), **close)  # delta method
    torch.testing.assert_close(evidence.effective_samples, w.sum(0) ** 2 / (w**2).sum(0), **close)
    assert ((evidence.effective_samples >= 1) & (evidence.effective_samples <= K)).all()


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
@pytest.mark.parametrize("network", ["mlp", "conv"])
def test_float32_gives_what_float64_gives(network: str, likelihood: str) -> None:
    config = Config(likelihood=likelihood, network=network, hidden=(32,), latent_dim=3, C=5.0)
    model = build_model(config, (1, 28, 28))
    x = torch.rand(3, 1, 28, 28, generator=Generator().manual_seed(0)).round()
    found = importance_evidence(model, x, 200, Generator().manual_seed(5), proposal="q")
    log_w = weights_in_turn(model, x, 200, rows_at_once(model))
    torch.testing.assert_close(found.iw_bound, log_w.double().logsumexp(0) - math.log(200), rtol=1e-6, atol=1e-4)
    assert (log_w.std(0) > 0.1).all()  # the draws matter


def test_no_more_is_decoded_at_once_than_the_budget_and_an_image_is_encoded_once(
    toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vae.bound.chunks.NUMBERS_ON_CPU", 6 * 50)
    encoded, decoded = [], []
    encode, decode = Model.encode, Model.decode
    monkeypatch.setattr(Model, "encode", lambda self, x: encoded.append(len(x)) or encode(self, x))
    monkeypatch.setattr(Model, "decode", lambda self, z: decoded.append(z[..., 0].numel()) or decode(self, z))
    importance_evidence(toy.model, normal(2, 120, 1, 2, 3), 30)
    assert encoded == [50, 50, 20]
    assert max(decoded) == 50
    assert sum(decoded) == 120 * 30  # K means K


def test_evaluation_rounds_nothing_to_bfloat16(make_dataset: Callable[..., Dataset]) -> None:
    model = build_model(Config(likelihood="bernoulli", hidden=(8,), latent_dim=2, seed=1), (1, 3, 4))
    dataset = make_dataset("binary")
    x = dataset.to_float(dataset.test)
    z = normal(0, 3, 2).float()
    bound, exact, pixels = evaluate(model, dataset, 20), exact_evidence(model, x).log_px, model.decode(z).mean
    model.in_bfloat16 = True
    assert not torch.equal(model.decode(z).mean, pixels)  # it would show
    assert evaluate(model, dataset, 20) == bound
    assert torch.equal(exact_evidence(model, x).log_px, exact)
    assert model.in_bfloat16  # the model itself is left alone


@pytest.mark.parametrize("proposal", ["q", "mixture"])
def test_the_standard_error_is_the_spread_of_repetitions(proposal: str, toy) -> None:
    x = normal(2, 1, 1, 2, 3)
    generator = Generator().manual_seed(0)
    repeats = [importance_evidence(toy.model, x, 400, generator, proposal=proposal) for _ in range(300)]
    bounds = torch.cat([r.iw_bound for r in repeats])
    told = torch.cat([r.standard_error for r in repeats]).mean().item()
    assert bounds.std().item() == pytest.approx(told, rel=0.15)
    assert bounds.mean().item() == pytest.approx(toy.log_evidence(x).item(), abs=4 * told / 300**0.5 + told**2)


def test_one_sample_has_no_standard_error(toy) -> None:
    evidence = importance_evidence(toy.model, normal(2, 3, 1, 2, 3), 1, Generator().manual_seed(0))
    assert evidence.standard_error.isnan().all()
    assert evidence.effective_samples.tolist() == [1, 1, 1]


def test_far_weights_neither_overflow_nor_vanish() -> None:
    model = build_model(Config(likelihood="bernoulli", hidden=(8,), latent_dim=2), (1, 28, 28))
    with torch.no_grad():
        list(model.decoder.parameters())[-1].fill_(-40.0)
    x = torch.ones(2, 1, 28, 28)  # log p(x|z) is about −31,000
    evidence = importance_evidence(model, x, 50, Generator().manual_seed(0))
    assert evidence.iw_bound.dtype == torch.float64
    assert (evidence.iw_bound < -30_000).all()
    assert evidence.standard_error.isfinite().all()
    assert (evidence.effective_samples >= 1 - 1e-9).all()


@pytest.mark.parametrize("samples", [0, -3])
def test_no_samples_are_refused(samples: int, toy) -> None:
    with pytest.raises(ConfigError, match="samples"):
        importance_evidence(toy.model, normal(2, 3, 1, 2, 3), samples)


def test_what_is_flagged_and_what_a_flag_does_to_the_mean() -> None:
    def told(effective: list[float], k: list[float]) -> Evidence:
        n = len(k)
        one = torch.ones(n, dtype=torch.float64)
        unseen = torch.arange(n) == 5
        return Evidence(-90 * one, 0.3 * one, torch.tensor(effective).double(), torch.tensor(k).double(), unseen)

    evidence = told([100, 100, 29, 31, 29, 100], [0.69, 0.71, 0.1, math.nan, math.nan, math.nan])
    assert evidence.flagged.tolist() == [False, True, True, False, True, True]
    assert evidence.mean_error is None
    assert told([100, 31], [0.6, math.nan]).mean_error == pytest.approx(0.3 / 2**0.5)


def test_bits_that_are_sure_of_a_wrong_code_are_flagged_and_bits_that_see_every_code_are_not() -> None:
    """One code drawn 500 times: equal weights, no spread, 500 effective samples, and nats too low."""
    config = Config(likelihood="gaussian", latent="bernoulli", latent_dim=6, hidden=(8,), C=20.0)
    model = build_model(config, (1, 3, 3))
    x = torch.rand(5, 1, 3, 3, generator=Generator().manual_seed(0))
    exact = exact_evidence(model, x).log_px
    with torch.no_grad():
        model.encoder[-1].weight.zero_()
        model.encoder[-1].bias.fill_(30.0)
    sure = importance_evidence(model, x, 500, Generator().manual_seed(0), proposal="q")
    assert (sure.standard_error < 1e-6).all()
    assert (sure.effective_samples > 499).all()
    assert (sure.iw_bound < exact - 0.5).any()
    assert sure.flagged.all()
    assert sure.mean_error is None
    with torch.no_grad():
        model.encoder[-1].bias.fill_(1.0)
        for parameter in model.decoder.parameters():
            parameter.zero_()  # p(x|z) is the same for every code, and so is p(x, z)
    collapsed = importance_evidence(model, x, 500, Generator().manual_seed(0))
    assert not collapsed.unseen.any()
    off = collapsed.iw_bound - exact_evidence(model, x).log_px
    assert (off.abs() < 4 * collapsed.standard_error).all()


def test_a_code_counts_as_unseen_where_it_is_more_likely_never_drawn() -> None:
    """Against every code's chance: the least likely one of a mixture whose parts are likeliest at one code."""
    config = Config(likelihood="gaussian", latent="bernoulli", latent_dim=5, hidden=(8,), C=20.0)
    model = build_model(config, (1, 3, 3)).double()
    x = torch.rand(50, 1, 3, 3, generator=Generator().manual_seed(0), dtype=torch.float64)
    with torch.no_grad():
        model.encoder[-1].weight *= 8
    z = all_codes(5, x.device, x.dtype).unsqueeze(1)
    seen = set()
    for K in (60, 120, 240, 480):
        for name in ("q", "mixture"):
            r = PROPOSALS[name](model, x, K, None)
            rarest = K * r.log_prob(z).exp().amin(0)  # tempered parts agree on which code is least likely
            assert torch.equal(may_miss(r), (-rarest).exp() > 0.5)  # type: ignore[arg-type]
            seen |= set(may_miss(r).tolist())  # type: ignore[union-attr]
    assert seen == {True, False}
