"""Rotation, reflection and permutation taken out of two sets of codes of the same images.

A Gaussian prior does not change under rotations and reflections, so two runs may hold the same in other directions.
Both sets are centred, the smaller one is filled with zeros to the dimensions of the larger, and

    R = argmin ‖A − B R‖²  over orthogonal R  =  U Vᵀ,   U S Vᵀ = svd(Bᵀ A)        (Procrustes; Schönemann 1966)

Bits do not rotate: between two sets of bits R is the best permutation with flips. Everything is in units of the prior's
standard deviation: real dimensions as they are, a bit's probability p as 2p − 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
SEED = 0
SHUFFLES = 64


@dataclass(frozen=True)
class Match:
    """Dimension `a` of A and the dimension of B that goes with it best."""

    a: int
    b: int
    sign: int  # 1, or −1 where one runs against the other
    correlation: float  # of both over the images, with its sign


@dataclass(frozen=True)
class Alignment:
    """z_A ≈ (z_B − mean_b) R + mean_a, in prior units, all of `k` dimensions: the larger number of both."""

    rotation: Array  # (k, k), orthogonal
    mean_a: Array  # (k,)
    mean_b: Array  # (k,)
    turns: bool  # whether rotations were allowed, or permutations with flips alone

    @property
    def reflects(self) -> bool:
        """Whether it turns left into right: R has determinant −1."""
        return bool(np.linalg.det(self.rotation) < 0)

    def to_a(self, z_b: Array) -> Array:
        """Returns where codes of B (n, k_B) lie among those of A, (n, k)."""
        return (filled(z_b, len(self.mean_b)) - self.mean_b) @ self.rotation + self.mean_a

    def to_b(self, z_a: Array) -> Array:
        """Returns where codes of A (n, k_A) lie among those of B, (n, k)."""
        return (filled(z_a, len(self.mean_a)) - self.mean_a) @ self.rotation.T + self.mean_b


def in_prior_units(loc: NDArray[np.floating], support: str) -> Array:
    """Returns codes (n, k) with a prior of mean 0 and standard deviation 1 in each dimension."""
    codes = np.asarray(loc, np.float64)
    return 2 * codes - 1 if support == "binary" else codes


def filled(codes: Array, k: int) -> Array:
    """Returns codes (n, smaller) with zeros for the dimensions that they lack, (n, k)."""
    return np.pad(codes, ((0, 0), (0, k - codes.shape[1])))


def align(a: Array, b: Array, turns: bool = True) -> Alignment:
    """Returns the best alignment of codes b (n, k_B) with codes a (n, k_A) of the same images. `turns`: rotations are
    allowed; else permutations with flips about 0, without centring."""
    k = max(a.shape[1], b.shape[1])
    a, b = filled(a, k), filled(b, k)
    if not turns:
        return Alignment(_signed_permutation(b.T @ a), np.zeros(k), np.zeros(k), turns)
    mean_a, mean_b = a.mean(0), b.mean(0)
    u, _, vt = np.linalg.svd((b - mean_b).T @ (a - mean_a))
    return Alignment(u @ vt, mean_a, mean_b, turns)


def _signed_permutation(products: Array) -> Array:
    """The R of zeros and one ±1 in each row and column for which trace(Rᵀ products) is largest."""
    from scipy.optimize import linear_sum_assignment  # comes with scikit-learn

    rows, columns = linear_sum_assignment(-np.abs(products))
    rotation = np.zeros_like(products)
    rotation[rows, columns] = np.where(products[rows, columns] < 0, -1.0, 1.0)
    return rotation


def movement(a: Array, b: Array, alignment: Alignment) -> Array:
    """Returns how far each code lies from where it was after the alignment, (n,), in prior standard deviations."""
    moved: Array = np.linalg.norm(filled(a, len(alignment.mean_a)) - alignment.to_a(b), axis=1)
    return moved


def movement_by_chance(a: Array, b: Array, turns: bool = True) -> Array:
    """Returns the mean movements where B has nothing to do with A, (SHUFFLES,): its images shuffled anew for each, then
    aligned as well as can be. What the alignment wins of chance has no closed form."""
    generator = np.random.default_rng(SEED)
    shuffles = (b[generator.permutation(len(b))] for _ in range(SHUFFLES))
    return np.array([movement(a, shuffled, align(a, shuffled, turns)).mean() for shuffled in shuffles])


def matches(a: Array, b: Array) -> list[Match]:
    """Returns the pairs of dimensions whose correlations, sign aside, have the largest sum: each of the smaller latent
    is in one, the strongest come first. A dimension that does not vary correlates with none: 0."""
    from scipy.optimize import linear_sum_assignment  # comes with scikit-learn

    correlations = _standardised(a).T @ _standardised(b) / len(a)
    pairs = zip(*linear_sum_assignment(-np.abs(correlations)), strict=True)
    found = [Match(int(i), int(j), -1 if correlations[i, j] < 0 else 1, float(correlations[i, j])) for i, j in pairs]
    return sorted(found, key=lambda match: -abs(match.correlation))


def _standardised(codes: Array) -> Array:
    centred = codes - codes.mean(0)
    scale = centred.std(0)
    scaled: Array = np.divide(centred, scale, out=np.zeros_like(centred), where=scale > 1e-12)
    return scaled
