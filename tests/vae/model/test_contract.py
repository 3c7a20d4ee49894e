"""One contract for everything in the registries: whoever adds a variant passes these tests without writing one."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Generator, Tensor, nn

from tests.vae.contracts import (
    LATENT_CONTRACTS,
    LIKELIHOOD_CONTRACTS,
    REFERENCES,
    density_is_its_references,
    stays_finite_in_float32,
    values_on,
)
from vae import Config
from vae.bound import estimators, objectives
from vae.bound.estimators import ESTIMATORS, choices
from vae.bound.objectives import OBJECTIVES
from vae.datasets import Dataset
from vae.errors import ConfigError
from vae.model import latents, likelihoods, networks
from vae.model.latents import LATENTS
from vae.model.likelihoods import LIKELIHOODS, Likelihood
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
    assert variants(module) <= set(entries.values())  # a newcomer may have a file of its own


def test_a_likelihood_without_a_name_would_be_noticed() -> None:
    concrete = {cls for cls in Likelihood.__subclasses__() if cls.__module__ == "vae.model.likelihoods"}
    assert concrete <= set(LIKELIHOODS.values())


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


# likelihoods and latents: see tests/vae/contracts.py


def by_name(contract: Any) -> str:
    return contract.__name__ if callable(contract) else str(contract)


@pytest.mark.parametrize("contract", LIKELIHOOD_CONTRACTS, ids=by_name)
@pytest.mark.parametrize("name", LIKELIHOODS)
def test_every_likelihood_keeps_to_its_contract(name: str, contract: Callable[[type[Likelihood]], None]) -> None:
    contract(LIKELIHOODS[name])


@pytest.mark.parametrize("name", REFERENCES)
def test_likelihoods_are_the_distributions_of_others(name: str) -> None:
    density_is_its_references(LIKELIHOODS[name], REFERENCES[name])


@pytest.mark.parametrize("name", LIKELIHOODS)
@pytest.mark.parametrize("scale", [0.0, 1.0, 30.0, 1e4])
def test_likelihoods_stay_finite_in_float32(name: str, scale: float) -> None:
    stays_finite_in_float32(LIKELIHOODS[name], scale)


@pytest.mark.parametrize("contract", LATENT_CONTRACTS, ids=by_name)
@pytest.mark.parametrize("name", LATENTS)
def test_every_latent_keeps_to_its_contract(name: str, contract: Callable[[Any], None]) -> None:
    contract(LATENTS[name])
