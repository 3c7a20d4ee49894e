"""log p(x) without sampling, where the model allows it, and the gap between it and the ELBO computed twice.

F6    log p(x) = ELBO + KL(q(z|x) ‖ p(z|x))
F15   a linear decoder with Gaussian noise: closed form. Bits: the sum over all 2^k codes. One or two real dimensions:
      the sum over a grid of z, log p(x) ≈ log Σ_z p(x|z) p(z) h^k, with a grid twice as fine to show that it converged;
      E_q there by Gauss–Hermite nodes of q's own, z = m + L ε, which do not depend on that grid.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import torch
from numpy.polynomial.hermite_e import hermegauss
from torch import Tensor, nn

from vae.bound.chunks import full_precision, rows_at_once
from vae.errors import ConfigError
from vae.model.bit_codes import MOST_BITS, all_codes
from vae.model.kl import kl_normal_of_factors
from vae.model.latents import RealDistribution
from vae.model.linear_gaussian import LinearGaussian
from vae.model.vae import Model

NUMBERS_AT_ONCE = 4_000_000  # of the table of nodes, images and dimensions: 32 MB in float64
GRID = {1: (513, 8193), 2: (65, 513)}  # nodes per axis: of the first grid, and of the finest
FINE_ENOUGH = 1e-3  # nats between two grids: no finer one is tried
CONVERGED = 1e-2  # nats between two grids, mean over images
KINKS = 0.1  # nats between the two values of the gap: q's own nodes see the kinks of a ReLU decoder at 0.02 and less
COARSE = 0.1  # nats between two grids, mean over images: above, no finer grid's number can be told from this one's
HERMITE = {1: 48, 2: 24}  # nodes per axis of the expectation under q
REACH = 6.0  # of the grid, in standard deviations of the prior and of q
Progress = Callable[[float], None]


@dataclass(frozen=True)
class ExactEvidence:
    """log p(x) and its terms of each image, (n,) float64, nats. `log_px − elbo` and `kl_to_posterior` are one number in
    two ways: on one side the rate is a closed form (and on a grid E_q comes from nodes of q's own), on the other all of
    it is summed."""

    log_px: Tensor
    distortion: Tensor  # −E_q log p(x|z), the expectation taken exactly
    rate: Tensor  # KL(q(z|x) ‖ p(z)), closed form
    kl_to_posterior: Tensor  # KL(q(z|x) ‖ p(z|x))
    method: str
    grid_difference: Tensor | None  # quadrature: how far log p(x) moved when the grid was last halved

    @property
    def elbo(self) -> Tensor:
        """The ELBO of each image, (n,) nats."""
        return -(self.distortion + self.rate)

    @property
    def error(self) -> float:
        """Error of the mean log p(x), nats: of a grid the mean of the last moves, else 0."""
        return 0.0 if self.grid_difference is None else float(self.grid_difference.mean())

    @property
    def worst(self) -> int | None:
        """The image whose log p(x) moved most when the grid was last halved."""
        return None if self.grid_difference is None else int(self.grid_difference.argmax())

    @property
    def ways_differ(self) -> float:
        """Mean over images of |(log p(x) − ELBO) − KL(q ‖ posterior)|, nats."""
        return float((self.log_px - self.elbo - self.kl_to_posterior).abs().mean())

    @property
    def possible(self) -> bool:
        """False where a grid is too coarse for a sharp p(x|z) for its last move to be its error: it moved far, or the
        gap is not the same in both ways. Judged by means, of which one image is a small part."""
        return self.grid_difference is None or (self.error <= COARSE and self.ways_differ <= KINKS)

    @property
    def converged(self) -> bool:
        """Whether log p(x) is known, whatever any bound says."""
        return self.possible and self.error <= CONVERGED

    def better_than(self, bound: float, standard_error: float | None) -> bool:
        """Returns whether the mean log p(x) is to be believed rather than an importance bound on it. `standard_error`
        is None where the bound is only a bound, which may lie as far too low as it lies below log p(x), never too high:
        how far below tells of a poor proposal, and nothing of a grid that is not `possible`."""
        doubt = float(self.log_px.mean()) - bound if standard_error is None else standard_error
        return self.converged or (self.possible and self.error <= doubt)


def exact_method(model: Model) -> str | None:
    """Returns how log p(x) of this model is computed exactly, or None: then an importance bound is what there is."""
    if model.latent.support == "binary":
        return "all codes" if model.k <= MOST_BITS else None
    if _linear_layer(model) is not None and model.likelihood.owns_C:
        return "closed form"
    return "quadrature" if model.k in GRID else None


@torch.no_grad()
def exact_evidence(model: Model, x: Tensor, progress: Progress | None = None) -> ExactEvidence:
    """Returns log p(x) and the terms of the ELBO, nats, of images x (n, channels, height, width) on the support. Memory
    does not grow with codes or grid nodes.

    `progress` is called with the fraction done; what it raises ends the work. Raises ConfigError where the model has no
    exact way.
    """
    method, model = exact_method(model), full_precision(model)
    if method == "closed form":
        return _closed_form(model, x)
    if method == "all codes":
        sums = _sum_over(model, x, all_codes(model.k, x.device, x.dtype), 1.0, progress)
        return _evidence(model, x, sums, -sums.log_likelihood, method, None)
    if method == "quadrature":
        return _quadrature(model, x, progress or (lambda _: None))
    raise ConfigError(
        f"evidence: log p(x) is exact for a linear decoder with a gaussian likelihood, {MOST_BITS} bits at most, "
        f"or 1 or 2 real dimensions; this model has {model.k} {model.latent.name} dimensions: use an importance bound"
    )


def linear_gaussian_of(model: Model) -> LinearGaussian:
    """Returns W (D, k), b (D,) and c of a model with a linear decoder and a Gaussian likelihood, in float64 and data
    units: location + spread · (W z + b) is one matrix too."""
    layer, log_C = _linear_layer(model), model.log_C
    if layer is None or log_C is None:
        raise ConfigError("model: expected a linear decoder and a gaussian likelihood")
    c = 0.5 * (-log_C.double()).exp()
    location, spread = model.location.double(), model.spread.double()
    W, b = layer.weight.detach().double(), layer.bias.detach().double()
    return LinearGaussian(spread * W, location + spread * b, c)


def _linear_layer(model: Model) -> nn.Linear | None:
    """The decoder's only layer, where it is one matrix."""
    layers = [layer for layer in model.decoder if not isinstance(layer, (nn.Flatten, nn.Unflatten))]
    return layers[0] if len(layers) == 1 and isinstance(layers[0], nn.Linear) else None


def _closed_form(model: Model, x: Tensor) -> ExactEvidence:
    qz_x: Any = model.encode(x)  # a normal distribution, of scale or of L
    exact, flat, loc = linear_gaussian_of(model), x.flatten(1).double(), qz_x.mean.double()
    L = (qz_x.L if hasattr(qz_x, "L") else torch.diag_embed(qz_x.scale)).double()
    mean, posterior_cov = exact.posterior(flat)
    posterior_L = torch.linalg.cholesky(posterior_cov).expand_as(L)
    return ExactEvidence(
        log_px=exact.log_px(flat),
        distortion=-exact.expected_log_px_z(flat, loc, L @ L.mT),
        rate=model.latent.rate(qz_x).double(),
        kl_to_posterior=kl_normal_of_factors(loc, L, mean, posterior_L),
        method="closed form",
        grid_difference=None,
    )


@dataclass
class _Sums:
    """Sums over nodes z of cell size h^k, per image: log Σ p(x, z) h^k and the expectations under q, all (n,)
    float64."""

    log_px: Tensor
    log_likelihood: Tensor  # Σ q log p(x|z) h^k
    log_ratio: Tensor  # Σ q [log q − log p(z)] h^k
    mass: Tensor  # Σ q h^k: 1, but for what a grid leaves out


def _sum_over(model: Model, x: Tensor, nodes: Tensor, cell: float, progress: Progress | None) -> _Sums:
    qz_x, pz, n = model.encode(x), model.prior(), len(x)
    zeros = torch.zeros(n, dtype=torch.float64, device=x.device)
    sums = _Sums(torch.full_like(zeros, -math.inf), zeros, zeros.clone(), zeros.clone())
    done, exactly = 0, x.double()
    for z in nodes.split(max(1, min(rows_at_once(model), NUMBERS_AT_ONCE // (n * model.k)))):
        log_px_z = model.decode(z).log_prob_table(exactly)  # (c, n)
        log_pz, log_q = pz.log_prob(z).double().unsqueeze(1), qz_x.log_prob(z.unsqueeze(1)).double()
        q = log_q.exp() * cell
        sums.log_px = torch.logaddexp(sums.log_px, torch.logsumexp(log_px_z + log_pz, 0) + math.log(cell))
        sums.log_likelihood = sums.log_likelihood + (q * log_px_z).sum(0)
        sums.log_ratio = sums.log_ratio + (q * (log_q - log_pz)).sum(0)
        sums.mass = sums.mass + q.sum(0)
        done += len(z)
        if progress:
            progress(done / len(nodes))
    return sums


def _evidence(
    model: Model, x: Tensor, sums: _Sums, distortion: Tensor, method: str, difference: Tensor | None
) -> ExactEvidence:
    return ExactEvidence(
        log_px=sums.log_px,
        distortion=distortion,
        rate=model.latent.rate(model.encode(x)).double(),
        kl_to_posterior=sums.log_ratio - sums.log_likelihood + sums.mass * sums.log_px,
        method=method,
        grid_difference=difference,
    )


def _quadrature(model: Model, x: Tensor, progress: Progress) -> ExactEvidence:
    """Sums over grids that halve their spacing until log p(x) stays, or the finest is reached."""
    qz_x, k = cast(RealDistribution, model.encode(x)), model.k
    reach = max(REACH, float((qz_x.mean.abs() + REACH * qz_x.variance.sqrt()).max()))
    per_axis, finest = GRID[k]
    before: Tensor | None = None
    while True:
        axis = torch.linspace(-reach, reach, per_axis, dtype=x.dtype, device=x.device)
        nodes = torch.cartesian_prod(*[axis] * k).reshape(-1, k)
        sums = _sum_over(model, x, nodes, (2 * reach / (per_axis - 1)) ** k, progress)
        if before is not None:
            difference = (sums.log_px - before).abs()
            if per_axis >= finest or float(difference.max()) < FINE_ENOUGH:
                return _evidence(model, x, sums, _distortion(model, x), "quadrature", difference)
        before, per_axis = sums.log_px, 2 * per_axis - 1


def _distortion(model: Model, x: Tensor) -> Tensor:
    """−E_q log p(x|z) by Gauss–Hermite quadrature in ε, (n,) float64; z = m + L ε."""
    k, blocks = model.k, []
    points, weights = hermegauss(HERMITE[k])
    e = torch.as_tensor(points, dtype=x.dtype, device=x.device)
    w = torch.as_tensor(weights / math.sqrt(2 * math.pi), device=x.device)
    noise = torch.cartesian_prod(*[e] * k).reshape(-1, k)  # (nodes, k)
    mass = torch.cartesian_prod(*[w] * k).reshape(-1, k).prod(-1)
    for rows in x.split(max(1, rows_at_once(model) // len(noise))):
        qz_x: Any = model.encode(rows)
        spread = noise @ qz_x.L.mT if hasattr(qz_x, "L") else noise * qz_x.scale.unsqueeze(1)  # (B, nodes, k)
        z = (qz_x.mean.unsqueeze(1) + spread).transpose(0, 1)
        blocks.append(-(mass.unsqueeze(1) * model.decode(z).log_prob(rows).double()).sum(0))
    return torch.cat(blocks)
