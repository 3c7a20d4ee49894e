"""What a gradient estimator is: how the gradient of E_q[…] reaches the encoder.

A normal latent has a path from its parameters to z (`pathwise`). Bits have none. With f(z) = log q(z|x) − log p(z)
− C log p(x|z), so that E_q[f] is the loss,

F13   ∇_φ E_q[f] = E_q[f(z) ∇_φ log q(z|x)]          and, for bits with logits l,   ∂ log q / ∂l_i = z_i − σ(l_i).

An estimator for bits is three small things: a joint draw of K codes, its gradient in the logits, and the weights with
which log p(x|z) of those codes teaches the decoder.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from vae.bound.objective import ElboTerms, Objective, with_rate
from vae.errors import ConfigError
from vae.model.latent import IndependentBernoulli, Latent
from vae.model.random_draws import Noise
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
