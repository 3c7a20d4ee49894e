"""The examples for Lightning, pythae and the Hugging Face Trainer, run against these packages."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vae import runs

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = {"lightning": True, "pythae": False, "trainer": True}  # and whether its training can be stopped
NEEDS = {"trainer": ("transformers", "accelerate")}


def until(fits: Callable[[], Any], process: subprocess.Popen[str], seconds: float = 300) -> None:
    limit = time.monotonic() + seconds
    while not fits():
        assert process.poll() is None, process.communicate()[0][-2000:]
        assert time.monotonic() < limit
        time.sleep(0.05)


def records(path: Path) -> list[dict[str, Any]]:
    return [line for line in runs.read_history(path) if line.get("train")] if path.exists() else []


@pytest.mark.slow
@pytest.mark.parametrize("name", EXAMPLES)
def test_a_callback_of_a_few_lines_brings_a_training_to_the_pages(name: str, tmp_path: Path) -> None:
    for package in (*NEEDS.get(name, (name,)), "onnx"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed; requirements-dev.txt lists it")
    environment = {**os.environ, "ELBO_ROOM_RUNS": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", f"examples.{name}_callback", "--epochs", "100000"],
        cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
    )  # fmt: skip
    path = tmp_path / name
    try:
        until(lambda: any(line["test"] for line in records(path)), process)
        measured = next(line["test"] for line in records(path) if line["test"])
        assert measured["images"] == 360  # all batches of a validation are one measurement
        assert len(measured["rate_per_dim"]) == runs.load_run(path).config.latent_dim
        until(lambda: (path / runs.WEIGHTS).exists(), process)
        assert runs.load_run(path).model.k == runs.load_run(path).config.latent_dim
        runs.change_knobs(path, C=4.0)
        until(lambda: len([line for line in records(path) if line["C"] == 4.0]) > 1, process)
        turned = records(path)[-1]["train"]
        assert turned["loss"] == pytest.approx(4 * turned["distortion"] + turned["rate"], rel=1e-9)
        if EXAMPLES[name]:
            runs.change_knobs(path, stop=True)
            process.communicate(timeout=120)
            assert (process.returncode, runs.read_status(path).state) == (0, "stopped")
    finally:
        process.kill()
        process.communicate()
