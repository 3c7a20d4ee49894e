"""What a trainer tells: means of the terms over observations, in nats, and the changes that were made."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from vae.bound.objective import ElboTerms


@dataclass(frozen=True)
class MeanTerms:
    """Means over `images` observations: nats, and pixel² for the squared error. ELBO at weight 1 always."""

    distortion: float
    rate: float
    elbo: float
    squared_error: float
    normaliser: float | None  # Gaussian: mean of (D/2) log(2πc), which distortion − C·‖x − f(z)‖² leaves; else None
    loss: float
    rate_per_dim: list[float] | None
    images: int
    marginal_rate_per_dim: list[float] | None = None  # KL(q(z_i|x) ‖ p(z_i)), where q does not factorise
    elbo_error: float | None = None  # standard errors of held-out means: the images' spread, that of z in it
    distortion_error: float | None = None
    rate_error: float | None = None
    squared_error_error: float | None = None
    active: int | None = None  # over all held-out images: dimensions with Var_x E_q[z] above 0.01


@dataclass(frozen=True)
class Record:
    """What happened up to `step`. Two records are equal when their numbers are; the wall time does not count."""

    step: int
    epoch: float
    C: float
    lr: float
    train: MeanTerms
    test: MeanTerms | None
    seconds: float = field(compare=False)


@dataclass(frozen=True)
class KnobChange:
    """A knob took effect after `step` steps: C, lr_factor, part, or step (a single step that forces a record)."""

    step: int
    knob: str
    value: float | str


def sums(loss: Tensor, terms: ElboTerms, log_C: Tensor | None, D: int) -> Tensor:
    """Returns the sums over each model's rows, (M, 5 + k) of M models with B rows each: distortion, rate, squared
    error, loss, (D/2) log(2πc) and the rate per dimension (of the marginals); NaN where a model has no such term.

    loss: (M, B), terms of M·B rows, log_C: (M,) of Gaussian likelihoods, else None; D pixels.
    """
    M, B = loss.shape
    columns = torch.stack([terms.distortion, terms.rate, terms.squared_error, loss.flatten()]).view(4, M, B).sum(2).T
    unknown = columns.new_full((M, 1), math.nan)
    normaliser = unknown if log_C is None else (0.5 * D * B * (math.log(math.pi) - log_C)).reshape(M, 1)
    return torch.cat([columns, normaliser, terms.marginal_rate_per_dim.view(M, B, -1).sum(1)], 1)


def mean_terms(values: list[float], images: int, factorises: bool) -> MeanTerms:
    """Returns the means from one model's row of `sums` divided by the images. `factorises`: whether q(z|x) does."""
    distortion, rate, squared_error, loss, normaliser, *per_dim = values
    return MeanTerms(
        distortion=distortion,
        rate=rate,
        elbo=-(distortion + rate),
        squared_error=squared_error,
        normaliser=None if math.isnan(normaliser) else normaliser,
        loss=loss,
        rate_per_dim=per_dim if factorises else None,
        images=images,
        marginal_rate_per_dim=None if factorises else per_dim,
    )
