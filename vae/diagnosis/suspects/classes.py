"""What the images of each class cost: means with their standard errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vae.diagnosis.suspects.table import Listed

Mean = tuple[float, float]  # and its standard error, nats; NaN for one image


@dataclass(frozen=True)
class ClassMeans:
    """One class of a part. log_px: None unless log p(x) of each of its images is there, since the worst come first;
    `known` of them are."""

    name: str
    n: int
    rate: Mean
    distortion: Mean
    elbo: Mean
    log_px: Mean | None
    known: int
    flagged: int


def class_means(listed: Listed) -> list[ClassMeans]:
    """Returns the means of each class and, first, of all images."""
    every = np.ones(len(listed), bool)
    groups = [("all", every)]
    if listed.labels is not None:
        groups += [(listed.name_of(int(label)), listed.labels == label) for label in np.unique(listed.labels)]
    return [_means(listed, name, chosen) for name, chosen in groups]


def _means(listed: Listed, name: str, chosen: NDArray[np.bool_]) -> ClassMeans:
    scores, bounds, log_px, known, flagged = listed.scores, listed.bounds, None, 0, 0
    if bounds is not None:
        there = chosen[bounds.places]
        known, flagged = int(there.sum()), int(bounds.flagged[there].sum())
        if known and known == chosen.sum():
            log_px = _mean(bounds.bound[there])
    rate, distortion, elbo = (_mean(values[chosen]) for values in (scores.rate, scores.distortion, scores.elbo))
    return ClassMeans(name, int(chosen.sum()), rate, distortion, elbo, log_px, known, flagged)


def _mean(values: NDArray[np.floating]) -> Mean:
    """Mean and s/√n."""
    n = len(values)
    error = float(values.std(ddof=1, dtype=np.float64) / np.sqrt(n)) if n > 1 else float("nan")
    return float(values.mean(dtype=np.float64)), error
