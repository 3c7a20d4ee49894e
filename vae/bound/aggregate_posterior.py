"""The aggregate posterior q(z) = E_x q(z|x) against the prior: what is known of KL(q(z) ‖ p(z)) without knowing q(z).

q(z) is that of the population which the images are drawn from. What n images have is q_n(z) = (1/n) Σ_j q(z|x_j).

    below   KL(q ‖ p) ≥ KL(N(m, S) ‖ N(0, I)), m and S the moments of q: E_q log p knows no more of q than they tell,
            and of all densities with these moments the normal has the largest entropy. Of bits KL(q ‖ p) ≥
            Σ_i KL(q(z_i) ‖ ½): what is left out is the bits' dependence, never negative. See `Moments` for what makes
            it rigorous with moments of n images.
    above   rate − Î, Î = E log q(z_i|x_i) / q_n(z_i) ≤ I(x; z) in expectation (Poole et al. 2019), and never above
            log n. rate − Î is KL(q_n ‖ p). A KL is convex in q and E q_n = q, so E KL(q_n ‖ p) ≥ KL(q ‖ p): it is an
            upper bound that falls with n, no estimate: as long as Î is about log n it measures n.

Every posterior here is an exponential family, log q(z|x) = η(x) · t(z) + a(x): the table of n codes against n images is
one product of matrices, with t = (z, z²), (z, z zᵀ) or, of bits, z.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from vae.model.latent import DiagonalNormal, FullNormal, IndependentBernoulli
from vae.model.normal_density import LOG_2PI

ENTRIES = 1_000_000  # of the table of codes and images at once: 8 MB
SATURATED = 0.1  # nats: Î so near to log n says n
Posterior = DiagonalNormal | FullNormal | IndependentBernoulli  # of all images, batch shape (n,)
Progress = Callable[[float], None]


@dataclass(frozen=True)
class Bound:
    """A number in nats with the standard error that the choice of images (and of codes) gives it."""

    value: float
    error: float


@dataclass(frozen=True)
class Moments:
    """A density h(z) with the moments of some images' q_n. E_q log h(z)/p(z) = KL(q ‖ p) − KL(q ‖ h) is never above
    KL(q ‖ p), whatever q is. With q's own moments it is KL(h ‖ p), the largest such bound."""

    log_ratio: Callable[[Tensor], Tensor]  # z (..., k) -> log h(z)/p(z), (...) nats
    expected: Callable[[Any], Tensor]  # q(z|x) of n images -> E_{q(z|x)} log h(z)/p(z), (n,) float64, closed form


@dataclass(frozen=True)
class Information:
    """Î, the lower bound on I(x; z), and rate − Î, the upper bound on KL(q ‖ p)."""

    information: Bound
    divergence: Bound  # at most
    limit: float  # log n: Î is never above

    @property
    def saturated(self) -> bool:
        """Whether Î says how many images there are, and little of the code."""
        return self.information.value > self.limit - SATURATED


def mean_bound(each: Tensor) -> Bound:
    """Returns the mean of n independent values with its standard error."""
    n = len(each)
    return Bound(float(each.mean()), float(each.std(correction=1) / math.sqrt(n)) if n > 1 else math.nan)


def rows_of(qz_x: Posterior, rows: Any) -> Posterior:
    """Returns the posteriors of some of the images."""
    if isinstance(qz_x, IndependentBernoulli):
        return IndependentBernoulli(qz_x.logits[rows])
    if isinstance(qz_x, FullNormal):
        return FullNormal(qz_x.loc[rows], qz_x.L[rows])
    return DiagonalNormal(qz_x.loc[rows], qz_x.log_variance[rows])


def together(several: list[Any]) -> Posterior:
    """Returns the posteriors of all images, from those of several groups."""
    if isinstance(several[0], IndependentBernoulli):
        return IndependentBernoulli(torch.cat([one.logits for one in several]))
    if isinstance(several[0], FullNormal):
        return FullNormal(torch.cat([one.loc for one in several]), torch.cat([one.L for one in several]))
    loc, log_variance = ([getattr(one, name) for one in several] for name in ("loc", "log_variance"))
    return DiagonalNormal(torch.cat(loc), torch.cat(log_variance))


