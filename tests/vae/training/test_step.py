"""The differentiable part of a step: compiled it gives the numbers of the plain one, and it can do without."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.vae.training.test_cuda_graphs import events, trainer
from vae.training.step import COMPILED_STEPS

REPOSITORY = Path(__file__).parents[3]


def test_compiled_steps_are_the_plain_ones() -> None:
    """In a process of its own: the compiler's libraries complain when they end."""
    done = subprocess.run(
        [sys.executable, "-c", COMPILED],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    refused, graphs, mine, theirs = json.loads(done.stdout.splitlines()[-1])
    assert refused == ["", True]
    assert graphs == [{}, 1, "", {}, 1]  # one whole graph, no break: what is random is drawn outside
    assert len(mine) == len(theirs) == 3
    for one, other in zip(mine, theirs, strict=True):
        assert one == pytest.approx(other, rel=1e-4, abs=1e-4)


COMPILED = """
import json
from torch._dynamo.utils import counters
from tests.vae.training.test_cuda_graphs import events, numbers, trainer
from tests.vae.training.test_batched_runs import told_together

plain, compiled = (trainer(epochs=1, likelihood="bernoulli") for _ in range(2))
compiled.look.compile("aot_eager")  # traced and differentiated as ever, without a C++ compiler
told = [numbers(event) for event in events(compiled)]
graphs = [counters["graph_break"], counters["stats"]["unique_graphs"]]
shared = [trainer(epochs=1, latent="bernoulli", estimator="disarm", seed=seed) for seed in range(2)]
shared[0].look.compile("eager")  # traced only
told_together(shared, [None] * 2)  # one more graph, for all steps of two models
graphs += [shared[0].look.refused, counters["graph_break"], counters["stats"]["unique_graphs"] - graphs[1]]
look, expected = compiled.look, [numbers(event) for event in events(plain)]
print(json.dumps([[look.refused, look.compiled is not None], graphs, told, expected]))
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


@pytest.mark.parametrize("name", ["float32", "tf32", "bfloat16"])
def test_precision_is_that_of_the_whole_step_and_ends_with_it(name: str) -> None:
    trained = trainer()
    trained.look.config = dataclasses.replace(trained.config, precision=name)
    seen: list[tuple[bool, str, bool]] = []

    def note(*_: Any) -> None:
        seen.append((trained.model.in_bfloat16, *flags()))

    trained.model.encoder[3].register_forward_hook(note)
    trained.model.encoder[3].register_full_backward_hook(note)
    trained.take_steps()
    assert seen == [(name == "bfloat16", "high" if name == "tf32" else "highest", name == "tf32")] * 2
    assert flags() == ("highest", False)
    with contextlib.suppress(ValueError), trained.look.precision(trained.model):
        raise ValueError("in the step")
    assert (trained.model.in_bfloat16, *flags()) == (False, "highest", False)


def flags() -> tuple[str, bool]:
    return torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
