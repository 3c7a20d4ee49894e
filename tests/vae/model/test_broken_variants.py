"""Each contract is one that cannot be fooled: what is broken on purpose does not keep to it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.newcomers import SharedNormalLatent, StudentT, StudentTPixels
from tests.vae import contracts
from vae.model.latents import BernoulliLatent, FullNormalLatent, NormalLatent
from vae.model.likelihoods import LIKELIHOODS, PixelDistribution


def broken(cls: Any, method: str, change: Callable[..., Any]) -> Any:
    """A likelihood or latent, one of whose methods answers with `change` of what it would answer."""
    inherited = getattr(cls, method)

    def changed(*given: Any) -> Any:
        return change(inherited(*given))

    return type(
        f"Broken{cls.__name__}", (cls,), {method: changed if method in ("forward", "start") else staticmethod(changed)}
    )


def pixels(method: str, change: Callable[..., Any]) -> Callable[[PixelDistribution], PixelDistribution]:
    """p(x|z) with one method of its own that answers otherwise."""

    def replaced(px_z: PixelDistribution) -> PixelDistribution:
        answer = getattr(px_z, method)
        setattr(px_z, method, lambda *given: change(answer(*given)))
        return px_z

    return replaced


DOUBLED: Callable[[Tensor], Tensor] = lambda table: 2 * table  # noqa: E731
LIKELIHOOD_FAULTS: dict[str, tuple[Callable[..., None], str, Callable[..., Any]]] = {
    "log_prob without its constant": (
        contracts.density_is_normalised_with_its_mean, "forward", pixels("log_prob", lambda log_p: log_p + 0.01),
    ),
    "log_prob doubled": (contracts.density_is_normalised_with_its_mean, "forward", pixels("log_prob", DOUBLED)),
    "log_prob_table doubled": (contracts.tables_are_their_entries, "forward", pixels("log_prob_table", DOUBLED)),
    "squared_error_table doubled": (
        contracts.tables_are_their_entries, "forward", pixels("squared_error_table", DOUBLED),
    ),
    "squared errors of another mean": (
        contracts.pixels_are_summed_with_parameters_first, "forward", pixels("squared_error", lambda error: error + 1),
    ),
    "both in one pass are others": (
        contracts.pixels_are_summed_with_parameters_first, "forward",
        pixels("log_prob_and_squared_error", lambda pair: (pair[0] + 1, pair[1])),
    ),
    "start elsewhere": (contracts.start_gives_the_mean, "start", lambda answer: answer + 0.05),
    "samples shifted": (contracts.samples_follow_the_density, "forward", pixels("sample", lambda x: x + 0.1)),
    "samples too wide": (
        contracts.samples_follow_the_density, "forward",
        lambda px_z: pixels("sample", lambda x: px_z.mean + 1.05 * (x - px_z.mean))(px_z),
    ),
    "the mean for a sample": (contracts.samples_follow_the_density, "forward",
                              lambda px_z: pixels("sample", lambda _: px_z.mean.clone())(px_z)),
}  # fmt: skip


@pytest.mark.parametrize("fault", LIKELIHOOD_FAULTS)
@pytest.mark.parametrize("cls", [*LIKELIHOODS.values(), StudentT], ids=lambda cls: cls.name)
def test_a_broken_likelihood_is_found_out(cls: Any, fault: str) -> None:
    contract, method, change = LIKELIHOOD_FAULTS[fault]
    contract(cls)
    with pytest.raises(AssertionError):
        contract(broken(cls, method, change))


def test_a_student_t_that_is_two_dimensional_in_its_tails_is_found_out() -> None:
    """Of the same mean and about the same middle, its tails cut where a narrow quadrature would never look."""

    class CutPixels(StudentTPixels):
        def log_prob(self, x: Tensor) -> Tensor:
            far = ((x - self.loc).abs() > 60 * self.log_scale.exp()).sum((-3, -2, -1))
            return torch.where(far > 0, -math.inf, super().log_prob(x))

    class Cut(StudentT):
        def forward(self, parameters: Tensor) -> CutPixels:
            made = super().forward(parameters)
            return CutPixels(made.loc, made.log_scale)

    with pytest.raises(AssertionError):
        contracts.density_is_normalised_with_its_mean(Cut)


@pytest.mark.parametrize("name", contracts.REFERENCES)
def test_a_reference_is_compared_digit_by_digit(name: str) -> None:
    wrong = broken(LIKELIHOODS[name], "forward", pixels("log_prob", lambda log_p: log_p + 1e-4))
    with pytest.raises(AssertionError):
        contracts.density_is_its_references(wrong, contracts.REFERENCES[name])


LATENT_FAULTS: dict[str, tuple[Callable[..., None], str, Callable[..., Any]]] = {
    "rate doubled": (contracts.rates_are_divergences_from_the_prior, "rate", lambda rate: 2 * rate),
    "marginal rates without one": (
        contracts.rates_are_divergences_from_the_prior, "marginal_rate_per_dim", lambda rate: rate[..., :1],
    ),
    "log q without its constant": (
        contracts.latent_densities_are_normalised, "posterior", pixels("log_prob", lambda log_q: log_q + 0.01),
    ),
    "widened by the wrong power": (
        contracts.latent_densities_are_normalised, "posterior", pixels("tempered", lambda q: q.tempered(1.01)),
    ),
    "the mean for a draw": (
        contracts.codes_are_drawn_from_their_posterior, "posterior",
        lambda q: pixels("sample", lambda z: q.mean.expand(z.shape))(q),
    ),
    "a prior that the page does not draw": (
        contracts.prior_is_what_the_pages_draw, "prior", pixels("log_prob", lambda log_p: log_p + 1e-6),
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", LATENT_FAULTS)
@pytest.mark.parametrize(
    "latent", [NormalLatent, FullNormalLatent, BernoulliLatent, SharedNormalLatent], ids=lambda latent: latent.name
)
def test_a_broken_latent_is_found_out(latent: Any, fault: str) -> None:
    contract, method, change = LATENT_FAULTS[fault]
    with pytest.raises(AssertionError):
        contract(broken(latent, method, change))


def test_a_gradient_that_is_promised_and_not_carried_is_found_out() -> None:
    cut = broken(NormalLatent, "posterior", pixels("rsample", lambda z: z.detach()))
    with pytest.raises((AssertionError, RuntimeError)):
        contracts.gradients_are_carried_as_declared(cut)
