"""Latent variables: the prior p(z), the form of the posterior q(z|x), and the rate KL(q(z|x) ‖ p(z)).

A new latent is one class here and one line in LATENTS. It turns the encoder's output (B, parameters(k)) into a
distribution over z with batch shape (B,) and event shape (k,).
"""

from __future__ import annotations

import math
from typing import Any, ClassVar, Protocol

import torch
from torch import Generator, Size, Tensor

from vae.kl import kl_standard_normal

LOG_2PI = math.log(2 * math.pi)


class LatentDistribution(Protocol):
    """What an encoder or a prior answers with. Batch shape (B,), event shape (k,)."""

    @property
    def mean(self) -> Tensor: ...  # (B, k)

    def sample(self, sample_shape: tuple[int, ...] = (), generator: Generator | None = None) -> Tensor: ...

    def rsample(self, sample_shape: tuple[int, ...] = (), generator: Generator | None = None) -> Tensor: ...

    def log_prob(self, z: Tensor) -> Tensor: ...  # z (..., B, k) -> (..., B), nats


class Latent(Protocol):
    """One kind of latent variable. Stateless: what is learned sits in the encoder."""

    name: ClassVar[str]
    reparameterised: ClassVar[bool]  # rsample carries gradients to q's parameters

    @staticmethod
    def parameters(k: int) -> int: ...  # numbers that the encoder gives for k dimensions

    @staticmethod
    def posterior(parameters: Tensor) -> LatentDistribution: ...  # from (B, parameters(k))

    @staticmethod
    def prior(k: int, device: torch.device, dtype: torch.dtype) -> LatentDistribution: ...  # batch shape ()

    @staticmethod
    def rate_per_dim(qz_x: Any) -> Tensor | None: ...  # (B, k) nats; None where q does not factorise

    @staticmethod
    def rate(qz_x: Any) -> Tensor: ...  # (B,) nats


class DiagonalNormal:
    """N(loc, diag(exp(log_variance))); loc and log_variance (..., k), the last axis is the event."""

    def __init__(self, loc: Tensor, log_variance: Tensor) -> None:
        self.loc, self.log_variance = loc, log_variance

    @property
    def batch_shape(self) -> Size:
        return self.loc.shape[:-1]

    @property
    def event_shape(self) -> Size:
        return self.loc.shape[-1:]

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        return self.log_variance.exp()

    @property
    def scale(self) -> Tensor:
        return (0.5 * self.log_variance).exp()

    def rsample(self, sample_shape: tuple[int, ...] = (), generator: Generator | None = None) -> Tensor:
        """F8: z = m + s ⊙ ε, ε ~ N(0, I_k); shape sample_shape + batch_shape + event_shape."""
        shape = (*sample_shape, *self.loc.shape)
        noise = torch.randn(shape, generator=generator, device=self.loc.device, dtype=self.loc.dtype)
        return self.loc + self.scale * noise

    def sample(self, sample_shape: tuple[int, ...] = (), generator: Generator | None = None) -> Tensor:
        with torch.no_grad():
            return self.rsample(sample_shape, generator)

    def log_prob(self, z: Tensor) -> Tensor:
        """log N(z; m, diag v) = −½ Σ [log 2π + log v + (z − m)²/v], nats."""
        squared = (z - self.loc) ** 2 * (-self.log_variance).exp()
        return -0.5 * (LOG_2PI + self.log_variance + squared).sum(-1)


class NormalLatent:
    """p(z) = N(0, I); q(z|x) = N(m(x), diag v(x)), the encoder gives m and log v."""

    name = "normal"
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
    def rate_per_dim(qz_x: DiagonalNormal) -> Tensor:
        return kl_standard_normal(qz_x.loc, qz_x.log_variance)

    @staticmethod
    def rate(qz_x: DiagonalNormal) -> Tensor:
        return kl_standard_normal(qz_x.loc, qz_x.log_variance).sum(-1)


LATENTS: dict[str, Any] = {latent.name: latent for latent in (NormalLatent,)}
