"""Gradient estimators: how the gradient of E_q[…] reaches the encoder.

A normal latent has a path from its parameters to z (`pathwise`). Bits have none. With f(z) = log q(z|x) − log p(z)
− C log p(x|z), so that E_q[f] is the loss,

F13   ∇_φ E_q[f] = E_q[f(z) ∇_φ log q(z|x)]          and, for bits with logits l,   ∂ log q / ∂l_i = z_i − σ(l_i).

An estimator for bits is three small things: a joint draw of K codes, its gradient in the logits, and the weights with
which log p(x|z) of those codes teaches the decoder. A new one is one class here and one line in ESTIMATORS.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from vae.bound.objectives import ElboTerms, Objective, with_rate
from vae.errors import ConfigError
from vae.model.bit_codes import all_codes, check_bits
from vae.model.latents import LATENTS, IndependentBernoulli, Latent
from vae.model.random_draws import Noise, uniform
from vae.model.vae import Model

Losses = tuple[Tensor, ElboTerms]


class Estimator(nn.Module):
    """The base of all estimators. The loss's value is an estimate of the loss (B,), its gradient the estimate of the
    loss's gradient."""

    name: ClassVar[str]
    about: ClassVar[str]  # one line for whoever chooses
    objectives: ClassVar[tuple[str, ...]] = ("elbo",)
    unbiased: ClassVar[bool] = True
    trains: ClassVar[bool] = True  # False: known to be wrong, here to be watched
    draws: ClassVar[int | None] = None  # codes of one estimate; None: as many as `samples` says
    rowwise: ClassVar[bool] = True  # an image's estimate knows no other image: batches of several models can be one

    def __init__(self, objective: type[Objective]) -> None:
        """`objective`: the class in OBJECTIVES whose loss is estimated."""
        super().__init__()
        self.objective = objective

    @staticmethod
    def takes(latent: type[Latent]) -> bool:
        """Returns whether it can bring a gradient to the parameters of this latent's q(z|x); here: of bits."""
        return latent.support == "binary"

    @classmethod
    def check(cls, samples: int, k: int) -> None:
        """Raises ConfigError where this estimator cannot use that many samples or latent dimensions."""
        if cls.draws is not None and samples not in (1, cls.draws):
            raise ConfigError(f"samples: {cls.name} draws {cls.draws} codes per image, got {samples}; leave it at 1")

    @classmethod
    def decoded(cls, samples: int, k: int) -> int:
        """Returns how many codes are decoded per image in a step."""
        return cls.draws or samples

    def loss(self, model: Model, x: Tensor, samples: int, weight: Tensor, generator: Noise) -> Losses:
        """Returns the loss (B,) and the terms of the ELBO of x (B, channels, height, width) at weight C, with `samples`
        draws; nats."""
        return self.loss_at(model, model.encode(x), x, samples, weight, generator)

    def loss_at(self, model: Model, qz_x: Any, x: Tensor, samples: int, weight: Tensor, generator: Noise) -> Losses:
        """Returns the loss and the terms from a given q(z|x)."""
        raise NotImplementedError


class Pathwise(Estimator):
    """F8, F9: z = m + L ε carries the gradient itself (Kingma & Welling 2014)."""

    name = "pathwise"
    about = "through the sample itself, z = m + L ε"
    objectives = ("elbo", "iwae")

    @staticmethod
    def takes(latent: type[Latent]) -> bool:
        """Returns whether z has a path to the parameters."""
        return latent.reparameterised

    def loss(self, model: Model, x: Tensor, samples: int, weight: Tensor, generator: Noise) -> Losses:
        return self.objective.loss(model, x, samples, weight, generator)


