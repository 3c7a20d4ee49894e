"""Probabilistic PCA: the linear Gaussian model that no training can better (Tipping & Bishop 1999)."""

from __future__ import annotations

from torch import Tensor

from vae.model.linear_gaussian import LinearGaussian, covariance_eigenvalues


def ppca(x: Tensor, k: int) -> LinearGaussian:
    """The maximum-likelihood solution for x (n, D): c is the mean of the eigenvalues left out,
    W = U (Λ − c I)^½, up to a rotation of z."""
    mean, values, vectors = covariance_eigenvalues(x)
    c = values[k:].mean()
    return LinearGaussian(vectors[:, :k] * (values[:k] - c).clamp(min=0).sqrt(), mean, c)
