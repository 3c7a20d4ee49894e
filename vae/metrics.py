"""Metrics: functions (model, dataset) -> a number. A new one is a function and a line in METRICS."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from vae.datasets import Dataset
from vae.model import Model

ACTIVE_THRESHOLD = 0.01
ROWS = 2000


@torch.no_grad()
def posterior_means(model: Model, dataset: Dataset) -> Tensor:
    """E_q[z] of every held-out image, (n, k), on the CPU."""
    device = next(model.parameters()).device
    chunks = dataset.test.split(ROWS)
    return torch.cat([model.encode(dataset.to_float(chunk.to(device))).mean.cpu() for chunk in chunks])


def active_units(model: Model, dataset: Dataset, threshold: float = ACTIVE_THRESHOLD) -> int:
    """Number of latent dimensions whose posterior mean varies over the held-out data: Var_x(E_q[z_i]) > threshold
    (Burda et al. 2015, who use 0.01)."""
    return int((posterior_means(model, dataset).var(0, correction=0) > threshold).sum())


METRICS: dict[str, Callable[[Model, Dataset], float]] = {"active_units": active_units}
