"""Metrics: functions (model, dataset) -> a number, or a bound on one, with a unit and a sentence.

`evaluate` computes and lists every one of METRICS. A new one is a function and a line there.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor

from vae.bound.chunks import full_precision, rows_at_once
from vae.datasets import Dataset
from vae.model.vae import Model

ACTIVE_THRESHOLD = 0.01
ROWS = 2000  # images that mutual information is taken over
PAIRS = 200_000  # of a z and an image, at once


@torch.no_grad()
def posterior_means(model: Model, dataset: Dataset) -> Tensor:
    """Returns E_q[z] of every held-out image, (n, k), on the CPU."""
    model = full_precision(model)
    device = next(model.parameters()).device
    chunks = dataset.test.split(rows_at_once(model))
    return torch.cat([model.encode(dataset.to_float(chunk.to(device))).mean.cpu() for chunk in chunks])


def active_units(model: Model, dataset: Dataset, threshold: float = ACTIVE_THRESHOLD) -> int:
    """Returns the number of latent dimensions whose posterior mean varies over the held-out data: Var_x(E_q[z_i]) >
    threshold (Burda et al. 2015, who use 0.01). "Active" is this rule alone. That a dimension "carries" something is
    another: 0.01 nats of rate or more, which a q of constant mean and narrow scale has too, without being active."""
    return int((posterior_means(model, dataset).var(0, correction=0) > threshold).sum())


@dataclass(frozen=True)
class MutualInformation:
    """A lower bound on I(x; z) under q, nats, in expectation over the images that it is taken from."""

    at_least: float
    standard_error: float  # of the mean over images
    images: int

    @property
    def limit(self) -> float:
        """log n: so many images cannot show more, whatever I(x; z) is."""
        return math.log(self.images)

    def __float__(self) -> float:
        return self.at_least

    def named(self) -> dict[str, Any]:
        """Returns its numbers, each named as what it is, for whoever reads a table."""
        return {
            "mutual_information_at_least": self.at_least,
            "mutual_information_standard_error": self.standard_error,
            "mutual_information_limit": self.limit,
            "mutual_information_images": self.images,
        }


@torch.no_grad()
def mutual_information(model: Model, dataset: Dataset, seed: int = 0) -> MutualInformation:
    """Returns E[log q(z|x) − log (1/n) Σ_j q(z|x_j)] over the first ROWS held-out images, nats, one z an image.

    The mean over the n images, x itself among them, stands in for the aggregate posterior, so this is a lower bound on
    I(x; z) and never above log n (Poole et al. 2019). The mean rate is an upper one. What lies between the two is no
    KL(aggregate posterior ‖ p(z)): it grows and shrinks with n.
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
    each = (own - aggregate).double() + math.log(len(x))
    return MutualInformation(float(each.mean()), float(each.std(correction=0)) / math.sqrt(len(x)), len(x))


@dataclass(frozen=True)
class Metric:
    """What a metric is to whoever reads its number."""

    measure: Callable[[Model, Dataset], float | MutualInformation]
    unit: str
    about: str  # a sentence, into which `found` puts what was measured


METRICS: dict[str, Metric] = {
    "active_units": Metric(
        active_units,
        "dimensions",
        f"Dimensions whose posterior mean varies over the held-out images, Var E_q[z] > {ACTIVE_THRESHOLD}.",
    ),
    "mutual_information": Metric(
        mutual_information,
        "nats",
        "I(x; z) under q is at least this and at most the rate; {found.images:,} images cannot show more than log n = "
        "{found.limit:.3f}.",
    ),
}


def measure(model: Model, dataset: Dataset) -> dict[str, Any]:
    """Returns what every metric finds on the held-out images: numbers under their own names, and under `metrics` for
    each its value, standard error (None where there is none), unit and sentence."""
    numbers: dict[str, Any] = {}
    listed: dict[str, dict[str, Any]] = {}
    for name, metric in METRICS.items():
        found = metric.measure(model, dataset)
        bound = found if isinstance(found, MutualInformation) else None
        numbers |= bound.named() if bound else {name: found}
        listed[name] = {
            "value": float(found) if bound else found,
            "standard_error": bound.standard_error if bound else None,
            "unit": metric.unit,
            "about": metric.about.format(found=found),
        }
    return {**numbers, "metrics": listed}
