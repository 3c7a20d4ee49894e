"""The same model and DataLoader in a LightningModule, trained by Lightning's Trainer.

Logger, checkpoints, progress bar and model summary are off. Timed from the first epoch to the last.
"""

from __future__ import annotations

from typing import Any

from measuring import Stopwatch, report, settings

task, _ = settings(__doc__)

import lightning  # noqa: E402
import torch  # noqa: E402
import torchvision  # noqa: E402
from held_out import HeldOut  # noqa: E402
from plain_vae import model_and_loader, negative_elbo  # noqa: E402
from torch import Tensor  # noqa: E402


class Module(lightning.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.vae = vae

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        x, _label = batch
        p, mean, log_variance = self.vae(x)
        loss = negative_elbo(p, x, mean, log_variance) / len(x)
        self.log("train_loss", loss)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=task.lr)


class Watch(lightning.Callback):
    images = 0
    loss = float("nan")

    def on_train_start(self, trainer: lightning.Trainer, *_: Any) -> None:
        self.watch = Stopwatch()
        self.held_out = HeldOut(task, self.watch, vae.encode, vae.logits)

    def on_train_batch_end(
        self, trainer: lightning.Trainer, module: Any, outputs: Any, batch: list[Tensor], *_: Any
    ) -> None:
        self.images += len(batch[0])
        if self.held_out.reached(self.images):
            trainer.should_stop = True

    def on_train_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        self.watch.stop()
        self.loss = float(trainer.callback_metrics["train_loss"])


vae, loader = model_and_loader(task)
callback = Watch()
lightning.Trainer(
    accelerator="cpu",
    max_epochs=task.epochs,
    callbacks=[callback],
    logger=False,
    enable_checkpointing=False,
    enable_progress_bar=False,
    enable_model_summary=False,
).fit(Module(), loader)
versions = {"torch": torch.__version__, "torchvision": torchvision.__version__, "lightning": lightning.__version__}
report(callback.watch, callback.images, callback.loss, callback.held_out.curve, **versions)
