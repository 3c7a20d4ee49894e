"""Every process that computes asks OpenMP's idle threads to sleep, and asks before anything has loaded OpenMP."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ENTRIES = {
    "the command line": "from vae.__main__ import main; main(['list', '--runs', sys.argv[1]])",
    "a worker": "from vae.engines.worker import main; main([])",
    "a map's process": "from vae.space.fit_process import main; main([])",
    "the application": "import app",
}


def policy_of(entry: str, folder: Path, **environment: str) -> str:
    """OMP_WAIT_POLICY once this entry has begun, in a process of its own."""
    kept = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    script = f"import os, sys; {ENTRIES[entry]}; print(); print(os.environ.get('OMP_WAIT_POLICY'))"
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder)],
        cwd=ROOT, env={**kept, "PYTHONPATH": str(ROOT), **environment}, capture_output=True, text=True, timeout=180,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize("entry", ENTRIES)
def test_idle_threads_sleep_in(entry: str, tmp_path: Path) -> None:
    assert policy_of(entry, tmp_path) == "PASSIVE"


def test_a_policy_of_ones_own_is_kept(tmp_path: Path) -> None:
    assert policy_of("a worker", tmp_path, OMP_WAIT_POLICY="ACTIVE") == "ACTIVE"


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="what a process has loaded is told by Linux")
@pytest.mark.parametrize("entry", ["the command line", "a worker", "a map's process"])
def test_OpenMP_is_not_loaded_before_it_is_asked(entry: str) -> None:
    module = ENTRIES[entry].partition(" import ")[0].removeprefix("from ")
    script = f"import {module}; print('omp' in open('/proc/self/maps').read())"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=180)
    assert done.stdout.split() == ["False"], done.stderr


def test_what_looks_at_runs_beside_a_training_computes_on_one_thread(tmp_path: Path) -> None:
    script = """
import sys, torch
from vae.diagnosis import process as findings
from vae.diagnosis.suspects import process as suspects
for process in (findings, suspects):
    torch.set_num_threads(2)
    process.main([sys.argv[1]])
    print(torch.get_num_threads())
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "nothing")],
        cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "2"}, capture_output=True, text=True, timeout=180,
    )  # fmt: skip
    assert done.stdout.split() == ["1", "1"], done.stderr
