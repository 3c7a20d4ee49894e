"""A model of one's own on ELBO Room's pages: `python examples/own_model.py`, then open its run in the application.

A convolutional VAE as people write it (BatchNorm, SiLU, Upsample, 16 latent dimensions, pixels from −1 to 1), trained
by a plain loop on the digits that come with scikit-learn. One call of `vae.wrap` makes a run of it.
"""

from __future__ import annotations

import argparse
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import vae

LATENTS, C = 16, 20.0  # C = 1/(2c): the noise of a pixel has variance c = 0.025


class VAE(nn.Module):
    """x (B, 1, 16, 16) in [-1, 1] <-> z (B, 16)."""

    def __init__(self) -> None:
        super().__init__()
        self.front = nn.Sequential(
            nn.Conv2d(1, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.SiLU(),
            nn.Conv2d(16, 32, 3, 2, 1), nn.BatchNorm2d(32), nn.SiLU(), nn.Flatten(),
        )  # fmt: skip
        self.mean, self.log_variance = nn.Linear(512, LATENTS), nn.Linear(512, LATENTS)
        self.dense = nn.Linear(LATENTS, 512)
        self.back = nn.Sequential(
            nn.BatchNorm2d(32), nn.SiLU(), nn.Upsample(scale_factor=2),
            nn.Conv2d(32, 16, 3, padding=1), nn.BatchNorm2d(16), nn.SiLU(),
            nn.Upsample(scale_factor=2, mode="bilinear"), nn.Conv2d(16, 1, 3, padding=1), nn.Tanh(),
        )  # fmt: skip

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = self.front(x)
        return self.mean(h), self.log_variance(h)

    def decode(self, z: Tensor) -> Tensor:
        return self.back(self.dense(z).view(-1, 32, 4, 4))


def terms(model: VAE, x: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
    """Distortion and rate (B,) in nats: a Gaussian likelihood whose every pixel has variance 1/(2C)."""
    mean, log_variance = model.encode(x)
    z = mean + (log_variance / 2).exp() * torch.randn(mean.shape, generator=generator)
    squared_error = (x - model.decode(z)).square().sum((1, 2, 3))
    distortion = C * squared_error + x[0].numel() / 2 * math.log(math.pi / C)
    return distortion, 0.5 * (mean**2 + log_variance.exp() - log_variance - 1).sum(1)


def main(epochs: int, name: str) -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    digits = vae.load_dataset("digits")
    train, test = (2 * F.interpolate(digits.to_float(x), scale_factor=2) - 1 for x in (digits.train, digits.test))
    model = VAE()
    optimiser = torch.optim.Adam(model.parameters(), 2e-3)
    for _ in range(epochs):
        for rows in torch.randperm(len(train)).split(64):
            distortion, rate = terms(model, train[rows])
            optimiser.zero_grad()
            (distortion + rate).mean().backward()
            optimiser.step()

    run = vae.wrap(
        model.encode, model.decode, images=test, labels=digits.test_labels, likelihood="gaussian", pixels=(-1, 1), C=C,
        name=name,
    )  # fmt: skip

    model.eval()
    with torch.no_grad():
        own = terms(model, test, torch.Generator().manual_seed(1))
    found = vae.elbo_terms(run.model, test, generator=torch.Generator().manual_seed(1))
    for what, mine, theirs in zip(("distortion", "rate"), own, (found.distortion, found.rate), strict=True):
        print(f"{what:<10} {mine.mean():.6f} nats by this script, {theirs.mean():.6f} by the run")
    print(f"run: {run.path}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--name", default="own-model", help="of the run")
    options = parser.parse_args()
    main(options.epochs, options.name)
