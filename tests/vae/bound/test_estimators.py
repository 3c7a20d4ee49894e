"""Gradient estimators for bits, judged by enumeration of everything that they can draw."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import pytest
import torch
from torch import Generator, Tensor

from tests.oracles.gradient_study import log_probability, study
from vae import Config
from vae.bound.estimator import Estimator, LikelihoodRatio, Losses
from vae.bound.estimators import ESTIMATORS, RunningMean, choices
from vae.datasets import Dataset
from vae.errors import ConfigError
from vae.lessons.gradient_study import enumerated_gradient, make
from vae.model.bit_codes import all_codes
from vae.model.latent import IndependentBernoulli
from vae.model.vae import Model, build_model
from vae.training.defaults import complete
from vae.training.records import Record
from vae.training.trainer import Trainer

k, B, C = 2, 3, 0.7
SCORES = [name for name, kind in ESTIMATORS.items() if issubclass(kind, LikelihoodRatio)]
ELBO_SCORES = [name for name in SCORES if "elbo" in ESTIMATORS[name].objectives]


@pytest.fixture
def model() -> Model:
    config = Config(latent="bernoulli", latent_dim=k, likelihood="bernoulli", hidden=(5,), activation="tanh", seed=3)
    model = build_model(config, (1, 2, 2)).double()
    with torch.no_grad():  # away from q = ½, where much cancels
        for parameter in model.parameters():
            parameter *= 3
    return model


@pytest.fixture
def x() -> Tensor:
    return torch.bernoulli(torch.full((B, 1, 2, 2), 0.5, dtype=torch.float64), generator=Generator().manual_seed(1))


def weight_of(estimator: Estimator) -> float:
    return C if estimator.objectives == ("elbo",) else 1.0


def draws_of(estimator: Estimator, K: int) -> Iterator[Tensor]:
    """Every joint draw of K codes, each for all images: (K, B, k)."""
    if estimator.name == "exact":
        yield all_codes(k, dtype=torch.float64).unsqueeze(1).expand(-1, B, -1)
        return
    codes = all_codes(k, dtype=torch.float64)
    for chosen in itertools.product(range(2**k), repeat=K):
        yield codes[list(chosen)].unsqueeze(1).expand(-1, B, -1)


def fed(estimator: LikelihoodRatio, z: Tensor, model: Model, qz_x: IndependentBernoulli, x: Tensor) -> Losses:
    """The loss for one given draw."""
    estimator.draw = lambda *_: z  # type: ignore[method-assign]
    return estimator.loss_at(model, qz_x, x, len(z), torch.tensor(weight_of(estimator), dtype=x.dtype), None)


def expected_gradients(
    estimator: LikelihoodRatio, K: int, model: Model, x: Tensor
) -> tuple[Tensor, Tensor, list[Tensor]]:
    """E[g] and E[‖g‖²] of the logits' gradient g, (B, k) and (B,), and the decoder's expected gradient."""
    logits = model.encode(x).logits.detach().requires_grad_()
    decoder = list(model.decoder.parameters())
    first, second, total = torch.zeros(B, k).double(), torch.zeros(B).double(), torch.zeros(B).double()
    taught = [torch.zeros_like(p) for p in decoder]
    for z in draws_of(estimator, K):
        qz_x = IndependentBernoulli(logits)
        probability = log_probability(estimator.name, IndependentBernoulli(logits.detach()), z).exp()
        total += probability
        loss, _ = fed(estimator, z, model, qz_x, x)
        (g,) = torch.autograd.grad(loss.sum(), logits, retain_graph=True)
        first += probability.unsqueeze(-1) * g
        second += probability * g.square().sum(-1)
        for kept, new in zip(taught, torch.autograd.grad((probability * loss).sum(), decoder), strict=True):
            kept += new
    torch.testing.assert_close(total, torch.ones(B).double(), rtol=1e-12, atol=1e-12)
    return first, second, taught


def true_gradients(name: str, K: int, model: Model, x: Tensor) -> tuple[Tensor, list[Tensor]]:
    """By autograd through the sum over all (tuples of) codes: the loss itself is exact, so is its gradient."""
    logits = model.encode(x).logits.detach().requires_grad_()
    codes = all_codes(k, dtype=torch.float64)
    qz_x = IndependentBernoulli(logits)
    log_q = qz_x.log_prob(codes.unsqueeze(1))  # (2^k, B)
    log_px_z = torch.stack([model.decode(code).log_prob(x) for code in codes])
    if name == "vimco":
        loss = torch.zeros(()).double()
        log_w = log_px_z - k * math.log(2) - log_q
        for chosen in map(list, itertools.product(range(2**k), repeat=K)):
            bound = torch.logsumexp(log_w[chosen], 0) - math.log(K)
            loss = loss - (log_q[chosen].sum(0).exp() * bound).sum()
    else:
        loss = (log_q.exp() * (log_q + k * math.log(2) - C * log_px_z)).sum()
    gradient, *taught = torch.autograd.grad(loss, [logits, *model.decoder.parameters()])
    return gradient, taught


def estimator_for(name: str) -> LikelihoodRatio:
    estimator = make(name)
    if isinstance(estimator, RunningMean):
        estimator.double().baseline.fill_(1.3)
    assert isinstance(estimator, LikelihoodRatio)
    return estimator


@pytest.mark.parametrize("name", SCORES)
def test_unbiased_means_unbiased_and_the_printed_rule_is_not(name: str, model: Model, x: Tensor) -> None:
    estimator = estimator_for(name)
    K = estimator.draws or (3 if name == "vimco" else 1)
    first, _, taught = expected_gradients(estimator, K, model, x)
    gradient, truly_taught = true_gradients(name, K, model, x)
    bias = float((first - gradient).norm() / gradient.norm())
    if estimator.unbiased:
        assert bias < 1e-12
    else:
        assert name == "printed"
        assert bias > 0.01
    for estimated, truth in zip(taught, truly_taught, strict=True):  # the decoder learns the same in any case
        assert float((estimated - truth).norm()) <= 1e-12 * float(truth.norm())


def test_the_printed_rule_is_the_gradient_of_the_reconstruction_alone(model: Model, x: Tensor) -> None:
    first, _, _ = expected_gradients(estimator_for("printed"), 1, model, x)
    logits = model.encode(x).logits.detach().requires_grad_()
    codes = all_codes(k, dtype=torch.float64)
    log_px_z = torch.stack([model.decode(code).log_prob(x) for code in codes])
    q = IndependentBernoulli(logits).log_prob(codes.unsqueeze(1)).exp()
    (alone,) = torch.autograd.grad(-C * (q * log_px_z).sum(), logits)
    torch.testing.assert_close(first, alone, rtol=1e-12, atol=1e-12)


def test_more_is_used_the_less_an_estimate_varies(model: Model, x: Tensor) -> None:
    """Exact variances, by enumeration. DisARM is never above RLOO-2 (Dong, Mnih & Tucker 2020)."""

    def variance(name: str) -> Tensor:
        estimator = estimator_for(name)
        first, second, _ = expected_gradients(estimator, estimator.draws or 1, model, x)
        return second - first.square().sum(-1)

    by_name = {name: variance(name) for name in ("exact", "rloo-4", "rloo-2", "disarm", "score")}
    assert (by_name["exact"].abs() < 1e-12).all()
    assert (by_name["disarm"] <= by_name["rloo-2"] + 1e-12).all()
    assert (by_name["rloo-4"] < by_name["rloo-2"]).all()
    assert by_name["rloo-2"].sum() < by_name["score"].sum()


@pytest.mark.parametrize("name", ELBO_SCORES)
def test_the_terms_of_a_draw_are_those_of_its_codes(name: str, model: Model, x: Tensor) -> None:
    estimator = estimator_for(name)
    qz_x = model.encode(x)
    z = estimator.draw(qz_x, 1, Generator().manual_seed(0)).clone()
    assert ((z == 0) | (z == 1)).all()
    loss, terms = fed(estimator, z, model, qz_x, x)
    px_z = model.decode(z)
    weights = qz_x.log_prob(z).exp() if name == "exact" else torch.full_like(z[..., 0], 1 / len(z))
    torch.testing.assert_close(terms.distortion, -(weights * px_z.log_prob(x)).sum(0), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(terms.squared_error, (weights * px_z.squared_error(x)).sum(0), rtol=1e-12, atol=1e-12)
    p = qz_x.mean
    rate = (p * (2 * p).log() + (1 - p) * (2 - 2 * p).log()).sum(-1)
    torch.testing.assert_close(terms.rate, rate, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(loss, C * terms.distortion + terms.rate, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["rloo-4", "disarm"])
def test_joint_draws_have_the_probabilities_that_they_declare(name: str, model: Model, x: Tensor) -> None:
    """Frequencies of the first image's pairs of codes against log_probability; 5 standard errors of a count."""
    estimator, n = estimator_for(name), 20_000
    qz_x = model.encode(x[:1])
    many = IndependentBernoulli(qz_x.logits.expand(n, -1))
    z = estimator.draw(many, 1, Generator().manual_seed(0))[:2]  # (2, n, k)
    pair = z.permute(1, 0, 2).reshape(n, -1) @ torch.tensor([8.0, 4, 2, 1]).double()
    counts = torch.bincount(pair.long(), minlength=16)
    codes = all_codes(4, dtype=torch.float64).reshape(16, 2, 1, k)
    probability = torch.stack([log_probability(name, qz_x, z) for z in codes]).exp().squeeze(-1)
    assert ((counts - n * probability).abs() <= 5 * (n * probability).sqrt() + 1e-9).all()


