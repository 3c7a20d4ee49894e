"""Metrics at their extremes: a perfect code, a constant code, a duplicated code."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from vae import Config
from vae.datasets import Dataset
from vae.latents import LATENTS
from vae.metrics import METRICS, active_units, mutual_information
from vae.model import Model, build_model

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
    assert mutual_information(model, dataset) == pytest.approx(math.log(N), abs=1e-4)
    assert active_units(model, dataset) == 1
    bits = torch.tensor([[40.0 if n >> place & 1 else -40.0 for place in range(6)] for n in range(N)])
    model, dataset = coded("bernoulli", bits)
    assert mutual_information(model, dataset) == pytest.approx(math.log(N), abs=1e-4)
    assert active_units(model, dataset) == 6


@pytest.mark.parametrize("latent", LATENTS)
def test_a_constant_code_knows_nothing(latent: str, coded: Callable) -> None:
    row = torch.linspace(-1, 1, LATENTS[latent].parameters(3))
    model, dataset = coded(latent, row.expand(N, -1))
    assert mutual_information(model, dataset) == pytest.approx(0, abs=1e-5)
    assert active_units(model, dataset) == 0


def test_a_duplicated_code_knows_no_more_than_one(coded: Callable) -> None:
    once, dataset = coded("normal", separate(1))
    twice, _ = coded("normal", separate(2))
    assert mutual_information(twice, dataset) == pytest.approx(mutual_information(once, dataset), abs=1e-4)
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
    assert mutual_information(model, dataset) == pytest.approx(0.5 * math.log(1 + 4 / 0.5), abs=0.08)


def test_every_metric_is_registered_and_answers_with_a_number(coded: Callable) -> None:
    assert set(METRICS.values()) == {active_units, mutual_information}
    model, dataset = coded("normal", separate())
    assert all(math.isfinite(metric(model, dataset)) for metric in METRICS.values())
