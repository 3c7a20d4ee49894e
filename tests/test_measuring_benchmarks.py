"""benchmarks/evidence.py and benchmarks/scale.py: their arithmetic, and that they still run."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def evidence(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("evidence")


def result(way: str, number: int, cpu: float, bound: float | None, error: float | None) -> dict[str, Any]:
    told = {"way": way, "round": number, "cpu": cpu, "bound": bound, "standard_error": error}
    return {**told, "samples": 1000, "images": 50, "grown": 10**6, "peak": 10**8}


def test_ratios_are_taken_within_a_round_and_a_published_figure_is_extrapolated(evidence: ModuleType) -> None:
    seconds = {"plain": (2.0, 6.0, 1.0), "elbo-room": (1.0, 2.0, 1.0)}
    rows = evidence.table([result(way, n, cpu[n], -90.0, 0.1) for n in range(3) for way, cpu in seconds.items()])
    assert [row["way"] for row in rows] == ["plain torch, an image at a time", "ELBO Room, samples of q"]
    assert rows[1]["ratios"] == [2.0, 3.0, 1.0]
    assert rows[1]["samples_per_cpu_second"] == 50_000
    assert rows[1]["extrapolated_seconds"] == 10_000 * 5_000 / 50_000


@pytest.mark.parametrize(("theirs", "agrees"), [(-90.6, True), (-89.4, True), (-91.0, False), (-89.0, False)])
def test_another_answer_than_the_sampling_allows_is_no_comparison(
    evidence: ModuleType, theirs: float, agrees: bool
) -> None:
    ours = result("elbo-room", 0, 1.0, -90.0, 0.1)  # five times 0.1 √2 = 0.71 nats
    for error in (0.1, None):
        runs = [ours, result("pythae", 0, 1.0, theirs, error), result("products", 0, 1.0, None, None)]
        runs.append(result("mixture", 0, 1.0, -80.0, 0.1))  # its bound has another expectation
        if agrees:
            evidence.check(runs)
        else:
            with pytest.raises(SystemExit, match="more apart than"):
                evidence.check(runs)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "told"), [("evidence.py", "matrix products only"), ("scale.py", "CPU s/1,000 steps")]
)
def test_the_script_still_runs(script: str, told: str) -> None:
    results = (ROOT / "benchmarks" / "results" / script).with_suffix(".json")
    before = results.read_bytes()
    command = [sys.executable, str(ROOT / "benchmarks" / script), "--quick"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert told in done.stdout
    assert results.read_bytes() == before


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module("benchmarks.engines")


def test_what_breaks_first_is_reckoned_from_what_was_measured(engines: ModuleType) -> None:
    folder = {"replaces_per_second": 1e5, "list_per_run": 1e-6, "batch_bytes_per_run": 20.0}
    cluster = {"most_jobs": 2e5, "look": 0.1, "look_per_job": 1e-6, "starts_per_second": 10.0}
    row = {"engine": "slurm", "make": 0.001, "submit": 0.001, "per_run": 6.0, "files": 10.0, "bytes": 2e4}
    rows = [{**row, "points": points, "seconds": 9.0 + points} for points in (1, 10)]
    found = {"folder": folder, "slurm": cluster, "sweeps": rows, "jobs": 2}
    told = {row["what"]: row["ratio"] for row in engines.demands(found)}
    assert told["replaces of a status a second"] == pytest.approx(1000 / 0.25 / 1e5)
    assert told["seconds to make the runs and hand them over"] == pytest.approx(1e5 * 0.002 / 600)
    assert told["jobs known to the scheduler"] == 0.5
    assert told["seconds of one question for all jobs"] == pytest.approx((0.1 + 1e5 * 1e-6) / 2)
    assert list(told.values()) == sorted(told.values(), reverse=True)
    assert found["needs"]["days"] == pytest.approx(1e5 * 606 / 1000 / 86400)
    assert "Nothing breaks by these figures; the nearest is: jobs known" in engines.reckoning(found)
    cluster["most_jobs"] = 1e4
    assert "First breaks: jobs known to the scheduler: 1e+05 asked, 1e+04" in engines.reckoning(found)
    assert "1,000,000 files with 2.0 GB" in engines.reckoning(found)
    drawn = engines.draw(found)
    assert drawn.count("<circle") == 2
    assert ">slurm</text>" in drawn