def test_relaxed_and_straight_through_gradients_are_biased_and_say_so(model: Model, x: Tensor) -> None:
    for name in ("straight-through", "concrete"):
        assert not ESTIMATORS[name].unbiased
        looked_at = study(make(name), model, x, 20_000, C, generator=Generator().manual_seed(0))
        assert looked_at.relative_bias > 10 * looked_at.relative_noise
    looked_at = study(make("rloo-4"), model, x, 20_000, C, generator=Generator().manual_seed(0))
    assert looked_at.relative_bias < 3 * looked_at.relative_noise


def test_a_straight_through_step_is_the_slope_of_the_distortion_in_the_bits(model: Model, x: Tensor) -> None:
    logits = model.encode(x).logits.detach().requires_grad_()
    qz_x = IndependentBernoulli(logits)
    estimator = make("straight-through")
    loss, _ = estimator.loss_at(model, qz_x, x, 1, torch.tensor(C, dtype=x.dtype), Generator().manual_seed(5))
    (estimated,) = torch.autograd.grad(loss.sum(), logits)
    z = qz_x.sample((1,), Generator().manual_seed(5)).requires_grad_()
    (slope,) = torch.autograd.grad(-C * model.decode(z).log_prob(x).sum(), z)
    p = qz_x.mean.detach()
    rate_slope = logits.detach() * p * (1 - p)  # d/dl [σ(l) l − softplus(l)]
    torch.testing.assert_close(estimated, slope[0] * p * (1 - p) + rate_slope, rtol=1e-9, atol=1e-12)


