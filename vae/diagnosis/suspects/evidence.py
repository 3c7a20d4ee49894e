"""log p(x) of the images that look worst, worst first, by the importance bound with a modest number of samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator

from vae.bound.evidence import importance_evidence
from vae.model.vae import Model
from vae.space.encodings import Codes

SAMPLES = 200
AT_ONCE = 32  # images between two looks at who wants to stop


@dataclass(frozen=True)
class Bounds:
    """log p(x) of m images. Where `flagged`, the bound is only a bound, and its error says nothing."""

    places: NDArray[np.int64]  # (m,) in their part
    bound: NDArray[np.float64]  # (m,) nats; in expectation ≤ log p(x)
    error: NDArray[np.float64]  # (m,) standard error, nats
    flagged: NDArray[np.bool_]
    samples: int = SAMPLES

    def __len__(self) -> int:
        return len(self.places)


def bounds_of(
    model: Model,
    codes: Codes,
    known: Bounds | None,
    samples: int = SAMPLES,
    progress: Callable[[int], None] = lambda done: None,
) -> Iterator[Bounds]:
    """Yields all that is known by now, after each few images, the highest −ELBO first; `known` from an earlier call is
    not computed again. What `progress(images done)` raises ends the work."""
    bounds = Bounds(np.empty(0, np.int64), np.empty(0), np.empty(0), np.empty(0, bool), samples)
    if known is not None and known.samples == samples:
        bounds = known
    worst = np.argsort(-(codes.distortion + codes.rate), kind="stable")
    left = worst[~np.isin(worst, bounds.places)]
    for start in range(0, len(left), AT_ONCE):
        progress(len(bounds))
        places = left[start : start + AT_ONCE]
        x = torch.cat([codes.x(int(place)) for place in places])
        found = importance_evidence(model, x, samples, Generator().manual_seed(int(places[0])))
        bounds = Bounds(
            np.concatenate([bounds.places, places]),
            np.concatenate([bounds.bound, found.iw_bound.numpy()]),
            np.concatenate([bounds.error, np.nan_to_num(found.standard_error.numpy())]),
            np.concatenate([bounds.flagged, found.flagged.numpy()]),
            samples,
        )
        yield bounds
