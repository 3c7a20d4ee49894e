"""A training by Hugging Face's Trainer on ELBO Room's pages: `python -m examples.trainer_callback` (needs
`transformers` and `accelerate`).

The callback is `ElboRoom`. What it asks of a model: `forward` keeps the unreduced terms in `self.terms`, and its loss
weights the distortion with `self.C`.
"""

from __future__ import annotations

import argparse
import tempfile
from typing import Any

from torch import Tensor, nn
from transformers import Trainer, TrainerCallback, TrainingArguments

import vae
from examples.own_loop import Decoder, Encoder, terms
from vae.datasets import load_dataset


class ElboRoom(TrainerCallback):
    def __init__(self, name: str, **options: Any) -> None:
        self.log = vae.log(name, **options)

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        self.log.step(**model.terms, epoch=state.epoch or 0.0)
        model.C, control.should_training_stop = self.log.C, control.should_training_stop or self.log.stopped

    def on_prediction_step(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        self.log.test(**model.terms)

    def on_evaluate(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        self.log.model(model.encoder, model.decoder)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.log.close()


class Vae(nn.Module):
    C = 1.0

    def __init__(self, shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.encoder, self.decoder = Encoder(shape[0] * shape[1] * shape[2]), Decoder(shape)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        distortion, rate = terms(self.encoder, self.decoder, x)
        self.terms = {"distortion": distortion.detach(), "rate": rate.detach()}
        return {"loss": (self.C * distortion + rate.sum(1)).mean()}


def main(epochs: int, name: str) -> None:
    data = load_dataset("digits", binarize="threshold")
    train, test = data.to_float(data.train), data.to_float(data.test)
    room = ElboRoom(name, images=test, labels=data.test_labels, likelihood="bernoulli")
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder, num_train_epochs=epochs, per_device_train_batch_size=128, per_device_eval_batch_size=128,
            learning_rate=1e-3, eval_strategy="epoch", save_strategy="no", report_to=[], use_cpu=True,
            disable_tqdm=True, prediction_loss_only=True, dataloader_pin_memory=False,
        )  # fmt: skip
        rows = [[{"x": x} for x in part] for part in (train, test)]
        Trainer(Vae(data.shape), arguments, train_dataset=rows[0], eval_dataset=rows[1], callbacks=[room]).train()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A VAE that the Trainer trains, live on ELBO Room's pages.")
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--name", default="trainer")
    main(**vars(parser.parse_args()))
