"""What a latent variable is: the prior p(z), the form of the posterior q(z|x), and the rate KL(q(z|x) ‖ p(z)).

It turns the encoder's output (B, parameters(k)) into a distribution over z with batch shape (B,) and event shape (k,):
one of those here, or a new one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, Protocol

import torch
import torch.nn.functional as F
from torch import Size, Tensor

from vae.model.latent_words import LatentWords
from vae.model.normal_density import LOG_2PI
from vae.model.random_draws import Noise, standard_normal, uniform


class LatentDistribution(Protocol):
    """What an encoder or a prior answers with. Batch shape (B,), event shape (k,)."""

    @property
    def mean(self) -> Tensor: ...  # (B, k)

    def sample(self, sample_shape: tuple[int, ...] = (), generator: Noise = None) -> Tensor: ...

    def rsample(self, sample_shape: tuple[int, ...] = (), generator: Noise = None) -> Tensor: ...

    def log_prob(self, z: Tensor) -> Tensor: ...  # z (..., B, k) -> (..., B), nats

    def tempered(self, u: float) -> LatentDistribution: ...  # ∝ q^(1/u): wider for u > 1


class RealDistribution(LatentDistribution, Protocol):
    """What the posterior of a real latent answers with beside that: grids and proposals for log p(x) ask for it."""

    @property
    def variance(self) -> Tensor: ...  # (B, k), of each z_i alone

    def moved(self, loc: Tensor, log_stretch: Tensor) -> LatentDistribution: ...  # another mean, each noise stretched


class Latent(Protocol):
    """One kind of latent variable. Stateless: what is learned sits in the encoder."""

    name: ClassVar[str]
    about: ClassVar[str]  # one line for whoever chooses
    support: ClassVar[str]  # of each z_i: "real", or "binary" for 0 and 1
    factorises: ClassVar[bool]  # q(z|x) = Π q(z_i|x)
    reparameterised: ClassVar[bool]  # rsample carries gradients to q's parameters
    words: ClassVar[LatentWords] = LatentWords()  # what its dimensions are called

    @staticmethod
    def parameters(k: int) -> int: ...  # numbers that the encoder gives for k dimensions

    @staticmethod
    def posterior(parameters: Tensor) -> LatentDistribution: ...  # from (B, parameters(k))

    @staticmethod
    def prior(k: int, device: torch.device, dtype: torch.dtype) -> LatentDistribution: ...  # batch shape ()

    @staticmethod
    def decoder_input(z: Tensor) -> Tensor: ...  # (..., k): what the decoder is fed for a code z

    @staticmethod
    def rate_per_dim(qz_x: Any) -> Tensor | None: ...  # (B, k) nats; None where q does not factorise

    @staticmethod
    def marginal_rate_per_dim(qz_x: Any) -> Tensor: ...  # (B, k) nats: KL(q(z_i|x) ‖ p(z_i)); the rate's parts or not

    @staticmethod
    def rate(qz_x: Any) -> Tensor: ...  # (B,) nats


class _Described:
    """A distribution whose text says its batch and event shape."""

    mean: Any

    def __repr__(self) -> str:
        shape = tuple(self.mean.shape)
        return f"{type(self).__name__}(batch {shape[:-1]}, event {shape[-1:]})"


class DiagonalNormal(_Described):
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

    def rsample(self, sample_shape: tuple[int, ...] = (), generator: Noise = None) -> Tensor:
        """Draws by F8: z = m + s ⊙ ε, ε ~ N(0, I_k); shape sample_shape + batch_shape + event_shape."""
        return self.of_noise(standard_normal((*sample_shape, *self.loc.shape), generator, self.loc))

    def of_noise(self, noise: Tensor) -> Tensor:
        """Returns z = m + s ⊙ ε of ε (..., k), broadcast against loc."""
        return self.loc + self.scale * noise

    def sample(self, sample_shape: tuple[int, ...] = (), generator: Noise = None) -> Tensor:
        with torch.no_grad():
            return self.rsample(sample_shape, generator)

    def log_prob(self, z: Tensor) -> Tensor:
        """Returns log N(z; m, diag v) = −½ Σ [log 2π + log v + (z − m)²/v], nats; z (..., B, k) -> (..., B)."""
        squared = (z - self.loc) ** 2 * (-self.log_variance).exp()
        return -0.5 * (LOG_2PI + self.log_variance + squared).sum(-1)

    def moved(self, loc: Tensor, log_stretch: Tensor) -> DiagonalNormal:
        """Returns it with another mean, and each noise ε_i stretched; both (..., k)."""
        return DiagonalNormal(loc, self.log_variance + 2 * log_stretch)

    def tempered(self, u: float) -> DiagonalNormal:
        """Returns the distribution ∝ q^(1/u): N(m, u v)."""
        return self.moved(self.loc, torch.full_like(self.loc, 0.5 * math.log(u)))


class FullNormal(_Described):
    """N(loc, L Lᵀ); loc (..., k), L (..., k, k) lower triangular with a positive diagonal."""

    def __init__(self, loc: Tensor, L: Tensor) -> None:
        self.loc, self.L = loc, L

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def covariance(self) -> Tensor:
        """The covariance matrices L Lᵀ, (..., k, k)."""
        return self.L @ self.L.mT

    @property
    def variance(self) -> Tensor:
        """The variance of each z_i alone, the covariance's diagonal, (..., k)."""
        return self.L.square().sum(-1)

    def rsample(self, sample_shape: tuple[int, ...] = (), generator: Noise = None) -> Tensor:
        """Draws by F9: z = m + L ε, ε ~ N(0, I_k): a matrix product; shape sample_shape + batch_shape + event_shape."""
        return self.of_noise(standard_normal((*sample_shape, *self.loc.shape), generator, self.loc))

    def of_noise(self, noise: Tensor) -> Tensor:
        """Returns z = m + L ε of ε (..., k), broadcast against loc."""
        return self.loc + self._each(torch.matmul, noise)

    def sample(self, sample_shape: tuple[int, ...] = (), generator: Noise = None) -> Tensor:
        with torch.no_grad():
            return self.rsample(sample_shape, generator)

    def log_prob(self, z: Tensor) -> Tensor:
        """Returns log N(z; m, L Lᵀ) = −½ [k log 2π + log det L Lᵀ + ‖L⁻¹(z − m)‖²], nats; z (..., B, k) -> (..., B)."""
        white = self._each(partial(torch.linalg.solve_triangular, upper=False), z - self.loc)
        log_det = 2 * self.L.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        return -0.5 * (z.shape[-1] * LOG_2PI + log_det + white.square().sum(-1))

    def _each(self, function: Callable[[Tensor, Tensor], Tensor], vectors: Tensor) -> Tensor:
        """`function` of L and each vector (..., k). Several to one L are the columns of a matrix: L, laid out anew for
        every vector, takes five to ten times as long."""
        if self.L.dim() == vectors.dim() == self.loc.dim() + 1:
            return function(self.L, vectors.movedim(0, -1)).movedim(-1, 0)
        return function(self.L, vectors.unsqueeze(-1)).squeeze(-1)

    def moved(self, loc: Tensor, log_stretch: Tensor) -> FullNormal:
        """Returns it with another mean, and each noise ε_i stretched (a column of L); both (..., k)."""
        return FullNormal(loc, self.L * log_stretch.exp().unsqueeze(-2))

    def tempered(self, u: float) -> FullNormal:
        """Returns the distribution ∝ q^(1/u): N(m, u Σ)."""
        return self.moved(self.loc, torch.full_like(self.loc, 0.5 * math.log(u)))


