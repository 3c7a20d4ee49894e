"""ELBO Room's own trainer as it ships: records, knobs and held-out evaluation included.

The run is planned at its default length (about a minute), so that records come as often as they do in a real run.
`--shipped` takes the batch size, learning rate, precision and threads that a run gets where none is asked for;
`--records no` takes its steps alone, without records, held-out evaluation and looks at the knobs.
"""

from __future__ import annotations

import sys
from pathlib import Path

from measuring import Stopwatch, report, settings

task, chosen = settings(__doc__, dataset="mnist", binarize="fixed", precision="float32", shipped="no", records="yes")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import dataclasses  # noqa: E402

import torch  # noqa: E402
from held_out import HeldOut  # noqa: E402
from torch import Tensor  # noqa: E402

from vae.config import Config  # noqa: E402
from vae.datasets import load_dataset  # noqa: E402
from vae.training.defaults import complete  # noqa: E402
from vae.training.records import Record  # noqa: E402
from vae.training.trainer import Trainer  # noqa: E402

config = Config(
    dataset=chosen.dataset,
    binarize=chosen.binarize,
    likelihood="bernoulli",
    network=task.network,
    hidden=(task.hidden,),
    latent_dim=task.latent,
    device="cpu",
)
if chosen.shipped == "no":
    config = dataclasses.replace(
        config, batch_size=task.batch, lr=task.lr, precision=chosen.precision, threads=task.threads
    )
dataset = load_dataset(chosen.dataset, binarize=chosen.binarize)
if task.limit:
    info = dataclasses.replace(dataset.info, train=min(task.limit, dataset.info.train))
    dataset = dataclasses.replace(dataset, info=info, train=dataset.train[: info.train], train_labels=None)
config, _ = complete(config, dataset.info)
trainer = Trainer(dataclasses.replace(config, epochs=10**6), dataset)  # records as in the run that was planned
model = trainer.model


def encode(x: Tensor) -> tuple[Tensor, Tensor]:
    q = model.encode(x)
    return q.loc, q.log_variance  # type: ignore[attr-defined]


steps = -(-task.epochs * len(dataset.train) // trainer.B)
loss: float | None = None  # steps alone fetch none
watch = Stopwatch()
held_out = HeldOut(task, watch, encode, lambda z: model.decode(z).logits)  # type: ignore[attr-defined]
if chosen.records == "no":
    for _step in range(steps):
        trainer.take_steps()
else:
    for event in trainer.run():
        if isinstance(event, Record):
            loss = event.train.loss
        if trainer.step >= steps or held_out.reached(trainer.step * trainer.B):
            break
watch.stop()
report(watch, trainer.step * trainer.B, loss, held_out.curve, torch=torch.__version__)
