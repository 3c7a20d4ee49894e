"""What a history says of a training: the held-out loss, always on the same images and with the same noise, so that two
of its values differ by the weights alone."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vae.diagnosis.case import Case

FEWEST = 8  # evaluations below which nothing is said
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """The held-out and the training loss, nats an image, at the same epochs."""

    epochs: Array  # (m,)
    held_out: Array  # (m,)
    training: Array  # (m,), means over the steps since the last record: of the weights of that time
    images: int  # that are held out
    error: float  # standard error of a held-out mean: what other images would have given
    scatter: float  # standard deviation of one held-out value about its trend

    def window(self, share: float, fewest: int) -> int:
        """Returns how many of the last values a share of the epochs is, `fewest` at least."""
        late = self.epochs >= self.epochs[-1] - share * (self.epochs[-1] - self.begin)
        return min(len(self.epochs), max(fewest, int(late.sum())))

    @property
    def begin(self) -> float:
        return 0.0 if self.epochs[0] < 2 * np.diff(self.epochs).max() else float(self.epochs[0])


def loss_curve(case: Case) -> Curve | None:
    """Returns the losses since C, or the half that trains, was last changed by hand, and of the same held-out images;
    None where there are fewer than FEWEST values."""
    changes = [line["step"] for line in case.run.history if line.get("knob") in ("C", "part")]
    lines = [line for line in case.history if line["step"] > max(changes, default=-1) and _told(line)]
    count = Counter(line["test"]["images"] for line in lines).most_common(1)
    lines = [line for line in lines if line["test"]["images"] == count[0][0]]  # the last takes all images
    epochs = np.array([line["epoch"] for line in lines], float)
    lines = [line for i, line in enumerate(lines) if i == 0 or epochs[i] > epochs[:i].max()]
    if len(lines) < FEWEST:
        return None
    epochs = np.array([line["epoch"] for line in lines], float)
    held_out, training = (np.array([_loss(line[part]) for line in lines]) for part in ("test", "train"))
    errors = [line["test"]["elbo_error"] for line in case.history if line["test"].get("elbo_error")]
    sizes = [line["test"]["images"] for line in case.history if line["test"].get("elbo_error")]
    error = errors[-1] * math.sqrt(sizes[-1] / count[0][0]) if errors else _error_of(case, count[0][0])
    bend = np.diff(held_out[-max(FEWEST, len(lines) // 2) :], 2)  # a straight trend has none; Var = 6 σ²
    scatter = float(np.median(np.abs(bend))) / 0.6745 / math.sqrt(6)
    return Curve(epochs, held_out, training, count[0][0], error, scatter)


def _told(line: dict[str, Any]) -> bool:
    parts = [line[part] for part in ("train", "test")]
    return "epoch" in line and all("images" in part and _loss(part) is not None for part in parts)


def _loss(means: dict[str, Any]) -> Any:
    """What is minimised; minus the ELBO where a record does not say."""
    if means.get("loss") is not None:
        return means["loss"]
    return None if means.get("elbo") is None else -means["elbo"]


def _error_of(case: Case, n: int) -> float:
    """The same from the codes, for histories of older versions and other programs."""
    return float((case.codes.rate + case.codes.distortion).astype(float).std()) / math.sqrt(n)
