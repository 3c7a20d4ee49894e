"""How long a knob takes to act and a stop to end a run: `python benchmarks/control.py`.

Trains real runs in real worker processes, on digits and on images of MNIST's size, and measures from the click's side:
  C      change_knobs(C=...)  ->  the line in history.jsonl that says it was applied
  stop   engine.stop(run)     ->  the step loop left (state "saving" or later), and the final status with all saved
Promised: C and the end of the loop within 0.3 s or the end of the current step, whichever is later.
Prints a table and writes benchmarks/results/control.json.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))

from benchmarks.machine import machine  # noqa: E402
from vae import runs  # noqa: E402
from vae.config import Config  # noqa: E402
from vae.datasets import describe  # noqa: E402
from vae.engines.local import LocalEngine  # noqa: E402
from vae.training.defaults import complete  # noqa: E402

PROMISE = 0.3  # seconds
POLL = 0.002
RESULTS = REPOSITORY / "benchmarks" / "results" / "control.json"


@dataclass
class Row:
    run: str
    what: str
    seconds: list[float]
    step_seconds: float  # a mean over the last seconds; a single step may take longer
    promised: bool

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def late(self) -> int:
        """How many of the repetitions broke the promise."""
        return sum(s > max(PROMISE, self.step_seconds) for s in self.seconds) if self.promised else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=30, help="changes of C per run")
    parser.add_argument("--stops", type=int, default=8, help="stops per run, each continued again")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, LocalEngine(slots=1) as engine:
        rows = []
        for name, config in configs(Path(folder)).items():
            rows += measure(engine, new_run(name, config, Path(folder)), arguments.repetitions, arguments.stops)
    report(rows)
    return 1 if any(row.late for row in rows) else 0


def configs(folder: Path) -> dict[str, Config]:
    """Runs that do not end by themselves."""
    images = np.random.default_rng(0).integers(0, 256, (10_000, 28, 28), dtype=np.uint8)
    np.savez(folder / "mnist-size.npz", images=images)
    mnist = str(folder / "mnist-size.npz")
    return {
        "digits mlp": Config(epochs=1_000_000),
        "28x28 mlp": Config(dataset=mnist, latent_dim=20, hidden=(400,), epochs=100_000),
        "28x28 conv": Config(dataset=mnist, latent_dim=20, network="conv", epochs=100_000),
    }


def new_run(name: str, config: Config, root: Path) -> Path:
    info = describe(config.dataset)
    completed, _ = complete(config, info)
    return runs.create_run(completed, info.binarized(completed.binarize or "none").to_json(), name=name, root=root)


def measure(engine: LocalEngine, path: Path, repetitions: int, stops: int) -> list[Row]:
    chance = random.Random(0)
    changes: list[float] = []
    loops: list[float] = []
    finals: list[float] = []
    start(engine, path)
    for number in range(repetitions):
        time.sleep(chance.uniform(0.1, 0.4))  # any moment of the worker's own rhythm
        changes.append(change_of_C(path, 10.0 + number))
    step_seconds = seconds_of_a_step(path)
    for number in range(stops):
        if number:
            start(engine, path)
        time.sleep(chance.uniform(0.1, 0.4))
        loop, final = stop(engine, path)
        loops.append(loop)
        finals.append(final)
    return [
        Row(path.name, "C -> applied", changes, step_seconds, True),
        Row(path.name, "stop -> loop left", loops, step_seconds, True),
        Row(path.name, "stop -> all saved", finals, step_seconds, False),
    ]


def start(engine: LocalEngine, path: Path) -> None:
    """Submit, and wait until it trains and knows its pace."""
    step = runs.read_status(path).step
    engine.submit(path)

    def trains() -> bool:
        status = runs.read_status(path)
        return status.state == "running" and status.step > step and status.images_per_second is not None

    wait(trains, path, poll=0.1)


def change_of_C(path: Path, value: float) -> float:
    history = path / "history.jsonl"
    offset = history.stat().st_size
    began = time.perf_counter()
    runs.change_knobs(path, C=value)
    wait(lambda: any(k.get("knob") == "C" and k["value"] == value for k in lines_from(history, offset)), path)
    return time.perf_counter() - began


def stop(engine: LocalEngine, path: Path) -> tuple[float, float]:
    began = time.perf_counter()
    engine.stop(path)
    wait(lambda: runs.read_status(path).state in ("saving", *runs.ENDED), path)
    left = time.perf_counter() - began
    wait(lambda: runs.read_status(path).state in runs.ENDED, path)
    saved = time.perf_counter() - began
    if runs.read_status(path).state != "stopped" or not engine.wait(10):
        raise SystemExit(f"{path.name} did not stop: {runs.read_status(path)}")
    return left, saved


def lines_from(history: Path, offset: int) -> Iterator[dict[str, object]]:
    with history.open("rb") as file:
        file.seek(offset)
        for line in file.read().split(b"\n")[:-1]:
            yield json.loads(line)


def seconds_of_a_step(path: Path) -> float:
    batch_size = runs.read_config(path)[0].batch_size or 1
    return batch_size / (runs.read_status(path).images_per_second or math.inf)


def wait(condition: Callable[[], bool], path: Path, poll: float = POLL) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        status = runs.read_status(path)
        if status.state in ("failed", "diverged", "finished") or time.monotonic() > deadline:
            raise SystemExit(f"{path.name}: nothing to measure, {status}")
        time.sleep(poll)


def report(rows: list[Row]) -> None:
    print(f"{'run':<12} {'from -> to':<18} {'n':>3} {'median':>9} {'max':>9} {'a step':>9}  promise")
    for row in rows:
        verdict = "-" if not row.promised else "kept" if not row.late else f"broken {row.late} times"
        times = (f"{1000 * t:>6.0f} ms" for t in (row.median, max(row.seconds)))
        print(
            f"{row.run:<12} {row.what:<18} {len(row.seconds):>3}",
            *times,
            f"{1000 * row.step_seconds:>6.1f} ms ",
            verdict,
        )
    import torch

    values = [asdict(row) | {"median": row.median, "max": max(row.seconds), "late": row.late} for row in rows]
    setting = {**machine(), "python": platform.python_version(), "torch": torch.__version__}
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps({"promise_seconds": PROMISE, "setting": setting, "rows": values}, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
