"""Adam (Kingma & Ba 2015) for searches that are short: the first use of torch's own imports for more than a second."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

FORGETS, FORGETS_SQUARES, SMALL = 0.9, 0.999, 1e-8


class Descent:
    """m ← β₁ m + (1 − β₁) g, v ← β₂ v + (1 − β₂) g², θ ← θ − r m̂ / (√v̂ + ε); m̂ and v̂ without the bias of their
    start at 0."""

    def __init__(self, parameters: Sequence[Tensor]) -> None:
        self.parameters, self.steps = list(parameters), 0
        self.means = [torch.zeros_like(one) for one in self.parameters]
        self.squares = [torch.zeros_like(one) for one in self.parameters]

    @torch.no_grad()
    def step(self, loss: Tensor, rate: float) -> None:
        """Moves the parameters against the gradient of the loss, in place."""
        self.steps += 1
        gradients = torch.autograd.grad(loss, self.parameters)
        for one, g, m, v in zip(self.parameters, gradients, self.means, self.squares, strict=True):
            m.lerp_(g, 1 - FORGETS)
            v.mul_(FORGETS_SQUARES).addcmul_(g, g, value=1 - FORGETS_SQUARES)
            spread = (v / (1 - FORGETS_SQUARES**self.steps)).sqrt_().add_(SMALL)
            one.addcdiv_(m, spread, value=-rate / (1 - FORGETS**self.steps))
