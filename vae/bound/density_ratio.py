"""A classifier between codes of images and draws of the prior: T(z), which learns log q(z)/p(z).

Any T bounds KL(q ‖ p) from below, by draws that it has not seen:

    E_q T − E_p e^T + 1 ≤ KL(q ‖ p)      (Nguyen, Wainwright, Jordan 2010), estimated without bias
    E_q T − log E_p e^T ≤ KL(q ‖ p)      (Donsker, Varadhan 1983), tighter; its estimate is slightly optimistic, for the
                                         mean of e^T stands inside a logarithm

T is the log-ratio of the moments (`vae.bound.aggregate_posterior`) plus a network that begins at 0, and of all states
of the network the one is kept that is best on images set aside: by no more than chance is it worse than the moments. A
constant is taken from T, the logarithm of the mean of e^T over draws of the prior of its own, which brings both forms
together and leaves the first one's estimate as unbiased as it was.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from vae.bound.aggregate_posterior import Bound, Posterior, mean_bound, moments_of, rows_of
from vae.model.latent import LatentDistribution

STEPS, BATCH, WIDTH, RATE = 1500, 512, 128, 3e-3  # of the network and its training
SET_ASIDE, LOOKS = 5, 15  # a fifth of the images; how often they are asked
DRAWS = 50_000  # of the prior, for each mean of e^T
Progress = Callable[[float], None]


@dataclass(frozen=True)
class Ratio:
    """What the classifier says of held-out images and of the prior."""

    unbiased: Bound  # E_q T − E_p e^T + 1, nats
    donsker_varadhan: float  # nats
    score: Tensor  # (n,) T of one code of each image
    prior: Tensor  # (DRAWS, k)
    prior_score: Tensor  # (DRAWS,)


class LogRatio(nn.Module):
    """T(z), (..., k) -> (...), nats."""

    def __init__(self, base: Callable[[Tensor], Tensor], k: int, generator: Generator) -> None:
        super().__init__()
        self.base, self.constant = base, 0.0
        self.layers = nn.Sequential(
            nn.Linear(k, WIDTH), nn.SiLU(), nn.Linear(WIDTH, WIDTH), nn.SiLU(), nn.Linear(WIDTH, 1)
        )
        for layer in self.layers:
            if isinstance(layer, nn.Linear):
                with torch.no_grad():
                    layer.weight.normal_(0, layer.in_features**-0.5, generator=generator)
                    layer.bias.normal_(0, 0.5, generator=generator)
        for parameter in self.layers[-1].parameters():
            nn.init.zeros_(parameter)

    def forward(self, z: Tensor) -> Tensor:
        difference: Tensor = self.layers(z).squeeze(-1)
        return self.base(z) + difference - self.constant


def fit_ratio(
    qz_x: Posterior, pz: LatentDistribution, generator: Generator, progress: Progress = lambda fraction: None
) -> LogRatio:
    """Returns T, trained on codes drawn anew from q(z|x) of the given images at every step, and on as many of p."""
    n, k = qz_x.mean.shape
    order = torch.randperm(n, generator=generator)
    aside, own = rows_of(qz_x, order[: n // SET_ASIDE]), rows_of(qz_x, order[n // SET_ASIDE :])
    ratio = LogRatio(moments_of(own).log_ratio, k, generator)
    judge = aside.sample((), generator), pz.sample((len(order) // SET_ASIDE * 4,), generator)
    kept, best = copy.deepcopy(ratio.state_dict()), _value(ratio, *judge)
    adam = torch.optim.Adam(ratio.parameters(), RATE)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(adam, STEPS)
    for step in range(1, STEPS + 1):
        progress(step / STEPS)
        rows = torch.randint(n - n // SET_ASIDE, (BATCH,), generator=generator)
        zq, zp = rows_of(own, rows).sample((), generator), pz.sample((BATCH,), generator)
        with torch.enable_grad():
            loss = F.softplus(-ratio(zq)).mean() + F.softplus(ratio(zp)).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
        falling.step()
        if step % (STEPS // LOOKS) == 0 and (value := _value(ratio, *judge)) > best:
            kept, best = copy.deepcopy(ratio.state_dict()), value
    ratio.load_state_dict(kept)
    ratio.constant = float(_log_mean_exp(_score(ratio, pz.sample((DRAWS,), generator))))
    return ratio


def measure_ratio(ratio: LogRatio, qz_x: Posterior, pz: LatentDistribution, generator: Generator) -> Ratio:
    """Returns both bounds and their scores from images that T has not seen, one code of each, and DRAWS of the
    prior."""
    prior = pz.sample((DRAWS,), generator)
    score, prior_score = _score(ratio, qz_x.sample((), generator)), _score(ratio, prior)
    inside, outside = mean_bound(score), mean_bound(prior_score.exp())
    unbiased = Bound(inside.value - outside.value + 1, math.hypot(inside.error, outside.error))
    return Ratio(unbiased, inside.value - float(_log_mean_exp(prior_score)), score, prior, prior_score)


@torch.no_grad()
def _score(ratio: LogRatio, z: Tensor) -> Tensor:
    return torch.cat([ratio(rows).double() for rows in z.split(4096)])


def _value(ratio: LogRatio, zq: Tensor, zp: Tensor) -> float:
    """Donsker and Varadhan's bound: no constant matters to it."""
    return float(_score(ratio, zq).mean() - _log_mean_exp(_score(ratio, zp)))


def _log_mean_exp(values: Tensor) -> Tensor:
    return torch.logsumexp(values, 0) - math.log(len(values))
