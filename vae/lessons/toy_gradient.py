"""A race of gradient estimators where all is known: one image of few pixels, a fixed decoder, q alone is learned.

p(z) = Ber(½)^k, p(x|z) = N(x; A (2z − 1), c I), q(z) = Π Ber(σ(lⱼ)): the estimators are those that train a run, the
curves are exact sums over all codes. The note's printed rule is followed without noise, summed over all codes too, so
that what goes wrong is the rule's. With few pixels the likelihood is not so peaked that it hides a missing rate.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from vae.config import Config
from vae.lessons.gradient_study import make
from vae.model.bit_codes import all_codes
from vae.model.latent import IndependentBernoulli
from vae.model.vae import Model, build_model

STARTS = 64  # of the search for the best q
SEARCH_STEPS, SEARCH_RATE = 400, 0.2


@dataclass(frozen=True)
class Toy:
    """x (1, 1, 1, D) float64, its model, and log p(x, z) of all codes (2^k,), nats."""

    model: Model
    x: Tensor
    log_joint: Tensor

    @property
    def codes(self) -> Tensor:
        """All codes, (2^k, k) float64."""
        return all_codes(self.model.k, dtype=torch.float64)

    @property
    def log_px(self) -> float:
        """log p(x), nats."""
        return float(self.log_joint.logsumexp(0))


def make_toy(bits: int, pixels: int, noise: float, seed: int) -> Toy:
    """Returns a model of a random A with standard normal entries, and an x drawn from it."""
    config = Config(likelihood="gaussian", C=1 / (2 * noise), latent="bernoulli", latent_dim=bits, network="linear")
    model = build_model(config, (1, 1, pixels)).double()
    generator = Generator().manual_seed(seed)
    A = torch.randn(pixels, bits, generator=generator, dtype=torch.float64)
    z = (torch.rand(bits, generator=generator, dtype=torch.float64) < 0.5).double()
    x = A @ (2 * z - 1) + noise**0.5 * torch.randn(pixels, generator=generator, dtype=torch.float64)
    layer = next(layer for layer in model.decoder if isinstance(layer, torch.nn.Linear))
    with torch.no_grad():
        layer.weight.copy_(A)
        layer.bias.zero_()
    model.likelihood.set_C(1 / (2 * noise))  # again, in float64
    model.eval().requires_grad_(False)
    x = x.reshape(1, 1, 1, pixels)
    codes = all_codes(bits, dtype=torch.float64)
    return Toy(model, x, model.decode(codes).log_prob(x) + model.prior().log_prob(codes))


def elbo_and_entropy(toy: Toy, logits: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the exact ELBO and entropy of each q of logits (n, k): (n,) and (n,), nats. Differentiable."""
    log_q = IndependentBernoulli(logits.unsqueeze(-2)).log_prob(toy.codes)  # (n, 2^k)
    entropy = (F.softplus(logits) - logits * logits.sigmoid()).sum(-1)
    return (log_q.exp() * toy.log_joint).sum(-1) + entropy, entropy


def printed_gradient(toy: Toy, logits: Tensor) -> Tensor:
    """Returns −E_q[∂ log q (log p(z) + log p(x|z))], log q left out: (n, k)."""
    q = IndependentBernoulli(logits.unsqueeze(-2))
    weights = q.log_prob(toy.codes).exp() * -toy.log_joint  # (n, 2^k)
    return (weights.unsqueeze(-1) * (toy.codes - q.mean)).sum(-2)


def best_elbo(toy: Toy, seed: int = 0) -> float:
    """Returns the largest ELBO, nats, of any q that factorises: the best end of the exact gradient from STARTS random
    logits."""
    logits = torch.randn(STARTS, toy.model.k, generator=Generator().manual_seed(seed), dtype=torch.float64)
    logits.requires_grad_()
    adam = torch.optim.Adam([logits], lr=SEARCH_RATE)
    for _ in range(SEARCH_STEPS):
        adam.zero_grad()
        (-elbo_and_entropy(toy, logits)[0].sum()).backward()
        adam.step()
    return float(elbo_and_entropy(toy, logits.detach())[0].max())


@dataclass(frozen=True)
class Lap:
    """Where one estimator stands after a step: means over its copies of q, nats."""

    step: int
    elbo: float
    entropy: float


def race(
    toy: Toy, names: Sequence[str], steps: int, rate: float, copies: int, seed: int, every: int
) -> Iterator[dict[str, Lap]]:
    """Runs Adam on the logits of `copies` independent q with each estimator's gradient, all from the same logits.

    Yields the laps of all at step 0, every, 2 every, ..., steps.
    """
    start = torch.randn(copies, toy.model.k, generator=Generator().manual_seed(seed), dtype=torch.float64)
    runners = [_Runner(toy, name, start, rate, seed) for name in names]
    for step in range(steps + 1):
        if step % every == 0 or step == steps:
            yield {runner.name: runner.lap(step) for runner in runners}
        for runner in runners:
            runner.go()


class _Runner:
    def __init__(self, toy: Toy, name: str, start: Tensor, rate: float, seed: int) -> None:
        self.toy, self.name = toy, name
        self.estimator = make(name).train()  # the running mean remembers
        self.logits = start.clone().requires_grad_()
        self.x = toy.x.expand(len(start), -1, -1, -1)
        self.adam = torch.optim.Adam([self.logits], lr=rate)
        self.generator = Generator().manual_seed(seed)
        self.C = torch.ones((), dtype=torch.float64)

    def go(self) -> None:
        if self.name == "printed":
            self.logits.grad = printed_gradient(self.toy, self.logits.detach())
        else:
            q = IndependentBernoulli(self.logits)
            loss, _ = self.estimator.loss_at(self.toy.model, q, self.x, 1, self.C, self.generator)
            (self.logits.grad,) = torch.autograd.grad(loss.sum(), self.logits)
        self.adam.step()

    def lap(self, step: int) -> Lap:
        with torch.no_grad():
            elbo, entropy = elbo_and_entropy(self.toy, self.logits)
        return Lap(step, float(elbo.mean()), float(entropy.mean()))