def moments_of(qz_x: Posterior) -> Moments:
    """Returns the normal (of bits: the independent bits) with the moments of q_n, by the laws of total mean and
    variance: nothing is sampled.

    `mean_bound(moments.expected(qz_x))` of the same images is KL(h ‖ p) ≤ KL(q_n ‖ p), rigorous for q_n; of the
    population's KL it is too high by about (parameters of h) / 2n. Of other images than those that h is from it is a
    lower bound for the population, without bias.
    """
    if isinstance(qz_x, IndependentBernoulli):
        logits: Tensor = torch.logit(qz_x.mean.double().mean(0), 1e-6)
        log_0: Tensor = (F.logsigmoid(-logits) + math.log(2)).sum()

        def of(z: Any) -> Tensor:
            log_h: Tensor = log_0 + z.double() @ logits
            return log_h.to(z.dtype)

        return Moments(of, lambda q: of(q.mean.double()))
    loc = qz_x.mean.double()
    m = loc.mean(0)
    S = (loc - m).T @ (loc - m) / len(loc) + _covariances(qz_x).mean(0)
    P, log_det, one = torch.linalg.inv(S), torch.linalg.slogdet(S).logabsdet, torch.eye(loc.shape[1], dtype=m.dtype)

    def log_ratio(z: Tensor) -> Tensor:
        y = z.double()
        ratio: Tensor = (y.square().sum(-1) - ((y - m) @ P * (y - m)).sum(-1) - log_det) / 2
        return ratio.to(z.dtype)

    def expected(q: Any) -> Tensor:
        spread: Tensor = (_covariances(q) * (one - P)).sum((1, 2)) / 2
        return log_ratio(q.mean.double()) + spread

    return Moments(log_ratio, expected)


def _covariances(qz_x: Any) -> Tensor:
    """(n, k, k) float64."""
    covariances: Tensor = qz_x.covariance if isinstance(qz_x, FullNormal) else torch.diag_embed(qz_x.variance)
    return covariances.double()


def information(qz_x: Posterior, z: Tensor, progress: Progress = lambda fraction: None) -> Information:
    """Returns Î and rate − Î from one code of each image, z (n, k) ~ q(z|x). The two are of the same codes, so that
    rate − Î is E log q_n(z)/p(z), and log q(z|x), which scatters most, is in neither."""
    log_own, log_aggregate = qz_x.log_prob(z).double(), log_aggregate_posterior(qz_x, z, progress)
    divergence = mean_bound(log_aggregate - _log_prior(qz_x, z))
    return Information(mean_bound(log_own - log_aggregate), divergence, math.log(len(z)))


def log_aggregate_posterior(qz_x: Posterior, z: Tensor, progress: Progress = lambda fraction: None) -> Tensor:
    """Returns log q_n(z) of z (m, k), (m,) float64, nats, in memory that does not grow with m."""
    weights, offset = _natural(qz_x)
    blocks, done = [], 0
    for rows in z.double().split(max(1, ENTRIES // len(offset))):
        blocks.append(torch.logsumexp(torch.addmm(offset, _statistics(qz_x, rows), weights.T), 1))
        done += len(rows)
        progress(done / len(z))
    return torch.cat(blocks) - math.log(len(offset))


def _natural(qz_x: Any) -> tuple[Tensor, Tensor]:
    """η (n, s) and a (n,), float64."""
    if isinstance(qz_x, IndependentBernoulli):
        logits = qz_x.logits.double()
        return logits, -F.softplus(logits).sum(1)
    loc = qz_x.mean.double()
    k = loc.shape[1]
    if isinstance(qz_x, DiagonalNormal):
        log_variance = qz_x.log_variance.double()
        precision = (-log_variance).exp()
        weights = torch.cat([loc * precision, -0.5 * precision], 1)
        return weights, -0.5 * (loc.square() * precision + log_variance + LOG_2PI).sum(1)
    L = qz_x.L.double()
    P = torch.cholesky_inverse(L)
    Pm = (P @ loc.unsqueeze(-1)).squeeze(-1)
    log_det = 2 * L.diagonal(dim1=1, dim2=2).log().sum(1)
    return torch.cat([Pm, -0.5 * P.flatten(1)], 1), -0.5 * ((loc * Pm).sum(1) + log_det + k * LOG_2PI)


def _statistics(qz_x: Any, z: Tensor) -> Tensor:
    """t(z), (m, s)."""
    if isinstance(qz_x, IndependentBernoulli):
        return z
    if isinstance(qz_x, DiagonalNormal):
        return torch.cat([z, z.square()], 1)
    return torch.cat([z, (z.unsqueeze(2) * z.unsqueeze(1)).flatten(1)], 1)


def _log_prior(qz_x: Any, z: Tensor) -> Tensor:
    """log p(z), (m,) float64."""
    if isinstance(qz_x, IndependentBernoulli):
        return torch.full((len(z),), -z.shape[1] * math.log(2), dtype=torch.float64)
    return -0.5 * (z.double().square() + LOG_2PI).sum(1)
