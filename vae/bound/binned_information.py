"""Mutual information between latent dimensions and labels or factors, by 20 bins; the mutual information gap.

I(z_i; v) is that of the histogram: z_i in BINS bins of one width between its smallest and its largest value, v as it
is. It is too large by about (bins − 1)(values − 1) / 2n nats; permuted rows tell what chance gives.

    MIG = mean over factors v of [I(z_a; v) − I(z_b; v)] / H(v), a and b the two dimensions that tell most of v

(Chen et al. 2018; BINS as Locatello et al. 2019 have it). A factor of more values than BINS cannot come to 1, so a
perfect code has less than 1: the ceiling. Constant factors have no entropy and are left out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BINS = 20
Array = NDArray[np.float64]
Whole = NDArray[np.int64]


def binned(codes: NDArray[np.floating]) -> Whole:
    """Returns the bin of each code, (n, k), from 0."""
    columns = [np.digitize(column, np.histogram(column, BINS)[1][1:-1]) for column in codes.T]
    return np.stack(columns, 1).astype(np.int64)


def entropies(values: Whole) -> Array:
    """Returns the entropy of each column of (n, factors), nats."""
    return np.array([_entropy(np.bincount(column)) for column in values.T])


def information_matrix(bins: Whole, values: Whole) -> Array:
    """Returns I(z_i; v_j), (factors, k) nats, of bins (n, k) and values (n, factors), both whole numbers from 0."""
    table = np.empty((values.shape[1], bins.shape[1]))
    of_bins, of_values = entropies(bins), entropies(values)
    for j, value in enumerate(values.T):
        several = int(value.max()) + 1
        for i, bin_ in enumerate(bins.T):
            table[j, i] = of_bins[i] + of_values[j] - _entropy(np.bincount(bin_ * several + value))
    return np.maximum(table, 0.0)


def gap(bins: Whole, values: Whole) -> float:
    """Returns the MIG; NaN where every factor is constant. One dimension has no rival."""
    entropy = entropies(values)
    known = entropy > 0
    if not known.any():
        return float("nan")
    table = information_matrix(bins, values[:, known])
    if table.shape[1] == 1:
        table = np.column_stack([table, np.zeros(len(table))])
    ordered = np.sort(table, 1)
    return float(((ordered[:, -1] - ordered[:, -2]) / entropy[known]).mean())


def ceiling(values: Whole, k: int, rng: np.random.Generator) -> float:
    """Returns the MIG of a perfect code of k dimensions for these images: each factor is a dimension, the other
    dimensions are noise. Of more factors than dimensions those that gain most are taken."""
    entropy = entropies(values)
    known = values[:, entropy > 0]
    told = np.array([information_matrix(binned(v[:, None].astype(float)), v[:, None])[0, 0] for v in known.T])
    best = known[:, np.argsort(-told / entropy[entropy > 0], kind="stable")[:k]]
    noise = rng.normal(size=(len(values), max(0, k - best.shape[1])))
    return gap(binned(np.column_stack([best.astype(float), noise])), known)


def permuted(bins: Whole, rng: np.random.Generator) -> Whole:
    """Returns the codes of the images in another order: they know nothing of them."""
    return bins[rng.permutation(len(bins))]


def _entropy(counts: NDArray[np.integer]) -> float:
    p = counts[counts > 0] / counts.sum()
    return float(-(p * np.log(p)).sum())
