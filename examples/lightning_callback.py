"""A Lightning training on ELBO Room's pages: `python -m examples.lightning_callback` (needs `lightning`).

The callback is `ElboRoom`. What it asks of a LightningModule: `training_step` and `validation_step` return the
unreduced terms beside the loss, and the loss weights the distortion with `self.C`.
"""

from __future__ import annotations

import argparse
from typing import Any

import lightning
import torch
from torch import Tensor
from torch.utils.data import DataLoader

import vae
from examples.own_loop import Decoder, Encoder, terms
from vae.datasets import load_dataset


class ElboRoom(lightning.Callback):
    def __init__(self, name: str, **options: Any) -> None:
        self.room = vae.log(name, **options)

    def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.room.step(distortion=outputs["distortion"], rate=outputs["rate"], epoch=trainer.current_epoch)
        module.C, trainer.should_stop = self.room.C, trainer.should_stop or self.room.stopped

    def on_validation_batch_end(self, trainer: Any, module: Any, outputs: Any, *batch: Any) -> None:
        if not trainer.sanity_checking:
            self.room.test(distortion=outputs["distortion"], rate=outputs["rate"])

    def on_validation_end(self, trainer: Any, module: Any) -> None:
        self.room.model(module.encoder, module.decoder)

    def on_exception(self, trainer: Any, module: Any, exception: BaseException) -> None:
        self.room.close(exception)

    def on_fit_end(self, trainer: Any, module: Any) -> None:
        self.room.close()


class Vae(lightning.LightningModule):
    C = 1.0

    def __init__(self, shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.encoder, self.decoder = Encoder(shape[0] * shape[1] * shape[2]), Decoder(shape)

    def training_step(self, x: Tensor, index: int = 0) -> dict[str, Tensor]:
        distortion, rate = terms(self.encoder, self.decoder, x)
        return {"loss": (self.C * distortion + rate.sum(1)).mean(), "distortion": distortion, "rate": rate}

    def validation_step(self, x: Tensor, index: int = 0) -> dict[str, Tensor]:
        return self.training_step(x)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=1e-3)


def main(epochs: int, name: str) -> None:
    data = load_dataset("digits", binarize="threshold")
    train, test = data.to_float(data.train), data.to_float(data.test)
    room = ElboRoom(name, images=test, labels=data.test_labels, likelihood="bernoulli")
    trainer = lightning.Trainer(
        max_epochs=epochs, callbacks=[room], accelerator="cpu", logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    loaders = (DataLoader(part, batch_size=128, shuffle=part is train) for part in (train, test))
    trainer.fit(Vae(data.shape), *loaders)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A VAE that Lightning trains, live on ELBO Room's pages.")
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--name", default="lightning")
    main(**vars(parser.parse_args()))
