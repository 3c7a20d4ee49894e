"""A training loop of one's own, live on ELBO Room's pages: `python -m examples.own_loop`, with the application open.

The model and the loop are those of the basic VAE in PyTorch's examples (784-400-20, Bernoulli pixels, Adam at 1e-3),
written anew. Four added lines bring its curves to the Train page, and C, learning rate, pause and single steps from
there into the loop; two more let Stop stop it, and Explore and Map show what it has learned. All are marked.
"""

from __future__ import annotations

import argparse
import hashlib
import time

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import vae  # added: 1
from vae.datasets import is_here, load_dataset

LATENTS = 20


class Encoder(nn.Module):
    """x (B, c, h, w) -> mean and log-variance of q(z|x), (B, k) each."""

    def __init__(self, pixels: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(pixels, 400)
        self.mean, self.log_variance = nn.Linear(400, LATENTS), nn.Linear(400, LATENTS)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = F.relu(self.hidden(x.flatten(1)))
        return self.mean(h), self.log_variance(h)


class Decoder(nn.Module):
    """z (B, k) -> probabilities of white pixels, (B, c, h, w)."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.shape = shape
        self.hidden, self.pixels = nn.Linear(LATENTS, 400), nn.Linear(400, shape[0] * shape[1] * shape[2])

    def forward(self, z: Tensor) -> Tensor:
        return torch.sigmoid(self.pixels(F.relu(self.hidden(z)))).view(-1, *self.shape)


def terms(encoder: Encoder, decoder: Decoder, x: Tensor) -> tuple[Tensor, Tensor]:
    """Cross-entropy (B,) and KL (B, k) of each image, in nats."""
    mean, log_variance = encoder(x)
    z = mean + torch.randn_like(mean) * torch.exp(0.5 * log_variance)
    cross_entropy = F.binary_cross_entropy(decoder(z), x, reduction="none").flatten(1).sum(1)
    return cross_entropy, 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance)


def main(epochs: int, steps: float, seconds: float, name: str) -> None:
    torch.manual_seed(1)
    torch.set_num_threads(1)
    data = load_dataset("mnist" if is_here("mnist") else "digits", binarize="threshold")
    train, test = data.to_float(data.train), data.to_float(data.test)
    encoder, decoder = Encoder(data.info.pixels), Decoder(data.shape)
    optimiser = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=1e-3)
    end, step = time.monotonic() + seconds, 0

    with vae.log(name, images=test, labels=data.test_labels, likelihood="bernoulli") as log:  # added: 2
        for epoch in range(1, epochs + 1):
            for rows in torch.randperm(len(train)).split(128):
                cross_entropy, kl = terms(encoder, decoder, train[rows])
                loss = (log.C * cross_entropy + kl.sum(1)).mean()  # C from the page: `log.C *` is all that changed
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                step += 1
                log.step(distortion=cross_entropy, rate=kl, lr=1e-3, epoch=step * 128 / len(train))  # added: 3
                if step % 10 == 0:
                    print(f"epoch {epoch}, step {step}: loss {loss.item():.3f}", flush=True)
                if step >= steps or time.monotonic() > end or log.stopped:  # added: log.stopped
                    break
            with torch.no_grad():
                total = 0.0
                for x in test.split(1000):
                    cross_entropy, kl = terms(encoder, decoder, x)
                    log.test(distortion=cross_entropy, rate=kl)  # added: 4
                    total += (cross_entropy + kl.sum(1)).sum().item()
            log.model(encoder, decoder)  # added, for Explore and Map
            print(f"epoch {epoch}: held-out −ELBO {total / len(test):.6f} nats", flush=True)
            if step >= steps or time.monotonic() > end or log.stopped:
                break
    weights = b"".join(p.detach().numpy().tobytes() for p in [*encoder.parameters(), *decoder.parameters()])
    print(f"weights {hashlib.sha256(weights).hexdigest()}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A VAE that a loop of one's own trains, live on ELBO Room's pages.")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--steps", type=float, default=float("inf"), help="at most")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="at most")
    parser.add_argument("--name", default="own-loop")
    main(**vars(parser.parse_args()))
