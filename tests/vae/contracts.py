"""What every variant in a registry keeps to, as plain functions: they run over the registries, over newcomers, and over
variants that are broken on purpose. Each raises AssertionError where the variant does not keep to it.

Nothing here knows a variant by its name but REFERENCES, the distributions of others that some of them should equal.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.distributions as td
from torch import Generator, Tensor

from vae.model.likelihoods import SUPPORTS, Likelihood, PixelDistribution
from vae.model.vae import in_data_units, standardised

KOLMOGOROV = 2.23  # √n times the largest distance of two distribution functions that are one: above it 1 in 10,000
DRAWS = 20_000
OUTPUTS = torch.tensor([-3.0, -0.6, -0.1, 0.0, 0.4, 2.5])  # of a decoder, for each parameter of a pixel

REFERENCES: dict[str, Callable[[Any, Tensor], td.Distribution]] = {
    "bernoulli": lambda _, outputs: td.Bernoulli(logits=outputs[:, 0]),
    "gaussian": lambda likelihood, outputs: td.Normal(outputs[:, 0], (0.5 / likelihood.C) ** 0.5),
    "continuous-bernoulli": lambda _, outputs: td.ContinuousBernoulli(logits=outputs[:, 0]),
}


def made(cls: type[Likelihood]) -> Likelihood:
    """In float64, with a C that is not 1 where it has one of its own."""
    likelihood = cls().double()
    if cls.owns_C:
        likelihood.set_C(3.0)  # type: ignore[operator]
    return likelihood


def outputs_of(cls: type[Likelihood], shape: tuple[int, ...] = (1, 1, 1), seed: int = 3) -> Tensor:
    """(6, P, *shape) float64: OUTPUTS in every parameter, in another order each, about as far apart in each pixel."""
    generator = Generator().manual_seed(seed)
    rows = [OUTPUTS[torch.randperm(6, generator=generator)] for _ in range(cls.parameters_per_pixel)]
    jitter = 0.05 * torch.randn(6, cls.parameters_per_pixel, *shape, generator=generator, dtype=torch.float64)
    return torch.stack(rows, 1).double().reshape(6, -1, 1, 1, 1) + jitter


def values_on(support: str, count: int, shape: tuple[int, ...]) -> Tensor:
    """(count, *shape) float32 on a likelihood's support."""
    u = torch.rand(count, *shape, generator=Generator().manual_seed(7))
    return {"binary": (u < 0.5).float(), "unit": u, "real": 4 * u - 2}[support]


def quadrature(support: str) -> tuple[Tensor, Tensor]:
    """(points, weights), float64, with which Σ w f(x) is ∫ f over the support, or the sum over it.

    On ℝ by x = tan θ and equal steps of θ: a density that falls as x⁻⁴ becomes cos² θ, whose variance is an integral
    still; what is smooth and periodic in θ is exact so.
    """
    if support == "binary":
        return torch.tensor([0.0, 1.0]).double(), torch.ones(2).double()
    if support == "unit":
        places, weights = (torch.from_numpy(array) for array in np.polynomial.legendre.leggauss(200))
        return (places + 1) / 2, weights / 2
    n = 6000
    angle = torch.pi * ((torch.arange(n, dtype=torch.float64) + 0.5) / n - 0.5)
    return angle.tan(), torch.pi / n / angle.cos().square()


def one_pixel(cls: type[Likelihood], points: Tensor) -> tuple[PixelDistribution, Tensor]:
    """p(x) of one pixel for each of 6 outputs, and its density (points, 6)."""
    px_z = made(cls)(outputs_of(cls))
    return px_z, px_z.log_prob(points.reshape(-1, 1, 1, 1, 1)).exp()


# ---- likelihoods


def density_is_normalised_with_its_mean(cls: type[Likelihood]) -> None:
    assert cls.support in SUPPORTS
    points, weights = quadrature(cls.support)
    px_z, density = one_pixel(cls, points)
    torch.testing.assert_close(weights @ density, torch.ones(6).double(), rtol=0, atol=1e-7)
    torch.testing.assert_close((weights * points) @ density, px_z.mean.flatten(), rtol=1e-6, atol=1e-7)