class IndependentBernoulli(_Described):
    """k independent bits, P(z_i = 1) = σ(l_i); logits l (..., k). Samples are 0 and 1, as floats."""

    def __init__(self, logits: Tensor) -> None:
        self.logits = logits

    @property
    def mean(self) -> Tensor:
        """The probabilities of a 1, (..., k)."""
        return self.logits.sigmoid()

    def sample(self, sample_shape: tuple[int, ...] = (), generator: Noise = None) -> Tensor:
        with torch.no_grad():
            u = uniform((*sample_shape, *self.logits.shape), generator, self.logits)
            return (u < self.mean).to(self.logits.dtype)

    def rsample(self, sample_shape: tuple[int, ...] = (), generator: Noise = None) -> Tensor:
        """Raises NotImplementedError: bits have no path from their parameters; an estimator (`vae.bound.estimators`)
        carries the gradient."""
        raise NotImplementedError(
            "bits cannot be reparameterised; draw with sample and use one of vae.bound.estimators"
        )

    def log_prob(self, z: Tensor) -> Tensor:
        """Returns Σ [z log σ(l) + (1 − z) log σ(−l)] = Σ [z l − softplus(l)], nats; z (..., B, k) -> (..., B)."""
        return (z * self.logits - F.softplus(self.logits)).sum(-1)

    def tempered(self, u: float) -> IndependentBernoulli:
        """Returns the distribution ∝ q^(1/u): logits l/u."""
        return IndependentBernoulli(self.logits / u)