def test_the_running_mean_follows_f_and_comes_back_with_the_state(make_dataset) -> None:  # type: ignore[no-untyped-def]
    dataset: Dataset = make_dataset("binary", shape=(1, 4, 4), train=40, test=10)
    given = Config(latent="bernoulli", latent_dim=3, likelihood="bernoulli", estimator="running-mean", hidden=(6,),
                   batch_size=20, epochs=10, record_every=5, threads=1)  # fmt: skip
    config, _ = complete(given, dataset.info)
    whole, first, second = (Trainer(config, dataset) for _ in range(3))
    records = [event for event in whole.run() if isinstance(event, Record)]
    while first.step < 10:
        first.take_steps()
    assert isinstance(first.estimator, RunningMean)
    assert float(first.estimator.baseline) == pytest.approx(records[0].train.loss, rel=0.2)
    second.load_state(*first.state())
    while second.step < second.total_steps:
        second.take_steps()
    for name, value in whole.state()[0].items():
        if name.startswith(("model.", "estimator.")):
            assert torch.equal(value, second.state()[0][name]), name


def test_an_estimator_belongs_to_its_latent_and_its_objective(make_dataset) -> None:  # type: ignore[no-untyped-def]
    info = make_dataset("binary", shape=(1, 4, 4), train=40, test=10).info
    assert choices("bernoulli", "elbo")[0] == "rloo-4"
    assert complete(Config(latent="bernoulli", epochs=1), info)[0].estimator == "rloo-4"
    assert complete(Config(epochs=1), info)[0].estimator == "pathwise"
    asked = {"latent": "bernoulli", "objective": "iwae", "samples": 5, "epochs": 1}
    assert complete(Config(**asked), info)[0].estimator == "vimco"
    refused = [
        ({"estimator": "rloo-4"}, "estimator: expected one of pathwise for a normal latent"),
        ({"latent": "bernoulli", "estimator": "printed"}, "estimator: expected one of rloo-4"),
        ({"latent": "bernoulli", "estimator": "vimco"}, "elbo objective, got 'vimco'"),
        ({"latent": "bernoulli", "objective": "iwae"}, "samples: vimco needs 2 or more"),
        ({"latent": "bernoulli", "samples": 3}, "samples: rloo-4 draws 4 codes per image, got 3"),
        ({"latent": "bernoulli", "estimator": "exact", "latent_dim": 11}, "decodes 2\\^k codes in a step"),
        ({"latent": "bernoulli", "estimator": "exact", "samples": 2}, "goes through all codes"),
    ]
    for settings, sentence in refused:
        with pytest.raises(ConfigError, match=sentence):
            complete(Config(**settings, epochs=1), info)


def test_the_enumerated_gradient_is_the_slope_of_the_exact_loss(model: Model, x: Tensor) -> None:
    gradient, _ = true_gradients("exact", 1, model, x)
    torch.testing.assert_close(enumerated_gradient(model, x, C), gradient, rtol=1e-12, atol=1e-12)
