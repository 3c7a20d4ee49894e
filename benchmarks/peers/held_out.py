"""The held-out −ELBO on the way, computed for every loop by the same lines and outside its stopwatch.

One sample of z per image, the same noise at every look and for every loop, logits in place of the loops' sigmoids.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from measuring import Settings, Stopwatch
from torch import Tensor

ROWS = 500


class HeldOut:
    """encode: (B, 1, height, width) -> mean and log variance of q(z|x), (B, k) each. logits: z -> (B, pixels)."""

    def __init__(
        self,
        task: Settings,
        watch: Stopwatch,
        encode: Callable[[Tensor], tuple[Tensor, Tensor]],
        logits: Callable[[Tensor], Tensor],
    ) -> None:
        self.task, self.watch, self.encode, self.logits = task, watch, encode, logits
        self.images = torch.from_numpy(np.load(task.pixels)["test"]).unsqueeze(1)
        self.curve: list[tuple[int, float, float, float]] = []
        self.next = task.look_every

    def reached(self, images: int) -> bool:
        """To be asked after each step, with the images trained on so far: whether training may end."""
        if not self.task.targets or images < self.next:
            return False
        self.watch.stop()
        self.next += self.task.look_every
        nats = self.negative_elbo()
        self.curve.append((images, self.watch.cpu, self.watch.wall, nats))
        self.watch.start()
        return nats <= min(self.task.targets) or self.watch.cpu >= self.task.budget

    @torch.no_grad()
    def negative_elbo(self) -> float:
        noise, total = torch.Generator().manual_seed(0), 0.0
        for start in range(0, len(self.images), ROWS):
            x = self.images[start : start + ROWS].float()
            mean, log_variance = self.encode(x)
            z = mean + torch.exp(0.5 * log_variance) * torch.randn(mean.shape, generator=noise)
            logits = self.logits(z).flatten(1)
            distortion = F.binary_cross_entropy_with_logits(logits, x.flatten(1), reduction="sum")
            rate = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum()
            total += (distortion + rate).item()
        return total / len(self.images)
