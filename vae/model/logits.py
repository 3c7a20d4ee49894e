"""log p(x|l) = Σ x·l − A(l) of pixels that a logit l each describes, and its gradient x − E[x|l].

    Bernoulli              x in {0, 1}*   A(l) = max(l, 0) − log σ(|l|)                mean σ(l)
    continuous Bernoulli   x in [0, 1]    A(l) = max(l, 0) + log((1 − e^−|l|) / |l|)   mean 1/(1 − e^−l) − 1/l

(* Grey pixels give the cross-entropy. Loaiza-Ganem & Cunningham 2019 for the second.) In nats, summed over the
pixels. x·l − max(l, 0) is taken pixel by pixel: two large sums would cancel.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from vae.model.likelihood import EVENT

MOST_FACTORS = 64  # of ½ or more: their product, 2^-64 at least, is far above float32's smallest number
NEAR = 0.5  # |l| below which the continuous Bernoulli's series are used: good to 5e-11 there


class _BernoulliLogProb(torch.autograd.Function):
    """log p and the residual x − σ(l).

    torch's own takes log1p, which costs ten times its log on some CPUs, and a second sigmoid for the gradient.
    σ(|l|) = max(σ, 1 − σ) is ½ at least: its log is exact to the last digit of 1, also where σ is 0 or 1, and so is
    the log of a product of up to MOST_FACTORS of them, which takes the place of as many logs.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(logits: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        p = logits.sigmoid()
        return _linear(logits, x).sum(EVENT) + _sum_of_logs(p.maximum(1 - p)), x - p

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: tuple[Tensor, Tensor]) -> None:
        ctx.set_materialize_grads(False)  # no zeros for the residual
        ctx.save_for_backward(*inputs, output[1])

    @staticmethod
    def backward(ctx: Any, of_log_prob: Tensor | None, of_residual: Tensor | None) -> tuple[Tensor | None, ...]:
        logits, x, residual = ctx.saved_tensors
        variance = None if of_residual is None else (x - residual) * (1 - x + residual)  # p (1 − p)
        return _gradients(logits, residual, of_log_prob, of_residual, variance, ctx.needs_input_grad[1])


class _ContinuousBernoulliLogProb(torch.autograd.Function):
    """log p and the residual x − E[x|l]. Both A and the mean have a removable singularity at l = 0; Taylor series stand
    in around it. Elsewhere one exponential and one log serve both, where autograd would take four and their own
    gradients."""

    generate_vmap_rule = True

    @staticmethod
    def forward(logits: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        log_ratio, mean = _continuous(logits)
        return (_linear(logits, x) - log_ratio).sum(EVENT), x - mean

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: tuple[Tensor, Tensor]) -> None:
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(inputs[0], output[1])

    @staticmethod
    def backward(ctx: Any, of_log_prob: Tensor | None, of_residual: Tensor | None) -> tuple[Tensor | None, ...]:
        logits, residual = ctx.saved_tensors
        variance = None if of_residual is None else _continuous_variance(logits)
        return _gradients(logits, residual, of_log_prob, of_residual, variance, ctx.needs_input_grad[1])


def _gradients(
    logits: Tensor,
    residual: Tensor,
    of_log_prob: Tensor | None,
    of_residual: Tensor | None,
    variance: Tensor | None,
    x_too: bool,
) -> tuple[Tensor | None, Tensor | None]:
    """Returns those of the logits and of x. The residual has one in a second derivative only: the mean changes with the
    logit as the variance says."""
    to_logits = to_x = None
    if of_log_prob is not None:
        each = of_log_prob[..., None, None, None]
        to_logits, to_x = residual * each, logits * each if x_too else None
    if of_residual is not None and variance is not None:
        curved = -variance * of_residual
        to_logits = curved if to_logits is None else to_logits + curved
        to_x = of_residual if to_x is None else to_x + of_residual
    return to_logits, to_x


def _linear(logits: Tensor, x: Tensor) -> Tensor:
    """Returns x·l − max(l, 0) of each pixel."""
    return torch.addcmul(logits.relu().neg_(), x, logits)


def _sum_of_logs(p: Tensor) -> Tensor:
    """Returns Σ log p over the pixels, (...), of p (..., channels, height, width) from ½ to 1."""
    pixels = p.flatten(-3)
    factors = max(n for n in range(1, MOST_FACTORS + 1) if pixels.shape[-1] % n == 0)
    product: Tensor = pixels.unflatten(-1, (-1, factors)).prod(-1)
    return product.log().sum(-1)


def _continuous(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Returns log((1 − e^−|l|) / |l|) and 1/(1 − e^−l) − 1/l, of the shape of the logits. Both branches are finite
    at any finite logit, and so are their gradients."""
    size, inside = logits.abs(), logits.clamp(-2 * NEAR, 2 * NEAR)
    near, far, a2 = size < NEAR, size.clamp(min=NEAR / 2), inside.square()
    ratio_series = a2 * (1 / 24 - a2 * (1 / 2880 - a2 * (1 / 181440 - a2 / 9676800))) - size / 2
    mean_series = 0.5 + inside * (1 / 12 - a2 * (1 / 720 - a2 * (1 / 30240 - a2 / 1209600)))
    falling = (-far).exp()
    rest = 1 - falling
    below = 1 / far - falling / rest  # the mean at −|l|
    log_ratio = torch.where(near, ratio_series, (rest / far).log())
    return log_ratio, torch.where(near, mean_series, torch.where(logits < 0, below, 1 - below))


def _continuous_variance(logits: Tensor) -> Tensor:
    """Returns Var[x|l] = 1/l² − e^−|l| / (1 − e^−|l|)²."""
    size = logits.abs()
    a2, far = size.clamp(max=NEAR).square(), size.clamp(min=NEAR / 2)
    series = 1 / 12 - a2 * (1 / 240 - a2 * (1 / 6048 - a2 * (1 / 172800 - a2 / 5322240)))
    falling = (-far).exp()
    return torch.where(size < NEAR, series, far**-2 - falling / (1 - falling) ** 2)


def bernoulli_log_prob(logits: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """Returns log p(x|l), nats, (...), and x − E[x|l] without a gradient; logits and x (..., channels, height, width)
    broadcast; x in [0, 1]."""
    log_prob, residual = _BernoulliLogProb.apply(*torch.broadcast_tensors(logits, x))
    return log_prob, residual.detach()


def continuous_bernoulli_log_prob(logits: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the same of a continuous Bernoulli."""
    log_prob, residual = _ContinuousBernoulliLogProb.apply(*torch.broadcast_tensors(logits, x))
    return log_prob, residual.detach()


def continuous_bernoulli_mean(logits: Tensor) -> Tensor:
    """Returns E[x|l], of the shape of the logits."""
    return _continuous(logits)[1]
