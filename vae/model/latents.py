"""The latent variables that have a name: prior, posterior and rate, nats.

A new one is a `Latent`, here or in another file, and one line in LATENTS.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from vae.model.kl import kl_bernoulli_half, kl_standard_normal
from vae.model.latent import DiagonalNormal, FullNormal, IndependentBernoulli, Latent
from vae.model.latent_words import WORDS


class NormalLatent(Latent):
    """p(z) = N(0, I); q(z|x) = N(m(x), diag v(x)), the encoder gives m and log v."""

    name = "normal"
    words = WORDS[name]
    about = "k real numbers, a posterior with a variance per dimension"
    support = "real"
    factorises = True
    reparameterised = True

    @staticmethod
    def parameters(k: int) -> int:
        return 2 * k

    @staticmethod
    def posterior(parameters: Tensor) -> DiagonalNormal:
        loc, log_variance = parameters.chunk(2, -1)
        return DiagonalNormal(loc, log_variance)

    @staticmethod
    def prior(k: int, device: torch.device, dtype: torch.dtype) -> DiagonalNormal:
        zeros = torch.zeros(k, device=device, dtype=dtype)
        return DiagonalNormal(zeros, zeros)

    @staticmethod
    def decoder_input(z: Tensor) -> Tensor:
        return z

    @staticmethod
    def rate_per_dim(qz_x: DiagonalNormal) -> Tensor:
        return kl_standard_normal(qz_x.loc, qz_x.log_variance)

    @staticmethod
    def marginal_rate_per_dim(qz_x: DiagonalNormal) -> Tensor:
        return kl_standard_normal(qz_x.loc, qz_x.log_variance)

    @staticmethod
    def rate(qz_x: DiagonalNormal) -> Tensor:
        return kl_standard_normal(qz_x.loc, qz_x.log_variance).sum(-1)


class FullNormalLatent(Latent):
    """p(z) = N(0, I); q(z|x) = N(m(x), L(x) L(x)ᵀ). The encoder gives m, log L_ii² and the part of L below the
    diagonal, row by row: k + k + k(k−1)/2 numbers. With that part at 0 it is `normal`."""

    name = "full-normal"
    words = WORDS[name]
    about = "k real numbers, a posterior with a full covariance matrix"
    support = "real"
    factorises = False
    reparameterised = True

    @staticmethod
    def parameters(k: int) -> int:
        return 2 * k + k * (k - 1) // 2

    @staticmethod
    def posterior(parameters: Tensor) -> FullNormal:
        n = parameters.shape[-1]
        k = (math.isqrt(9 + 8 * n) - 3) // 2  # n = k (k + 3) / 2
        loc, log_variance, below = parameters.split([k, k, n - 2 * k], -1)
        rows, columns = torch.tril_indices(k, k, offset=-1, device=parameters.device)
        L = torch.diag_embed((0.5 * log_variance).exp())
        L[..., rows, columns] = below
        return FullNormal(loc, L)

    @staticmethod
    def prior(k: int, device: torch.device, dtype: torch.dtype) -> DiagonalNormal:
        return NormalLatent.prior(k, device, dtype)

    @staticmethod
    def decoder_input(z: Tensor) -> Tensor:
        return z

    @staticmethod
    def rate_per_dim(qz_x: FullNormal) -> None:
        return None

    @staticmethod
    def marginal_rate_per_dim(qz_x: FullNormal) -> Tensor:
        return kl_standard_normal(qz_x.loc, qz_x.variance.log())

    @staticmethod
    def rate(qz_x: FullNormal) -> Tensor:
        """Returns F2, (B,) nats: ½ [−log det S − k + tr S + mᵀm] with S = L Lᵀ, so tr S = ‖L‖²."""
        log_variance = 2 * qz_x.L.diagonal(dim1=-2, dim2=-1).log()
        below = qz_x.L.tril(-1).square().sum((-2, -1))
        return kl_standard_normal(qz_x.loc, log_variance).sum(-1) + 0.5 * below


class BernoulliLatent(Latent):
    """F12: p(z) = Ber(½)^k, q(z|x) = Π Ber(σ(l_i(x))); the decoder is fed 2z − 1, that is ±1."""

    name = "bernoulli"
    words = WORDS[name]
    about = "k bits; the gradient needs an estimator"
    support = "binary"
    factorises = True
    reparameterised = False

    @staticmethod
    def parameters(k: int) -> int:
        return k

    @staticmethod
    def posterior(parameters: Tensor) -> IndependentBernoulli:
        return IndependentBernoulli(parameters)

    @staticmethod
    def prior(k: int, device: torch.device, dtype: torch.dtype) -> IndependentBernoulli:
        return IndependentBernoulli(torch.zeros(k, device=device, dtype=dtype))

    @staticmethod
    def decoder_input(z: Tensor) -> Tensor:
        return 2 * z - 1

    @staticmethod
    def rate_per_dim(qz_x: IndependentBernoulli) -> Tensor:
        return kl_bernoulli_half(qz_x.logits)

    @staticmethod
    def marginal_rate_per_dim(qz_x: IndependentBernoulli) -> Tensor:
        return kl_bernoulli_half(qz_x.logits)

    @staticmethod
    def rate(qz_x: IndependentBernoulli) -> Tensor:
        return kl_bernoulli_half(qz_x.logits).sum(-1)


LATENTS: dict[str, type[Latent]] = {latent.name: latent for latent in (NormalLatent, FullNormalLatent, BernoulliLatent)}
