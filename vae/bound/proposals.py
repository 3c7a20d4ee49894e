"""Where the importance samples of log p(x) are drawn: proposals r(z|x), of which the encoder's q(z|x) is one.

F14 holds for every r(z|x) that is positive where p(x, z) is. q is trained to lie inside the posterior p(z|x), so its
weights have heavy tails and its bound lies low. A mixture r = Σ_j α_j r_j, K α_j of the K samples from r_j each, has

    w = p(x, z) / r(z),   E[(1/K) Σ w] = Σ_j α_j ∫ r_j p(x, z) / r dz = p(x)

(the balance heuristic, Veach & Guibas 1995), and no weight above p(x, z) / (α_j r_j(z)) for any component: with the
prior as one, none above p(x|z) / α. The other components are q itself and q^(1/u), u > 1: a normal widened √u-fold,
bits' logits / u.

A new proposal is one function here and one line in PROPOSALS.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from vae.bound.chunks import rows_at_once
from vae.errors import ConfigError
from vae.model.latent import IndependentBernoulli, LatentDistribution, RealDistribution
from vae.model.vae import Model

WIDTHS = (2.0, 5.0)  # of the widened components, in two dimensions
SHARES = (0.4, 0.3, 0.2, 0.1)  # of q, of q widened by WIDTHS, of the prior
TRIED = 200  # codes of an image, of which the highest p(x, z) is where a refinement starts
SHARED, FAR = 2000, 2.0  # and so many of the prior's, its variance so many times as large, that all images share
STEPS, DRAWS, RATE = 100, 8, 0.02  # of a refinement: Adam's steps, z an image in each, its learning rate


def ignore() -> None:
    """Does nothing: no one is waiting for a step."""


@dataclass(frozen=True)
class Proposal:
    """Σ_j α_j r_j(z|x) with `counts` K α_j: so many of K samples are drawn from each component."""

    components: tuple[LatentDistribution, ...]  # batch shape (B,) or ()
    counts: tuple[int, ...]

    def sample(self, images: int, generator: Generator | None = None) -> Tensor:
        """Draws all K codes of each image, (K, images, k), one component after the other."""
        return torch.cat(
            [draw(component, n, images, generator) for component, n in zip(self.components, self.counts, strict=True)]
        )

    def log_prob(self, z: Tensor) -> Tensor:
        """Returns log r(z|x) of z (S, B, k): (S, B), nats."""
        if len(self.components) == 1:
            return self.components[0].log_prob(z)
        K = sum(self.counts)
        every = [
            component.log_prob(z) + math.log(n / K) for component, n in zip(self.components, self.counts, strict=True)
        ]
        return torch.logsumexp(torch.stack(torch.broadcast_tensors(*every)), 0)


def draw(component: LatentDistribution, samples: int, images: int, generator: Generator | None) -> Tensor:
    """Draws codes (samples, images, k) from a distribution of batch shape (images,) or ()."""
    return component.sample((samples,) if component.mean.dim() > 1 else (samples, images), generator)


def may_miss(proposal: Proposal) -> Tensor | bool:
    """Returns whether some code of bits is more likely never drawn than drawn, (B,) bool; False for real codes.

    No code is expected less often than Σ_j K_j Π_i min(p_i, 1 − p_i), of which e^−λ is the chance of never. Nothing in
    the weights that were drawn tells of such a code: q sure of one wrong code has equal weights and no spread at all.
    """
    if not all(hasattr(component, "logits") for component in proposal.components):
        return False
    least = [
        n * (-F.softplus(cast(IndependentBernoulli, component).logits.abs())).sum(-1).exp()
        for component, n in zip(proposal.components, proposal.counts, strict=True)
    ]
    return sum(least) < math.log(2)


def posterior(
    model: Model, x: Tensor, samples: int, generator: Generator | None = None, on_step: Callable[[], None] = ignore
) -> Proposal:
    """Returns q(z|x) alone, as published protocols have it."""
    return Proposal((model.encode(x),), (samples,))


def mixture(
    model: Model, x: Tensor, samples: int, generator: Generator | None = None, on_step: Callable[[], None] = ignore
) -> Proposal:
    """Returns the mixture of q(z|x), q widened, and the prior."""
    return around(model, model.encode(x), samples)


def refined(
    model: Model, x: Tensor, samples: int, generator: Generator | None = None, on_step: Callable[[], None] = ignore
) -> Proposal:
    """Returns the mixture around a q that is first refined for each image. `on_step` is called at every step; what it
    raises ends the work. Raises ConfigError where the latent cannot be reparameterised."""
    return around(model, refine(model, x, generator, on_step), samples)


def around(model: Model, qz_x: LatentDistribution, samples: int) -> Proposal:
    """Returns the mixture around q(z|x); components that would get fewer than two samples are left out, since their
    spread could not be estimated."""
    pz = model.prior()
    components = [qz_x, *(qz_x.tempered(temper(width, model.k)) for width in WIDTHS), pz]
    counts = [int(share * samples) for share in SHARES]
    kept = [(component, n) for component, n in zip(components[1:], counts[1:], strict=True) if n > 1]
    rest = samples - sum(n for _, n in kept)
    return Proposal((qz_x, *(component for component, _ in kept)), (rest, *(n for _, n in kept)))


def temper(width: float, k: int) -> float:
    """Returns u so that q^(1/u) is as far from q in k dimensions as a normal is from one `width` times as wide in two.

    Of samples from N(0, u I), (2u − 1)^(k/2) / u^k are effective for N(0, I). That share is kept, so u falls with k.
    """
    g: float = (width**4 / (2 * width**2 - 1)) ** (2 / k)  # u² / (2u − 1)
    return g + math.sqrt(g * g - g)


def refine(
    model: Model, x: Tensor, generator: Generator | None = None, on_step: Callable[[], None] = ignore
) -> LatentDistribution:
    """Returns q(z|x) with each image's mean and stretch moved by Adam to a higher ELBO, from the best of many codes.
    Raises ConfigError where the latent cannot be reparameterised.

    One mode of p(z|x) is found. Of two far apart, the other is left to the widened components and the prior.
    What did not end in numbers is left as the encoder has it.
    """
    if not model.latent.reparameterised:
        raise ConfigError(f"proposal: refined needs real codes, and these are {model.latent.name}; use mixture")
    rows = max(1, rows_at_once(model) // DRAWS)
    with torch.no_grad():
        starts = _start(model, x, generator, on_step)
    blocks = [
        _climb(model, *block, generator, on_step) for block in zip(x.split(rows), starts.split(rows), strict=True)
    ]
    loc, stretch = (torch.cat(halves) for halves in zip(*blocks, strict=True))
    qz_x = cast(RealDistribution, model.encode(x))
    sound = (loc.isfinite() & stretch.isfinite()).all(-1, keepdim=True)
    return qz_x.moved(torch.where(sound, loc, qz_x.mean), torch.where(sound, stretch, 0))


def _climb(
    model: Model, x: Tensor, loc: Tensor, generator: Generator | None, on_step: Callable[[], None]
) -> tuple[Tensor, Tensor]:
    with torch.no_grad():
        start = cast(RealDistribution, model.encode(x))
    moving = [loc, torch.zeros_like(loc)]
    loc, stretch = climb(model, x, start.moved, model.latent.rate, moving, generator, on_step)
    return loc, stretch


def climb(
    model: Model,
    x: Tensor,
    q: Callable[..., LatentDistribution],
    rate: Callable[[Any], Tensor],
    start: list[Tensor],
    generator: Generator | None,
    on_step: Callable[[], None] = ignore,
    falling: bool = False,
) -> list[Tensor]:
    """Returns the parameters of q(z|x) of each image, (B, ...) as `start`, moved by Adam to a higher ELBO; `q` makes
    the distribution of them, `rate` is its KL to the prior. `falling`: the learning rate falls to 0 and draws come
    in mirrored pairs, so that little noise of the draws is left."""
    parameters = [one.clone().requires_grad_() for one in start]
    steps = torch.optim.Adam(parameters, lr=RATE)
    for step in range(STEPS):
        on_step()
        if falling:
            steps.param_groups[0]["lr"] = 2 * RATE * (1 - step / STEPS)
        with torch.enable_grad():
            qz_x = q(*parameters)
            z = qz_x.rsample((DRAWS // 2 if falling else DRAWS,), generator)
            z = torch.cat([z, 2 * qz_x.mean - z]) if falling else z
            loss = (rate(qz_x) - model.decode(z).log_prob(x).mean(0)).sum()
        for one, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
            one.grad = gradient
        steps.step()
    return [one.detach() for one in parameters]


def _start(model: Model, x: Tensor, generator: Generator | None, on_step: Callable[[], None]) -> Tensor:
    """The code with the highest p(x, z), (B, k), of q's mean, some draws of the mixture, and draws of a widened prior,
    which all images share: p(z|x) may lie elsewhere, and further than any component of the mixture reaches."""
    qz_x, pz, rows = model.encode(x), model.prior(), rows_at_once(model)
    best, loc = torch.full((len(x),), -math.inf, dtype=torch.float64, device=x.device), qz_x.mean

    def keep_best(z: Tensor, joint: Tensor) -> None:  # (S, B, k), (S, B)
        nonlocal best, loc
        on_step()
        highest, place = joint.double().max(0)
        loc = torch.where((highest > best).unsqueeze(1), z[place, torch.arange(len(x), device=x.device)], loc)
        best = torch.maximum(best, highest)

    own = torch.cat([qz_x.mean.unsqueeze(0), around(model, qz_x, TRIED).sample(len(x), generator)])
    for z in own.split(max(1, rows // len(x))):
        keep_best(z, model.decode(z).log_prob(x) + pz.log_prob(z))
    exactly = x.double()
    for z in pz.tempered(FAR).sample((SHARED,), generator).split(rows):
        joint = model.decode(z).log_prob_table(exactly) + pz.log_prob(z).unsqueeze(1)
        keep_best(z.unsqueeze(1).expand(-1, len(x), -1), joint)
    return loc


PROPOSALS: dict[str, Callable[[Model, Tensor, int, Generator | None, Callable[[], None]], Proposal]] = {
    "mixture": mixture,
    "refined": refined,
    "q": posterior,
}
