"""What `train_cpu.py` compares: tasks, the loops that take part, and how one of them is run in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vae.config import Config
from vae.datasets import describe, load_dataset
from vae.training.defaults import complete

PEERS = Path(__file__).resolve().parent / "peers"
ELSEWHERE = ("pythae_trainer.py", "lightning_loop.py")  # run by the interpreter named with --peers-python
OURS = "elbo_room.py"
IDIOMATIC, LIGHTNING, PYTHAE = "idiomatic loop", "Lightning", "pythae"
EQUAL, SHIPPED = "ELBO Room, equal settings", "ELBO Room, shipped defaults"
CEILING, CEILING_BFLOAT16 = "matrix products only", "matrix products only, bfloat16"
BASES = (IDIOMATIC, PYTHAE)  # what speeds are divided by, where they take part
AS_SHIPPED = [OURS, "--shipped", "yes"]
STEPS_ONLY = f"{SHIPPED}, steps only"


@dataclass(frozen=True)
class Task:
    """One model on the fixed-binarised pixels of one dataset, and the loops to compare on it."""

    title: str
    dataset: str
    model: list[str]
    loops: dict[str, list[str]]  # row of the table -> script and its arguments
    limit: int = 0  # images of the training set that are timed, 0 for all
    targets: tuple[float, ...] = ()  # held-out −ELBO, nats: time to quality instead of speed


MLP = ["--network", "mlp", "--hidden", "400", "--latent", "20"]
CONV = ["--network", "conv", "--hidden", "256", "--latent", "10"]
IN_BFLOAT16 = {f"{EQUAL}, bfloat16": [OURS, "--precision", "bfloat16"]}
CONVOLUTIONAL = {PYTHAE: ["pythae_trainer.py"], EQUAL: [OURS], **IN_BFLOAT16, SHIPPED: AS_SHIPPED}
SPEED = Task(
    "MNIST, 784-400-20, batch 128",
    "mnist",
    MLP,
    {
        IDIOMATIC: ["idiomatic.py"],
        LIGHTNING: ["lightning_loop.py"],
        PYTHAE: ["pythae_trainer.py"],
        EQUAL: [OURS],
        f"{EQUAL}, --binarize epoch": [OURS, "--binarize", "epoch"],
        SHIPPED: AS_SHIPPED,
        STEPS_ONLY: [*AS_SHIPPED, "--records", "no"],
        CEILING: ["matrix_products.py"],
        CEILING_BFLOAT16: ["matrix_products.py", "--precision", "bfloat16"],
    },
)
CONV_28 = Task("MNIST 28x28, convolutional, batch 128", "mnist", CONV, CONVOLUTIONAL, limit=12_800)
CONV_64 = Task("dSprites 64x64, convolutional, batch 128", "dsprites", CONV, CONVOLUTIONAL, limit=6_400)
QUALITY = Task(
    "MNIST, 784-400-20: seconds to a held-out −ELBO",
    "mnist",
    MLP,
    {
        IDIOMATIC: ["idiomatic.py"],
        f"{IDIOMATIC}, our learning rate": ["idiomatic.py", "--lr", "shipped"],
        LIGHTNING: ["lightning_loop.py"],
        PYTHAE: ["pythae_trainer.py"],
        f"{PYTHAE}, our learning rate": ["pythae_trainer.py", "--lr", "shipped"],
        EQUAL: [OURS],
        **IN_BFLOAT16,
        SHIPPED: AS_SHIPPED,
    },
    targets=(110.0, 105.0),
)


def binarised(dataset: str) -> str:
    """Every loop trains on this view, drawn once; pixels that are binary already stay as they are."""
    return "none" if describe(dataset).support == "binary" else "fixed"


def write_pixels(dataset: str, path: Path) -> Path:
    found = load_dataset(dataset, binarize=binarised(dataset))
    np.savez(path, **{part: getattr(found, part).squeeze(1).numpy().astype(np.uint8) for part in ("train", "test")})
    return path


def shipped(task: Task) -> Config:
    """What a run of this task gets where nothing is asked for."""
    model = dict(zip(task.model[::2], task.model[1::2], strict=True))
    config = Config(
        dataset=task.dataset,
        binarize=binarised(task.dataset),
        likelihood="bernoulli",
        network=model["--network"],
        hidden=(int(model["--hidden"]),),
        latent_dim=int(model["--latent"]),
        device="cpu",
    )
    return complete(config, describe(task.dataset))[0]


def run(task: Task, name: str, pixels: Path, python: str | None, arguments: list[str]) -> dict[str, Any]:
    """One loop from start to end; what it measured of itself. `python` runs the peers that have an environment."""
    script, *own = task.loops[name]
    own = [str(shipped(task).lr) if word == "shipped" else word for word in own]
    command = [python if script in ELSEWHERE and python else sys.executable, str(PEERS / script)]
    command += [*task.model, "--pixels", str(pixels), "--limit", str(task.limit), *arguments]
    if script == OURS:
        command += ["--dataset", task.dataset, "--binarize", binarised(task.dataset)]
    done = subprocess.run([*command, *own], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])
