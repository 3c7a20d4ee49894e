"""The model: three distributions, one seed, and float32 wherever nats are counted."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from torch import Generator, nn

from vae import Config, elbo_terms, iw_bound
from vae.bound.objectives import OBJECTIVES
from vae.errors import ConfigError, DataError
from vae.model.likelihoods import LIKELIHOODS, BernoulliPixels
from vae.model.vae import build_model

CONFIG = Config(likelihood="bernoulli", latent_dim=3, hidden=(9,), C=1.0)
SHAPE = (2, 3, 4)


def images(count: int, seed: int = 0) -> torch.Tensor:
    return (torch.rand(count, *SHAPE, generator=Generator().manual_seed(seed)) < 0.4).float()


def test_the_seed_alone_decides_the_first_weights() -> None:
    torch.manual_seed(5)
    state = torch.get_rng_state()
    one = dict(build_model(CONFIG, SHAPE).named_parameters())
    assert torch.equal(torch.get_rng_state(), state)  # the user's own random numbers go on undisturbed
    torch.manual_seed(6)
    two = dict(build_model(CONFIG, SHAPE).named_parameters())
    other = dict(build_model(dataclasses.replace(CONFIG, seed=1), SHAPE).named_parameters())
    assert one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) and not torch.equal(one[name], other[name]) for name in one)


def test_a_gaussian_takes_its_C_from_the_config() -> None:
    fixed = build_model(Config(likelihood="gaussian", C=7.0, hidden=(4,)), SHAPE)
    fitted = build_model(Config(likelihood="gaussian", C="fit", hidden=(4,)), SHAPE)
    assert pytest.approx(7) == fixed.likelihood.C
    assert not fixed.likelihood.fit
    assert fitted.likelihood.fit
    assert "likelihood.log_C" in fixed.state_dict()  # saved with the weights


def test_encode_is_the_encoders_output_and_refuses_other_images() -> None:
    model = build_model(CONFIG, SHAPE)
    x = images(5)
    qz_x = model.encode(x)
    assert torch.equal(torch.cat([qz_x.loc, qz_x.log_variance], -1), model.encoder(x))
    for wrong in ((5, 2, 4, 3), (5, 1, 3, 4), (2, 3, 4)):
        with pytest.raises(DataError, match=r"\(B, 2, 3, 4\), got"):
            model.encode(torch.zeros(wrong))


@pytest.mark.parametrize("batch", [(), (5,), (4, 5), (2, 3, 4)])
def test_decode_keeps_leading_axes_and_treats_rows_alone(batch: tuple[int, ...]) -> None:
    model = build_model(CONFIG, SHAPE)
    z = torch.randn(*batch, 3, generator=Generator().manual_seed(0))
    mean = model.decode(z).mean
    assert mean.shape == (*batch, *SHAPE)
    last = (-1,) * len(batch)
    torch.testing.assert_close(mean[last], model.decode(z[last].unsqueeze(0)).mean[0])


def test_decode_of_nothing_is_nothing() -> None:
    assert build_model(CONFIG, SHAPE).decode(torch.zeros(0, 3)).mean.shape == (0, *SHAPE)


def test_the_two_parts_are_all_parameters_and_share_none() -> None:
    model = build_model(Config(likelihood="gaussian", hidden=(4,)), SHAPE)
    encoder, decoder = ({id(p) for p in model.parameters_of(part)} for part in ("encoder", "decoder"))
    assert not encoder & decoder
    assert encoder | decoder == {id(p) for p in model.parameters()}
    assert id(model.likelihood.log_C) in decoder


@pytest.mark.parametrize("setting", ["network", "latent", "likelihood", "activation"])
def test_an_unknown_architecture_is_named(setting: str) -> None:
    with pytest.raises(ConfigError, match=f"{setting}.*'quantum'"):
        build_model(dataclasses.replace(CONFIG, **{setting: "quantum"}), SHAPE)


# bfloat16


@pytest.mark.parametrize("network", ["mlp", "conv"])
def test_bfloat16_ends_where_nats_begin(network: str) -> None:
    shape, config = (1, 8, 8), dataclasses.replace(CONFIG, network=network, precision="bfloat16")
    model = build_model(config, shape)
    assert not model.in_bfloat16  # only a training step is
    model.in_bfloat16 = True
    seen: list[torch.dtype] = []
    for layer in model.modules():
        if isinstance(layer, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
            layer.register_forward_hook(lambda layer, inputs, output: seen.append(output.dtype))
    x = (torch.rand(6, *shape, generator=Generator().manual_seed(0)) < 0.5).float()
    terms = elbo_terms(model, x, 4, Generator().manual_seed(1))
    assert set(seen) == {torch.bfloat16}
    for tensor in (terms.distortion, terms.rate, terms.rate_per_dim, terms.squared_error, iw_bound(model, x, 4)):
        assert tensor is not None
        assert tensor.dtype == torch.float32
    qz_x = model.encode(x)
    px_z = model.decode(qz_x.rsample((4,), Generator().manual_seed(1)))
    assert isinstance(px_z, BernoulliPixels)
    p = px_z.logits.double().sigmoid()
    exact = -(x * p.log() + (1 - x) * (1 - p).log()).sum((-3, -2, -1)).mean(0)
    torch.testing.assert_close(terms.distortion.double(), exact, rtol=2e-7, atol=2e-5)  # bfloat16 would be 0.2 off
    m, log_v = qz_x.loc.double(), qz_x.log_variance.double()
    torch.testing.assert_close(
        terms.rate.double(), 0.5 * (m**2 + log_v.exp() - 1 - log_v).sum(-1), rtol=1e-6, atol=1e-7
    )


@pytest.mark.parametrize("objective", list(OBJECTIVES))
def test_an_outer_autocast_does_not_reach_the_nats(objective: str) -> None:
    model, x = build_model(CONFIG, SHAPE), images(6)
    plain, _ = OBJECTIVES[objective].loss(model, x, 5, torch.ones(()), Generator().manual_seed(0))
    with torch.autocast("cpu", torch.bfloat16):
        inside, terms = OBJECTIVES[objective].loss(model, x, 5, torch.ones(()), Generator().manual_seed(0))
    assert inside.dtype == terms.distortion.dtype == terms.rate.dtype == torch.float32
    torch.testing.assert_close(inside, plain, rtol=1e-6, atol=1e-6)


# float32 at its edges


def test_a_posterior_of_log_variance_25_has_a_finite_loss_and_gradients() -> None:
    for likelihood in LIKELIHOODS:
        model = build_model(dataclasses.replace(CONFIG, likelihood=likelihood), SHAPE)
        with torch.no_grad():
            list(model.encoder.parameters())[-1][3:] = 25.0  # the bias of log v
        terms = elbo_terms(model, images(4), 1, Generator().manual_seed(0))
        loss = (terms.distortion + terms.rate).mean()
        loss.backward()
        assert loss.isfinite()
        assert loss > 1e10
        for parameter in model.encoder.parameters():
            assert parameter.grad is not None
            assert parameter.grad.isfinite().all()
            assert parameter.grad.any()


# where training starts


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
@pytest.mark.parametrize("network", ["linear", "mlp"])
def test_a_model_starts_at_the_mean_image(network: str, likelihood: str) -> None:
    model = build_model(dataclasses.replace(CONFIG, network=network, hidden=None, likelihood=likelihood), SHAPE)
    mean = torch.linspace(0.0, 1.0, math.prod(SHAPE)).reshape(SHAPE)
    support = LIKELIHOODS[likelihood].support
    model.standardise(*((0.4, 0.2) if support != "binary" else (0.0, 1.0)))
    model.start_at(mean)
    first = next(layer for layer in model.encoder if isinstance(layer, nn.Linear))
    seen = ((mean - model.location) / model.spread).flatten()
    torch.testing.assert_close(first(seen), torch.zeros(first.out_features), atol=1e-5, rtol=0)
    last = [layer for layer in model.decoder if isinstance(layer, nn.Linear)][-1]
    with torch.no_grad():
        last.weight.zero_()
    answer = model.decode(torch.randn(5, model.k))
    expected = mean if support == "real" else mean.clamp(0.01, 0.99)
    torch.testing.assert_close(answer.mean, expected.expand(5, *SHAPE), rtol=1e-4, atol=1e-5)


def test_a_convolutional_model_starts_at_the_mean_of_each_channel() -> None:
    model = build_model(dataclasses.replace(CONFIG, network="conv", hidden=None, likelihood="bernoulli"), (2, 8, 8))
    mean = torch.stack([torch.full((8, 8), 0.25), torch.linspace(0, 1, 64).reshape(8, 8)])
    model.start_at(mean)
    level = mean.mean((1, 2))
    seen = model.encoder[0](level.reshape(1, 2, 1, 1).expand(1, 2, 8, 8))
    torch.testing.assert_close(seen[..., 1:-1, 1:-1], torch.zeros(1, seen.shape[1], 2, 2), atol=1e-6, rtol=0)
    with torch.no_grad():
        model.decoder[-1].weight.zero_()  # type: ignore[union-attr, operator]
    torch.testing.assert_close(model.decode(torch.randn(1, model.k)).mean[0], level.reshape(2, 1, 1).expand(2, 8, 8))
