"""`owns_C` of every likelihood: what is concluded from it holds (best C, closed forms, the two parts a page shows)."""

from __future__ import annotations

import math

import pytest
import torch

from vae.config import Config
from vae.model.likelihoods import LIKELIHOODS
from vae.model.vae import build_model

SHAPE = (1, 3, 4)
C = 2.7


@pytest.fixture(params=list(LIKELIHOODS))
def model(request: pytest.FixtureRequest):
    config = Config(likelihood=request.param, C=C, hidden=(4,), latent_dim=2)
    model = build_model(config, SHAPE).double()
    model.likelihood.set_C(C)  # again, in float64
    return model


def test_a_C_that_belongs_to_the_model_is_the_noise_of_a_normal_density(model) -> None:
    x = torch.randint(0, 2, (5, *SHAPE)).double()  # on every support
    px_z = model.decode(torch.randn(5, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)))
    c, D = 1 / (2 * C), math.prod(SHAPE)
    normal = -px_z.squared_error(x) / (2 * c) - D / 2 * math.log(2 * math.pi * c)
    assert torch.allclose(px_z.log_prob(x), normal, rtol=1e-12) is model.likelihood.owns_C


def test_C_and_its_fit_are_the_models_own_or_left_alone(model) -> None:
    likelihood = model.likelihood
    assert (model.log_C is not None) is likelihood.owns_C
    level = C if likelihood.owns_C else 1.0
    assert math.isclose(likelihood.C, level, rel_tol=1e-12)
    likelihood.set_C("fit")
    assert likelihood.fit is likelihood.owns_C
    before = {name: value.clone() for name, value in likelihood.state_dict().items()}
    assert list(before) == (["log_C"] if likelihood.owns_C else [])
    likelihood.project(torch.tensor(1e6, dtype=torch.float64))  # so wide that a C of 2.7 lies above the bound
    after = likelihood.state_dict()
    assert any(not value.equal(after[name]) for name, value in before.items()) is likelihood.owns_C
    likelihood.set_C(C)
    likelihood.project(torch.tensor(1e6, dtype=torch.float64))
    assert math.isclose(likelihood.C, level, rel_tol=1e-12)  # what a person set stays
