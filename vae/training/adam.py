"""Adam (Kingma & Ba 2015), with its state beside each parameter, so that one call can update several models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim.adam import adam

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


@dataclass
class Moments:
    """Running means of a parameter's gradient and of its square, and how many steps they hold (on the device)."""

    parameter: nn.Parameter
    name: str
    speed: float  # factor on the learning rate
    step: Tensor
    exp_avg: Tensor
    exp_avg_sq: Tensor

    @classmethod
    def of(cls, parameter: nn.Parameter, name: str, speed: float = 1.0) -> Moments:
        step = torch.zeros((), device=parameter.device)
        zeros = [torch.zeros_like(parameter, memory_format=torch.preserve_format) for _ in range(2)]
        return cls(parameter, name, speed, step, *(z.detach() for z in zeros))

    def tensors(self) -> dict[str, Tensor]:
        return {"step": self.step, "exp_avg": self.exp_avg, "exp_avg_sq": self.exp_avg_sq}


def adam_step(moments: Sequence[Moments], gradients: Sequence[Tensor], lr: float | Tensor) -> None:
    """One update, fused where the device has it: p ← p − lr · m̂ / (√v̂ + ε). `lr` as a tensor is read by a CUDA graph
    at each replay."""
    for speed in dict.fromkeys(m.speed for m in moments):
        chosen = [(m, g) for m, g in zip(moments, gradients, strict=True) if m.speed == speed]
        adam(
            [m.parameter for m, _ in chosen],
            [g for _, g in chosen],
            [m.exp_avg for m, _ in chosen],
            [m.exp_avg_sq for m, _ in chosen],
            [],
            [m.step for m, _ in chosen],
            fused=True,
            capturable=True,
            amsgrad=False,
            beta1=BETA1,
            beta2=BETA2,
            lr=lr if speed == 1 else lr * speed,
            weight_decay=0.0,
            eps=EPSILON,
            maximize=False,
        )
