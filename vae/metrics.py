"""Metrics: functions (model, dataset) -> a number. A new one is a function and a line in METRICS."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Generator, Tensor

from vae.batches import full_precision, rows_at_once
from vae.datasets import Dataset
from vae.model import Model

ACTIVE_THRESHOLD = 0.01
ROWS = 2000  # images that mutual information is taken over
PAIRS = 200_000  # of a z and an image, at once


@torch.no_grad()
def posterior_means(model: Model, dataset: Dataset) -> Tensor:
    """E_q[z] of every held-out image, (n, k), on the CPU."""
    model = full_precision(model)
    device = next(model.parameters()).device
    chunks = dataset.test.split(rows_at_once(model))
    return torch.cat([model.encode(dataset.to_float(chunk.to(device))).mean.cpu() for chunk in chunks])


def active_units(model: Model, dataset: Dataset, threshold: float = ACTIVE_THRESHOLD) -> int:
    """Number of latent dimensions whose posterior mean varies over the held-out data: Var_x(E_q[z_i]) > threshold
    (Burda et al. 2015, who use 0.01). "Active" is this rule alone. That a dimension "carries" something is another:
    0.01 nats of rate or more, which a q of constant mean and narrow scale has too, without being active."""
    return int((posterior_means(model, dataset).var(0, correction=0) > threshold).sum())


@torch.no_grad()
def mutual_information(model: Model, dataset: Dataset, seed: int = 0) -> float:
    """I(x; z) under q over the first ROWS held-out images, in nats:
    E[log q(z|x) − log (1/n) Σ_j q(z|x_j)], one z an image.

    The mean rate is I(x; z) + KL(aggregate posterior ‖ p(z)) (Hoffman & Johnson 2016). It cannot exceed log n.
    """
    model = full_precision(model)
    device = next(model.parameters()).device
    x = dataset.to_float(dataset.test[:ROWS].to(device))
    qz_x = model.encode(x)
    z = qz_x.sample((), Generator(device).manual_seed(seed))
    own = qz_x.log_prob(z)
    aggregate = torch.cat(
        [torch.logsumexp(qz_x.log_prob(rows.unsqueeze(1)), 1) for rows in z.split(PAIRS // len(x) + 1)]
    )
    return float((own - aggregate).mean()) + math.log(len(x))


METRICS: dict[str, Callable[[Model, Dataset], float]] = {
    "active_units": active_units,
    "mutual_information": mutual_information,
}
