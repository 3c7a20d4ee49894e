"""pythae's own BaseTrainer with a 784-400-20 VAE, run in an environment that has pythae (see ../requirements.txt).

pythae 0.1.2 runs unchanged with current torch and pydantic. Timed from the start of the first epoch to the end of the
last, by pythae's callbacks: setting up and saving the final model are left out, its progress bar is left in.
"""

from __future__ import annotations

import tempfile

from measuring import Stopwatch, report, settings

task, _ = settings(__doc__)

import pydantic  # noqa: E402
import torch  # noqa: E402
import torchvision  # noqa: E402
from pythae.data.datasets import BaseDataset  # noqa: E402
from pythae.models import VAE, VAEConfig  # noqa: E402
from pythae.models.base.base_utils import ModelOutput  # noqa: E402
from pythae.models.nn import BaseDecoder, BaseEncoder  # noqa: E402
from pythae.trainers import BaseTrainer, BaseTrainerConfig  # noqa: E402
from pythae.trainers.training_callbacks import TrainingCallback  # noqa: E402
from torch import Tensor, nn  # noqa: E402

PYTHAE = "0.1.2"  # it declares no version of its own at run time
PIXELS = 784


class Encoder(BaseEncoder):
    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Sequential(nn.Linear(PIXELS, task.hidden), nn.ReLU())
        self.mean = nn.Linear(task.hidden, task.latent)
        self.log_variance = nn.Linear(task.hidden, task.latent)

    def forward(self, x: Tensor) -> ModelOutput:
        h = self.hidden(x.reshape(-1, PIXELS))
        return ModelOutput(embedding=self.mean(h), log_covariance=self.log_variance(h))


class Decoder(BaseDecoder):
    def __init__(self) -> None:
        super().__init__()
        hidden = nn.Sequential(nn.Linear(task.latent, task.hidden), nn.ReLU())
        self.pixels = nn.Sequential(hidden, nn.Linear(task.hidden, PIXELS), nn.Sigmoid())

    def forward(self, z: Tensor) -> ModelOutput:
        return ModelOutput(reconstruction=self.pixels(z).reshape(-1, 1, 28, 28))


class Watch(TrainingCallback):
    watch: Stopwatch | None = None
    loss = float("nan")

    def on_epoch_begin(self, training_config: BaseTrainerConfig, **_: object) -> None:
        self.watch = self.watch or Stopwatch()

    def on_log(self, training_config: BaseTrainerConfig, logs: dict[str, float], **_: object) -> None:
        assert self.watch is not None
        self.loss, self.epochs = float(logs["train_epoch_loss"]), self.epochs + 1
        if self.epochs == task.epochs:
            self.watch.stop()

    epochs = 0


torch.set_num_threads(task.threads)
grey = torchvision.datasets.MNIST(task.data, train=True)
count = task.limit or len(grey)
images = grey.data[:count].reshape(-1, 1, 28, 28) / 255.0
model = VAE(
    VAEConfig(input_dim=(1, 28, 28), latent_dim=task.latent, reconstruction_loss="bce"),
    encoder=Encoder(),
    decoder=Decoder(),
)
callback = Watch()
with tempfile.TemporaryDirectory() as folder:
    BaseTrainer(
        model=model,
        train_dataset=BaseDataset(images, grey.targets[:count]),
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
report(
    callback.watch,
    count * task.epochs,
    callback.loss,
    torch=torch.__version__,
    pythae=PYTHAE,
    pydantic=pydantic.VERSION,
)
