"""Metrics at their extremes: a perfect code, a constant code, a duplicated code."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from tests.vae.contracts_bound import metric_is_a_number_with_unit_and_sentence
from vae import Config
from vae.bound.metrics import METRICS, active_units, measure, mutual_information
from vae.datasets import Dataset
from vae.model.latents import LATENTS
from vae.model.vae import Model, build_model

N = 64


class Given(nn.Module):
    """An encoder that answers with given parameters, a row for each image; the image's first pixel is its number."""

    def __init__(self, parameters: Tensor) -> None:
        super().__init__()
        self.parameters_of_q = parameters

    def forward(self, x: Tensor) -> Tensor:
        return self.parameters_of_q[x[:, 0, 0, 0].long()]


@pytest.fixture
def coded(make_dataset: Callable[..., Dataset]) -> Callable[..., tuple[Model, Dataset]]:
    def make(latent: str, parameters: Tensor) -> tuple[Model, Dataset]:
        k = next(k for k in range(1, 99) if LATENTS[latent].parameters(k) == parameters.shape[1])
        model = build_model(Config(latent=latent, latent_dim=k, likelihood="gaussian", hidden=(4,)), (1, 2, 2))
        model.encoder = Given(parameters)  # type: ignore[assignment]
        dataset = make_dataset("real", shape=(1, 2, 2), train=8, test=N)
        dataset.test[:, 0, 0, 0] = torch.arange(N).to(dataset.test.dtype)
        return model, dataset

    return make


def separate(k: int = 1) -> Tensor:
    """Means far apart, one for each image; standard deviation e⁻³."""
    loc = torch.arange(N).float().unsqueeze(1).expand(-1, k)
    return torch.cat([loc, torch.full((N, k), -6.0)], 1)


def test_a_perfect_code_knows_which_image_it_is(coded: Callable) -> None:
    model, dataset = coded("normal", separate())
    assert mutual_information(model, dataset).at_least == pytest.approx(math.log(N), abs=1e-4)
    assert active_units(model, dataset) == 1
    bits = torch.tensor([[40.0 if n >> place & 1 else -40.0 for place in range(6)] for n in range(N)])
    model, dataset = coded("bernoulli", bits)
    assert mutual_information(model, dataset).at_least == pytest.approx(math.log(N), abs=1e-4)
    assert active_units(model, dataset) == 6


@pytest.mark.parametrize("latent", LATENTS)
def test_a_constant_code_knows_nothing(latent: str, coded: Callable) -> None:
    row = torch.linspace(-1, 1, LATENTS[latent].parameters(3))
    model, dataset = coded(latent, row.expand(N, -1))
    assert mutual_information(model, dataset).at_least == pytest.approx(0, abs=1e-5)
    assert active_units(model, dataset) == 0


def test_a_duplicated_code_knows_no_more_than_one(coded: Callable) -> None:
    once, dataset = coded("normal", separate(1))
    twice, _ = coded("normal", separate(2))
    told = [mutual_information(model, dataset).at_least for model in (once, twice)]
    assert told[0] == pytest.approx(told[1], abs=1e-4)
    assert active_units(twice, dataset) == 2  # it counts dimensions, not what they know


def test_information_is_that_of_a_gaussian_channel(make_dataset: Callable[..., Dataset]) -> None:
    """x ~ N(0, 1), z = a x + noise of variance v: I = ½ log(1 + a²/v)."""
    model = build_model(Config(network="linear", latent_dim=1, likelihood="gaussian"), (1, 2, 2))
    dataset = make_dataset("real", shape=(1, 2, 2), train=8, test=2000)
    dataset.test[:] = torch.randn(2000, 1, 2, 2, generator=torch.Generator().manual_seed(0)).to(dataset.test.dtype)
    layer = model.encoder[1]
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.zero_()
        layer.weight[0, 0] = 2.0
        layer.bias[1] = math.log(0.5)
    assert mutual_information(model, dataset).at_least == pytest.approx(0.5 * math.log(1 + 4 / 0.5), abs=0.08)


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_keeps_to_its_contract(name: str, coded: Callable) -> None:
    metric_is_a_number_with_unit_and_sentence(METRICS[name], *coded("normal", separate()))


def test_the_units_are_those_of_what_is_computed() -> None:
    """By hand: a count of dimensions, and an expectation of logarithms."""
    units = {"active_units": "dimensions", "mutual_information": "nats"}
    assert {name: METRICS[name].unit for name in units} == units


def test_what_is_measured_is_listed_and_stands_under_its_own_names(coded: Callable) -> None:
    model, dataset = coded("normal", separate())
    found = measure(model, dataset)
    assert list(found["metrics"]) == list(METRICS)
    assert found["active_units"] == found["metrics"]["active_units"]["value"] == 1
    information = mutual_information(model, dataset)
    assert found["metrics"]["mutual_information"]["standard_error"] == information.standard_error
    told = information.named()
    assert {name: found[name] for name in told} == told
    assert set(told) == {f"mutual_information_{name}" for name in ("at_least", "standard_error", "limit", "images")}


def test_information_is_told_with_its_bound_and_grows_with_the_images(make_dataset: Callable[..., Dataset]) -> None:
    """z ~ N(20 x, 1): I is 3 nats; few images show no more than the logarithm of their number."""
    model = build_model(Config(network="linear", latent_dim=1, likelihood="gaussian"), (1, 2, 2))
    layer = model.encoder[1]
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.zero_()
        layer.weight[0, 0] = 20.0
    information = 0.5 * math.log(1 + 400)
    found = []
    for n in (5, 50, 500):
        dataset = make_dataset("real", shape=(1, 2, 2), train=8, test=n)
        dataset.test[:] = torch.randn(n, 1, 2, 2, generator=torch.Generator().manual_seed(0)).to(dataset.test.dtype)
        found.append(mutual_information(model, dataset))
        assert found[-1].images == n
        assert found[-1].limit == pytest.approx(math.log(n))
        assert found[-1].at_least <= found[-1].limit
        assert found[-1].at_least < information + 4 * found[-1].standard_error
    assert found[0].at_least > 0.8 * found[0].limit  # it shows the number of images, not I
    assert found[0].at_least < found[1].at_least < found[2].at_least
    assert found[2].at_least == pytest.approx(information, abs=0.3)


def test_the_error_of_the_information_is_its_spread(make_dataset: Callable[..., Dataset]) -> None:
    model = build_model(Config(network="linear", latent_dim=1, likelihood="gaussian"), (1, 2, 2))
    with torch.no_grad():
        model.encoder[1].weight[0, 0] = 3.0
    told = []
    for seed in range(60):
        dataset = make_dataset("real", shape=(1, 2, 2), train=8, test=400)
        generator = torch.Generator().manual_seed(seed)
        dataset.test[:] = torch.randn(400, 1, 2, 2, generator=generator).to(dataset.test.dtype)
        told.append(mutual_information(model, dataset, seed))
    spread = torch.tensor([one.at_least for one in told]).std().item()
    assert spread == pytest.approx(sum(one.standard_error for one in told) / 60, rel=0.4)
