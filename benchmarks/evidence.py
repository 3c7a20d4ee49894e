"""Speed and memory of log p(x) by importance sampling, against other ways: `python benchmarks/evidence.py`.

The demo run on MNIST and its held-out images; every way gets the same weights and pixels, in a process of its own.
Rounds go A B C, then B C A. A way whose answer is off by more than the sampling allows ends the script. Prints a table
and writes benchmarks/results/evidence.json. README.md tells what the columns mean.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))

from machine import machine  # noqa: E402

from vae.runs import load_run  # noqa: E402
from vae.runs.ship import held_out  # noqa: E402

RUN = REPOSITORY / "checkpoints" / "demo-mnist-10d"
RESULTS = REPOSITORY / "benchmarks" / "results" / "evidence.json"
OURS = "elbo-room"
NAMES = {
    "plain": "plain torch, an image at a time",
    "pythae": "pythae's get_nll",
    OURS: "ELBO Room, samples of q",
    "mixture": "ELBO Room, of the mixture",
    "refined": "ELBO Room, of the refined mixture",
    "products": "matrix products only",
}
FULL = (10_000, 5_000)  # images and samples of a published figure
SIGMAS = 5.0  # of the difference of two ways
OF_Q = ("plain", "pythae")  # whose bound has our expectation: other proposals have others


def main() -> int:
    arguments = parse()
    ways = [way for way in NAMES if way != "pythae" or arguments.pythae_python]
    if "pythae" not in ways:
        print("pythae is left out: name an environment that has it with --pythae-python (benchmarks/README.md).")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.npz"
        write_model(file, arguments.images)
        runs = measure(ways, file, arguments)
    check(runs)
    rows = table(runs)
    show(rows, arguments)
    if not arguments.quick:
        write(rows, runs, arguments)
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=60)
    parser.add_argument("--samples", type=int, nargs="+", default=[100, 1000, 5000])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--pythae-python", default=os.environ.get("PYTHAE_PYTHON"), metavar="PYTHON")
    parser.add_argument("--quick", action="store_true", help="one round of a few images, writes no file")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.rounds, arguments.images, arguments.samples = 1, 5, [200]
    return arguments


def write_model(file: Path, images: int) -> None:
    """The run's weights under plain names, and held-out images as they were trained on, 0 or 1."""
    run, pack = load_run(RUN), held_out(RUN)
    names = [f"{half}.{layer}.{key}" for half in ("encoder", "decoder") for layer in ("hidden", "out")
             for key in ("weight", "bias")]  # fmt: skip
    parameters = (value.detach().numpy() for value in run.model.parameters())
    weights = dict(zip(names, parameters, strict=True))
    x = (pack.images[:images] / pack.scale).astype(np.float32).reshape(-1, 784)
    np.savez(file, x=x, **weights)


def measure(ways: list[str], model: Path, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    runs = []
    for number in range(arguments.rounds):
        first = number % len(ways)
        for samples in arguments.samples:
            for way in ways[first:] + ways[:first]:
                result = run(way, model, samples, arguments)
                runs.append({"way": way, "round": number, **result})
                speed = result["images"] * samples / result["cpu"]
                print(
                    f"round {number + 1}, K = {samples}, {NAMES[way]}: {speed:,.0f} samples per CPU second", flush=True
                )
    return runs


def run(way: str, model: Path, samples: int, arguments: argparse.Namespace) -> dict[str, Any]:
    python = arguments.pythae_python if way == "pythae" else sys.executable
    command = [python, str(REPOSITORY / "benchmarks" / "peers" / "evidence_ways.py"), "--way", way]
    command += ["--model", str(model), "--samples", str(samples), "--threads", str(arguments.threads)]
    load = os.getloadavg()[0]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-3000:]}")
    return {**json.loads(done.stdout.splitlines()[-1]), "load": load}


def check(runs: list[dict[str, Any]]) -> None:
    """One answer: the bounds of a K from samples of q differ by no more than their standard errors explain."""
    for mine in (r for r in runs if r["way"] == OURS):
        for other in runs:
            if other["samples"] != mine["samples"] or other["way"] not in OF_Q:
                continue
            told = other["standard_error"] if other["standard_error"] is not None else mine["standard_error"]
            allowed = SIGMAS * (mine["standard_error"] ** 2 + told**2) ** 0.5 + 1e-3
            if abs(mine["bound"] - other["bound"]) > allowed:
                raise SystemExit(
                    f"{NAMES[other['way']]} found {other['bound']:.3f} nats where we find {mine['bound']:.3f} with "
                    f"K = {mine['samples']}: more apart than {allowed:.3f}"
                )


def table(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row for each K and way: medians over the rounds; `ratio` is the plain way's time divided by this one's."""
    rows = []
    for samples in dict.fromkeys(r["samples"] for r in runs):
        base = {r["round"]: r["cpu"] for r in runs if r["way"] == "plain" and r["samples"] == samples}
        for way in dict.fromkeys(r["way"] for r in runs):
            mine = [r for r in runs if r["way"] == way and r["samples"] == samples]
            speed = statistics.median(r["images"] * samples / r["cpu"] for r in mine)
            rows.append(
                {
                    "way": NAMES[way],
                    "samples": samples,
                    "samples_per_cpu_second": speed,
                    "ratios": [base[r["round"]] / r["cpu"] for r in mine],
                    "extrapolated_seconds": FULL[0] * FULL[1] / speed,
                    "grown": statistics.median(r["grown"] for r in mine),
                    "peak": statistics.median(r["peak"] for r in mine),
                    "bound": mine[0]["bound"],
                    "standard_error": mine[0]["standard_error"],
                }
            )
    return rows


def show(rows: list[dict[str, Any]], arguments: argparse.Namespace) -> None:
    print(f"\n784-400-10; {arguments.images} images, {arguments.rounds} round(s), load {os.getloadavg()[0]:.1f}")
    print(
        f"{'K':>5}  {'way':32}{'samples/CPU s':>14}{'x plain (range)':>20}{'10,000 x 5,000*':>17}{'memory':>9}"
        f"{'mean log p(x) ≥':>18}"
    )
    for row in rows:
        ratios = row["ratios"]
        ratio = f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"
        bound = f"{row['bound']:.3f}" if row["bound"] is not None else ""
        error = f" ± {row['standard_error']:.3f}" if row["standard_error"] is not None else ""
        print(
            f"{row['samples']:5}  {row['way']:32}{row['samples_per_cpu_second']:14,.0f}{ratio:>20}"
            f"{row['extrapolated_seconds']:15,.0f} s{row['grown'] / 1e6:+6,.0f} MB{bound:>11}{error}"
        )
    print("* CPU seconds, extrapolated from this row's speed")


def write(rows: list[dict[str, Any]], runs: list[dict[str, Any]], arguments: argparse.Namespace) -> None:
    content = {
        "task": "log p(x) of a VAE 784-400-10 with Bernoulli pixels on held-out MNIST, float32",
        "measured": time.strftime("%Y-%m-%d"),
        "machine": machine(),
        "load": [result["load"] for result in runs],
        "versions": runs[0]["versions"],
        "rounds": arguments.rounds,
        "images": arguments.images,
        "threads": arguments.threads,
        "extrapolated_to": {"images": FULL[0], "samples": FULL[1]},
        "table": rows,
        "runs": [{key: value for key, value in result.items() if key != "versions"} for result in runs],
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(content, indent=1) + "\n")
    print(f"wrote {RESULTS.relative_to(REPOSITORY)}")


if __name__ == "__main__":
    sys.exit(main())
