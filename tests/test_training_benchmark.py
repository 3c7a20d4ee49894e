"""benchmarks/train_cpu.py: its arithmetic, and that its loops still run."""

from __future__ import annotations

import importlib
import math
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmarks.training_tables import quality_table, reached, speed_table

ROOT = Path(__file__).parents[1]
CURVE = [[100, 1.0, 2.0, 130.0], [200, 2.0, 5.0, 114.0], [300, 4.0, 8.0, 106.0]]  # images, CPU s, wall s, nats


@pytest.mark.parametrize(
    ("target", "cpu", "wall"),
    [(114.0, 2.0, 5.0), (110.0, 3.0, 6.5), (122.0, 1.5, 3.5), (131.0, 1.0, 2.0), (105.0, math.inf, math.inf)],
)
def test_the_time_to_a_target_lies_on_the_line_between_two_looks(target: float, cpu: float, wall: float) -> None:
    assert (reached(CURVE, target, "cpu"), reached(CURVE, target, "wall")) == (cpu, wall)


def run(loop: str, number: int, cpu: float, **values: object) -> dict:
    result = {"loop": loop, "round": number, "threads": 1, "images": 600, "cpu": cpu, "wall": 2 * cpu}
    return {**result, "others": None, "curve": [], **values}


def test_ratios_are_taken_within_a_round() -> None:
    seconds = {"pythae": (6.0, 2.0, 3.0), "ELBO Room": (3.0, 2.0, 1.0)}
    runs = [run(loop, n, cpu[n]) for n in range(3) for loop, cpu in seconds.items()]
    _, ours = speed_table(runs)
    assert (ours["loop"], ours["rounds"], ours["images_per_cpu_second"]) == ("ELBO Room", 3, 300)
    assert ours["times"] == {"pythae": {"cpu": [2.0, 1.0, 3.0], "wall": [2.0, 1.0, 3.0]}}


def test_a_target_that_was_not_reached_has_no_time_and_no_share() -> None:
    slow = [[100, 10.0, 11.0, 120.0], [200, 20.0, 22.0, 108.0], [300, 30.0, 33.0, 107.0]]
    runs = [run("idiomatic loop", 0, 30.0, curve=slow), run("ELBO Room", 0, 4.0, curve=CURVE)]
    theirs, ours = quality_table(runs, (110.0, 106.0))
    share, none = 3 / (10 + 10 * 10 / 12), {"share": {"idiomatic loop": None}, "share_range": {"idiomatic loop": None}}
    assert ours["targets"]["110"] == {
        "cpu": 3.0, "wall": 6.5, "share": {"idiomatic loop": share}, "share_range": {"idiomatic loop": [share, share]},
    }  # fmt: skip
    assert ours["targets"]["106"] == {"cpu": 4.0, "wall": 8.0, **none}
    assert theirs["targets"]["106"] == {"cpu": None, "wall": None, **none}
    assert (theirs["cpu_spent"], theirs["lowest"]) == (30.0, 107.0)


def test_the_held_out_elbo_of_a_model_that_ignores_z(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks" / "peers"))
    held_out, measuring = (importlib.import_module(name) for name in ("held_out", "measuring"))
    test = (np.random.default_rng(0).random((700, 3, 4)) < 0.3).astype(np.uint8)
    np.savez(tmp_path / "pixels.npz", train=test, test=test)
    task = SimpleNamespace(pixels=str(tmp_path / "pixels.npz"), look_every=50, targets=[1.0], budget=1e9)

    def encode(x: Tensor) -> tuple[Tensor, Tensor]:
        return torch.full((len(x), 2), 0.5), torch.full((len(x), 2), -1.0)

    look = held_out.HeldOut(task, measuring.Stopwatch(), encode, lambda z: torch.full((len(z), 12), 2.0))
    ones, p = test.mean(), 1 / (1 + math.exp(-2))
    distortion = -12 * (ones * math.log(p) + (1 - ones) * math.log(1 - p))
    exact = distortion + 2 * 0.5 * (0.25 + math.exp(-1) - 1 + 1)
    assert look.negative_elbo() == pytest.approx(exact, rel=1e-6)
    assert not look.reached(49)
    assert look.curve == []
    assert not look.reached(50)  # 1 nat is not to be had
    assert look.curve[0][3] == pytest.approx(exact, rel=1e-6)
    task.targets = [exact + 1]
    assert look.reached(100)


@pytest.mark.slow
def test_the_quick_form_runs_and_writes_nothing() -> None:
    results = ROOT / "benchmarks" / "results" / "train_cpu.json"
    before = results.read_bytes()
    command = [sys.executable, str(ROOT / "benchmarks" / "train_cpu.py"), "--quick", "--only", "ELBO Room, shipped"]
    done = subprocess.run([*command, "--tasks", "speed", "quality"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    speed, quality = [line for line in done.stdout.splitlines() if line.startswith("ELBO Room, shipped defaults")]
    assert float(speed.split()[5].replace(",", "")) > 0
    assert "not in" not in quality
    assert results.read_bytes() == before
