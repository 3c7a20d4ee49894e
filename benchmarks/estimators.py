"""What a gradient estimator is worth: a VAE with 8 bits on digits, trained with each, three seeds.

    python benchmarks/estimators.py            # about ten minutes on one core
    python benchmarks/estimators.py --quick    # a look whether it runs; writes nothing

Every −ELBO is exact, over all 256 codes: on the training images (what an estimator minimises) and on held-out ones
(where a better optimiser may overfit more). Ends with status 1 where training values do not come in the known order.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch
from torch import Tensor

from benchmarks.machine import machine
from vae import Config, load_dataset
from vae.bound.estimators import ESTIMATORS, choices
from vae.bound.exact_evidence import exact_evidence
from vae.lessons.gradient_study import make, study
from vae.training.defaults import complete
from vae.training.trainer import Trainer

OUT = Path(__file__).parent / "results" / "estimators.json"
TASK = "digits, each pixel black or white at ½; 64-128-128, 8 bits, batch 64, Adam 1e-3"
ORDER = [["exact"], ["rloo-4"], ["disarm", "rloo-2", "concrete"], ["running-mean"], ["straight-through"], ["score"]]


def minus_elbo(trainer: Trainer, images: Tensor) -> float:
    """Exact, nats per image."""
    return -float(exact_evidence(trainer.model, trainer.dataset.to_float(images)).elbo.mean())


def trained(estimator: str, seed: int, epochs: int) -> dict[str, Any]:
    dataset = load_dataset("digits", binarize="threshold")
    given = Config(
        binarize="threshold", likelihood="bernoulli", latent="bernoulli", latent_dim=8, hidden=(128, 128),
        batch_size=64, epochs=epochs, seed=seed, estimator=estimator, threads=1,
    )  # fmt: skip
    config, _ = complete(given, dataset.info)
    trainer, began = Trainer(config, dataset), time.process_time()
    for _ in range(trainer.total_steps):
        trainer.take_steps()
    seconds = time.process_time() - began
    trainer.check_finite()
    generator = torch.Generator().manual_seed(0)
    looked_at = study(make(estimator), trainer.model, dataset.to_float(dataset.train[:20]), 500, generator=generator)
    return {
        "estimator": estimator,
        "seed": seed,
        "train": minus_elbo(trainer, dataset.train),
        "test": minus_elbo(trainer, dataset.test),
        "cpu_seconds": seconds,
        "gradient_variance": looked_at.total_variance,
        "gradient_relative_bias": looked_at.relative_bias,
        "gradient_relative_noise": looked_at.relative_noise,
    }


def table(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Means over the seeds, best first."""
    lines = []
    for name in dict.fromkeys(row["estimator"] for row in rows):
        own = [row for row in rows if row["estimator"] == name]
        numbers = [key for key in own[0] if key not in ("estimator", "seed")]
        lines.append({"estimator": name} | {key: statistics.fmean(row[key] for row in own) for key in numbers})
        lines[-1]["train_range"] = [min(row["train"] for row in own), max(row["train"] for row in own)]
    return sorted(lines, key=lambda line: line["train"])


def in_order(lines: list[dict[str, Any]]) -> bool:
    """Each group of ORDER wholly below the next."""
    by_name = {line["estimator"]: line["train"] for line in lines}
    groups = [[by_name[name] for name in group] for group in ORDER]
    return all(max(better) < min(worse) for better, worse in itertools.pairwise(groups))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    names = [name for name in choices("bernoulli", "elbo") if ESTIMATORS[name].trains]
    seeds, epochs = (range(1), 2) if options.quick else (range(options.seeds), options.epochs)
    rows = []
    for seed in seeds:  # interleaved: what else the machine does falls on all alike
        for name in names:
            rows.append(trained(name, seed, epochs))
            print(f"seed {seed}  {name:<17}−ELBO {rows[-1]['train']:.2f}", flush=True)
    lines = table(rows)
    print(f"\n{TASK}, {epochs} epochs, {len(seeds)} seeds\n")
    print(
        f"{'estimator':<17}{'train':>8}{'range':>16}{'held out':>10}{'CPU s':>8}{'variance':>12}{'bias':>8}{'noise':>8}"
    )
    for line in lines:
        low, high = line["train_range"]
        print(
            f"{line['estimator']:<17}{line['train']:8.2f}{f'{low:.2f}–{high:.2f}':>16}{line['test']:10.2f}"
            f"{line['cpu_seconds']:8.1f}{line['gradient_variance']:12.3g}{line['gradient_relative_bias']:8.2f}"
            f"{line['gradient_relative_noise']:8.2f}"
        )
    if options.quick:
        return 0
    OUT.write_text(
        json.dumps(
            {
                "task": f"{TASK}, {epochs} epochs",
                "machine": machine(),
                "seeds": len(seeds),
                "table": lines,
                "rows": rows,
            },
            indent=1,
        )
    )
    return 0 if in_order(lines) else 1


if __name__ == "__main__":
    sys.exit(main())
