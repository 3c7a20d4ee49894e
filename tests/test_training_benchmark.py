"""benchmarks/train_cpu.py: its arithmetic, and that its loops still run."""

from __future__ import annotations

import importlib
import math
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmarks import machine, train_cpu
from benchmarks.training_loops import CEILING, CEILING_BFLOAT16, SHIPPED
from benchmarks.training_plot import LEFT, draw
from benchmarks.training_tables import beside, idle, quality_table, reached, speed_table

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


@pytest.mark.parametrize(
    ("others", "counts", "words"),
    [
        ((0.02, 0.1), True, "the machine was idle: other programs kept at most 0.10 cores busy during a run"),
        ((0.02, 0.3, 0.2), False, "the machine was not idle: other programs kept more than 0.1 cores busy during 2 of "
         "3 runs, at most 0.3"),
        ((None,), None, "whether the machine was idle is not known"),
    ],
)  # fmt: skip
def test_a_machine_is_idle_where_other_programs_keep_a_tenth_of_a_core_busy(
    others: tuple[float | None, ...], counts: bool | None, words: str
) -> None:
    runs = [run("pythae", number, 1.0, others=each) for number, each in enumerate(others)]
    assert (idle(runs), beside(runs)) == (counts, words)


def test_a_round_waits_for_an_idle_machine_and_goes_on_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    busy = iter([1.3, 0.7, 0.05])
    monkeypatch.setattr(machine, "busy_cores", lambda seconds: next(busy))
    assert machine.wait_for_idle(60) == 0.05
    assert capsys.readouterr().out == "Other programs keep 1.3 cores busy; waiting up to 60 s for them.\n"
    monkeypatch.setattr(machine, "busy_cores", lambda seconds: 0.4)
    assert machine.wait_for_idle(0) == 0.4
    assert capsys.readouterr().out == "The machine is not idle: other programs keep 0.4 cores busy. Going on.\n"


def test_cores_that_others_keep_busy_are_their_seconds_by_those_that_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds, now = iter([100.0, 103.0]), iter([10.0, 12.0])
    monkeypatch.setattr(machine, "busy_seconds", lambda: next(seconds))
    monkeypatch.setattr(machine, "time", SimpleNamespace(perf_counter=lambda: next(now), sleep=lambda seconds: None))
    assert machine.busy_cores() == 1.5


@pytest.mark.parametrize("native", [True, False])
def test_products_in_bfloat16_are_measured_where_the_processor_has_them(
    native: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train_cpu, "multiplies_bfloat16", lambda: native)
    given = SimpleNamespace(only="", peers_python=None, quick=False)
    kept, left_out = train_cpu.chosen(train_cpu.TASKS["speed"], given)
    assert set(kept.loops) | set(left_out) == set(train_cpu.TASKS["speed"].loops)
    assert (CEILING_BFLOAT16 in kept.loops) == native
    assert left_out.get(CEILING_BFLOAT16) == (None if native else "this processor has none")
    assert "--peers-python" in left_out["pythae"]
    assert {CEILING, SHIPPED} <= set(kept.loops)


def test_the_plot_has_a_bar_of_each_speed_and_the_gap_to_the_products_of_its_precision() -> None:
    speeds = {"pythae": 0.4, "ELBO Room, equal settings": 0.6, SHIPPED: 1.5, CEILING: 1.0, CEILING_BFLOAT16: 3.0}
    rows = [
        {"loop": name, "threads": 1, "times": {CEILING: {"cpu": [0.5 * speed, speed, 1.1 * speed]}}}
        for name, speed in speeds.items()
    ]
    found: dict[str, Any] = {"task": "A < B", "table": rows, "shipped": {"precision": "bfloat16"}}
    bars, gaps = bars_of(draw(found))
    assert bars == pytest.approx({name: speed / 3 for name, speed in speeds.items()}, abs=1e-3)
    assert gaps == pytest.approx({"pythae": 0.6 / 3, "ELBO Room, equal settings": 0.4 / 3, SHIPPED: 1.5 / 3}, abs=1e-3)
    assert ">1.50 (0.75–1.65), 0.50 of bfloat16</text>" in draw(found)
    found["table"] = rows[:4]  # no products in bfloat16: the gap to them is not known
    assert set(bars_of(draw(found))[1]) == {"pythae", "ELBO Room, equal settings"}


def bars_of(drawn: str) -> tuple[dict[str, float], dict[str, float]]:
    """Widths of bars and gaps by loop, in units of the widest bar."""
    bars: dict[str, float] = {}
    gaps: dict[str, float] = {}
    loop = ""
    for part in ElementTree.fromstring(drawn).iter():
        if part.tag.endswith("text") and part.get("x") == str(LEFT - 8):
            loop = part.text or ""
        elif part.get("class") == "gap":
            gaps[loop] = float(part.get("width", ""))
        elif part.get("class") in ("ours", "peers", "products"):
            bars[loop] = float(part.get("width", ""))
    most = max(bars.values())
    return {name: width / most for name, width in bars.items()}, {name: width / most for name, width in gaps.items()}


@pytest.mark.slow
def test_the_quick_form_runs_and_writes_nothing() -> None:
    results = ROOT / "benchmarks" / "results" / "train_cpu.json"
    before = results.read_bytes()
    command = [sys.executable, str(ROOT / "benchmarks" / "train_cpu.py"), "--quick", "--only", "ELBO Room, shipped"]
    done = subprocess.run([*command, "--tasks", "speed", "quality"], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    speed, steps_only, quality = [line for line in lines if line.startswith("ELBO Room, shipped defaults")]
    assert float(speed.split()[5].replace(",", "")) > 0
    assert float(steps_only.split()[7].replace(",", "")) > 0
    assert "The machine was " in done.stdout
    assert "not in" not in quality
    assert results.read_bytes() == before
