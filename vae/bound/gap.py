"""Where the nats between the ELBO and log p(x) go (Cremer, Li, Duvenaud 2018).

    log p(x) − ELBO = [log p(x) − ELBO(q*)] + [ELBO(q*) − ELBO(q)]
                              family              amortisation

q* is the best q for each image within the encoder's own family, found by optimising that q itself from the encoder's:
mean and widths, and of a full covariance all of L. What the encoder loses is what one network for all images cannot
follow; what the family loses no encoder can save. For diagonal normals the best full covariance is sought too: what it
would save is a part of the family's.

An optimum that was not quite reached makes amortisation too small and the family too large, never the other way round:
every ELBO is judged by draws that the search has not seen, the same for all q.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from vae.bound.aggregate_posterior import Posterior, together
from vae.bound.chunks import rows_at_once
from vae.bound.proposals import DRAWS, climb, ignore
from vae.model.bit_codes import MOST_BITS, all_codes
from vae.model.kl import kl_bernoulli_half, kl_standard_normal
from vae.model.latent import DiagonalNormal, FullNormal, IndependentBernoulli, RealDistribution
from vae.model.latents import FullNormalLatent
from vae.model.vae import Model

JUDGED = 192  # draws of an image by which an ELBO is judged; half of them mirror the other half
SWEEPS = 20  # over all bits


@dataclass(frozen=True)
class BestPosteriors:
    """ELBOs of each image, (n,) float64, nats: of the encoder's q, of the best q of its family, and of the best normal
    with a full covariance (None where that is the family itself, and for bits)."""

    encoder: Tensor
    best: Tensor
    full: Tensor | None
    widest: Posterior  # the best q that was found, where log p(x) is best sampled


def can_split(model: Model) -> bool:
    """Returns whether the best q can be found: real codes, or bits few enough for all codes to be gone through."""
    return bool(model.latent.reparameterised) or (model.latent.support == "binary" and model.k <= MOST_BITS)


@torch.no_grad()
def best_posteriors(
    model: Model, x: Tensor, generator: Generator, progress: Callable[[float], None] = lambda fraction: None
) -> BestPosteriors:
    """Returns the ELBOs of images x (n, channels, height, width); see `can_split`. What `progress` raises ends it."""
    rows, found = max(1, rows_at_once(model) // DRAWS), []
    if model.latent.support == "binary":
        rows = max(1, 4_000_000 // 2**model.k)
    for start in range(0, len(x), rows):
        block = x[start : start + rows]
        count = 0

        def on_step(start: int = start) -> None:
            nonlocal count
            count += 1
            progress((start + rows * min(1.0, count / 300)) / max(len(x), start + rows))

        bits = model.latent.support == "binary"
        found.append(_best_bits(model, block, on_step) if bits else _best_normals(model, block, generator, on_step))
    full = [one.full for one in found if one.full is not None]
    return BestPosteriors(
        torch.cat([one.encoder for one in found]),
        torch.cat([one.best for one in found]),
        torch.cat(full) if full else None,
        together([one.widest for one in found]),
    )


def _best_normals(
    model: Model, x: Tensor, generator: Generator, on_step: Callable[[], None] = ignore
) -> BestPosteriors:
    qz_x = cast(RealDistribution, model.encode(x))
    half = torch.randn(JUDGED // 2, *qz_x.mean.shape, generator=generator, dtype=x.dtype)
    noise = torch.cat([half, -half])

    def elbo(q: Any) -> Tensor:
        on_step()
        z = q.of_noise(noise)
        rows = max(1, rows_at_once(model) // len(x))
        log_px_z = torch.cat([model.decode(some).log_prob(x).double() for some in z.split(rows)]).mean(0)
        return log_px_z - _rate(q).double()

    own, best = elbo(qz_x), cast(Any, qz_x)
    if isinstance(qz_x, DiagonalNormal):
        moving = [qz_x.mean, torch.zeros_like(qz_x.mean)]
        moved = climb(model, x, qz_x.moved, model.latent.rate, moving, generator, on_step, falling=True)
        best = _sound(qz_x, qz_x.moved(*moved))
    full = _best_full(model, x, best, generator, on_step)
    if isinstance(qz_x, FullNormal):
        return BestPosteriors(own, elbo(full), None, full)
    return BestPosteriors(own, elbo(best), elbo(full), full)


def _rate(q: DiagonalNormal | FullNormal) -> Tensor:
    if isinstance(q, FullNormal):
        return FullNormalLatent.rate(q)
    return kl_standard_normal(q.loc, q.log_variance).sum(-1)


def _best_full(model: Model, x: Tensor, start: Any, generator: Generator, on_step: Callable[[], None]) -> FullNormal:
    """z = m + L₀ (D + B) ε: L₀ the start's factor, D a diagonal of stretches, B below it."""
    L0 = start.L if isinstance(start, FullNormal) else torch.diag_embed(start.scale)

    def q(loc: Tensor, stretch: Tensor, below: Tensor) -> FullNormal:
        return FullNormal(loc, L0 @ (torch.diag_embed(stretch.exp()) + below.tril(-1)))

    zeros = [torch.zeros_like(start.mean), torch.zeros_like(L0)]
    moved = climb(model, x, q, FullNormalLatent.rate, [start.mean, *zeros], generator, on_step, falling=True)
    return cast(FullNormal, _sound(FullNormal(start.mean, L0), q(*moved)))


def _sound(start: Any, found: Any) -> Any:
    """What was found, but the start for images of which the search did not end in numbers."""
    full = isinstance(found, FullNormal)
    shape = found.L if full else found.log_variance
    fine = found.mean.isfinite().all(-1) & shape.flatten(1).isfinite().all(-1)
    loc = torch.where(fine.unsqueeze(-1), found.mean, start.mean)
    if full:
        return FullNormal(loc, torch.where(fine[:, None, None], found.L, start.L))
    return DiagonalNormal(loc, torch.where(fine.unsqueeze(-1), found.log_variance, start.log_variance))


def _best_bits(model: Model, x: Tensor, on_step: Callable[[], None]) -> BestPosteriors:
    """Exact, over all codes: ELBO = Σ_z q(z) log p(x|z) − KL. Bit by bit l_i = E[log p(x, z_i = 1) − log p(x, z_i = 0)]
    under the other bits, which never lowers it."""
    codes, exactly = all_codes(model.k, x.device, x.dtype), x.double()
    blocks = []
    for z in codes.split(rows_at_once(model)):
        blocks.append(model.decode(z).log_prob_table(exactly))
        on_step()
    log_px_z = torch.cat(blocks).T  # (B, 2^k)
    codes = codes.double()
    logits = cast(Any, model.encode(x)).logits.double()

    def log_q(of: Tensor) -> Tensor:
        return of @ codes.T - F.softplus(of).sum(1, keepdim=True)

    def elbo(of: Tensor) -> Tensor:
        return (log_q(of).exp() * log_px_z).sum(1) - kl_bernoulli_half(of).sum(1)

    own, best = elbo(logits), logits.clone()
    for _ in range(SWEEPS):
        before = best.clone()
        for i in range(model.k):
            others = best.clone()
            others[:, i] = 0  # both values of z_i alike: each code's share is half of the other bits'
            share = 2 * log_q(others).exp()
            best[:, i] = (share * log_px_z * (2 * codes[:, i] - 1)).sum(1)
            on_step()
        if float((best - before).abs().max()) < 1e-6:
            break
    return BestPosteriors(own, elbo(best), None, IndependentBernoulli(best.to(x.dtype)))
