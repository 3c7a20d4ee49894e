"""How far the ELBO is from log p(x): the importance bound with many samples, in bounded memory."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor

from vae.datasets import Dataset
from vae.errors import ConfigError
from vae.metrics import active_units
from vae.model import Model
from vae.objectives import check_samples, elbo_terms, log_weights

DECODED_ROWS = 1000  # rows decoded at once: 1,000 x 784 floats and a hidden layer take about 9 MB
Progress = Callable[[float], None]


@dataclass(frozen=True)
class Evidence:
    """Importance-sampling estimate of log p(x) for each image (F14), from K samples. All (n,), float64."""

    iw_bound: Tensor  # nats
    standard_error: Tensor  # nats, by the delta method; NaN at K = 1, where it is undefined
    effective_samples: Tensor  # (Σw)²/Σw², from 1 to K


@torch.no_grad()
def importance_evidence(
    model: Model, x: Tensor, samples: int, generator: Generator | None = None, progress: Progress | None = None
) -> Evidence:
    """Sums of w and w² are kept as running log-sum-exps, so memory does not grow with `samples`.

    With r = Σw²/(Σw)²: effective samples 1/r, and Var(log ŵ) ≈ (K r − 1)/(K − 1).
    """
    check_samples(samples)
    chunk = max(1, DECODED_ROWS // len(x)) if len(x) else 1
    log_w, log_w2 = (torch.full((len(x),), -math.inf, dtype=torch.float64, device=x.device) for _ in range(2))
    for start in range(0, samples, chunk):
        new, *_ = log_weights(model, x, min(chunk, samples - start), generator)
        log_w = torch.logaddexp(log_w, torch.logsumexp(new.double(), 0))
        log_w2 = torch.logaddexp(log_w2, torch.logsumexp(2 * new.double(), 0))
        if progress:
            progress(min(1.0, (start + chunk) / samples))
    r = torch.exp(log_w2 - 2 * log_w)
    variance = ((samples * r - 1).clamp(min=0) / (samples - 1)) if samples > 1 else torch.full_like(r, math.nan)
    return Evidence(log_w - math.log(samples), variance.sqrt(), 1 / r)


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
    device = next(model.parameters()).device
    generator = Generator(device).manual_seed(seed)
    images = dataset.test[:limit] if limit else dataset.test
    rows = 100
    distortion, rate, parts = [], [], []
    for start in range(0, len(images), rows):
        x = dataset.to_float(images[start : start + rows].to(device), generator)
        terms = elbo_terms(model, x, 1, generator)
        distortion.append(terms.distortion.double())
        rate.append(terms.rate.double())

        def inner(fraction: float, start: int = start) -> None:
            if stop():
                raise KeyboardInterrupt
            if progress:
                progress(min(1.0, (start + fraction * rows) / len(images)))

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
