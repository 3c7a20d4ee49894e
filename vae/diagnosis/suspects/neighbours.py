"""Whether an image's label is that of its neighbours in z: of the k training codes nearest to its own.

Mislabelled images lie where their pixels belong, among others of the true class, as long as the codes were learned
without labels: the more neighbours disagree, and the more these agree with each other, the likelier the label is wrong
(k-nearest-neighbour editing: Wilson 1972).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vae.diagnosis.suspects.options import KS

AT_ONCE = 2**23  # distances
Progress = Callable[[float], None]
Counts = NDArray[np.int16]


def label_disagreement(
    codes: NDArray[np.float32],
    labels: NDArray[np.int64],
    among: NDArray[np.float32],
    among_labels: NDArray[np.int64],
    same: bool,
    progress: Progress = lambda fraction: None,
) -> dict[str, Counts]:
    """Returns arrays (n, len(KS)), one column a k: `differ`, how many of the k nearest of `among` (m, d) have another
    label than the image of that code; `suggested`, their most frequent label, of equally frequent ones the nearest's;
    `agree`, how many have that one. k is cut where there are fewer. `same`: both are the same images, and none is its
    own neighbour."""
    n, z, others = len(codes), torch.from_numpy(codes).float(), torch.from_numpy(among).float()
    y, other_y = torch.from_numpy(labels), torch.from_numpy(among_labels)
    classes = int(max(int(y.max()), int(other_y.max()))) + 1
    most = max(1, min(max(KS), len(among) - same))
    found = {name: np.zeros((n, len(KS)), np.int16) for name in ("differ", "suggested", "agree")}
    half = others.square().sum(1) / 2
    batch = max(1, AT_ONCE // max(len(among), most * classes))
    for start in range(0, n, batch):
        rows = slice(start, min(n, start + batch))
        distances = half - z[rows] @ others.mT  # (|z − o|² − |z|²) / 2: the same order
        if same:
            places = torch.arange(rows.start, rows.stop)
            distances[places - rows.start, places] = torch.inf
        nearest = other_y[distances.topk(most, largest=False).indices]  # (batch, most) labels, nearest first
        for column, k in enumerate(KS):
            differ, suggested, agree = _vote(nearest[:, : min(k, most)], y[rows], classes)
            found["differ"][rows, column] = differ
            found["suggested"][rows, column], found["agree"][rows, column] = suggested, agree
        progress(rows.stop / n)
    return found


def _vote(nearest: Tensor, own: Tensor, classes: int) -> tuple[Tensor, Tensor, Tensor]:
    """Of labels (b, k), nearest first, and own ones (b,): how many differ, the most frequent, how many have it."""
    votes = torch.zeros(len(nearest), classes, dtype=torch.int16)
    votes.scatter_add_(1, nearest, torch.ones_like(nearest, dtype=torch.int16))
    most = votes.amax(1)
    leads = (votes.gather(1, nearest) == most[:, None]).to(torch.uint8)  # at those neighbours whose label leads
    suggested = nearest.gather(1, leads.argmax(1, keepdim=True))[:, 0]
    return (nearest != own[:, None]).sum(1), suggested, most
