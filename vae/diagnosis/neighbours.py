"""Nearest neighbours: of images in pixels, of codes in z; and the two-sample test that they give."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from vae.bound.aggregate_posterior import Bound

BLOCK = 500  # rows at once
Tick = Callable[[], None]


def nearest(
    of: Tensor, among: Tensor, k: int = 1, themselves: bool = False, tick: Tick = lambda: None
) -> tuple[Tensor, Tensor]:
    """Returns Euclidean distances and rows of the k nearest in `among` (m, ...) for each of `of` (n, ...): (n, k) both.
    `themselves`: the two are one, and no row is its own neighbour."""
    a, b = of.flatten(1).float(), among.flatten(1).float()
    centre = b.mean(0)
    a, b = a - centre, b - centre
    squares, distances, rows = b.square().sum(1), [], []
    for start in range(0, len(a), BLOCK):
        some = a[start : start + BLOCK]
        table = (some.square().sum(1, keepdim=True) + squares - 2 * some @ b.T).clamp(min=0)
        if themselves:
            table[torch.arange(len(some)), start + torch.arange(len(some))] = math.inf
        found = table.topk(min(k, table.shape[1]), 1, largest=False)
        distances.append(found.values.sqrt())
        rows.append(found.indices)
        tick()
    return torch.cat(distances), torch.cat(rows)


def two_sample_accuracy(one: Tensor, other: Tensor, tick: Tick = lambda: None) -> Bound:
    """Returns how often a sample's nearest neighbour, itself left out, is of its own kind (Lopez-Paz & Oquab 2017): of
    n samples of each kind, (n, ...) both. ½ where both are of one distribution; with n large never above ½ + ½ the
    total variation between them. The error is that of 2n throws of a coin."""
    both = torch.cat([one, other])
    kind = torch.arange(len(both)) < len(one)
    _, rows = nearest(both, both, themselves=True, tick=tick)
    right = float((kind[rows[:, 0]] == kind).double().mean())
    return Bound(right, math.sqrt(max(right * (1 - right), 0.25 / len(both)) / len(both)))
