"""benchmarks/together.py: its arithmetic, and that it still runs."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import together
from vae.datasets import load_dataset

ROOT = Path(__file__).parents[1]


def test_milliseconds_are_of_one_models_step_and_ratios_of_one_round(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    seconds = {"alone": [6.0, 2.0, 4.0], "together": [3.0, 2.0, 1.0]}

    class Told:
        def __init__(self, configs: Any, dataset: Any, together: bool) -> None:
            self.name, self.models = "together" if together else "alone", len(configs)

        def take(self, steps: int) -> float:
            order.append(self.name[0])
            return seconds[self.name][order.count(self.name[0]) - 1] * steps * self.models

    monkeypatch.setattr(together, "Side", Told)
    row = together.measure("", {}, load_dataset("digits"), 4, argparse.Namespace(rounds=3, seconds=0.1))
    assert "".join(order) == "attaat"
    assert (row["alone_ms"], row["together_ms"]) == (4000, 2000)
    assert row["times"] == [2, 1, 4]


@pytest.mark.slow
def test_the_quick_form_runs_and_writes_nothing() -> None:
    before = together.RESULTS.read_bytes()
    command = [sys.executable, str(ROOT / "benchmarks" / "together.py"), "--quick"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    _, _, *rows = done.stdout.splitlines()
    one, four = (row.removeprefix("digits, 64-32-2, batch 64, float32").split() for row in rows)
    assert (one[0], one[5], four[0], four[5]) == ("1", "alone", "4", "together")
    assert all(float(number) > 0 for row in (one, four) for number in row[1:4])
    assert together.RESULTS.read_bytes() == before
