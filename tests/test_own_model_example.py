"""examples/own_model.py does what it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from vae import runs

ROOT = Path(__file__).resolve().parents[1]


def test_the_example_prints_its_own_numbers_twice_and_leaves_a_run(tmp_path: Path) -> None:
    command = [sys.executable, "examples/own_model.py", "--epochs", "2"]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=300,
        env={**os.environ, "ELBO_ROOM_RUNS": str(tmp_path), "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = re.findall(r"^(distortion|rate) +(\S+) nats by this script, (\S+) by the run$", done.stdout, re.MULTILINE)
    assert [name for name, *_ in found] == ["distortion", "rate"]
    for _, mine, theirs in found:
        assert float(theirs) == pytest.approx(float(mine), rel=1e-4)
    run = runs.load_run(tmp_path / "own-model")
    assert (run.config.network, run.config.latent_dim, run.data["limits"]) == ("yours", 16, [-1.0, 1.0])
