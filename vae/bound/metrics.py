"""The metrics that have a name. `evaluate` computes and lists every one of METRICS.

A new one is a function, here or in another file, and one line there.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Generator

from vae.bound.chunks import full_precision
from vae.bound.metric import Measured, Metric, posterior_means
from vae.datasets import Dataset
from vae.model.vae import Model

ACTIVE_THRESHOLD = 0.01
ROWS = 2000  # images that mutual information is taken over
PAIRS = 200_000  # of a z and an image, at once


def active_units(model: Model, dataset: Dataset, threshold: float = ACTIVE_THRESHOLD) -> int:
    """Returns the number of latent dimensions whose posterior mean varies over the held-out data: Var_x(E_q[z_i]) >
    threshold (Burda et al. 2015, who use 0.01). "Active" is this rule alone. That a dimension "carries" something is
    another: 0.01 nats of rate or more, which a q of constant mean and narrow scale has too, without being active."""
    return int((posterior_means(model, dataset).var(0, correction=0) > threshold).sum())


@torch.no_grad()
def mutual_information(model: Model, dataset: Dataset, seed: int = 0) -> Measured:
    """Returns E[log q(z|x) − log (1/n) Σ_j q(z|x_j)] over the first ROWS held-out images, nats, one z an image.

    The mean over the n images, x itself among them, stands in for the aggregate posterior, so this is a lower bound on
    I(x; z) and never above log n (Poole et al. 2019). The mean rate is an upper one. What lies between the two is no
    KL(aggregate posterior ‖ p(z)): it grows and shrinks with n.
    The standard error is of the mean over images; log n is told as `limit`, beside the number of `images`.
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
    error, beside = float(each.std(correction=0)) / math.sqrt(len(x)), {"limit": math.log(len(x)), "images": len(x)}
    return Measured(float(each.mean()), error, "at_least", beside)


METRICS: dict[str, Metric] = {
    "active_units": Metric(
        active_units,
        "dimensions",
        f"Dimensions whose posterior mean varies over the held-out images, Var E_q[z] > {ACTIVE_THRESHOLD}.",
    ),
    "mutual_information": Metric(
        mutual_information,
        "nats",
        "I(x; z) under q is at least this and at most the rate; {images:,} images cannot show more than log n = "
        "{limit:.3f}.",
    ),
}


def measure(model: Model, dataset: Dataset) -> dict[str, Any]:
    """Returns what every metric finds on the held-out images: numbers under their own names, and under `metrics` for
    each its value, standard error (None where there is none), unit and sentence."""
    found = {name: metric.found(model, dataset) for name, metric in METRICS.items()}
    listed = {
        name: {
            "value": one.value,
            "standard_error": one.standard_error,
            "unit": METRICS[name].unit,
            "about": METRICS[name].about.format(**one.beside),
        }
        for name, one in found.items()
    }
    return {
        **{key: number for name, one in found.items() for key, number in one.named(name).items()},
        "metrics": listed,
    }
