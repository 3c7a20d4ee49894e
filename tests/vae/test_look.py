"""The differentiable part of a step: compiled it gives the numbers of the plain one, and it can do without."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.vae.test_captured import events, trainer
from vae.look import COMPILED_STEPS, precision

REPOSITORY = Path(__file__).parents[2]


def test_compiled_steps_are_the_plain_ones() -> None:
    """In a process of its own: the compiler's libraries complain when they end."""
    done = subprocess.run([sys.executable, "-c", COMPILED], capture_output=True, text=True, cwd=REPOSITORY, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    refused, mine, theirs = json.loads(done.stdout.splitlines()[-1])
    assert refused == ["", True]
    assert len(mine) == len(theirs) == 3
    for one, other in zip(mine, theirs, strict=True):
        assert one == pytest.approx(other, rel=1e-4, abs=1e-4)


COMPILED = """
import json
from tests.vae.test_captured import events, numbers, trainer

plain, compiled = (trainer(epochs=1, likelihood="bernoulli") for _ in range(2))
compiled.look.compile("aot_eager")  # traced and differentiated as ever, without a C++ compiler
told = [numbers(event) for event in events(compiled)]
look = compiled.look
print(json.dumps([[look.refused, look.compiled is not None], told, [numbers(event) for event in events(plain)]]))
"""


def test_a_compiler_that_fails_costs_speed_only(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        def fail(*_: Any) -> Any:
            raise RuntimeError("no working compiler\nwas found")

        return fail

    monkeypatch.setattr(torch, "compile", broken)
    plain, refused = trainer(epochs=1), trainer(epochs=1)
    refused.look.compile()
    assert events(refused) == events(plain)
    assert refused.look.refused == "RuntimeError: no working compiler"


def test_compiling_is_for_long_runs_on_a_gpu() -> None:
    assert trainer(epochs=COMPILED_STEPS).look.compiled is None  # on a CPU it gains a few per cent


def test_precision_ends_with_the_step() -> None:
    model = trainer().model
    with contextlib.suppress(ValueError), precision("bfloat16", model):
        assert model.in_bfloat16
        raise ValueError("in the step")
    assert not model.in_bfloat16
    with precision("tf32", model):
        assert torch.get_float32_matmul_precision() == "high"
        assert not model.in_bfloat16
    assert torch.get_float32_matmul_precision() == "highest"
