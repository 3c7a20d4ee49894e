"""How long `--network resconv` trains on a CPU: `python benchmarks/resconv.py`.

Epochs over colour pictures of 64x64 (a bright square on dark ground each), by CPU time and on one thread, beside
`--network conv` in turns. Writes benchmarks/results/resconv.json.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from benchmarks.machine import machine
from vae.config import Config
from vae.datasets import load_dataset
from vae.training.defaults import complete
from vae.training.trainer import Trainer

RESULTS = Path(__file__).parent / "results" / "resconv.json"
NETWORKS = ("conv", "resconv")
SIDE = 64


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--images", type=int, default=800, help="of which four in five are trained on")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    found: dict[str, list[float]] = {network: [] for network in NETWORKS}
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "squares.npz"
        np.savez(data, images=squares(arguments.images))
        for _ in range(arguments.rounds):
            for network in NETWORKS:
                found[network].append(images_per_second(network, data))
                print(f"{network}: {found[network][-1]:.0f} images a second of a processor", flush=True)
    what = f"training at {SIDE}x{SIDE}x3 on one thread, images per second of a processor, by network"
    RESULTS.write_text(json.dumps({"what": what, "machine": machine(), "images_per_second": found}, indent=1) + "\n")


def squares(count: int) -> np.ndarray:
    """(count, SIDE, SIDE, 3) bytes."""
    rng = np.random.default_rng(0)
    images = rng.integers(20, 80, (count, 1, 1, 3), np.uint8).repeat(SIDE, 1).repeat(SIDE, 2)
    for image in images:
        top, left, size = (int(number) for number in rng.integers((0, 0, 8), SIDE // 2))
        image[top : top + size, left : left + size] = rng.integers(100, 255, 3)
    return images


def images_per_second(network: str, data: Path) -> float:
    """Trained images per second of a processor over one epoch, its records and held-out values included."""
    dataset = load_dataset(str(data))
    asked = Config(dataset=str(data), network=network, latent_dim=10, epochs=1, batch_size=64, threads=1, device="cpu")
    trainer = Trainer(complete(asked, dataset.info)[0], dataset)
    begin = time.process_time()
    for _ in trainer.run():
        pass
    return len(dataset.train) / (time.process_time() - begin)


if __name__ == "__main__":
    main()
