"""What `vae.log` costs a training loop of one's own: `python benchmarks/own_loop.py`.

The loop of examples/own_loop.py (784-400-20, Bernoulli pixels, Adam, batches of 128, one thread) on random images of
MNIST's size, in turns of a few hundred steps with the log and without; and the CPU time inside `log.step` itself, which
other programs on the machine hardly move. Promised: under 2 % of a step, which takes 5 ms on a core of its own.
Prints a table and writes benchmarks/results/own_loop.json.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))

import vae  # noqa: E402
from benchmarks.machine import machine  # noqa: E402
from examples.own_loop import Decoder, Encoder, terms  # noqa: E402

RESULTS = REPOSITORY / "benchmarks" / "results" / "own_loop.json"
SHARE = 0.02  # of a step of some milliseconds, that the log may take
SHAPE, BATCH = (1, 28, 28), 128


class Loop:
    """The loop, whose steps go on from turn to turn."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.x = (torch.rand(20 * BATCH, *SHAPE) < 0.15).float()
        self.encoder, self.decoder = Encoder(784), Decoder(SHAPE)
        self.optimiser = torch.optim.Adam([*self.encoder.parameters(), *self.decoder.parameters()], lr=1e-3)

    def turn(self, steps: int, log: Any) -> tuple[float, float]:
        """CPU seconds of so many steps, and those inside `log.step`."""
        inside, began = 0.0, time.process_time()
        for step in range(steps):
            x = self.x[step % 20 * BATCH :][:BATCH]
            cross_entropy, kl = terms(self.encoder, self.decoder, x)
            loss = ((log.C if log else 1.0) * cross_entropy + kl.sum(1)).mean()
            self.optimiser.zero_grad()
            loss.backward()
            self.optimiser.step()
            if log:
                before = time.process_time()
                log.step(distortion=cross_entropy, rate=kl, lr=1e-3)
                inside += time.process_time() - before
        return time.process_time() - began, inside


def new_log(folder: str) -> Any:
    """Records of 100 steps: what half a second has where a step takes 5 ms. By the clock they would have fewer beside
    other programs."""
    return vae.log("cost", likelihood="bernoulli", folder=folder, record_every=100)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--steps", type=int, default=200, help="of a turn")
    given = parser.parse_args()
    torch.set_num_threads(1)
    loop, rows = Loop(), []
    loop.turn(100, None)
    with tempfile.TemporaryDirectory() as folder, new_log(folder) as log:
        loop.turn(50, log)
        loads = [os.getloadavg()[0]]
        for _ in range(given.rounds):
            without, _ = loop.turn(given.steps, None)
            with_log, inside = loop.turn(given.steps, log)
            rows.append(
                {"without": without / given.steps, "with": with_log / given.steps, "inside": inside / given.steps}
            )
            loads.append(os.getloadavg()[0])
    found = {
        "machine": machine(),
        "load": [min(loads), max(loads)],
        "rounds": given.rounds,
        "steps": given.steps,
        "seconds_of_a_step": [row["without"] for row in rows],
        "seconds_inside_log": [row["inside"] for row in rows],
        "ratio": [row["with"] / row["without"] for row in rows],
    }
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")
    shares = [a / b for a, b in zip(found["seconds_inside_log"], found["seconds_of_a_step"], strict=True)]
    share = statistics.median(shares)
    print(f"a step without the log   {1e3 * statistics.median(found['seconds_of_a_step']):8.2f} ms")
    print(f"inside log.step          {1e6 * statistics.median(found['seconds_inside_log']):8.1f} µs, {share:.2%}")
    print(f"with the log / without   {statistics.median(found['ratio']):8.3f}")
    return int(share > SHARE)


if __name__ == "__main__":
    sys.exit(main())
