"""Linear decoders with Gaussian noise: where everything about a VAE has a closed form.

    p(z) = N(0, I_k),  p(x|z) = N(W z + b, c I_D)   so that   p(x) = N(b, W Wᵀ + c I)
    p(z|x) = N(M⁻¹ Wᵀ (x − b), c M⁻¹),  M = WᵀW + c I

The best W, b and c are probabilistic PCA (Tipping & Bishop 1999); a linear VAE has the same optima (Lucas et al. 2019).
x is (n, D) here, W (D, k); densities in nats per row.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

LOG_2PI = math.log(2 * math.pi)


@dataclass(frozen=True)
class LinearGaussian:
    """p(x|z) = N(W z + b, c I)."""

    W: Tensor  # (D, k)
    b: Tensor  # (D,)
    c: Tensor  # (), variance of a pixel

    @property
    def _M_cholesky(self) -> Tensor:
        identity = torch.eye(self.W.shape[1], dtype=self.W.dtype, device=self.W.device)
        return torch.linalg.cholesky(self.W.T @ self.W + self.c * identity)

    def log_px(self, x: Tensor) -> Tensor:
        """F15: exact log p(x), (n,). By Woodbury's identity in k x k:
        (W Wᵀ + c I)⁻¹ = (I − W M⁻¹ Wᵀ)/c and log det = log det M + (D − k) log c."""
        D, k = self.W.shape
        L, y = self._M_cholesky, x - self.b
        within = torch.linalg.solve_triangular(L, (y @ self.W).T, upper=False).square().sum(0)  # yᵀ W M⁻¹ Wᵀ y
        log_det = 2 * L.diagonal().log().sum() + (D - k) * self.c.log()
        return -0.5 * (D * LOG_2PI + log_det + (y.square().sum(1) - within) / self.c)

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean (n, k) and covariance (k, k) of p(z|x); the covariance is the same for every x."""
        L = self._M_cholesky
        mean = torch.cholesky_solve(((x - self.b) @ self.W).T, L).T
        return mean, self.c * torch.cholesky_inverse(L)

    def expected_log_px_z(self, x: Tensor, loc: Tensor, cov: Tensor) -> Tensor:
        """E_q log p(x|z) exactly, for q = N(loc, cov): (n,). The squared error's mean is ‖x − W m − b‖² + tr(W S Wᵀ).

        loc (n, k); cov (n, k) variances or (n, k, k) matrices.
        """
        D = len(self.b)
        WtW = self.W.T @ self.W
        spread = cov @ WtW.diagonal() if cov.shape == loc.shape else (cov * WtW).sum((-2, -1))
        error = (x - loc @ self.W.T - self.b).square().sum(1) + spread
        return -0.5 * (D * (LOG_2PI + self.c.log()) + error / self.c)


def covariance_eigenvalues(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean (D,), eigenvalues (D,) from large to small and eigenvectors (D, D) in columns, of x (n, D).

    The covariance divides by n, as maximum likelihood does.
    """
    mean = x.mean(0)
    y = x - mean
    values, vectors = torch.linalg.eigh(y.T @ y / len(x))
    return mean, values.flip(0).clamp(min=0), vectors.flip(1)


def ppca(x: Tensor, k: int) -> LinearGaussian:
    """The maximum-likelihood solution for x (n, D): c is the mean of the eigenvalues left out,
    W = U (Λ − c I)^½, up to a rotation of z."""
    mean, values, vectors = covariance_eigenvalues(x)
    c = values[k:].mean()
    return LinearGaussian(vectors[:, :k] * (values[:k] - c).clamp(min=0).sqrt(), mean, c)


def best_at(x: Tensor, k: int, c: float) -> LinearGaussian:
    """The best W and b at a given noise variance c: directions whose variance is not above c stay empty."""
    mean, values, vectors = covariance_eigenvalues(x)
    W = vectors[:, :k] * (values[:k] - c).clamp(min=0).sqrt()
    return LinearGaussian(W, mean, torch.as_tensor(c, dtype=x.dtype, device=x.device))


def predicted_active_units(eigenvalues: Tensor, c: float, k: int) -> int:
    """The collapse law: at a fixed c, of k dimensions as many are used as the data have variances above c."""
    return min(k, int((eigenvalues > c).sum()))
