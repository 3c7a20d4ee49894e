"""Several models as one step on a CPU: `python benchmarks/together.py`.

CPU seconds that a model's step costs where each of M models is trained alone and where all are one batched step, for
small and large steps, so that the rule which decides about it (`worth_it` of `vae.training.batched_runs`) stands on a
measurement.
Prints a table and writes benchmarks/results/together.json. README.md tells what the columns mean.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))

import torch  # noqa: E402

from benchmarks.machine import machine  # noqa: E402
from vae.config import Config  # noqa: E402
from vae.datasets import Dataset, load_dataset  # noqa: E402
from vae.training.batched_runs import SEVERAL, SMALL_STEP, BatchedRuns, worth_it  # noqa: E402
from vae.training.defaults import complete, images_per_second  # noqa: E402
from vae.training.trainer import Trainer  # noqa: E402

RESULTS = REPOSITORY / "benchmarks" / "results" / "together.json"
BITS = {"latent": "bernoulli", "latent_dim": 8, "hidden": (128, 128), "likelihood": "bernoulli"}
MNIST = {"dataset": "mnist", "binarize": "fixed", "latent_dim": 20}
CASES: dict[str, dict[str, Any]] = {
    "digits, 64-32-2, batch 64": {"hidden": (32,), "batch_size": 64},
    "digits, 64-400-2, batch 128": {"batch_size": 128},
    "digits, 64-128-128-8 bits, batch 64": {**BITS, "binarize": "threshold", "batch_size": 64},
    "MNIST, 784-200-20, batch 32": {**MNIST, "hidden": (200,), "batch_size": 32},
    "MNIST, 784-400-20, batch 32": {**MNIST, "batch_size": 32},
    "MNIST, 784-400-20, batch 128": {**MNIST, "batch_size": 128},
}
QUICK = {"digits, 64-32-2, batch 64": CASES["digits, 64-32-2, batch 64"]}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--models", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    parser.add_argument("--seconds", type=float, default=0.5, help="that either side computes in a round, about")
    parser.add_argument("--quick", action="store_true", help="two counts of one small model, writes no file")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.rounds, arguments.models, arguments.seconds = 2, [1, SEVERAL], 0.02
    torch.set_num_threads(1)
    rows = []
    for case, settings in (QUICK if arguments.quick else CASES).items():
        dataset = load_dataset(settings.get("dataset", "digits"), binarize=settings.get("binarize", "none"))
        rows += [measure(case, settings, dataset, models, arguments) for models in arguments.models]
    if not arguments.quick:
        write(rows)
    return 0


def measure(
    case: str, settings: dict[str, Any], dataset: Dataset, models: int, arguments: argparse.Namespace
) -> dict[str, Any]:
    """CPU milliseconds of a model's step, alone and together; rounds begin with the one and the other in turn."""
    given = Config(device="cpu", threads=1, C=1.0, **settings)
    configs = [complete(dataclasses.replace(given, seed=seed), dataset.info)[0] for seed in range(models)]
    guess = (configs[0].batch_size or 1) / images_per_second(configs[0], dataset.info)  # as the rule guesses
    steps = max(5, round(arguments.seconds / guess / models))
    sides = {"alone": Side(configs, dataset, together=False), "together": Side(configs, dataset, together=True)}
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(arguments.rounds):
        for name in sorted(sides, reverse=bool(number % 2)):
            taken[name].append(1e3 * sides[name].take(steps) / steps / models)
    row = {
        "case": case,
        "precision": configs[0].precision,
        "models": models,
        "guessed_step_ms": 1e3 * guess,
        "together": worth_it(configs, dataset.info),
        **{f"{name}_ms": statistics.median(times) for name, times in taken.items()},
        "times": [alone / joint for alone, joint in zip(taken["alone"], taken["together"], strict=True)],
    }
    show(row)
    return row


class Side:
    """Models that train one after the other, or as one step."""

    def __init__(self, configs: list[Config], dataset: Dataset, together: bool) -> None:
        self.trainers = [Trainer(config, dataset) for config in configs]
        self.together = BatchedRuns(self.trainers) if together else None
        self.take(3)

    def take(self, steps: int) -> float:
        """CPU seconds of so many steps of each model."""
        began = time.process_time()
        if self.together is None:
            for trainer in self.trainers:
                for _ in range(steps):
                    trainer.take_steps()
        else:
            for _ in range(steps):
                for trainer in self.trainers:
                    trainer.take_steps()
                self.together.flush()
        return time.process_time() - began


def show(row: dict[str, Any]) -> None:
    if row["models"] == 1:
        print(
            f"\n{'case':46}{'models':>7}{'alone ms':>10}{'together ms':>13}{'x alone (range)':>20}  the rule",
            flush=True,
        )
    times = row["times"]
    told = f"{statistics.median(times):.2f} ({min(times):.2f}-{max(times):.2f})"
    case, rule = f"{row['case']}, {row['precision']}", "together" if row["together"] else "alone"
    print(f"{case:46}{row['models']:7}{row['alone_ms']:10.2f}{row['together_ms']:13.2f}{told:>20}  {rule} "
          f"(a step guessed at {row['guessed_step_ms']:.1f} ms)", flush=True)  # fmt: skip


def write(rows: list[dict[str, Any]]) -> None:
    content = {
        "task": "CPU milliseconds of one model's step, alone and with others as one batched step; one thread",
        "measured": time.strftime("%Y-%m-%d"),
        "machine": machine(),
        "torch": torch.__version__,
        "rule": {"small_step_ms": 1e3 * SMALL_STEP, "several": SEVERAL},
        "table": rows,
    }
    RESULTS.write_text(json.dumps(content, indent=1) + "\n")
    print(f"wrote {RESULTS.relative_to(REPOSITORY)}")


if __name__ == "__main__":
    sys.exit(main())
