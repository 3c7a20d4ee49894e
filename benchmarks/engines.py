"""What a sweep costs beside its training: `python benchmarks/engines.py`.

Sweeps of runs of one step are handed to the local engine and to a real Slurm of one node (that of the tests; left out,
with the reason, where it is not installed): nearly all of their time is the engine's. From these, and from what a run
asks of its folder while it trains, follows by arithmetic what 100,000 runs on 1,000 machines would ask of the shared
folder and of the scheduler, and which of these demands is the furthest beyond what was measured here.
Prints two tables, writes benchmarks/results/engines.json and draws benchmarks/results/engines.svg from it (`--draw`
does only that).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))

from benchmarks.machine import machine  # noqa: E402
from vae import runs  # noqa: E402
from vae.config import Config  # noqa: E402
from vae.datasets import describe  # noqa: E402
from vae.engines import batches  # noqa: E402
from vae.engines.base import Engine  # noqa: E402
from vae.engines.local import LocalEngine  # noqa: E402
from vae.engines.scheduled import LOOK_EVERY, ScheduledEngine  # noqa: E402
from vae.engines.slurm import Slurm  # noqa: E402
from vae.engines.worker import STATUS_EVERY  # noqa: E402
from vae.files import write_atomically  # noqa: E402
from vae.training.defaults import complete  # noqa: E402

RESULTS = REPOSITORY / "benchmarks" / "results" / "engines.json"
RUNS, MACHINES, RUN_SECONDS = 100_000, 1_000, 600.0  # the sweep that is reckoned: ten minutes a run
ONE_STEP = {"dataset": "digits", "epochs": 1, "batch_size": 1437, "hidden": (8,), "latent_dim": 2, "threads": 1}
PATIENCE = 600.0


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--points", type=int, nargs="+", default=[1, 2, 4, 8, 16], help="runs of a sweep")
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time")
    parser.add_argument("--queued", type=int, default=500, help="jobs in Slurm's queue when it is asked for them")
    parser.add_argument("--quick", action="store_true", help="two runs, ten jobs; writes no file")
    parser.add_argument("--draw", action="store_true", help="only the picture and the text, from the results file")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.points, arguments.queued = [1, 2], 10
    found = json.loads(RESULTS.read_text()) if arguments.draw else measure(arguments)
    print(table(found))
    print(reckoning(found))
    if not arguments.quick:
        RESULTS.write_text(json.dumps(found, indent=1) + "\n")
        RESULTS.with_suffix(".svg").write_text(draw(found))
    return 0


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    found: dict[str, Any] = {"machine": machine(), "jobs": arguments.jobs, "sweeps": [], "slurm": None}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        found["folder"] = folder_costs(root / "folder")
        for points in arguments.points:
            with LocalEngine(arguments.jobs) as engine:
                time.sleep(5.0)  # its spare worker warms up
                found["sweeps"].append(sweep(engine, "local", points, root / f"local-{points}", arguments.jobs))
        with slurm(root / "slurm") as why_not:
            found["without_slurm"] = why_not
            if not why_not:
                for points in arguments.points:
                    there = root / f"slurm-{points}"
                    with ScheduledEngine(Slurm({"at_once": arguments.jobs}), there, 0.2) as engine:
                        found["sweeps"].append(sweep(engine, "slurm", points, there, arguments.jobs))
                found["slurm"] = slurm_costs(root / "queue", arguments.queued)
    return found


def new_run(root: Path) -> Path:
    config, _ = complete(Config(**ONE_STEP), describe("digits"))  # type: ignore[arg-type]
    return runs.create_run(config, describe("digits", binarize=config.binarize or "none").to_json(), "point", root)


def sweep(engine: Engine, name: str, points: int, root: Path, jobs: int) -> dict[str, Any]:
    """Seconds until runs are made and handed over, and until all have ended."""
    began = time.perf_counter()
    paths = [new_run(root) for _ in range(points)]
    made = time.perf_counter()
    engine.submit(paths)
    submitted = time.perf_counter()
    while not all(runs.read_status(path).state == "finished" for path in paths):
        if time.perf_counter() - submitted > PATIENCE:
            raise SystemExit(f"{name}: {[runs.read_status(path).message for path in paths]}")
        time.sleep(0.05)
    ended = time.perf_counter()
    files = [file for path in paths for file in path.rglob("*") if file.is_file()]
    return {
        "engine": name, "points": points, "make": (made - began) / points, "submit": (submitted - made) / points,
        "seconds": ended - made, "per_run": (ended - made) * min(jobs, points) / points,
        "files": len(files) / points, "bytes": sum(file.stat().st_size for file in files) / points,
    }  # fmt: skip


def folder_costs(root: Path) -> dict[str, float]:
    """What this folder takes: replaces of a small file a second, seconds to list a run."""
    paths = [new_run(root) for _ in range(100)]
    data = (paths[0] / "status.json").read_bytes()
    return {
        "replaces_per_second": 1 / seconds_of(lambda: write_atomically(root / "x", data, durable=False), 500),
        "list_per_run": seconds_of(lambda: runs.list_runs(root), 5) / len(paths),
        "batch_bytes_per_run": batches.create(root, "slurm", [[path] for path in paths]).file.stat().st_size / 100,
    }


def seconds_of(action: Any, times: int) -> float:
    """Median of a call, in seconds."""
    spent = []
    for _ in range(times):
        began = time.perf_counter()
        action()
        spent.append(time.perf_counter() - began)
    return statistics.median(spent)


@contextlib.contextmanager
def slurm(folder: Path) -> Iterator[str]:
    """A Slurm of one node, and why there is none."""
    from tests.vae.engines.slurm_cluster import cluster, why_not

    if sentence := why_not():
        yield sentence
        return
    folder.mkdir(parents=True)
    with cluster(folder) as made:
        before = dict(os.environ)
        os.environ.update(made.environment)
        yield ""
        os.environ.clear()
        os.environ.update(before)


def slurm_costs(root: Path, queued: int) -> dict[str, float]:
    """What the scheduler takes: jobs in its queue by default, seconds of the question for all jobs, jobs it starts a
    second."""
    from vae.engines.slurm import _call

    def array(command: str, count: int, *words: str) -> str:
        return _call("sbatch", "--parsable", f"--array=0-{count - 1}", "--output=/dev/null", *words, "--wrap", command)

    config = dict(
        (part.strip() for part in line.split("=", 1)) for line in _call("scontrol", "show", "config").splitlines()
        if "=" in line
    )  # fmt: skip
    cluster = Slurm({})
    empty = seconds_of(cluster.look, 9)
    held = array("true", queued, "--hold").strip()
    look = max(0.0, seconds_of(cluster.look, 9) - empty)
    cluster.cancel([held])
    began = time.perf_counter()
    started = array("true", min(queued, 40)).strip()
    while any(job.startswith(f"{started}_") and seen.state != "ended" for job, seen in cluster.look().items()):
        time.sleep(0.1)
    seconds = time.perf_counter() - began
    return {
        "most_jobs": float(config["MaxJobCount"]), "most_in_an_array": float(config["MaxArraySize"]),
        "look": empty, "look_per_job": look / queued, "starts_per_second": min(queued, 40) / seconds,
    }  # fmt: skip


def demands(found: dict[str, Any]) -> list[dict[str, Any]]:
    """What the reckoned sweep asks, what was measured or is set here, and the ratio, the worst first."""
    folder, cluster = found["folder"], found["slurm"]
    one = [row for row in found["sweeps"] if row["engine"] == "slurm"] or found["sweeps"]
    handed = one[-1]["make"] + one[-1]["submit"]
    rows = [
        ("replaces of a status a second", MACHINES / STATUS_EVERY, folder["replaces_per_second"], "this folder takes"),
        ("seconds to list the folder of runs", RUNS * folder["list_per_run"], 0.3, "a page may take"),
        ("seconds to make the runs and hand them over", RUNS * handed, RUN_SECONDS, "a run lasts"),
        ("bytes of one batch's list", RUNS * folder["batch_bytes_per_run"], batches.MOST, "are read"),
    ]
    if cluster:
        rows += [
            ("jobs known to the scheduler", RUNS, cluster["most_jobs"], "is its default (MaxJobCount)"),
            ("starts of jobs a second", MACHINES / RUN_SECONDS, cluster["starts_per_second"], "one node here took"),
            (
                "seconds of one question for all jobs",
                cluster["look"] + RUNS * cluster["look_per_job"],
                LOOK_EVERY,
                "between two looks",
            ),
        ]
    told = [{"what": what, "asked": asked, "there": there, "words": words, "ratio": asked / there}
            for what, asked, there, words in rows]  # fmt: skip
    found["needs"] = {"files": RUNS * one[-1]["files"], "bytes": RUNS * one[-1]["bytes"],
                      "days": RUNS * (RUN_SECONDS + one[-1]["per_run"]) / MACHINES / 86_400,
                      "engine_share": one[-1]["per_run"] / (RUN_SECONDS + one[-1]["per_run"])}  # fmt: skip
    return sorted(told, key=lambda row: -row["ratio"])


def table(found: dict[str, Any]) -> str:
    """The sweeps, a line each."""
    lines = [
        "| engine | runs | handed over, ms a run | all ended, s | engine, s a run and place |",
        "|---|---|---|---|---|",
    ]
    for row in found["sweeps"]:
        lines.append(f"| {row['engine']} | {row['points']} | {1e3 * (row['make'] + row['submit']):.0f} | "
                     f"{row['seconds']:.1f} | {row['per_run']:.2f} |")  # fmt: skip
    if found.get("without_slurm"):
        lines.append(f"\nWithout Slurm: {found['without_slurm']}.")
    return "\n".join(lines)


def reckoning(found: dict[str, Any]) -> str:
    """The demands of the reckoned sweep, and what breaks first, in words made of the numbers."""
    rows = demands(found)
    lines = [f"\n{RUNS:,} runs of {RUN_SECONDS:.0f} s on {MACHINES:,} machines, one at a time on each:\n",
             "| what is asked | asked | there is | asked / there |", "|---|---|---|---|"]  # fmt: skip
    lines += [f"| {row['what']} | {row['asked']:,.4g} | {row['there']:,.4g} {row['words']} | {row['ratio']:.2g} |"
              for row in rows]  # fmt: skip
    needs, over = found["needs"], [row for row in rows if row["ratio"] > 1]
    lines.append(f"\nThe sweep lasts {needs['days']:.2f} days, {100 * needs['engine_share']:.1f} % of it the engine's; "
                 f"it leaves {needs['files']:,.0f} files with {needs['bytes'] / 1e9:,.1f} GB.")  # fmt: skip
    first = f"{rows[0]['what']}: {rows[0]['asked']:,.4g} asked, {rows[0]['there']:,.4g} {rows[0]['words']}"
    lines.append(f"First breaks: {first}. Beyond what was measured here: {len(over)} of {len(rows)}." if over else
                 f"Nothing breaks by these figures; the nearest is: {first}.")  # fmt: skip
    return "\n".join(lines)


def draw(found: dict[str, Any]) -> str:
    """Seconds until a sweep has ended against its runs, both axes logarithmic, a line an engine."""
    width, height, left, bottom = 520, 320, 62, 46
    engines = list(dict.fromkeys(row["engine"] for row in found["sweeps"]))
    xs = [math.log10(row["points"]) for row in found["sweeps"]]
    ys = [math.log10(row["seconds"]) for row in found["sweeps"]]
    low, high = math.floor(min(ys)), math.ceil(max(ys))

    def place(points: float, seconds: float) -> tuple[float, float]:
        across = (math.log10(points) - min(xs)) / (max(xs) - min(xs) or 1)
        up = (math.log10(seconds) - low) / (high - low or 1)
        return left + across * (width - left - 90), 16 + (1 - up) * (height - bottom - 16)

    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
             f'font-size="12"><rect width="{width}" height="{height}" fill="#fff"/>']  # fmt: skip
    for power in range(low, high + 1):
        x, y = place(1, 10.0**power)
        parts.append(f'<path d="M{left} {y:.1f}H{width - 90}" stroke="#ddd"/>'
                     f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{10.0**power:g}</text>')  # fmt: skip
    for points in sorted({row["points"] for row in found["sweeps"]}):
        x, y = place(points, 10.0**low)
        parts.append(f'<text x="{x:.1f}" y="{y + 18:.1f}" text-anchor="middle">{points}</text>')
    parts.append(f'<text x="{(left + width - 90) / 2}" y="{height - 8}" text-anchor="middle">runs of one step, '
                 f'{found["jobs"]} at a time</text><text x="16" y="{height / 2}" text-anchor="middle" '
                 f'transform="rotate(-90 16 {height / 2})">seconds until all have ended</text>')  # fmt: skip
    for engine, colour in zip(engines, ("#1f5fa8", "#c25a00", "#2a7f4f"), strict=False):
        ways = [place(row["points"], row["seconds"]) for row in found["sweeps"] if row["engine"] == engine]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in ways)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in ways]
        parts.append(f'<text x="{ways[-1][0] + 10:.1f}" y="{ways[-1][1] + 4:.1f}" fill="{colour}">{engine}</text>')
    return "".join([*parts, "</svg>\n"])


if __name__ == "__main__":
    sys.exit(main())