def density_is_its_references(cls: type[Likelihood], reference: Callable[[Any, Tensor], td.Distribution]) -> None:
    likelihood, outputs = made(cls), outputs_of(cls, (2, 3, 4))
    x, expected = values_on(cls.support, 6, (2, 3, 4)).double(), reference(likelihood, outputs)
    px_z = likelihood(outputs)
    torch.testing.assert_close(px_z.log_prob(x), expected.log_prob(x).sum((-3, -2, -1)), rtol=1e-7, atol=1e-7)
    torch.testing.assert_close(px_z.mean, expected.mean, rtol=1e-7, atol=1e-7)


def pixels_are_summed_with_parameters_first(cls: type[Likelihood]) -> None:
    likelihood, shape = made(cls), (2, 3, 4)
    outputs, x = outputs_of(cls, shape), values_on(cls.support, 6, shape).double()
    whole = likelihood(outputs)
    assert whole.mean.shape == (6, *shape)
    places = [tuple(slice(i, i + 1) for i in place) for place in itertools.product(*map(range, shape))]
    by_pixel = [likelihood(outputs[:, :, *place]).log_prob(x[:, *place]) for place in places]
    torch.testing.assert_close(whole.log_prob(x), torch.stack(by_pixel).sum(0), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(
        whole.squared_error(x), (x - whole.mean).square().sum((-3, -2, -1)), rtol=1e-12, atol=1e-12
    )
    log_px_z, squared_error = whole.log_prob_and_squared_error(x)
    torch.testing.assert_close(log_px_z, whole.log_prob(x), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(squared_error, whole.squared_error(x), rtol=1e-12, atol=1e-12)


def tables_are_their_entries(cls: type[Likelihood]) -> None:
    shape = (2, 3, 4)
    px_z, x = made(cls)(outputs_of(cls, shape)), values_on(cls.support, 5, shape).double()
    entries = [(px_z.log_prob(image), px_z.squared_error(image)) for image in x]
    log_prob, squared_error = (torch.stack(columns, 1) for columns in zip(*entries, strict=True))  # (6, 5)
    torch.testing.assert_close(px_z.log_prob_table(x), log_prob, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(px_z.squared_error_table(x), squared_error, rtol=1e-9, atol=1e-9)


def start_gives_the_mean(cls: type[Likelihood]) -> None:
    """What a decoder answers with at first, on data of another scale than 1; logits from 0.01 to 0.99."""
    location, spread = (torch.zeros(()), torch.ones(())) if cls.support == "binary" else torch.tensor([0.4, 0.2])
    low, high = (-3.0, 5.0) if cls.support == "real" else (0.01, 0.99)
    mean, likelihood = torch.linspace(low, high, 12).reshape(1, 3, 4), cls()
    seen = standardised(likelihood, mean, location, spread)
    answer = likelihood.start(mean, seen).reshape(cls.parameters_per_pixel, *mean.shape)
    told = likelihood(in_data_units(likelihood, answer, location, spread)).mean
    torch.testing.assert_close(told, mean, rtol=1e-4, atol=1e-5)


def follows(draws: Tensor, cls: type[Likelihood], px_z: PixelDistribution, density: Tensor) -> None:
    """draws (n, 6) of one pixel have the distribution function of `density`, which `one_pixel` gives, and its variance.

    The variance finds what is a few per cent too wide or too narrow. Its own error comes from the fourth moment: where
    the tails have none, that is so large over the quadrature's reach that the distribution function alone decides.
    """
    n = len(draws)
    if cls.support == "binary":
        p = px_z.mean.flatten()
        assert ((draws == 0) | (draws == 1)).all()
        assert ((draws.mean(0) - p).abs() < 5 * (p * (1 - p) / n).sqrt() + 1e-9).all()
        return
    points, weights = quadrature(cls.support)
    reached = (weights.unsqueeze(1) * density).cumsum(0) - 0.5 * weights.unsqueeze(1) * density  # at the points
    ranks = (np.arange(n) + 0.5) / n
    for column in range(6):
        u = np.interp(np.sort(draws[:, column].numpy()), points.numpy(), reached[:, column].numpy())
        assert np.abs(u - ranks).max() * n**0.5 < KOLMOGOROV, f"{cls.name}: draws are not of their density"
    away = (points.unsqueeze(1) - px_z.mean.reshape(1, 6).double()).square()
    variance, fourth = ((weights.unsqueeze(1) * density * away**power).sum(0) for power in (1, 2))
    error = ((fourth - variance.square()) / n).sqrt()
    assert ((draws.double().var(0) - variance).abs() < 5 * error).all(), f"{cls.name}: draws have another variance"


def samples_follow_the_density(cls: type[Likelihood]) -> None:
    px_z, density = one_pixel(cls, quadrature(cls.support)[0])
    outputs = outputs_of(cls)
    many = made(cls)(outputs.expand(DRAWS, *outputs.shape))
    x = many.sample(Generator().manual_seed(0))
    assert x.shape == (DRAWS, 6, 1, 1, 1)
    assert not x.requires_grad
    assert torch.equal(x, many.sample(Generator().manual_seed(0)))
    allowed = {"binary": (x == 0) | (x == 1), "unit": (x >= 0) & (x <= 1), "real": x.isfinite()}
    assert allowed[cls.support].all()
    follows(x.reshape(DRAWS, 6), cls, px_z, density)


def stays_finite_in_float32(cls: type[Likelihood], scale: float) -> None:
    signs = torch.tensor([-1.0, 1.0]).reshape(2, 1, 1, 1, 1).expand(2, cls.parameters_per_pixel, 1, 2, 2)
    outputs = (scale * signs).clone().requires_grad_()
    log_px_z = cls()(outputs).log_prob(values_on(cls.support, 2, (1, 2, 2)))
    log_px_z.sum().backward()
    assert log_px_z.isfinite().all()
    assert outputs.grad is not None
    assert outputs.grad.isfinite().all()


LIKELIHOOD_CONTRACTS: list[Callable[[type[Likelihood]], None]] = [
    density_is_normalised_with_its_mean,
    pixels_are_summed_with_parameters_first,
    tables_are_their_entries,
    start_gives_the_mean,
    samples_follow_the_density,
]


# ---- latents


def grid(latent: Any, k: int) -> tuple[Tensor, Tensor]:
    """(points, k) and (points,): every code of bits, or a product rule by x = sinh t that reaches far out."""
    if latent.support == "binary":
        codes = torch.tensor(list(itertools.product((0.0, 1.0), repeat=k))).double()
        return codes, torch.ones(len(codes)).double()
    t = torch.linspace(-5.5, 5.5, 601, dtype=torch.float64)
    line, weights = t.sinh(), (t[1] - t[0]) * t.cosh()
    codes = torch.cartesian_prod(*[line] * k).reshape(-1, k)
    return codes, torch.cartesian_prod(*[weights] * k).reshape(-1, k).prod(1)


def posterior_of(latent: Any, k: int, rows: int = 3) -> Any:
    generator = Generator().manual_seed(0)
    return latent.posterior(torch.randn(rows, latent.parameters(k), generator=generator, dtype=torch.float64))


def latent_densities_are_normalised(latent: Any) -> None:
    k, cpu = 2, torch.device("cpu")
    codes, weights = grid(latent, k)
    qz_x, pz = posterior_of(latent, k), latent.prior(k, cpu, torch.float64)
    z = codes.unsqueeze(1)  # (points, 1, k)
    for q, count in ((qz_x, 3), (qz_x.tempered(1.7), 3), (pz, 1)):
        density = q.log_prob(z).exp()
        torch.testing.assert_close(weights @ density, torch.ones(count).double(), rtol=0, atol=1e-6)
        mean = torch.einsum("n,nb,nk->bk", weights, density, codes)
        torch.testing.assert_close(mean, q.mean.reshape(count, k), rtol=0, atol=1e-6)
    ratio = qz_x.tempered(1.7).log_prob(z) - qz_x.log_prob(z) / 1.7
    near = qz_x.log_prob(z) > -30
    for column in range(3):  # ∝ q^(1/u)
        assert ratio[near[:, column], column].std() < 1e-9


def rates_are_divergences_from_the_prior(latent: Any) -> None:
    k = 2
    codes, weights = grid(latent, k)
    qz_x, pz = posterior_of(latent, k), latent.prior(k, torch.device("cpu"), torch.float64)
    log_q, log_p = qz_x.log_prob(codes.unsqueeze(1)), pz.log_prob(codes.unsqueeze(1))
    mass = log_q.exp()
    divergence = weights @ torch.where(mass > 0, mass * (log_q - log_p), 0.0)
    torch.testing.assert_close(latent.rate(qz_x), divergence, rtol=0, atol=1e-5)
    marginal, per_dim = latent.marginal_rate_per_dim(qz_x), latent.rate_per_dim(qz_x)
    assert (per_dim is not None) == latent.factorises
    assert marginal.shape == (3, k)
    assert (marginal >= 0).all()
    assert (marginal.sum(-1) <= latent.rate(qz_x) + 1e-12).all()  # the rest is what the dimensions know of one another
    if per_dim is not None:
        assert torch.equal(marginal, per_dim)
        torch.testing.assert_close(per_dim.sum(-1), latent.rate(qz_x), rtol=1e-12, atol=1e-12)


def codes_are_drawn_from_their_posterior(latent: Any) -> None:
    k, n = 3, 50_000
    qz_x = posterior_of(latent, k)
    z = qz_x.sample((n,), Generator().manual_seed(1))
    assert z.shape == (n, 3, k)
    assert latent.decoder_input(z).shape == z.shape
    assert {"real": z.isfinite(), "binary": (z == 0) | (z == 1)}[latent.support].all()
    assert ((z.mean(0) - qz_x.mean).abs() < 5 * z.std(0) / n**0.5).all()
    difference = qz_x.log_prob(z) - latent.prior(k, torch.device("cpu"), torch.float64).log_prob(z)
    assert ((difference.mean(0) - latent.rate(qz_x)).abs() < 5 * difference.std(0) / n**0.5).all()


def gradients_are_carried_as_declared(latent: Any) -> None:
    parameters = torch.randn(4, latent.parameters(3), generator=Generator().manual_seed(0)).requires_grad_()
    qz_x = latent.posterior(parameters)
    assert not qz_x.sample((2,)).requires_grad
    if latent.reparameterised:
        z = qz_x.rsample((2,), Generator().manual_seed(1))
        assert torch.equal(z, qz_x.sample((2,), Generator().manual_seed(1)))
        (gradient,) = torch.autograd.grad(z.square().sum(), parameters)
        assert gradient.isfinite().all()
        return
    try:
        qz_x.rsample((2,))
        raise AssertionError(f"{latent.name}: says that it has no path to its parameters, and draws along one")
    except NotImplementedError:
        pass  # an estimator's matter


def prior_is_what_the_pages_draw(latent: Any) -> None:
    """The browser draws z of the prior by itself: N(0, I) for real codes, fair bits for binary ones."""
    pz = latent.prior(2, torch.device("cpu"), torch.float64)
    z = grid(latent, 2)[0][::97]
    normal = td.Independent(td.Normal(torch.zeros(2).double(), torch.ones(2).double()), 1)
    fair = td.Independent(td.Bernoulli(torch.full((2,), 0.5).double()), 1)
    expected = (normal if latent.support == "real" else fair).log_prob(z)
    torch.testing.assert_close(pz.log_prob(z), expected, rtol=1e-12, atol=1e-12)


LATENT_CONTRACTS: list[Callable[[Any], None]] = [
    latent_densities_are_normalised,
    rates_are_divergences_from_the_prior,
    codes_are_drawn_from_their_posterior,
    gradients_are_carried_as_declared,
    prior_is_what_the_pages_draw,
]
