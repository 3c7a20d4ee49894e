"""Runs of every kind that can be taken along, each made once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import vae
from tests.vae.engines.scripted_runs import new_run
from tests.vae.train_run import train_run
from vae import Config, runs
from vae.datasets import describe
from vae.runs.sweep_mark import SweepMark, write_mark
from vae.training.defaults import complete

DEMOS = Path(__file__).resolve().parents[3] / "checkpoints"
KINDS = ("demo", "bits", "full", "file", "loop", "wrapped")


class Halves(nn.Module):
    """An encoder and a decoder of somebody's own, of 6 x 6 pixels."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.front, self.back = nn.Linear(36, 4), nn.Linear(2, 36)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_variance = self.front(x.flatten(1)).chunk(2, 1)
        return mean, log_variance

    def decode(self, z: Tensor) -> Tensor:
        return torch.sigmoid(self.back(z)).view(-1, 1, 6, 6)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The run of that kind, trained for an epoch or two at the first call."""
    root, there = tmp_path_factory.mktemp("made"), {}

    def run_of(kind: str) -> Path:
        if kind not in there:
            there[kind] = MAKE[kind](root)
        return there[kind]

    return run_of


def _trained(path: Path) -> Path:
    assert train_run(path).state == "finished"
    return path


def _full(root: Path) -> Path:
    path = new_run(root, "full", latent="full-normal", epochs=2)
    _trained(path)
    write_mark(path, SweepMark("0123456789abcdef", "sweep", ("C",), "its-neighbour"))
    return path


def _file(root: Path) -> Path:
    rng = np.random.default_rng(0)
    np.savez(root / "mine.npz", images=rng.integers(0, 256, (60, 6, 6)).astype(np.uint8), labels=np.arange(60) % 3)
    asked = Config(dataset=str(root / "mine.npz"), hidden=(8,), epochs=2, batch_size=20, threads=1, record_every=1)
    info = describe(root / "mine.npz")
    return _trained(runs.create_run(complete(asked, info)[0], info.to_json(), "file", root))


def _loop(root: Path) -> Path:
    own, x = Halves(), torch.rand(30, 6, 6, generator=torch.Generator().manual_seed(1)).round()
    with vae.log("loop", images=x, labels=torch.arange(30) % 2, likelihood="bernoulli", folder=root) as log:
        for step in range(1, 13):
            log.step(distortion=torch.full((5,), 30.0 - step), rate=torch.rand(5, 2), epoch=step / 6)
        log.test(distortion=torch.full((30,), 17.0), rate=torch.full((30, 2), 0.5))
        log.model(own.encode, own.decode)
    return root / "loop"


def _wrapped(root: Path) -> Path:
    own, x = Halves(), torch.rand(25, 6, 6, generator=torch.Generator().manual_seed(2))
    return vae.wrap(own.encode, own.decode, images=x, likelihood="gaussian", C=5.0, name="wrapped", folder=root).path


MAKE: dict[str, Callable[[Path], Path]] = {
    "demo": lambda root: DEMOS / "demo-digits-2d",
    "bits": lambda root: DEMOS / "demo-digits-8bits",
    "full": _full,
    "file": _file,
    "loop": _loop,
    "wrapped": _wrapped,
}
