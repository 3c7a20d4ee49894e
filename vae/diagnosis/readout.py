"""What can be read out of codes: labels, by their nearest neighbours and by a linear classifier."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from vae.bound.aggregate_posterior import Bound
from vae.diagnosis.neighbours import nearest

NEIGHBOURS = 10
RIDGE = 1e-4  # of the linear classifier's weights, on standardised codes
STEPS = 60  # of L-BFGS


@dataclass(frozen=True)
class Readout:
    """Shares of the judged images that are classified rightly."""

    neighbours: Bound
    linear: Bound
    majority: float  # by always saying the most frequent class of the images that taught


def read_out(z: Tensor, labels: Tensor, judged: Tensor, truth: Tensor, tick: Callable[[], None]) -> Readout:
    """Returns how well codes z (n, k) with labels (n,) tell the labels `truth` (m,) of other codes, `judged` (m, k)."""
    mean, spread = z.mean(0), z.std(0).clamp(min=1e-12)
    classes = int(torch.maximum(labels.max(), truth.max())) + 1
    _, rows = nearest(judged, z, min(NEIGHBOURS, len(z)), tick=tick)
    votes = F.one_hot(labels[rows], classes).sum(1)
    linear = _linear((z - mean) / spread, labels, classes, tick)
    majority = labels.bincount(minlength=classes).argmax()
    return Readout(
        _accuracy(votes.argmax(1) == truth),
        _accuracy(linear((judged - mean) / spread).argmax(1) == truth),
        float((truth == majority).double().mean()),
    )


def _linear(z: Tensor, labels: Tensor, classes: int, tick: Callable[[], None]) -> Callable[[Tensor], Tensor]:
    """Multinomial logistic regression, of all images at once."""
    W = torch.zeros(z.shape[1], classes, requires_grad=True)
    b = torch.zeros(classes, requires_grad=True)
    optimiser = torch.optim.LBFGS([W, b], max_iter=STEPS, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        tick()
        optimiser.zero_grad()
        with torch.enable_grad():
            loss = F.cross_entropy(z @ W + b, labels) + RIDGE * W.square().sum()
        loss.backward()
        return loss

    optimiser.step(closure)
    return lambda codes: codes @ W.detach() + b.detach()


def _accuracy(right: Tensor) -> Bound:
    """The share with the error of so many throws of a coin, never 0."""
    n, share = len(right), float(right.double().mean())
    return Bound(share, math.sqrt(max(share * (1 - share), 1 / n) / n))
