"""Which images a step sees: an endless row of permutations of the training set, so that every batch is full."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from vae.training.cuda_graphs import sent


class Batches:
    """Deals out the rows of N images, B a step, in an order that the seed gives."""

    def __init__(self, N: int, B: int, seed: int, device: torch.device) -> None:
        self.N, self.B, self.device = N, B, device
        self.generator = Generator().manual_seed(seed)
        self.order, self.cursor = self._permutation(), 0

    def next(self, count: int) -> Tensor:
        """Returns the rows of the next `count` batches, (count, B) int64, on the device."""
        wanted = count * self.B
        while self.cursor + wanted > len(self.order):
            self.order, self.cursor = torch.cat([self.order[self.cursor :], self._permutation()]), 0
        rows = self.order[self.cursor : self.cursor + wanted].view(count, self.B)
        self.cursor += wanted
        return rows

    def state(self) -> dict[str, Tensor]:
        """Returns what is left of the order, and the generator's state: `load_state` goes on exactly there."""
        return {"order": self.order[self.cursor :], "order_generator": self.generator.get_state()}

    def load_state(self, tensors: dict[str, Tensor], cursor: int) -> None:
        """Goes on as `state` was; `cursor`: how much of the order is gone, 0 but in old states."""
        self.order, self.cursor = tensors["order"].to(self.device), cursor
        self.generator.set_state(tensors["order_generator"])

    def _permutation(self) -> Tensor:
        return sent(torch.randperm(self.N, generator=self.generator), self.device)
