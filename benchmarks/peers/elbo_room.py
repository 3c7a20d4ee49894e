"""ELBO Room's own trainer as it ships: records, knobs and held-out evaluation included.

The run is planned at its default length (about a minute) and timed over its first epochs, so that records come as
often as they do in a real run.
"""

from __future__ import annotations

import sys
from pathlib import Path

from measuring import Stopwatch, report, settings

task, chosen = settings(__doc__, binarize="epoch")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import dataclasses  # noqa: E402

import torch  # noqa: E402

from vae.completion import complete  # noqa: E402
from vae.config import Config  # noqa: E402
from vae.datasets import load_dataset  # noqa: E402
from vae.training import Record, Trainer  # noqa: E402

config = Config(
    dataset="mnist",
    binarize=chosen.binarize,
    likelihood="bernoulli",
    hidden=(task.hidden,),
    latent_dim=task.latent,
    batch_size=task.batch,
    lr=task.lr,
    threads=task.threads,
    device="cpu",
)
dataset = load_dataset("mnist", root=task.data, binarize=chosen.binarize)
if task.limit:
    info = dataclasses.replace(dataset.info, train=task.limit)
    dataset = dataclasses.replace(dataset, info=info, train=dataset.train[: task.limit], train_labels=None)
config, _ = complete(config, dataset.info)
trainer = Trainer(config, dataset)
steps = -(-task.epochs * len(dataset.train) // task.batch)

loss = float("nan")
watch = Stopwatch()
for event in trainer.run():
    if isinstance(event, Record):
        loss = event.train.loss
    if trainer.step >= steps:
        break
watch.stop()
report(watch, trainer.step * task.batch, loss, torch=torch.__version__)
