"""Training speed on a CPU against other loops: `python benchmarks/train_cpu.py --pythae-python PYTHON`.

MNIST, VAE 784-400-20, Bernoulli, Adam at 1e-3, batches of 128. Each loop runs in a process of its own; rounds go
A B C ..., then B C ... A, so that a change of the machine's mood meets all of them. Ratios are taken within a round.
Prints a table and writes benchmarks/results/train_cpu.json. README.md tells what the columns mean.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))

from vae.datasets import data_root, load_dataset  # noqa: E402

PEERS = REPOSITORY / "benchmarks" / "peers"
RESULTS = REPOSITORY / "benchmarks" / "results" / "train_cpu.json"
BASE = "idiomatic loop"
LOOPS: dict[str, list[str]] = {  # name in the table -> script and its arguments
    BASE: ["idiomatic.py"],
    "pythae": ["pythae_trainer.py"],
    "ELBO Room, --binarize epoch": ["elbo_room.py", "--binarize", "epoch"],
    "ELBO Room, --binarize fixed": ["elbo_room.py", "--binarize", "fixed"],
    "matrix products only": ["matrix_products.py"],
}


def main() -> int:
    arguments = parse()
    load_dataset("mnist")  # downloads it where it is missing; the loops only read it
    loops = dict(LOOPS)
    if not arguments.pythae_python:
        del loops["pythae"]
        print("pythae is left out: name an environment that has it with --pythae-python (benchmarks/README.md).")
    runs = measure(loops, arguments)
    rows = table(runs)
    show(rows, arguments)
    if not arguments.quick:
        write(rows, runs, arguments)
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=1, help="timed passes over the 60,000 images")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--pythae-python", default=os.environ.get("PYTHAE_PYTHON"), metavar="PYTHON")
    parser.add_argument("--quick", action="store_true", help="one round of 6,400 images, writes no file")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.rounds = 1
    return arguments


def measure(loops: dict[str, list[str]], arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """One result for each loop, number of threads and round, in the order in which they ran."""
    runs = []
    names = list(loops)
    for number in range(arguments.rounds):
        first = number % len(names)
        for threads in arguments.threads:
            for name in names[first:] + names[:first]:
                result = run(loops[name], threads, arguments)
                runs.append({"loop": name, "threads": threads, "round": number, **result})
                speed = result["images"] / result["cpu"]
                print(
                    f"round {number + 1}, {threads} thread(s), {name}: {speed:,.0f} images per CPU second", flush=True
                )
    return runs


def run(script: list[str], threads: int, arguments: argparse.Namespace) -> dict[str, Any]:
    python = arguments.pythae_python if script[0] == "pythae_trainer.py" else sys.executable
    command = [python, str(PEERS / script[0]), *script[1:], "--data", str(data_root())]
    command += ["--threads", str(threads), "--epochs", str(arguments.epochs)]
    command += ["--limit", "6400"] if arguments.quick else []
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def table(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row for each loop and number of threads: medians over the rounds."""
    rows = []
    for threads in dict.fromkeys(r["threads"] for r in runs):
        base = {r["round"]: r for r in runs if r["loop"] == BASE and r["threads"] == threads}
        for name in dict.fromkeys(r["loop"] for r in runs):
            mine = [r for r in runs if r["loop"] == name and r["threads"] == threads]
            others = [r["others"] for r in mine if r["others"] is not None]
            row: dict[str, Any] = {"loop": name, "threads": threads, "rounds": len(mine)}
            for clock in ("cpu", "wall"):
                row[f"images_per_{clock}_second"] = statistics.median(r["images"] / r[clock] for r in mine)
                ratios = [r["images"] / r[clock] * base[r["round"]][clock] / base[r["round"]]["images"] for r in mine]
                row[f"{clock}_ratios"] = ratios
                row[f"{clock}_ratio"] = statistics.median(ratios)
            row["others"] = statistics.median(others) if others else None
            rows.append(row)
    return rows


def show(rows: list[dict[str, Any]], arguments: argparse.Namespace) -> None:
    epochs = f"{arguments.epochs} epoch(s)" if not arguments.quick else "6,400 images: too few to mean anything"
    print(
        f"\nMNIST, 784-400-20, batch 128, Adam; {arguments.rounds} round(s) of {epochs}; load {os.getloadavg()[0]:.1f}"
    )
    head = f"{'loop':29}{'threads':>8}{'images/CPU s':>14}{'images/s':>10}"
    print(f"{head}{'x idiomatic (CPU; range)':>27}{'(wall; range)':>21}{'others':>8}")
    for row in rows:
        line = f"{row['loop']:29}{row['threads']:8}{row['images_per_cpu_second']:14,.0f}"
        line += f"{row['images_per_wall_second']:10,.0f}{_ratio(row, 'cpu'):>27}{_ratio(row, 'wall'):>21}"
        print(line + (f"{row['others']:8.2f}" if row["others"] is not None else ""))


def _ratio(row: dict[str, Any], clock: str) -> str:
    ratios = row[f"{clock}_ratios"]
    return f"{row[f'{clock}_ratio']:.2f} ({min(ratios):.2f}-{max(ratios):.2f})"


def write(rows: list[dict[str, Any]], runs: list[dict[str, Any]], arguments: argparse.Namespace) -> None:
    versions: dict[str, str] = {}
    for result in runs:
        versions |= result["versions"]
    content = {
        "task": "MNIST, VAE 784-400-20, Bernoulli, Adam 1e-3, batch 128, float32",
        "measured": time.strftime("%Y-%m-%d"),
        "machine": {"processor": processor(), "cores": os.cpu_count(), "system": platform.system()},
        "versions": versions,
        "rounds": arguments.rounds,
        "epochs": arguments.epochs,
        "table": rows,
        "runs": [{key: value for key, value in result.items() if key != "versions"} for result in runs],
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(content, indent=1) + "\n")
    print(f"wrote {RESULTS.relative_to(REPOSITORY)}")


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


if __name__ == "__main__":
    sys.exit(main())
