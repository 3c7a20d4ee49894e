"""Likelihoods and latents keep to their contracts: those that are registered, and none that is broken on purpose."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.vae.contracts import (
    LATENT_CONTRACTS,
    LIKELIHOOD_CONTRACTS,
    REFERENCES,
    density_is_its_references,
    stays_finite_in_float32,
)

from vae.latents import LATENTS
from vae.likelihoods import LIKELIHOODS, Likelihood


def by_name(function: Any) -> str:
    return function.__name__ if callable(function) else str(function)


@pytest.mark.parametrize("contract", LIKELIHOOD_CONTRACTS, ids=by_name)
@pytest.mark.parametrize("name", LIKELIHOODS)
def test_every_likelihood_keeps_to_its_contract(name: str, contract: Callable[[type[Likelihood]], None]) -> None:
    contract(LIKELIHOODS[name])


@pytest.mark.parametrize("name", REFERENCES)
def test_likelihoods_are_the_distributions_of_others(name: str) -> None:
    density_is_its_references(LIKELIHOODS[name], REFERENCES[name])


@pytest.mark.parametrize("scale", [0.0, 1.0, 30.0, 1e4])
@pytest.mark.parametrize("name", LIKELIHOODS)
def test_likelihoods_stay_finite_in_float32(name: str, scale: float) -> None:
    stays_finite_in_float32(LIKELIHOODS[name], scale)


@pytest.mark.parametrize("contract", LATENT_CONTRACTS, ids=by_name)
@pytest.mark.parametrize("name", LATENTS)
def test_every_latent_keeps_to_its_contract(name: str, contract: Callable[[Any], None]) -> None:
    contract(LATENTS[name])
