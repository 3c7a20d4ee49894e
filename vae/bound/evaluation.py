"""What a model is worth on held-out images: the ELBO, log p(x) or a bound on it, how the latent variables are used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor

from vae.bound.chunks import full_precision, rows_at_once
from vae.bound.evidence import Evidence, Progress, importance_evidence, joined
from vae.bound.exact_evidence import exact_evidence
from vae.bound.metrics import measure
from vae.datasets import Dataset
from vae.errors import ConfigError
from vae.model.vae import Model

IMAGES = 100  # evaluated together: what `evaluate` has done with when it is stopped
DRAWS = 50  # of z for the ELBO of an image


@dataclass(frozen=True)
class SampledElbo:
    """The terms of the ELBO of each image, (n,) float64, nats: the distortion from draws of z, the rate as it is."""

    distortion: Tensor
    rate: Tensor
    standard_error: Tensor  # of the distortion, and so of the ELBO

    @property
    def elbo(self) -> Tensor:
        """The ELBO of each image, (n,) nats."""
        return -(self.distortion + self.rate)

    @property
    def mean_error(self) -> float:
        """Monte-Carlo error of the mean ELBO over these images, nats."""
        return float(self.standard_error.square().sum().sqrt() / len(self.standard_error))


@torch.no_grad()
def sampled_elbo(model: Model, x: Tensor, draws: int = DRAWS, generator: Generator | None = None) -> SampledElbo:
    """Returns the terms of the ELBO of images x (n, channels, height, width) on the support, from `draws` codes each,
    in batches."""
    model, blocks = full_precision(model), []
    for rows in x.split(max(1, rows_at_once(model) // draws)):
        qz_x = model.encode(rows)
        log_px_z = model.decode(qz_x.sample((draws,), generator)).log_prob(rows).double()  # (S, B)
        blocks.append((-log_px_z.mean(0), model.latent.rate(qz_x).double(), log_px_z.std(0) / draws**0.5))
    return SampledElbo(*(torch.cat(values) for values in zip(*blocks, strict=True)))


@torch.no_grad()
def evaluate(
    model: Model,
    dataset: Dataset,
    samples: int = 5000,
    limit: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    stop: Callable[[], bool] = lambda: False,
    proposal: str = "mixture",
) -> dict[str, Any]:
    """Returns the means over held-out images, nats. Raises ConfigError for a limit below 1. `iw_standard_error` is the
    Monte-Carlo error of the mean `iw_bound` for these images, None where it means nothing: `iw_flagged` of the `n`
    images have too few effective samples or too heavy weights. `elbo_standard_error` is that of the ELBO, from DRAWS
    draws an image. `stop` is asked all the time: the result is then that of the `n` images done with, in hundreds;
    where there is none yet it raises KeyboardInterrupt."""
    if limit is not None and limit < 1:
        raise ConfigError(f"limit: expected 1 or more held-out images, got {limit}")
    device = next(model.parameters()).device
    generator = Generator(device).manual_seed(seed)
    images = dataset.test[:limit] if limit else dataset.test
    terms: list[SampledElbo] = []
    evidences: list[Evidence] = []
    for start in range(0, len(images), IMAGES):
        x = dataset.to_float(images[start : start + IMAGES].to(device), generator)

        def inner(fraction: float, start: int = start) -> None:
            if stop():
                raise KeyboardInterrupt
            if progress:
                progress(min(1.0, (start + fraction * IMAGES) / len(images)))

        try:
            inner(0.0)
            evidence = importance_evidence(model, x, samples, generator, inner, proposal)
        except KeyboardInterrupt:
            if not evidences:
                raise
            break
        evidences.append(evidence)
        terms.append(sampled_elbo(model, x, DRAWS, generator))
    drawn = SampledElbo(*(torch.cat([getattr(t, name) for t in terms]) for name in SampledElbo.__dataclass_fields__))
    return {
        "elbo": float(drawn.elbo.mean()),
        "elbo_standard_error": drawn.mean_error,
        "distortion": float(drawn.distortion.mean()),
        "rate": float(drawn.rate.mean()),
        **_importance(joined(evidences)),
        "samples": samples,
        "proposal": proposal,
        **measure(model, dataset),
        "n": len(drawn.rate),
    }


def _importance(evidence: Evidence) -> dict[str, Any]:
    known = evidence.pareto_k[~evidence.pareto_k.isnan()]
    return {
        "iw_bound": float(evidence.iw_bound.mean()),
        "iw_standard_error": evidence.mean_error,
        "iw_ess": float(evidence.effective_samples.mean()),
        "iw_ess_median": float(evidence.effective_samples.median()),
        "iw_ess_smallest": float(evidence.effective_samples.min()),
        "iw_flagged": int(evidence.flagged.sum()),
        "iw_unseen": int(evidence.unseen.sum()),
        "pareto_k_median": float(known.median()) if len(known) else None,
        "pareto_k_largest": float(known.max()) if len(known) else None,
    }


def evaluate_exactly(
    model: Model,
    dataset: Dataset,
    sampled: dict[str, Any],
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Returns the means over the first `n` held-out images of `sampled`, what `evaluate` found: log p(x) with its own
    error and the ELBO without one; `gap` = log p(x) − ELBO is also `kl_to_posterior`, `ways_differ` by how much it is
    not. `converged` tells whether `log_px` is to be believed rather than the importance bound; where it is not, the
    ELBO of `sampled` stands too."""
    images = dataset.test[: sampled["n"]].to(next(model.parameters()).device)
    evidence = exact_evidence(model, dataset.to_float(images), progress)  # held-out pixels are drawn once for all
    difference = evidence.grid_difference
    believed = evidence.better_than(sampled["iw_bound"], sampled["iw_standard_error"])
    exact = {
        "elbo": float(evidence.elbo.mean()),
        "elbo_standard_error": 0.0,
        "distortion": float(evidence.distortion.mean()),
        "rate": float(evidence.rate.mean()),
    }
    return {
        **(exact if believed else {}),
        "log_px": float(evidence.log_px.mean()),
        "log_px_error": evidence.error,
        "log_px_method": evidence.method,
        "exact_elbo": exact["elbo"],
        "gap": float((evidence.log_px - evidence.elbo).mean()),
        "kl_to_posterior": float(evidence.kl_to_posterior.mean()),
        "ways_differ": evidence.ways_differ,
        "grid_difference": None if difference is None else float(difference.max()),
        "worst_image": evidence.worst,
        "worst_row": None if evidence.worst is None else int(dataset.test_rows[evidence.worst]),
        "rows_of": dataset.rows_of("test"),
        "converged": believed,
    }
