"""A pythae training on ELBO Room's pages: `python -m examples.pythae_callback` (needs `pythae`).

The callback is `ElboRoom`. pythae's models reduce their loss themselves, so `Vae` has the same one with the unreduced
terms kept and the error weighted with C. pythae cannot be stopped early: Stop on the page does nothing here.
"""

from __future__ import annotations

import argparse
import tempfile
from typing import Any

import torch.nn.functional as F
from pythae.data.datasets import BaseDataset
from pythae.models import VAE, VAEConfig
from pythae.trainers import BaseTrainer, BaseTrainerConfig
from pythae.trainers.training_callbacks import TrainingCallback
from torch import Tensor

import vae
from vae.datasets import load_dataset


class ElboRoom(TrainingCallback):
    def __init__(self, name: str, **options: Any) -> None:
        self.log = vae.log(name, **options)

    def on_train_step_end(self, training_config: Any, model: Any = None, **kwargs: Any) -> None:
        self.log.step(**model.terms)
        model.C = self.log.C

    def on_eval_step_end(self, training_config: Any, model: Any = None, **kwargs: Any) -> None:
        self.log.test(**model.terms)

    def on_epoch_end(self, training_config: Any, model: Any = None, **kwargs: Any) -> None:
        self.log.model(model.encoder, model.decoder)

    def on_train_end(self, training_config: Any, **kwargs: Any) -> None:
        self.log.close()


class Vae(VAE):
    """pythae's VAE with binary cross-entropy, whose error C weights; `terms` keeps what its loss is made of."""

    C = 1.0

    def loss_function(self, recon_x: Tensor, x: Tensor, mu: Tensor, log_var: Tensor, z: Tensor) -> tuple[Tensor, ...]:
        error = F.binary_cross_entropy(recon_x.flatten(1), x.flatten(1), reduction="none").sum(1)
        rate = 0.5 * (mu**2 + log_var.exp() - 1 - log_var)
        self.terms = {"distortion": error.detach(), "rate": rate.detach()}
        return (self.C * error + rate.sum(1)).mean(), error.mean(), rate.sum(1).mean()


def main(epochs: int, name: str) -> None:
    data = load_dataset("digits", binarize="threshold")
    train, test = data.to_float(data.train), data.to_float(data.test)
    room = ElboRoom(name, images=test, labels=data.test_labels, likelihood="bernoulli")
    model = Vae(VAEConfig(input_dim=data.shape, latent_dim=8, reconstruction_loss="bce"))
    with tempfile.TemporaryDirectory() as folder:
        config = BaseTrainerConfig(
            output_dir=folder, num_epochs=epochs, no_cuda=True, learning_rate=1e-3,
            per_device_train_batch_size=128, per_device_eval_batch_size=128,
        )  # fmt: skip
        parts = (BaseDataset(part, part.new_zeros(len(part))) for part in (train, test))
        BaseTrainer(model, *parts, training_config=config, callbacks=[room]).train()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A VAE that pythae trains, live on ELBO Room's pages.")
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--name", default="pythae")
    main(**vars(parser.parse_args()))
