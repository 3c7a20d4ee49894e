"""How far the ELBO is from log p(x): the importance bound with many samples, in bounded memory.

F14 with w = p(x|z) p(z) / q(z|x). Images are encoded once; their codes are drawn and decoded in batches as large as
pays where the model is (`rows_at_once`). Networks run in float32, sums of weights in float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor

from vae.batches import full_precision, rows_at_once
from vae.datasets import Dataset
from vae.errors import ConfigError
from vae.metrics import active_units
from vae.model import Model
from vae.objectives import check_samples, elbo_terms

IMAGES = 100  # looked at together: what `evaluate` has done with when it is stopped
Progress = Callable[[float], None]


@dataclass(frozen=True)
class Evidence:
    """Importance-sampling estimate of log p(x) for each image (F14), from K samples. All (n,), float64.

    With r = Σw²/(Σw)²: effective samples 1/r, and Var(log ŵ) ≈ (K r − 1)/(K − 1).
    """

    iw_bound: Tensor  # nats
    standard_error: Tensor  # nats, by the delta method; NaN at K = 1, where it is undefined
    effective_samples: Tensor  # (Σw)²/Σw², from 1 to K


@torch.no_grad()
def importance_evidence(
    model: Model, x: Tensor, samples: int, generator: Generator | None = None, progress: Progress | None = None
) -> Evidence:
    """Of images x (n, channels, height, width) on the support, in memory that grows neither with n nor with `samples`.

    `progress` hears fractions; what it raises ends the work.
    """
    check_samples(samples)
    model, rows = full_precision(model), rows_at_once(model)
    blocks, parts = x.split(rows), []
    for number, block in enumerate(blocks):

        def hear(fraction: float, number: int = number) -> None:
            if progress:
                progress((number + fraction) / len(blocks))

        parts.append(_block(model, block, samples, max(1, rows // max(1, len(block))), generator, hear))
    log_w, log_w2 = (torch.cat(sums) for sums in zip(*parts, strict=True))
    r = torch.exp(log_w2 - 2 * log_w)  # Σw²/(Σw)²
    variance = ((samples * r - 1).clamp(min=0) / (samples - 1)) if samples > 1 else torch.full_like(r, math.nan)
    return Evidence(log_w - math.log(samples), variance.sqrt(), 1 / r)


def _block(
    model: Model, x: Tensor, samples: int, chunk: int, generator: Generator | None, progress: Progress
) -> tuple[Tensor, Tensor]:
    """log Σw and log Σw², (B,) float64, running over chunks of so many samples an image."""
    qz_x, pz = model.encode(x), model.prior()
    log_w, log_w2 = (torch.full((len(x),), -math.inf, dtype=torch.float64, device=x.device) for _ in range(2))
    for start in range(0, samples, chunk):
        z = qz_x.sample((min(chunk, samples - start),), generator)  # (S, B, k)
        new = (model.decode(z).log_prob(x) + pz.log_prob(z) - qz_x.log_prob(z)).double()
        log_w = torch.logaddexp(log_w, torch.logsumexp(new, 0))
        log_w2 = torch.logaddexp(log_w2, torch.logsumexp(2 * new, 0))
        progress(min(1.0, (start + chunk) / samples))
    return log_w, log_w2


@torch.no_grad()
def evaluate(
    model: Model,
    dataset: Dataset,
    samples: int = 5000,
    limit: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Means over held-out images, nats. `iw_standard_error` is the Monte-Carlo error of the mean `iw_bound` for
    these images (None at one sample); `iw_ess` the mean effective sample size. `stop` is asked all the time: the
    result is then that of the `n` images done with, in hundreds; KeyboardInterrupt where there is none yet."""
    if limit is not None and limit < 1:
        raise ConfigError(f"limit: expected 1 or more held-out images, got {limit}")
    model = full_precision(model)
    device = next(model.parameters()).device
    generator = Generator(device).manual_seed(seed)
    images = dataset.test[:limit] if limit else dataset.test
    distortion, rate, parts = [], [], []
    for start in range(0, len(images), IMAGES):
        x = dataset.to_float(images[start : start + IMAGES].to(device), generator)
        terms = elbo_terms(model, x, 1, generator)
        distortion.append(terms.distortion.double())
        rate.append(terms.rate.double())

        def inner(fraction: float, start: int = start) -> None:
            if stop():
                raise KeyboardInterrupt
            if progress:
                progress(min(1.0, (start + fraction * IMAGES) / len(images)))

        try:
            parts.append(importance_evidence(model, x, samples, generator, inner))
        except KeyboardInterrupt:
            if not parts:
                raise
            distortion.pop()
            rate.pop()
            break
    n = sum(len(part.iw_bound) for part in parts)
    error = torch.cat([part.standard_error for part in parts])
    mean_distortion, mean_rate = float(torch.cat(distortion).mean()), float(torch.cat(rate).mean())
    return {
        "elbo": -(mean_distortion + mean_rate),
        "distortion": mean_distortion,
        "rate": mean_rate,
        "iw_bound": float(torch.cat([part.iw_bound for part in parts]).mean()),
        "iw_standard_error": float(error.square().sum().sqrt() / n) if samples > 1 else None,
        "iw_ess": float(torch.cat([part.effective_samples for part in parts]).mean()),
        "samples": samples,
        "active_units": active_units(model, dataset),
        "n": n,
    }
