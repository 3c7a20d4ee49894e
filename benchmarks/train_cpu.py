"""Training on a CPU against other loops: `python benchmarks/train_cpu.py --peers-python PYTHON`.

Images per second at equal settings and with the shipped defaults, dense and convolutional, and the seconds until the
held-out −ELBO of MNIST has fallen to 110 and 105 nats. Each loop runs in a process of its own; rounds go A B C ...,
then B C ... A, so that a change of the machine's mood meets all of them. Ratios are taken within a round. Before each
round it waits for the machine to be idle, and the results say whether it was. Prints tables, writes
benchmarks/results/train_cpu.json and draws benchmarks/results/train_cpu.svg from it (`--draw` does only that).
README.md tells what the columns mean.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))

import torch  # noqa: E402

from benchmarks import training_loops as loops  # noqa: E402
from benchmarks import training_tables as tables  # noqa: E402
from benchmarks.machine import machine, wait_for_idle  # noqa: E402
from benchmarks.training_loops import Task  # noqa: E402
from benchmarks.training_plot import draw  # noqa: E402
from vae.training.defaults import multiplies_bfloat16  # noqa: E402

RESULTS = REPOSITORY / "benchmarks" / "results" / "train_cpu.json"
PICTURE = RESULTS.with_suffix(".svg")
NO_BFLOAT16 = "this processor has none"
NO_PEERS = "name an environment that has it with --peers-python"
TASKS = {"speed": loops.SPEED, "conv28": loops.CONV_28, "conv64": loops.CONV_64, "quality": loops.QUALITY}


def main() -> int:
    arguments = parse()
    if arguments.draw:
        PICTURE.write_text(draw(json.loads(RESULTS.read_text())["speed"]))
        return 0
    on = {
        **machine(),
        "system": platform.system(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "bfloat16": multiplies_bfloat16(),
    }
    print(", ".join(f"{name} {value}" for name, value in {**on, "torch": torch.__version__}.items()), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.tasks:
            task, left_out = chosen(TASKS[name], arguments)
            pixels = loops.write_pixels(task.dataset, Path(folder) / f"{task.dataset}.npz")
            found = described(task, left_out, measure(task, pixels, arguments))
            show(found)
            if not arguments.quick:
                write(name, {"measured": time.strftime("%Y-%m-%d"), "machine": on, **found})
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quality-rounds", type=int, default=2, help="of the time to quality, which takes minutes")
    parser.add_argument("--epochs", type=int, default=1, help="timed passes over the training images")
    parser.add_argument("--budget", type=float, default=90.0, help="CPU seconds until a target is given up")
    parser.add_argument("--threads", type=int, nargs="+", default=[1])
    parser.add_argument("--peers-python", default=os.environ.get("PEERS_PYTHON"), metavar="PYTHON")
    parser.add_argument("--only", default="", metavar="TEXT", help="only the loops whose name begins so")
    parser.add_argument("--patience", type=float, default=120.0, help="seconds to wait for an idle machine, each round")
    parser.add_argument("--draw", action="store_true", help="only draw the picture anew, from the file of results")
    parser.add_argument("--quick", action="store_true", help="one round of a few small images, writes no file")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.rounds = arguments.quality_rounds = 1
        arguments.budget, arguments.patience = 2.0, 0.0
    return arguments


def chosen(task: Task, arguments: argparse.Namespace) -> tuple[Task, dict[str, str]]:
    """The task with the loops that can run here, and with --quick on few and small images; why others are left out."""
    asked = {name: script for name, script in task.loops.items() if name.startswith(arguments.only)}
    left_out = {
        name: NO_PEERS for name, script in asked.items() if script[0] in loops.ELSEWHERE and not arguments.peers_python
    }
    if not multiplies_bfloat16():  # an emulation takes ten times as long and tells nothing
        left_out |= {name: NO_BFLOAT16 for name, script in asked.items() if "bfloat16" in script}
    task = dataclasses.replace(task, loops={name: asked[name] for name in asked if name not in left_out})
    if arguments.quick:
        task = dataclasses.replace(task, dataset="digits", limit=640, targets=task.targets and (32.0, 30.0))
    return task, left_out


def measure(task: Task, pixels: Path, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """One result for each loop, number of threads and round, in the order in which they ran."""
    runs: list[dict[str, Any]] = []
    if not (names := list(task.loops)):
        return runs
    words = ["--epochs", str(arguments.epochs)]
    if task.targets:
        words = ["--epochs", "1000000", "--budget", str(arguments.budget), "--targets", *map(str, task.targets)]
        words += ["--look-every", "1280"] if arguments.quick else []
    for number in range(arguments.quality_rounds if task.targets else arguments.rounds):
        first = number % len(names)
        before = {"load": os.getloadavg()[0], "others_before": wait_for_idle(arguments.patience)}
        for threads in arguments.threads:
            for name in names[first:] + names[:first]:
                result = loops.run(task, name, pixels, arguments.peers_python, [*words, "--threads", str(threads)])
                runs.append({"loop": name, "threads": threads, "round": number, **before, **result})
                speed, nats = result["images"] / result["cpu"], result["curve"] and result["curve"][-1][3]
                quality = f", {nats:.2f} nats after {result['cpu']:.1f} s" if nats else ""
                print(
                    f"round {number + 1}, {threads} thread(s), {name}: {speed:,.0f} images/CPU s{quality}", flush=True
                )
    return runs


def described(task: Task, left_out: dict[str, str], runs: list[dict[str, Any]]) -> dict[str, Any]:
    """The task, its table and what the table was made from; whether the machine was idle meanwhile."""
    taken = loops.shipped(task)
    versions: dict[str, str] = {}
    for result in runs:
        versions |= result.pop("versions")
    return {
        "task": task.title,
        "images": task.limit or "all",
        "shipped": {name: getattr(taken, name) for name in ("batch_size", "lr", "precision", "threads")},
        "versions": versions,
        "idle": tables.idle(runs),
        "left_out": left_out,
        "table": tables.quality_table(runs, task.targets) if task.targets else tables.speed_table(runs),
        "runs": runs,
    }


def show(found: dict[str, Any]) -> None:
    shipped = ", ".join(f"{name} {value}" for name, value in found["shipped"].items())
    title = f"{found['task']}; shipped defaults: {shipped}"
    if found["table"]:
        (tables.show_quality if "targets" in found["table"][0] else tables.show_speed)(title, found["table"])
    for name, why in found["left_out"].items():
        print(f"{name:43}not measured: {why}")
    beside = tables.beside(found["runs"])
    print(f"{beside[0].upper()}{beside[1:]}.", flush=True)


def write(task: str, found: dict[str, Any]) -> None:
    """The other tasks keep what was found when they were measured."""
    content = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    content[task] = found
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps({name: content[name] for name in TASKS if name in content}, indent=1) + "\n")
    if task == "speed":
        PICTURE.write_text(draw(found))
    print(f"wrote {RESULTS.relative_to(REPOSITORY)}")


if __name__ == "__main__":
    sys.exit(main())
