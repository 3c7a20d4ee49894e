"""Σ x log p + (1−x) log(1−p) from logits, p = σ(l), and its gradient, in few passes over the pixels."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

EVENT = (-3, -2, -1)  # channels, height, width
MOST_FACTORS = 64  # of ½ or more: their product, 2^-64 at least, is far above float32's smallest number


class _LogProb(torch.autograd.Function):
    """Forward x·l − max(l, 0) + log σ(|l|), and the residual x − σ(l), which is the gradient.

    torch's own takes log1p, which costs ten times its log on some CPUs, and a second sigmoid for the gradient.
    σ(|l|) = max(σ, 1 − σ) is ½ at least: its log is exact to the last digit of 1, also where σ is 0 or 1, and so is
    the log of a product of up to MOST_FACTORS of them, which takes the place of as many logs.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(logits: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        p = logits.sigmoid()
        residual = x - p
        linear = torch.addcmul(logits.relu().neg_(), x, logits).sum(EVENT)
        return linear + _sum_of_logs(p.maximum(1 - p)), residual

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: tuple[Tensor, Tensor]) -> None:
        ctx.set_materialize_grads(False)  # no zeros for the residual
        ctx.save_for_backward(*inputs, output[1])

    @staticmethod
    def backward(
        ctx: Any, of_log_prob: Tensor | None, of_residual: Tensor | None
    ) -> tuple[Tensor | None, Tensor | None]:
        logits, x, residual = ctx.saved_tensors
        to_logits = to_x = None
        if of_log_prob is not None:
            each = of_log_prob[..., None, None, None]
            to_logits, to_x = residual * each, logits * each if ctx.needs_input_grad[1] else None
        if of_residual is not None:  # of a second derivative: dp/dl = p (1 − p)
            curved = (residual - x) * (1 - x + residual) * of_residual
            to_logits = curved if to_logits is None else to_logits + curved
            to_x = of_residual if to_x is None else to_x + of_residual
        return to_logits, to_x


def _sum_of_logs(p: Tensor) -> Tensor:
    """Returns Σ log p over the pixels, (...), of p (..., channels, height, width) from ½ to 1."""
    pixels = p.flatten(-3)
    factors = max(n for n in range(1, MOST_FACTORS + 1) if pixels.shape[-1] % n == 0)
    product: Tensor = pixels.unflatten(-1, (-1, factors)).prod(-1)
    return product.log().sum(-1)


def bernoulli_log_prob(logits: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """Returns Σ x log p + (1−x) log(1−p), nats, (...), and x − p without a gradient; logits and x (..., channels,
    height, width) broadcast; x in [0, 1]."""
    log_prob, residual = _LogProb.apply(*torch.broadcast_tensors(logits, x))
    return log_prob, residual.detach()
