"""One contract for everything in the registries: whoever adds a variant passes these tests without writing one."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Generator, Tensor, nn

from vae import Config
from vae.bound import estimators, objectives
from vae.bound.estimators import ESTIMATORS, choices
from vae.bound.objectives import OBJECTIVES
from vae.datasets import Dataset
from vae.errors import ConfigError
from vae.model import latents, likelihoods, networks
from vae.model.latents import LATENTS
from vae.model.likelihoods import LIKELIHOODS, SUPPORTS, Gaussian, Likelihood
from vae.model.networks import NETWORKS, Residual
from vae.model.vae import IDENTITY, build_model
from vae.training.defaults import complete
from vae.training.records import Record
from vae.training.trainer import Trainer

REGISTRIES = {
    "network": (networks, NETWORKS),
    "likelihood": (likelihoods, LIKELIHOODS),
    "latent": (latents, LATENTS),
    "objective": (objectives, OBJECTIVES),
    "estimator": (estimators, ESTIMATORS),
}
COMBINATIONS = list(itertools.product(NETWORKS, LIKELIHOODS, LATENTS, OBJECTIVES))
TRAININGS = [(*parts, estimator) for parts in COMBINATIONS for estimator in choices(parts[2], parts[3])]


def variants(module: Any) -> set[type]:
    """The concrete variants that a module defines: classes with a name of their own."""
    classes = [value for _, value in inspect.getmembers(module, inspect.isclass) if value.__module__ == module.__name__]
    return {cls for cls in classes if isinstance(cls.__dict__.get("name"), str)}


def samples_for(estimator: str) -> int:
    """Two where the estimator takes them."""
    try:
        ESTIMATORS[estimator].check(2, 3)
    except ConfigError:
        return 1
    return 2


@pytest.mark.parametrize("registry", REGISTRIES)
def test_every_variant_is_registered_under_its_name(registry: str) -> None:
    module, entries = REGISTRIES[registry]
    assert {name: cls.name for name, cls in entries.items()} == {name: name for name in entries}
    assert variants(module) == set(entries.values())


def test_a_likelihood_without_a_name_would_be_noticed() -> None:
    concrete = {cls for cls in Likelihood.__subclasses__() if cls.__module__ == "vae.model.likelihoods"}
    assert concrete == set(LIKELIHOODS.values())


def test_every_latent_can_be_trained_with_every_objective_and_every_estimator_somewhere() -> None:
    assert all(choices(latent, objective) for latent in LATENTS for objective in OBJECTIVES)
    assert {training[-1] for training in TRAININGS} == {name for name, cls in ESTIMATORS.items() if cls.trains}


# the whole: network x likelihood x latent x objective x estimator


@pytest.mark.parametrize(("network", "likelihood", "latent", "objective", "estimator"), TRAININGS)
def test_every_combination_trains(
    network: str,
    likelihood: str,
    latent: str,
    objective: str,
    estimator: str,
    make_dataset: Callable[..., Dataset],
) -> None:
    support = LIKELIHOODS[likelihood].support
    dataset = make_dataset(support, shape=(1, 8, 8), train=40, test=10)
    hidden = () if network == "linear" else (6,)
    parts = {"network": network, "likelihood": likelihood, "latent": latent, "objective": objective, "hidden": hidden}
    parts |= {"estimator": estimator, "samples": samples_for(estimator)}
    given = Config(**parts, latent_dim=3, batch_size=20, epochs=2, record_every=2, threads=1)
    config, _ = complete(given, dataset.info)
    trainer = Trainer(config, dataset)
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    first, last = [event for event in trainer.run() if isinstance(event, Record)]
    for means in (first.train, first.test, last.train, last.test):
        assert means is not None
        assert torch.tensor([means.distortion, means.rate, means.squared_error, means.loss]).isfinite().all()
        assert means.rate >= 0
        assert means.squared_error >= 0
    for name, value in trainer.model.state_dict().items():
        assert value.dtype == torch.float32
        assert value.isfinite().all()
        learned = not torch.equal(value, before[name])
        assert learned == (name not in IDENTITY), f"{name}: learned is {learned}"


@pytest.mark.parametrize(("network", "likelihood", "latent", "objective"), COMBINATIONS)
def test_every_loss_has_the_gradient_of_its_differences(
    network: str, likelihood: str, latent: str, objective: str
) -> None:
    """The derivative of the mean loss along a random direction, by autograd and by central differences."""
    config = Config(network=network, likelihood=likelihood, latent=latent, latent_dim=3, C=2.0,
                    hidden=() if network == "linear" else (6,), activation="tanh")  # fmt: skip
    model = build_model(config, (1, 8, 8)).double()
    x = values_on(LIKELIHOODS[likelihood].support, 4, (1, 8, 8)).double()
    weight = torch.tensor(0.7 if OBJECTIVES[objective].takes_weight else 1.0, dtype=torch.float64)

    def loss() -> Tensor:
        return OBJECTIVES[objective].loss(model, x, 3, weight, Generator().manual_seed(1))[0].mean()

    if not LATENTS[latent].reparameterised:
        pytest.skip("its gradient is an estimate; estimators have tests of their own")
    parameters = list(model.parameters())
    model.requires_grad_(True)
    gradients = torch.autograd.grad(loss(), parameters)
    generator = Generator().manual_seed(2)
    direction = [torch.randn(p.shape, dtype=p.dtype, generator=generator) for p in parameters]
    slope = sum((g * d).sum() for g, d in zip(gradients, direction, strict=True))
    h, sides = 1e-6, []
    with torch.no_grad():
        for sign in (1, -2, 1):  # forward, backward, and home again
            for p, d in zip(parameters, direction, strict=True):
                p += sign * h * d
            sides.append(loss())
    assert slope.item() == pytest.approx(((sides[0] - sides[1]) / (2 * h)).item(), rel=1e-5, abs=1e-4)


# networks


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("activation", networks.ACTIVATIONS)
def test_networks_are_chains_of_standard_layers_that_treat_rows_alone(network: str, activation: str) -> None:
    kind, shape = NETWORKS[network], (3, 8, 8)
    kind.check(shape, kind.default_hidden)
    encoder = kind.encoder(shape, 7, kind.default_hidden, activation).double()
    decoder = kind.decoder(4, shape, 6, kind.default_hidden, activation).double()
    x = torch.randn(5, *shape, generator=Generator().manual_seed(0), dtype=torch.float64)
    z = torch.randn(5, 4, generator=Generator().manual_seed(1), dtype=torch.float64)
    for chain, batch, event in ((encoder, x, (7,)), (decoder, z, (6, 8, 8))):
        assert isinstance(chain, nn.Sequential)
        assert all(
            type(layer).__module__.startswith("torch.nn.") or type(layer) is Residual for layer in chain.modules()
        )
        output = chain(batch)
        assert output.shape == (5, *event)
        torch.testing.assert_close(output[3:4], chain(batch[3:4]), rtol=1e-12, atol=1e-12)
        assert (output[0] - output[1]).abs().max() > 1e-6


# likelihoods


def values_on(support: str, count: int, shape: tuple[int, ...]) -> Tensor:
    u = torch.rand(count, *shape, generator=Generator().manual_seed(7))
    return {"binary": (u < 0.5).float(), "unit": u, "real": 4 * u - 2}[support]


def one_pixel(name: str, count: int):
    """p(x) of one pixel with 6 different parameters, `count` times, float64: batch (count, 6), event (1, 1, 1)."""
    cls = LIKELIHOODS[name]
    likelihood = cls().double()
    if isinstance(likelihood, Gaussian):
        likelihood.set_C(3.0)
    generator = Generator().manual_seed(3)
    parameters = 2 * torch.randn(6, cls.parameters_per_pixel, 1, 1, 1, generator=generator, dtype=torch.float64)
    return likelihood(parameters.expand(count, *parameters.shape))


def quadrature(support: str) -> tuple[Tensor, Tensor]:
    """(points, weights) on which sums over one pixel's values are exact, or nearly."""
    if support == "binary":
        return torch.tensor([0.0, 1.0]).double(), torch.ones(2).double()
    low, high = (0.0, 1.0) if support == "unit" else (-40.0, 40.0)
    points = torch.linspace(low, high, 20_001, dtype=torch.float64)
    weights = torch.full_like(points, points[1] - points[0])
    weights[[0, -1]] /= 2
    return points, weights


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_likelihoods_are_normalised_with_the_mean_they_tell(name: str) -> None:
    cls = LIKELIHOODS[name]
    assert cls.support in SUPPORTS
    points, weights = quadrature(cls.support)
    px_z = one_pixel(name, len(points))
    density = px_z.log_prob(points.reshape(-1, 1, 1, 1, 1)).exp()  # (points, 6)
    torch.testing.assert_close(weights @ density, torch.ones(6).double(), rtol=0, atol=1e-7)
    torch.testing.assert_close((weights * points) @ density, px_z.mean[0].flatten(), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_samples_lie_on_the_support_around_the_mean(name: str) -> None:
    n, cls = 20_000, LIKELIHOODS[name]
    likelihood = cls()
    parameters = torch.randn(6, cls.parameters_per_pixel, 1, 1, 1, generator=Generator().manual_seed(3))
    px_z = likelihood(parameters.expand(n, *parameters.shape))
    x = px_z.sample(Generator().manual_seed(0))
    assert x.shape == (n, 6, 1, 1, 1)
    assert x.dtype == torch.float32
    assert not x.requires_grad
    assert torch.equal(x, px_z.sample(Generator().manual_seed(0)))
    allowed = {"binary": ((x == 0) | (x == 1)), "unit": ((x >= 0) & (x <= 1)), "real": x.isfinite()}
    assert allowed[cls.support].all()
    standard_error = x.std(0) / n**0.5
    assert ((x.mean(0) - px_z.mean[0]).abs() < 5 * standard_error).all()


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_likelihoods_sum_pixels_and_put_their_parameters_first(name: str) -> None:
    cls, shape = LIKELIHOODS[name], (2, 3, 4)
    likelihood = cls().double()
    P = cls.parameters_per_pixel
    parameters = torch.randn(5, P, *shape, generator=Generator().manual_seed(0), dtype=torch.float64)
    x = values_on(cls.support, 5, shape).double()
    whole = likelihood(parameters)
    assert whole.mean.shape == (5, *shape)
    places = [tuple(slice(i, i + 1) for i in place) for place in itertools.product(*map(range, shape))]
    by_pixel = [likelihood(parameters[:, :, *place]).log_prob(x[:, *place]) for place in places]
    torch.testing.assert_close(whole.log_prob(x), torch.stack(by_pixel).sum(0), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", LIKELIHOODS)
@pytest.mark.parametrize("scale", [0.0, 1.0, 30.0, 1e4])
def test_likelihoods_stay_finite_in_float32(name: str, scale: float) -> None:
    cls = LIKELIHOODS[name]
    signs = torch.tensor([-1.0, 1.0]).reshape(2, 1, 1, 1, 1).expand(2, cls.parameters_per_pixel, 1, 2, 2)
    parameters = (scale * signs).clone().requires_grad_()
    x = values_on(cls.support, 2, (1, 2, 2))
    log_p = cls()(parameters).log_prob(x)
    log_p.sum().backward()
    assert log_p.isfinite().all()
    assert parameters.grad is not None
    assert parameters.grad.isfinite().all()


# latents


@pytest.mark.parametrize("name", LATENTS)
def test_latents_rates_are_divergences_from_their_prior(name: str) -> None:
    latent, k, n = LATENTS[name], 3, 50_000
    parameters = torch.randn(4, latent.parameters(k), generator=Generator().manual_seed(0), dtype=torch.float64)
    qz_x, pz = latent.posterior(parameters), latent.prior(k, torch.device("cpu"), torch.float64)
    z = qz_x.sample((n,), Generator().manual_seed(1))
    assert z.shape == (n, 4, k)
    assert qz_x.mean.shape == (4, k)
    assert pz.log_prob(z[0]).shape == (4,)
    difference = qz_x.log_prob(z) - pz.log_prob(z)
    assert ((difference.mean(0) - latent.rate(qz_x)).abs() < 5 * difference.std(0) / n**0.5).all()
    per_dim = latent.rate_per_dim(qz_x)
    if per_dim is not None:
        assert per_dim.shape == (4, k)
        assert (per_dim >= 0).all()
        torch.testing.assert_close(per_dim.sum(-1), latent.rate(qz_x), rtol=1e-12, atol=1e-12)
    assert ((z.mean(0) - qz_x.mean).abs() < 5 * z.std(0) / n**0.5).all()


@pytest.mark.parametrize("name", LATENTS)
def test_latents_carry_gradients_as_they_declare(name: str) -> None:
    latent = LATENTS[name]
    parameters = torch.randn(4, latent.parameters(3), generator=Generator().manual_seed(0)).requires_grad_()
    qz_x = latent.posterior(parameters)
    assert not qz_x.sample((2,)).requires_grad
    if latent.reparameterised:
        z = qz_x.rsample((2,), Generator().manual_seed(1))
        assert torch.equal(z, qz_x.sample((2,), Generator().manual_seed(1)))
        torch.autograd.grad(z.square().sum(), parameters)
    else:
        with pytest.raises(NotImplementedError, match="estimators"):
            qz_x.rsample((2,))


@pytest.mark.parametrize("name", LATENTS)
def test_latents_give_values_on_their_support_and_rates_of_their_marginals(name: str) -> None:
    latent = LATENTS[name]
    parameters = torch.randn(4, latent.parameters(3), generator=Generator().manual_seed(0), dtype=torch.float64)
    qz_x = latent.posterior(parameters)
    z = qz_x.sample((100,), Generator().manual_seed(1))
    allowed = {"real": z.isfinite(), "binary": (z == 0) | (z == 1)}
    assert allowed[latent.support].all()
    assert latent.decoder_input(z).shape == z.shape
    marginal, per_dim = latent.marginal_rate_per_dim(qz_x), latent.rate_per_dim(qz_x)
    assert (marginal >= 0).all()
    assert (marginal.sum(-1) <= latent.rate(qz_x) + 1e-12).all()  # the rest is what the dimensions know of one another
    if per_dim is not None:
        assert torch.equal(marginal, per_dim)
