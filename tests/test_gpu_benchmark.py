"""benchmarks/train_gpu.py: its arithmetic, that it notices wrong numbers, and that all of it runs without a GPU.

That right numbers pass is said by the last test, in which every part runs.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import gpu_parts as gpu
from benchmarks import train_gpu
from vae.training.trainer import Trainer

ROOT = Path(__file__).parents[1]
MLP, _, CONV_28, _ = train_gpu.CASES


pytestmark = pytest.mark.usefixtures("one_thread")


def test_the_work_of_a_step_counted_by_hand() -> None:
    operations, parameters, activations = gpu.work(MLP, (1, 28, 28))
    forward = 784 * 400 + 400 * 40 + 20 * 400 + 400 * 784
    assert operations == 128 * 2 * (3 * forward - 784 * 400)
    assert parameters == forward + 400 + 40 + 400 + 784
    assert activations == 128 * (400 + 400 + 40 + 400 + 400 + 784)
    operations, *_ = gpu.work(CONV_28, (1, 28, 28))
    one = 16 * (14 * 14 * 32 + 7 * 7 * 32 * 64)
    dense = 3136 * 256 + 256 * 20 + 10 * 256 + 256 * 3136
    assert operations == 128 * 2 * (3 * (2 * one + dense) - 16 * 14 * 14 * 32)


def test_the_roofline_is_the_slower_of_arithmetic_and_bytes() -> None:
    operations, parameters, activations = gpu.work(MLP, (1, 28, 28))
    limits = {"float32": 1e12, "tf32": 4e12, "bfloat16": 8e12, "copy": 1e30}
    assert gpu.roofline(MLP, (1, 28, 28), "float32", limits) == pytest.approx(operations / 1e12)
    moved = 28 * parameters + 9 * 128 * 784 + 4 * 4 * activations
    assert gpu.roofline(MLP, (1, 28, 28), "float32", limits | {"copy": 1e9}) == pytest.approx(moved / 1e9)


class Noted(gpu.Loop):
    def __init__(self, name: str, order: list[str]) -> None:
        self.name, self.order = name, order

    def take(self, steps: int) -> int:
        self.order.append(self.name)
        return steps


def test_rounds_begin_with_each_loop_in_turn() -> None:
    order: list[str] = []
    times = gpu.interleaved({name: Noted(name, order) for name in "ABC"}, rounds=2, steps=5)
    assert "".join(order) == "ABCBCA"
    assert [len(own) for own in times.values()] == [2, 2, 2]
    assert gpu.ratio({"A": [6.0, 2.0, 3.0], "B": [3.0, 2.0, 1.0]}, "A", "B") == 2


def test_ellipses_are_binary_and_not_all_alike() -> None:
    found = gpu.ellipses(8, 600)
    assert (len(found.train), len(found.test)) == (500, 100)
    lit = found.train.float().mean((1, 2, 3))
    assert 0 < float(lit.min()) < 0.1 < 0.2 < float(lit.max()) < 0.4  # π·0.3² at most, but for the pixels' size


def test_captured_steps_with_other_numbers_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    bench, real = train_gpu.Bench(tiny=True, limit=60), gpu.trainer

    def faulty(config: Any, dataset: Any, images: Any, captured: bool) -> Trainer:
        made = real(config, dataset, images, captured)
        made.lr_factor = 1.01 if captured else 1.0
        return made

    monkeypatch.setattr(gpu, "trainer", faulty)
    train_gpu.same(bench)
    assert len(bench.wrong) == 2
    assert "captured steps are" in bench.wrong[0]


def test_a_knob_that_does_not_act_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = train_gpu.Bench(tiny=True, limit=60)
    monkeypatch.setattr(Trainer, "apply", lambda *_: None)
    train_gpu.knobs(bench)
    assert bench.wrong[0].startswith("the step after C = 4 summed a loss")
    assert bench.wrong[-1] == "a new C was not recorded"


def test_noise_that_does_not_go_on_after_a_failed_capture_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    bench, real = train_gpu.Bench(tiny=True, limit=60), gpu.spoil

    def spoil(made: Trainer) -> None:
        real(made)
        made.noise.manual_seed(5)

    monkeypatch.setattr(gpu, "spoil", spoil)
    train_gpu.failure(bench)
    assert len(bench.wrong) == 1
    assert "steps of a capture failed are" in bench.wrong[0]


@pytest.mark.slow
def test_the_tiny_form_runs_every_part_and_writes_nothing() -> None:
    before = train_gpu.RESULTS.read_bytes() if train_gpu.RESULTS.exists() else None
    command = [sys.executable, str(ROOT / "benchmarks" / "train_gpu.py"), "--tiny"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert [line for line in lines if line.removesuffix(":") in train_gpu.PARTS] == [f"{n}:" for n in train_gpu.PARTS]
    assert lines[-1] == "all numbers are right"
    rows = [line for line in lines if line.startswith(("  eager", "  captured", "  compiled"))]
    assert len(rows) == 2 * (2 * len(train_gpu.PRECISIONS) + 4)
    plain = [row.split()[-2] for row in rows if "float32" in row and "records" not in row and "cosine" not in row]
    assert len(plain) == 8
    assert len(set(plain[:4])) == len(set(plain[4:])) == 1  # eager, captured, compiled, both: one mean loss
    assert sum("not judged" in line for line in lines) == 7
    assert (train_gpu.RESULTS.read_bytes() if train_gpu.RESULTS.exists() else None) == before
