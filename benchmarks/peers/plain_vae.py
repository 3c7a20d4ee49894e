"""The VAE, its loss and its data as most examples have them, for the loops that are written around them.

Written from scratch for this comparison; nothing of it is slowed down.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
import torchvision
from measuring import Settings
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Subset


class VAE(nn.Module):
    def __init__(self, pixels: int, hidden: int, latent: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(pixels, hidden)
        self.mean = nn.Linear(hidden, latent)
        self.log_variance = nn.Linear(hidden, latent)
        self.decoder_hidden = nn.Linear(latent, hidden)
        self.pixels = nn.Linear(hidden, pixels)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = F.relu(self.hidden(x.flatten(1)))
        return self.mean(h), self.log_variance(h)

    def logits(self, z: Tensor) -> Tensor:
        return self.pixels(F.relu(self.decoder_hidden(z)))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mean, log_variance = self.encode(x)
        scale = torch.exp(0.5 * log_variance)
        return torch.sigmoid(self.logits(mean + scale * torch.randn_like(scale))), mean, log_variance


def negative_elbo(p: Tensor, x: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """Summed over the batch, nats."""
    cross_entropy = F.binary_cross_entropy(p, x.flatten(1), reduction="sum")
    kl = -0.5 * torch.sum(1 + log_variance - mean.pow(2) - log_variance.exp())
    return cross_entropy + kl


class Images(torchvision.datasets.MNIST):
    """torchvision's dataset, which makes a picture and a tensor of every image anew, over our pixels."""

    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__("", transform=torchvision.transforms.ToTensor())

    def _check_exists(self) -> bool:
        return True

    def _load_data(self) -> tuple[Tensor, Tensor]:
        pixels = torch.from_numpy(np.load(self.path)["train"]) * 255  # ToTensor divides by it
        return pixels, torch.zeros(len(pixels), dtype=torch.int64)


def model_and_loader(task: Settings) -> tuple[VAE, DataLoader[Any]]:
    dataset: Dataset[Any] = Images(task.pixels)
    images = dataset.data  # type: ignore[attr-defined]
    if task.limit:
        dataset = Subset(dataset, range(min(task.limit, len(images))))
    torch.set_num_threads(task.threads)
    torch.manual_seed(0)
    model = VAE(images[0].numel(), task.hidden, task.latent)
    return model, DataLoader(dataset, batch_size=task.batch, shuffle=True)