class LikelihoodRatio(Estimator):
    """F13 in its simplest form: the mean over K draws of f(z) ∂ log q(z|x). The others differ in what they override."""

    name = "score"
    about = "likelihood ratio without a baseline: unbiased and very noisy"

    def draw(self, qz_x: IndependentBernoulli, samples: int, generator: Noise) -> Tensor:
        """Draws K codes per image, (K, B, k)."""
        return qz_x.sample((self.draws or samples,), generator)

    def gradient(self, qz_x: IndependentBernoulli, z: Tensor, f: Tensor, log_q: Tensor) -> Tensor:
        """Returns the estimate of ∂ loss / ∂ logits, (B, k), from z (K, B, k), f (K, B) and log q(z|x) (K, B)."""
        return (f.unsqueeze(-1) * (z - qz_x.mean)).mean(0)

    def weights(self, qz_x: IndependentBernoulli, z: Tensor) -> Tensor:
        """Returns each code's weight in the mean E_q[log p(x|z)]: (K, B), summing to 1 over K."""
        return torch.full_like(z[..., 0], 1 / len(z))

    def decoder_weights(self, qz_x: IndependentBernoulli, z: Tensor, f: Tensor) -> Tensor:
        """Returns the weights with which log p(x|z) of each code teaches the decoder: (K, B), summing to 1 over K."""
        return self.weights(qz_x, z)

    def reconstruction(self, model: Model, z: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """Returns log p(x|z), nats, and ‖x − E[x|z]‖², pixel², for z (K, B, k), both (K, B)."""
        return model.decode(z).log_prob_and_squared_error(x)

    def loss_at(
        self,
        model: Model,
        qz_x: IndependentBernoulli,
        x: Tensor,
        samples: int,
        weight: Tensor,
        generator: Noise,
    ) -> Losses:
        q = IndependentBernoulli(qz_x.logits.detach())
        z = self.draw(q, samples, generator)
        log_px_z, squared_error = self.reconstruction(model, z, x)
        with torch.no_grad():
            log_q = q.log_prob(z)
            f = log_q - model.prior().log_prob(z) - weight * log_px_z
            weights = self.weights(q, z)
            terms = with_rate(model, q, -(weights * log_px_z).sum(0), (weights * squared_error).sum(0))
            taught = weight * self.decoder_weights(q, z, f)
            gradient = self.gradient(q, z, f, log_q)
        surrogate = (qz_x.logits * gradient).sum(-1) - (taught * log_px_z).sum(0)  # its gradient is the estimate
        return self.value(terms, f, weight) + surrogate - surrogate.detach(), terms

    def value(self, terms: ElboTerms, f: Tensor, weight: Tensor) -> Tensor:
        """Returns the loss's own estimate, (B,) nats."""
        return weight * terms.distortion + terms.rate


class RunningMean(LikelihoodRatio):
    """A baseline b, the running mean of f over batches past: E_q[b ∂ log q] = 0, and f − b is smaller than f."""

    name = "running-mean"
    about = "likelihood ratio with the running mean of f as baseline"
    rowwise = False
    MEMORY = 0.9

    def __init__(self, objective: type[Objective]) -> None:
        super().__init__(objective)
        self.register_buffer("baseline", torch.zeros(()))
        self.register_buffer("batches", torch.zeros(()))
        self.baseline: Tensor
        self.batches: Tensor

    def gradient(self, qz_x: IndependentBernoulli, z: Tensor, f: Tensor, log_q: Tensor) -> Tensor:
        gradient = super().gradient(qz_x, z, f - self.baseline, log_q)
        if self.training:
            self.batches += 1
            self.baseline += (f.mean() - self.baseline) * (1 / self.batches).clamp(min=1 - self.MEMORY)
        return gradient


class Rloo2(LikelihoodRatio):
    """Each code's baseline is the mean of f over the others: leave one out (Salimans & Knowles 2014; Kool 2019)."""

    name = "rloo-2"
    about = "two codes, each the other's baseline"
    draws = 2

    def gradient(self, qz_x: IndependentBernoulli, z: Tensor, f: Tensor, log_q: Tensor) -> Tensor:
        K = len(f)
        return super().gradient(qz_x, z, (f - f.mean(0)) * (K / (K - 1)), log_q)  # f_s − mean of the other K − 1


class Rloo4(Rloo2):
    name = "rloo-4"
    about = "four codes, each judged against the mean of the others: the default"
    draws = 4


class DisARM(LikelihoodRatio):
    """An antithetic pair z = 1[1 − u < σ(l)], z̃ = 1[u < σ(l)], its uniform noise integrated out of ARM (Dong, Mnih
    & Tucker 2020; Yin & Zhou 2019): ½ (f(z) − f(z̃)) (z_i − z̃_i) σ(|l_i|)."""

    name = "disarm"
    about = "an antithetic pair of codes"
    draws = 2

    def draw(self, qz_x: IndependentBernoulli, samples: int, generator: Noise) -> Tensor:
        logits, p = qz_x.logits, qz_x.mean
        u = uniform(logits.shape, generator, logits)
        return torch.stack([1 - u < p, u < p]).to(logits.dtype)

    def gradient(self, qz_x: IndependentBernoulli, z: Tensor, f: Tensor, log_q: Tensor) -> Tensor:
        difference = 0.5 * (f[0] - f[1]).unsqueeze(-1)
        return difference * (z[0] - z[1]) * qz_x.logits.abs().sigmoid()


class Vimco(LikelihoodRatio):
    """For the importance bound F14, L = log (1/K) Σ w_s: each code's baseline is L with its own w replaced by the
    geometric mean of the others (Mnih & Rezende 2016)."""

    name = "vimco"
    about = "for the importance bound: each code judged against the bound without it"
    objectives = ("iwae",)

    @classmethod
    def check(cls, samples: int, k: int) -> None:
        if samples < 2:
            raise ConfigError(f"samples: {cls.name} needs 2 or more per image, got {samples}; 5 is usual")

    def gradient(self, qz_x: IndependentBernoulli, z: Tensor, f: Tensor, log_q: Tensor) -> Tensor:
        log_w, K = -f, len(f)
        others = (log_w.sum(0) - log_w) / (K - 1)  # (K, B)
        replaced = log_w.unsqueeze(1) - torch.diag_embed((log_w - others).T).permute(1, 2, 0)  # (K, K, B): w_s in row s
        baseline = replaced.logsumexp(0)
        learning_signal = log_w.logsumexp(0) - baseline - torch.softmax(log_w, 0)  # ∂ log w_s = −∂ log q
        return -(learning_signal.unsqueeze(-1) * (z - qz_x.mean)).sum(0)

    def decoder_weights(self, qz_x: IndependentBernoulli, z: Tensor, f: Tensor) -> Tensor:
        return torch.softmax(-f, 0)

    def value(self, terms: ElboTerms, f: Tensor, weight: Tensor) -> Tensor:
        return math.log(len(f)) - torch.logsumexp(-f, 0)


class Exact(LikelihoodRatio):
    """No sampling: all 2^k codes, each with its probability. What the others are measured against."""

    name = "exact"
    about = "sums over all codes: no noise, for a few bits"
    rowwise = False
    MOST_BITS = 10

    @classmethod
    def check(cls, samples: int, k: int) -> None:
        if samples != 1:
            raise ConfigError(f"samples: {cls.name} goes through all codes; leave it at 1, got {samples}")
        if k > cls.MOST_BITS:
            raise ConfigError(
                f"latent_dim: {cls.name} decodes 2^k codes in a step, expected {cls.MOST_BITS} bits at most, got {k}"
            )

    @classmethod
    def decoded(cls, samples: int, k: int) -> int:
        return 1 << k

    def draw(self, qz_x: IndependentBernoulli, samples: int, generator: Noise) -> Tensor:
        check_bits(qz_x.logits.shape[-1])
        codes = all_codes(qz_x.logits.shape[-1], qz_x.logits.device, qz_x.logits.dtype)
        return codes.unsqueeze(1).expand(-1, len(qz_x.logits), -1)

    def gradient(self, qz_x: IndependentBernoulli, z: Tensor, f: Tensor, log_q: Tensor) -> Tensor:
        return ((log_q.exp() * f).unsqueeze(-1) * (z - qz_x.mean)).sum(0)

    def weights(self, qz_x: IndependentBernoulli, z: Tensor) -> Tensor:
        return qz_x.log_prob(z).exp()

    def reconstruction(self, model: Model, z: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """Decodes the codes once, since every image has the same: memory grows with 2^k + B instead of 2^k B."""
        px_z, exactly = model.decode(z[:, 0]), x.double()
        with torch.no_grad():
            squared_error = px_z.squared_error_table(exactly)
        return px_z.log_prob_table(exactly).to(x.dtype), squared_error.to(x.dtype)


class Printed(LikelihoodRatio):
    """The rule that one of the notes prints: −E_q[∂ log q · (log p(z) + log p(x|z))], without log q inside.

    With the prior Ber(½)^k it is the gradient of the reconstruction alone: nothing keeps q from collapsing to a point.
    """

    name = "printed"
    about = "the printed rule, log q left out: wrong, to watch it fail"
    unbiased = False
    trains = False

    def gradient(self, qz_x: IndependentBernoulli, z: Tensor, f: Tensor, log_q: Tensor) -> Tensor:
        return super().gradient(qz_x, z, f - log_q, log_q)


class StraightThrough(Estimator):
    """Backward as if z were its probability: ∂z/∂l := σ′(l) (Bengio, Léonard & Courville 2013). Biased."""

    name = "straight-through"
    about = "pretends that a bit is its probability: biased"
    unbiased = False

    def loss_at(
        self,
        model: Model,
        qz_x: IndependentBernoulli,
        x: Tensor,
        samples: int,
        weight: Tensor,
        generator: Noise,
    ) -> Losses:
        p = qz_x.mean
        z = qz_x.sample((samples,), generator) + (p - p.detach())
        log_px_z, squared_error = model.decode(z).log_prob_and_squared_error(x)
        terms = with_rate(model, qz_x, -log_px_z.mean(0), squared_error.mean(0))
        return weight * terms.distortion + terms.rate, terms


class Concrete(Estimator):
    """Bits relaxed into (0, 1): z = σ((l + logit u)/τ), u uniform (Maddison, Mnih & Teh 2017; Jang, Gu & Poole 2017).

    The gradient is that of the relaxed distortion, biased for τ > 0. The terms are those of real bits from the same u.
    """

    name = "concrete"
    about = "bits relaxed into (0, 1): biased"
    unbiased = False
    TEMPERATURE = 0.5

    def loss_at(
        self,
        model: Model,
        qz_x: IndependentBernoulli,
        x: Tensor,
        samples: int,
        weight: Tensor,
        generator: Noise,
    ) -> Losses:
        logits = qz_x.logits
        u = uniform((samples, *logits.shape), generator, logits)
        noisy = logits + torch.logit(u.clamp(1e-6, 1 - 1e-6))
        relaxed = -model.decode((noisy / self.TEMPERATURE).sigmoid()).log_prob(x).mean(0)
        with torch.no_grad():
            log_px_z, squared_error = model.decode((noisy > 0).to(logits.dtype)).log_prob_and_squared_error(x)
        terms = with_rate(model, qz_x, -log_px_z.mean(0), squared_error.mean(0))
        moved = weight * (relaxed - relaxed.detach())
        return weight * terms.distortion + terms.rate + moved, terms


ESTIMATORS: dict[str, type[Estimator]] = {
    estimator.name: estimator
    for estimator in (
        Pathwise,
        Rloo4,
        Rloo2,
        DisARM,
        RunningMean,
        LikelihoodRatio,
        Vimco,
        StraightThrough,
        Concrete,
        Exact,
        Printed,
    )
}


def choices(latent: str, objective: str) -> list[str]:
    """Returns the estimators that can train this latent with this objective, the default first."""
    takes = [n for n, e in ESTIMATORS.items() if e.trains and e.takes(LATENTS[latent])]
    return [n for n in takes if objective in ESTIMATORS[n].objectives]
