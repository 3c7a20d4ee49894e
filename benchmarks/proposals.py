"""What each proposal is worth for log p(x) by importance sampling: `python benchmarks/proposals.py`.

The demo runs, and a model with 40 dimensions: the anchor's configuration, trained for `--epochs` epochs only. Of each
the first held-out images; log p(x) exactly where there is a way, else the refined proposal's with REFERENCE samples.
Times are CPU seconds, so other programs hardly move them. Prints a table and writes benchmarks/results/proposals.json.
README.md tells what the columns mean.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))

import torch  # noqa: E402
from torch import Generator, Tensor  # noqa: E402

from benchmarks.machine import machine  # noqa: E402
from vae.bound.evidence import importance_evidence  # noqa: E402
from vae.bound.exact_evidence import exact_evidence, exact_method  # noqa: E402
from vae.bound.proposals import PROPOSALS  # noqa: E402
from vae.config import Config  # noqa: E402
from vae.datasets import load_dataset  # noqa: E402
from vae.model.vae import Model  # noqa: E402
from vae.runs import load_run  # noqa: E402
from vae.training.defaults import complete  # noqa: E402
from vae.training.records import Record  # noqa: E402
from vae.training.trainer import Trainer  # noqa: E402

ANCHOR = REPOSITORY / "configs" / "anchor-binarized-mnist.json"
DEMOS = {"demo-digits-2d": 360, "demo-digits-8bits": 360, "demo-mnist-10d": 50}  # images looked at
ANCHOR_IMAGES, ANCHOR_LR = 50, 1e-3
REFERENCE = 20_000
RESULTS = REPOSITORY / "benchmarks" / "results" / "proposals.json"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--samples", type=int, nargs="+", default=[200, 2000])
    parser.add_argument("--epochs", type=int, default=12, help="of the model with 40 dimensions (0: left out)")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for name, images in DEMOS.items():
        run = load_run(REPOSITORY / "checkpoints" / name)
        dataset = run.dataset()
        rows += measure(name, run.model, dataset.to_float(dataset.test[:images]), arguments.samples)
    if arguments.epochs:
        model, x = anchor(arguments.epochs)
        rows += measure(f"binarized-mnist-40d, {arguments.epochs} epochs", model, x, arguments.samples)
    write(rows)
    return 0


def anchor(epochs: int) -> tuple[Model, Tensor]:
    config = Config.from_json(json.loads(ANCHOR.read_text()))
    config = dataclasses.replace(config, epochs=epochs, lr=ANCHOR_LR, lr_schedule="constant", threads=1, device="cpu")
    dataset = load_dataset(config.dataset)
    config, _ = complete(config, dataset.info)
    trainer = Trainer(config, dataset)
    for event in trainer.run():
        if isinstance(event, Record) and event.test:
            print(f"\repoch {event.epoch:.1f}: held-out ELBO {event.test.elbo:.1f}", end="", flush=True)
    print()
    return trainer.model, dataset.to_float(dataset.test[:ANCHOR_IMAGES])


def measure(name: str, model: Model, x: Tensor, samples: list[int]) -> list[dict[str, Any]]:
    if exact_method(model) is not None:
        way, reference = "exact", exact_evidence(model, x).log_px
    else:
        way = f"refined, K = {REFERENCE:,}"
        reference = importance_evidence(model, x, REFERENCE, Generator().manual_seed(1), proposal="refined").iw_bound
    rows = []
    for K in samples:
        for proposal in PROPOSALS:
            if proposal == "refined" and not model.latent.reparameterised:
                continue
            began = time.process_time()
            found = importance_evidence(model, x, K, Generator().manual_seed(0), proposal=proposal)
            spent = time.process_time() - began
            off = found.iw_bound - reference
            rows.append(
                {
                    "model": name,
                    "images": len(x),
                    "k": model.k,
                    "latent": model.latent.name,
                    "reference": way,
                    "samples": K,
                    "proposal": proposal,
                    "error": float(off.mean()),
                    "worst": float(off[off.abs().argmax()]),
                    "ess_median": float(found.effective_samples.median()),
                    "ess_smallest": float(found.effective_samples.min()),
                    "flagged": int(found.flagged.sum()),
                    "cpu_ms_per_image": 1000 * spent / len(x),
                    "load": os.getloadavg()[0],
                }
            )
            row = rows[-1]
            print(
                f"{name:32} K = {K:5,} {proposal:8} error {row['error']:8.3f} (worst {row['worst']:8.2f})  effective "
                f"{row['ess_median']:6.1f} (smallest {row['ess_smallest']:5.1f})  flagged {row['flagged']:3} of "
                f"{len(x)}  {row['cpu_ms_per_image']:6.1f} CPU ms an image",
                flush=True,
            )
    return rows


def write(rows: list[dict[str, Any]]) -> None:
    content = {
        "task": "log p(x) by importance sampling with each proposal, float32, one thread",
        "measured": time.strftime("%Y-%m-%d"),
        "machine": machine(),
        "torch": torch.__version__,
        "table": rows,
    }
    RESULTS.write_text(json.dumps(content, indent=1) + "\n")
    print(f"wrote {RESULTS.relative_to(REPOSITORY)}")


if __name__ == "__main__":
    sys.exit(main())
