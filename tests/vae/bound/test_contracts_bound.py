"""Objectives, estimators and distortions keep to their contracts; those that are broken on purpose do not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Generator, Tensor

from tests.vae.contracts_bound import (
    distortion_is_its_expectation,
    estimate_has_the_objectives_value,
    objective_is_a_bound,
)
from vae.bound.estimators import ESTIMATORS
from vae.bound.evaluation import DRAWS, sampled_elbo
from vae.bound.objectives import OBJECTIVES, Elbo, ImportanceWeighted, elbo_terms
from vae.errors import ConfigError
from vae.model.latents import LATENTS, DiagonalNormal
from vae.model.vae import Model
from vae.runs import Run, load_run
from vae.space.encodings import codes_of

DEMO = Path(__file__).resolve().parents[3] / "checkpoints" / "demo-digits-2d"
Distortion = Callable[[Model, Tensor], Tensor]
ESTIMATES = [
    (name, objective, latent)
    for name, kind in ESTIMATORS.items()
    for objective in kind.objectives
    for latent in LATENTS
    if kind.takes(LATENTS[latent])
]


@pytest.mark.parametrize("name", OBJECTIVES)
def test_every_objective_is_a_bound_on_log_p(name: str) -> None:
    objective_is_a_bound(OBJECTIVES[name])


class Doubled(Elbo):
    @staticmethod
    def loss(model, x, samples, weight, generator):  # type: ignore[no-untyped-def]
        loss, terms = Elbo.loss(model, x, samples, weight, generator)
        return loss + terms.rate, terms


class WithoutLogK(ImportanceWeighted):
    @staticmethod
    def loss(model, x, samples, weight, generator):  # type: ignore[no-untyped-def]
        loss, terms = ImportanceWeighted.loss(model, x, samples, weight, generator)
        return loss - torch.log(torch.tensor(float(samples))), terms


@pytest.mark.parametrize("broken", [Doubled, WithoutLogK])
def test_a_broken_objective_is_found_out(broken: type) -> None:
    with pytest.raises(AssertionError):
        objective_is_a_bound(broken)


@pytest.mark.parametrize(("name", "objective", "latent"), ESTIMATES)
def test_every_estimate_has_its_objectives_value(name: str, objective: str, latent: str) -> None:
    kind = ESTIMATORS[name]
    try:
        kind.check(2, 3)
        samples = 2
    except ConfigError:
        samples = 1
    estimate_has_the_objectives_value(kind, objective, latent, samples)


def test_an_estimate_of_another_value_is_found_out() -> None:
    class Halved(ESTIMATORS["score"]):  # type: ignore[misc]
        def value(self, terms, f, weight):  # type: ignore[no-untyped-def]
            return weight * terms.distortion + 0.5 * terms.rate

    with pytest.raises(AssertionError):
        estimate_has_the_objectives_value(Halved, "elbo", "bernoulli", 1)


@pytest.fixture(scope="module")
def digits() -> Run:
    return load_run(DEMO)


@pytest.fixture(scope="module")
def images(digits: Run) -> Tensor:
    dataset = digits.dataset()
    return dataset.to_float(dataset.test)


@pytest.fixture(params=["map", "evaluate", "training"])
def distortion(request: pytest.FixtureRequest, digits: Run) -> tuple[Distortion, int]:
    """Every distortion that is told image by image, and of how many draws of z it is the mean."""
    ways: dict[str, tuple[Distortion, int]] = {
        "map": (lambda model, x: torch.from_numpy(codes_of(digits).distortion), 1),
        "evaluate": (lambda model, x: sampled_elbo(model, x, DRAWS, Generator().manual_seed(1)).distortion, DRAWS),
        "training": (lambda model, x: elbo_terms(model, x, 3, Generator().manual_seed(2)).distortion.detach(), 3),
    }
    return ways[request.param]


def test_every_distortion_is_its_expectation(distortion: tuple[Distortion, int], digits: Run, images: Tensor) -> None:
    distortion_is_its_expectation(distortion[0], digits.model, images, distortion[1])


def test_the_posterior_mean_in_place_of_a_draw_is_found_out(
    distortion: tuple[Distortion, int], digits: Run, images: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mean(q: DiagonalNormal, shape: tuple[int, ...] = (), generator: object = None) -> Tensor:
        return q.loc.expand(*shape, *q.loc.shape)

    for name in ("sample", "rsample"):
        monkeypatch.setattr(DiagonalNormal, name, mean)
    with pytest.raises(AssertionError, match="off its expectation"):
        distortion_is_its_expectation(distortion[0], digits.model, images, distortion[1])
