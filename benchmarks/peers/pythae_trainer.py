"""pythae's own BaseTrainer around the networks of `vae.model`, in an environment that has it (../requirements.txt).

pythae 0.1.2 runs unchanged with current torch and pydantic. Timed from the start of the first epoch to the end of the
last, by pythae's callbacks: setting up and saving the final model are left out, its progress bar is left in.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
from pathlib import Path

from measuring import Stopwatch, report, settings

task, _ = settings(__doc__)
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np  # noqa: E402
import pydantic  # noqa: E402
import torch  # noqa: E402
from held_out import HeldOut  # noqa: E402
from pythae.data.datasets import BaseDataset  # noqa: E402
from pythae.models import VAE, VAEConfig  # noqa: E402
from pythae.models.base.base_utils import ModelOutput  # noqa: E402
from pythae.models.nn import BaseDecoder, BaseEncoder  # noqa: E402
from pythae.trainers import BaseTrainer, BaseTrainerConfig  # noqa: E402
from pythae.trainers.training_callbacks import TrainingCallback  # noqa: E402
from torch import Tensor  # noqa: E402

from vae.model.networks import NETWORKS  # noqa: E402

PYTHAE = "0.1.2"  # it declares no version of its own at run time


class Encoder(BaseEncoder):
    def __init__(self) -> None:
        super().__init__()
        self.layers = NETWORKS[task.network].encoder(shape, 2 * task.latent, (task.hidden,), "relu")

    def both(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_variance = self.layers(x).chunk(2, dim=1)
        return mean, log_variance

    def forward(self, x: Tensor) -> ModelOutput:
        mean, log_variance = self.both(x)
        return ModelOutput(embedding=mean, log_covariance=log_variance)


class Decoder(BaseDecoder):
    def __init__(self) -> None:
        super().__init__()
        self.logits = NETWORKS[task.network].decoder(task.latent, shape, 1, (task.hidden,), "relu")

    def forward(self, z: Tensor) -> ModelOutput:
        return ModelOutput(reconstruction=torch.sigmoid(self.logits(z)))


class Reached(Exception):
    pass


class Watch(TrainingCallback):
    watch: Stopwatch | None = None
    loss = float("nan")
    epochs = images = 0

    def on_epoch_begin(self, training_config: BaseTrainerConfig, **_: object) -> None:
        if self.watch is None:
            self.watch = Stopwatch()
            self.held_out = HeldOut(task, self.watch, encoder.both, decoder.logits)

    def on_train_step_end(self, training_config: BaseTrainerConfig, **_: object) -> None:
        self.images = min(self.images + task.batch, len(images) * (self.epochs + 1))
        if self.held_out.reached(self.images):
            raise Reached

    def on_log(self, training_config: BaseTrainerConfig, logs: dict[str, float], **_: object) -> None:
        assert self.watch is not None
        self.loss, self.epochs = float(logs["train_epoch_loss"]), self.epochs + 1
        if self.epochs == task.epochs:
            self.watch.stop()


torch.set_num_threads(task.threads)
images = torch.from_numpy(np.load(task.pixels)["train"]).unsqueeze(1)[: task.limit or None].float()
shape = (1, *images.shape[2:])
torch.manual_seed(0)
encoder, decoder = Encoder(), Decoder()
config = VAEConfig(input_dim=shape, latent_dim=task.latent, reconstruction_loss="bce")
callback = Watch()
with tempfile.TemporaryDirectory() as folder, contextlib.suppress(Reached):
    BaseTrainer(
        model=VAE(config, encoder=encoder, decoder=decoder),
        train_dataset=BaseDataset(images, torch.zeros(len(images))),
        training_config=BaseTrainerConfig(
            output_dir=folder,
            num_epochs=task.epochs,
            per_device_train_batch_size=task.batch,
            learning_rate=task.lr,
            no_cuda=True,
        ),
        callbacks=[callback],
    ).train()
assert callback.watch is not None
callback.watch.stop()
versions = {"torch": torch.__version__, "pythae": PYTHAE, "pydantic": pydantic.VERSION}
report(callback.watch, callback.images, callback.loss, callback.held_out.curve, **versions)
