"""How far the ELBO is from log p(x): the importance bound with many samples, in bounded memory.

F14 with w = p(x|z) p(z) / r(z|x), r one of `vae.bound.proposals`. Images are encoded once; their codes are drawn and
decoded in batches as large as pays where the model is (`rows_at_once`). Networks run in float32, sums of weights in
float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Generator, Tensor

from vae.bound.aggregate_posterior import Posterior, rows_of
from vae.bound.chunks import full_precision, rows_at_once
from vae.bound.objective import check_samples
from vae.bound.pareto import TOO_HEAVY, pareto_shape, tail_length
from vae.bound.proposals import PROPOSALS, Proposal, around, draw, may_miss
from vae.errors import ConfigError
from vae.model.vae import Model

TOO_FEW = 30  # effective samples below which neither a bound nor its error is near what it estimates
Progress = Callable[[float], None]


@dataclass(frozen=True)
class Evidence:
    """Importance-sampling estimate of log p(x) for each image (F14), from K samples. All (n,), float64.

    Var(log ŵ) ≈ Σ_j K_j s_j² / (Σw)² by the delta method, s_j² the variance of the K_j weights from the proposal's
    component j. With one component and r = Σw²/(Σw)² that is (K r − 1)/(K − 1).
    """

    iw_bound: Tensor  # nats; in expectation ≤ log p(x)
    standard_error: Tensor  # nats; NaN at K = 1, where it is undefined
    effective_samples: Tensor  # (Σw)²/Σw², from 1 to K
    pareto_k: Tensor  # shape of the largest weights' Pareto law; NaN where there is none, or K is too small to tell
    unseen: Tensor  # bool: of bits, the largest weights are those of a few codes, and another may never have been drawn

    @property
    def flagged(self) -> Tensor:
        """Where the bound is only a bound, (n,) bool: it may lie far below log p(x), and its error tells nothing."""
        return (self.effective_samples < TOO_FEW) | (self.pareto_k > TOO_HEAVY) | self.unseen

    @property
    def mean_error(self) -> float | None:
        """Monte-Carlo error of the mean bound, nats; None where it means nothing: an image is flagged."""
        if bool(self.flagged.any()):
            return None
        return float(self.standard_error.square().sum().sqrt() / len(self.standard_error))


@torch.no_grad()
def importance_evidence(
    model: Model,
    x: Tensor,
    samples: int,
    generator: Generator | None = None,
    progress: Progress | None = None,
    proposal: str = "mixture",
) -> Evidence:
    """Estimates log p(x) of images x (n, channels, height, width) on the support, in memory that does not grow with n,
    and with √samples. Raises ConfigError for a number of samples or a proposal that there is not.

    `proposal` is a name in PROPOSALS. `progress` is called with the fraction done; what it raises ends the work.
    """
    check_samples(samples)
    if proposal not in PROPOSALS:
        raise ConfigError(f"proposal: expected one of {', '.join(PROPOSALS)}, got {proposal!r}")
    model = full_precision(model)

    def drawn_from(rows: slice, on_step: Callable[[], None]) -> Proposal:
        return PROPOSALS[proposal](model, x[rows], samples, generator, on_step)

    return _in_blocks(model, x, drawn_from, generator, progress)


@torch.no_grad()
def evidence_around(
    model: Model,
    x: Tensor,
    qz_x: Posterior,
    samples: int,
    generator: Generator | None = None,
    progress: Progress | None = None,
) -> Evidence:
    """Estimates as `importance_evidence` does, by the mixture around posteriors that are known already, one for each
    image."""
    check_samples(samples)
    model = full_precision(model)

    def drawn_from(rows: slice, on_step: Callable[[], None]) -> Proposal:
        return around(model, rows_of(qz_x, rows), samples)

    return _in_blocks(model, x, drawn_from, generator, progress)


def _in_blocks(
    model: Model,
    x: Tensor,
    drawn_from: Callable[[slice, Callable[[], None]], Proposal],
    generator: Generator | None,
    progress: Progress | None,
) -> Evidence:
    rows, found = rows_at_once(model), []
    for start in range(0, max(1, len(x)), rows):

        def report(fraction: float, start: int = start) -> None:
            if progress:
                progress(min(1.0, (start + fraction * rows) / max(rows * math.ceil(len(x) / rows), 1)))

        block = slice(start, start + rows)
        proposal = drawn_from(block, partial(report, 0.0))
        images = x[block]
        found.append(_block(model, images, proposal, max(1, rows // max(1, len(images))), generator, report))
    return joined(found)


def joined(several: list[Evidence]) -> Evidence:
    """Returns the evidence of all images, from that of several groups."""
    return Evidence(*(torch.cat([getattr(one, name) for one in several]) for name in Evidence.__dataclass_fields__))


def _block(
    model: Model, x: Tensor, proposal: Proposal, chunk: int, generator: Generator | None, progress: Progress
) -> Evidence:
    """Estimates over chunks of so many samples an image, one component of the proposal after the other."""
    K, pz, tail, done = sum(proposal.counts), model.prior(), _Tail(sum(proposal.counts)), 0
    sums = []
    for component, count in zip(proposal.components, proposal.counts, strict=True):
        log_w, log_w2 = (torch.full((len(x),), -math.inf, dtype=torch.float64, device=x.device) for _ in range(2))
        for start in range(0, count, chunk):
            z = draw(component, min(chunk, count - start), len(x), generator)  # (S, B, k)
            new = (model.decode(z).log_prob(x) + pz.log_prob(z) - proposal.log_prob(z)).double()
            log_w = torch.logaddexp(log_w, torch.logsumexp(new, 0))
            log_w2 = torch.logaddexp(log_w2, torch.logsumexp(2 * new, 0))
            tail.add(new)
            done += len(z)
            progress(done / K)
        sums.append((count, log_w, log_w2))
    return _evidence(K, sums, tail, may_miss(proposal))


def _evidence(K: int, sums: list[tuple[int, Tensor, Tensor]], tail: _Tail, missing: Tensor | bool) -> Evidence:
    """Returns the estimate from K_j, log Σw and log Σw² of each component."""
    log_w = torch.logsumexp(torch.stack([log_sum for _, log_sum, _ in sums]), 0)
    log_w2 = torch.logsumexp(torch.stack([log_sum2 for _, _, log_sum2 in sums]), 0)
    variance = torch.full_like(log_w, 0.0 if K > 1 else math.nan)
    for n, log_sum, log_sum2 in sums if K > 1 else []:
        squares, square = torch.exp(log_sum2 - 2 * log_w), torch.exp(2 * (log_sum - log_w))  # Σw², (Σw)²
        variance = variance + (n * squares - square).clamp(min=0) / (n - 1)
    shape = pareto_shape(tail.largest())
    unseen = shape.isnan() & missing  # real codes are never drawn twice: equal weights are those of p(z|x) itself
    return Evidence(log_w - math.log(K), variance.sqrt(), torch.exp(2 * log_w - log_w2), shape, unseen)


class _Tail:
    """The largest log weights so far, with the next one below, (M + 1, n)."""

    def __init__(self, samples: int) -> None:
        self.kept = tail_length(samples) + 1
        self.waiting: list[Tensor] = []

    def add(self, log_w: Tensor) -> None:
        """Adds log_w (S, n); all are sorted out when several times as many wait as are kept."""
        self.waiting.append(log_w)
        if sum(map(len, self.waiting)) > 4 * self.kept:
            self.waiting = [self.largest()]

    def largest(self) -> Tensor:
        every = torch.cat(self.waiting)
        return every.topk(min(self.kept, len(every)), 0).values
