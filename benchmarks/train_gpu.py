"""Training on a GPU: `python benchmarks/train_gpu.py`, at most nine minutes on an H100; torch is all it needs.

The ceilings of the card; eager, compiled and captured steps beside a DataLoader's loop; whether captured steps have
the numbers of eager ones, go on after a capture that fails, and obey a knob at once; many values of C as one step;
log p(x) by importance sampling; and a published figure trained anew. Prints tables and promises and writes
benchmarks/results/train_gpu.json after each part. Exit status 1 where numbers are wrong; speed is only told. Without a
GPU, and with --tiny, everything runs on small models and nothing is written. README.md tells what the columns mean.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))

import torch  # noqa: E402
from torch._dynamo.utils import counters  # noqa: E402

from benchmarks import gpu_parts as gpu  # noqa: E402
from benchmarks.gpu_parts import DEVICE, Case, LoaderLoop, Ours, WithRecords, interleaved, ratio  # noqa: E402
from vae.bound.evaluation import evaluate  # noqa: E402
from vae.config import PRECISIONS, Config, Knobs  # noqa: E402
from vae.datasets import Dataset, describe, load_dataset  # noqa: E402
from vae.engines.worker import train_runs  # noqa: E402
from vae.errors import DownloadError  # noqa: E402
from vae.runs import create_run, load_run  # noqa: E402
from vae.training.defaults import complete  # noqa: E402
from vae.training.records import KnobChange, Record  # noqa: E402

RESULTS = REPOSITORY / "benchmarks" / "results" / "train_gpu.json"
ANCHOR = REPOSITORY / "configs" / "anchor-binarized-mnist.json"
PUBLISHED = 89.78  # −log p(x) in nats that pythae reports for the anchor's configuration
CASES = [
    Case("MLP 784-400-20, batch 128", "mnist", "mlp", (400,), 20, 128),
    Case("MLP 784-400-20, batch 1024", "mnist", "mlp", (400,), 20, 1024),
    Case("convolutional 28x28, batch 128", "mnist", "conv", (256,), 10, 128),
    Case("convolutional 64x64, batch 128", "dsprites", "conv", (256,), 10, 128, 64),
]
TINY_CASES = [
    Case("tiny MLP", "ellipses", "mlp", (16,), 2, 32, 8),
    Case("tiny convolutional", "ellipses", "conv", (16,), 2, 32, 8),
]
LOADER = "DataLoader loop"
EPOCH = 60_000  # images
TOLERANCE = 1e-3  # of the norm of a tensor, between eager and captured after 100 steps
EVIDENCE_SECONDS = 60.0  # after which the rate is known well enough


class Bench:
    """What was asked for, what was found, and which numbers were wrong."""

    def __init__(self, tiny: bool, limit: float) -> None:
        self.tiny, self.end = tiny, time.perf_counter() + limit
        self.cases = TINY_CASES if tiny else CASES
        self.rounds, self.steps = (1, 48) if tiny else (3, 400)
        self.found: dict[str, Any] = {}
        self.wrong: list[str] = []
        self._datasets: dict[tuple[str, int], tuple[Dataset, torch.Tensor]] = {}

    def data(self, case: Case) -> tuple[Dataset, torch.Tensor]:
        """The images, and the training ones on the device."""
        key = case.images, case.side
        if key not in self._datasets:
            dataset = case.dataset()
            self._datasets[key] = dataset, dataset.train.to(DEVICE)
        return self._datasets[key]

    def check(self, right: bool, sentence: str) -> None:
        if not right:
            self.wrong.append(sentence)
            print(f"  WRONG: {sentence}", flush=True)

    def promise(self, what: str, value: float, limit: float, at_least: bool = False) -> dict[str, Any]:
        kept = value >= limit if at_least else value <= limit
        verdict = "not judged on tiny models" if self.tiny else "kept" if kept else "not kept"
        print(f"  promise: {what} {'>=' if at_least else '<='} {limit:g}: {value:.4g}, {verdict}", flush=True)
        return {"promise": what, "limit": limit, "value": value, "kept": None if self.tiny else kept}


def ceilings(bench: Bench) -> dict[str, Any]:
    found = gpu.ceilings(bench.tiny)
    rates = ", ".join(f"{name} {found[name] / 1e12:.3g} T/s" for name in ("float32", "tf32", "bfloat16", "copy"))
    kernels = ", ".join(f"{1e6 * found[name]:.2f} µs a {name.replace('_', ' ')}" for name in list(found)[4:])
    print(f"  {rates}; {kernels}", flush=True)
    return found


def same(bench: Bench) -> dict[str, Any]:
    """Captured and eager steps from one start: weights and summed terms after 100 of them. Kernels that add in no
    fixed order part two eager runs too, which is shown."""
    found = {}
    for case in (bench.cases[0], bench.cases[-1]):
        dataset, images = bench.data(case)
        config = case.config(dataset, "float32")
        eager, captured, again = (gpu.trainer(config, dataset, images, captured) for captured in (False, True, False))
        for trainer in (eager, captured, again):
            for count in [8] * 11 + [1] * 12:
                trainer.take_steps(count)
        known, apart = ~eager.sums.isnan(), {}
        for name, other in (("captured", captured), ("eager again", again)):
            weights = gpu.difference(other.model.parameters(), eager.model.parameters())
            apart[name] = {"weights": weights, "terms": gpu.difference([other.sums[known]], [eager.sums[known]])}
            print(f"  {case.title}, {name}: weights {weights:.1e}, summed terms {apart[name]['terms']:.1e} apart "
                  f"after {other.step} steps", flush=True)  # fmt: skip
        worst = max(apart["captured"].values())
        bench.check(worst <= TOLERANCE, f"{case.title}: captured steps are {worst:.1e} from the eager ones")
        found[case.title] = {"steps": eager.step, **apart}
    return found


def failure(bench: Bench) -> dict[str, Any]:
    """A capture that fails after another was good: the numbers stay those of eager steps, and another trainer can
    capture afterwards."""
    case = bench.cases[0]
    dataset, images = bench.data(case)
    config = case.config(dataset, "float32")
    eager, failing, after = (gpu.trainer(config, dataset, images, captured) for captured in (False, True, True))
    for trainer in (eager, failing, after):
        for number, count in enumerate([1] * 6 + [8] * 6 + [1] * 6):
            if trainer is failing and number == 6:
                gpu.spoil(failing)
            trainer.take_steps(count)
    known, apart = ~eager.sums.isnan(), {}
    for name, other in (("failed", failing), ("after it", after)):
        weights = gpu.difference(other.model.parameters(), eager.model.parameters())
        apart[name] = max(weights, gpu.difference([other.sums[known]], [eager.sums[known]]))
        bench.check(apart[name] <= TOLERANCE, f"steps of a capture {name} are {apart[name]:.1e} from the eager ones")
    bench.check(bool(failing.slower_because), "a capture that should fail did not")
    bench.check(not after.slower_because, f"after a failed capture none succeeds: {after.slower_because}")
    told = ", ".join(f"{name} {distance:.1e}" for name, distance in apart.items())
    print(f"  {failing.slower_because} Apart from eager steps: {told}", flush=True)
    return {"told": failing.slower_because, "apart": apart}


def look(bench: Bench) -> dict[str, Any]:
    """A look at held-out images with many samples each, as an importance-weighted run takes it: seconds and memory."""
    case, samples = bench.cases[-1], 5 if bench.tiny else 50
    dataset, images = bench.data(case)
    config = dataclasses.replace(case.config(dataset, "float32"), objective="iwae", samples=samples)
    trainer = gpu.trainer(config, dataset, images, captured=False)
    before = torch.cuda.memory_allocated() if gpu.DEVICE == "cuda" else 0
    if gpu.DEVICE == "cuda":
        torch.cuda.reset_peak_memory_stats()
    taken = gpu.seconds(trainer.evaluate, 1)
    peak = (torch.cuda.max_memory_allocated() - before) / 1e9 if gpu.DEVICE == "cuda" else 0.0
    print(f"  {case.title}, {trainer.held_out.images:,} images x {samples} samples: {taken:.2f} s, {peak:.2f} GB")
    kept = bench.promise("GB that a look with many samples takes", peak, 8)
    return {"case": case.title, "samples": samples, "seconds": taken, "gigabytes": peak, "promises": [kept]}


def knobs(bench: Bench) -> dict[str, Any]:
    """C is turned between two replays."""
    case = bench.cases[0]
    dataset, images = bench.data(case)
    trainer = gpu.trainer(case.config(dataset, "float32"), dataset, images, captured=True)
    for _ in range(8):
        trainer.take_steps()
    losses = {}
    for C in (1.0, 4.0):
        trainer.apply("C", C)
        trainer.sums.zero_()
        trainer.take_steps()
        distortion, rate, _, loss = trainer.sums[:4].tolist()
        losses[C] = loss / (C * distortion + rate) - 1
        bench.check(abs(losses[C]) < 1e-4, f"the step after C = {C:g} summed a loss {losses[C]:+.1e} from C·d + r")
    trainer.record(evaluate=False)
    turned, record = _turned(Ours(case.config(dataset), dataset, images, captured=True).trainers[0], 4.0, bench)
    print(f"  the next step's loss is C·distortion + rate to {max(map(abs, losses.values())):.0e}")
    print(f"  in a run the new C acts {turned:.1f} ms after it was set, and is recorded after {record:.1f} ms")
    return {"relative_error": losses, "acts_ms": turned, "recorded_ms": record}


def _turned(trainer: Any, C: float, bench: Bench) -> tuple[float, float]:
    """Milliseconds from a new C to the change, and to the first record of steps that were all taken with it."""
    steered, began, changed = Knobs(), math.inf, math.nan
    trainer.total_steps = trainer.step + 1000
    for event in trainer.run(steered):
        now = 1e3 * (time.perf_counter() - began)
        if began == math.inf and isinstance(event, Record):
            steered.C, began = C, time.perf_counter()
        elif isinstance(event, KnobChange):
            changed = now
        elif isinstance(event, Record) and event.C == C:
            weighted = C * event.train.distortion + event.train.rate
            bench.check(abs(event.train.loss / weighted - 1) < 1e-4, "a record's loss is not that of its new C")
            return changed, now
    bench.check(False, "a new C was not recorded")
    return math.nan, math.nan


def many(bench: Bench) -> dict[str, Any]:
    """Several values of C as one step, and one model's captured step beside."""
    case, counts = bench.cases[0], [1, 4] if bench.tiny else [1, 4, 16, 64]
    dataset, images = bench.data(case)
    config = case.config(dataset)
    loops: dict[str, gpu.Loop] = {"one alone": Ours(config, dataset, images, captured=True)}
    loops |= {f"{count} together": Ours(config, dataset, images, captured=True, models=count) for count in counts}
    times, rows, slower = interleaved(loops, bench.rounds, bench.steps), [], 1.0
    for name, loop in loops.items():
        taken, slower, loss = statistics.median(times[name]), 1 / ratio(times, "one alone", name), loop.loss()
        bench.check(not loop.refused, f"{name}: {loop.refused}")
        print(f"  {name:14} {taken:9.1f} µs a step, {slower:6.2f} times one, loss at C = 1 {loss:.2f}, "
              f"set up in {loop.set_up:.1f} s", flush=True)  # fmt: skip
        rows.append(
            {"loop": name, "microseconds": taken, "times_one": slower, "loss_at_C_1": loss, "set_up": loop.set_up}
        )
    kept = bench.promise(f"{counts[-1]} models, times the step of one", slower, 6)
    return {"case": case.title, "precision": config.precision, "rows": rows, "promises": [kept]}


def evidence(bench: Bench) -> dict[str, Any]:
    case, samples = bench.cases[0], 50 if bench.tiny else 5000
    dataset, images = bench.data(case)
    model = Ours(case.config(dataset), dataset, images, captured=True).trainers[0].model
    evaluate(model, dataset, samples, limit=100, proposal="q")
    gpu.sync()
    began = time.perf_counter()
    told = evaluate(model, dataset, samples, stop=lambda: time.perf_counter() - began > EVIDENCE_SECONDS, proposal="q")
    spent = time.perf_counter() - began
    rate = told["n"] * samples / spent
    print(f"  {told['n']:,} images x {samples:,} samples in {spent:.2f} s: {rate:,.0f} samples/s; "
          f"10,000 x 5,000 in {5e7 / rate:.1f} s", flush=True)  # fmt: skip
    return {"images": told["n"], "samples": samples, "seconds": spent, "samples_per_second": rate}


def anchor(bench: Bench) -> dict[str, Any]:
    """The published configuration, as the command line trains it."""
    config = Config.from_json(json.loads(ANCHOR.read_text()))
    if bench.tiny:
        config = dataclasses.replace(
            config, dataset="digits", binarize="threshold", hidden=(16,), latent_dim=2, epochs=1, threads=1
        )
    with tempfile.TemporaryDirectory() as folder:
        data = describe(config.dataset, binarize=config.binarize or "none")
        config, _ = complete(config, data)
        path = create_run(config, data.to_json(), "anchor", Path(folder))
        with contextlib.suppress(DownloadError):  # outside the stopwatch; the run tells what is wrong
            load_dataset(config.dataset)
        began = time.perf_counter()
        (status,) = train_runs([path])
        spent = time.perf_counter() - began
        if status.state != "finished":
            bench.check(status.state == "failed", f"the anchor {status.state}: {status.message}")
            print(f"  left out: {status.message}", flush=True)
            return {"left_out": status.message}
        model = load_run(path).model.to(DEVICE)
    told = evaluate(model, load_dataset(config.dataset, binarize=config.binarize or "none"), 200, proposal="q")
    print(f"  {status.step:,} steps ({config.precision}) in {spent:.1f} s; −log p(x) <= {-told['iw_bound']:.2f} nats, "
          f"published {PUBLISHED}; {told['n']:,} images x 200 samples, of which {told['iw_ess']:.1f} are effective",
          flush=True)  # fmt: skip
    kept = [
        bench.promise("seconds of the anchor", spent, 60),
        bench.promise("nats from the published figure", abs(-told["iw_bound"] - PUBLISHED), 0.5),
    ]
    return {"seconds": spent, "steps": status.step, "precision": config.precision, **told, "promises": kept}


def steps(bench: Bench) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for case in bench.cases:
        if found and time.perf_counter() > bench.end:
            print(f"  {case.title}: left out, the time is up", flush=True)
            continue
        found[case.title] = _steps_of(case, bench)
        show(case, found[case.title])
    first = found[bench.cases[0].title]
    row = next(r for r in first["rows"] if r["loop"] == f"captured {first['shipped']}")
    first["promises"] = [
        bench.promise(f"milliseconds an epoch, captured {first['shipped']}", 1e3 * row["epoch_seconds"], 40),
        bench.promise(f"times the {LOADER}", row["times_loader"], 50, at_least=True),
        bench.promise(
            "times a step at a constant learning rate that one of a cosine takes",
            next(r["microseconds"] for r in first["rows"] if r["loop"].endswith(", cosine")) / row["microseconds"],
            1.05,
        ),
    ]
    return found


def _steps_of(case: Case, bench: Bench) -> dict[str, Any]:
    """Every loop on one case; the compiled ones and the run with records in the precision that ships."""
    torch.compiler.reset()
    dataset, images = bench.data(case)
    shipped = case.config(dataset)
    workers = 1 if bench.tiny else min(4, os.cpu_count() or 1)
    loops: dict[str, gpu.Loop] = {LOADER: LoaderLoop(case, dataset, 0)}
    loops[f"{LOADER}, {workers} worker(s)"] = LoaderLoop(case, dataset, workers)
    for precision in PRECISIONS:
        config = dataclasses.replace(shipped, precision=precision)
        loops[f"eager {precision}"] = Ours(config, dataset, images, captured=False)
        loops[f"captured {precision}"] = Ours(config, dataset, images, captured=True)
    own = shipped.precision
    loops[f"captured {own}, with records"] = WithRecords(shipped, dataset, images, captured=True)
    falling = dataclasses.replace(shipped, lr_schedule="cosine")
    loops[f"captured {own}, cosine"] = Ours(falling, dataset, images, captured=True)
    counters.clear()
    loops[f"compiled {own}"] = Ours(shipped, dataset, images, captured=False, compiled=True)
    loops[f"captured, compiled {own}"] = Ours(shipped, dataset, images, captured=True, compiled=True)
    for name, loop in list(loops.items()):
        bench.check(not loop.refused, f"{name}: {loop.refused}")
        if isinstance(loop, Ours) and loop.not_compiled:
            print(f"  {name}: left out, {loop.not_compiled}", flush=True)
            del loops[name]
    breaks = dict(counters["graph_break"])
    bench.check(not breaks, f"{case.title}: the compiled step breaks into parts: {', '.join(breaks)}"[:300])
    times = interleaved(loops, bench.rounds, bench.steps)
    rows = []
    for name, loop in loops.items():
        precision = loop.config.precision or "float32"
        taken = statistics.median(times[name])
        least = gpu.roofline(case, dataset.shape, precision, bench.found["ceilings"])
        row = {"loop": name, "microseconds": taken, "epoch_seconds": taken * 1e-6 * EPOCH / case.batch}
        row |= {"times_eager": ratio(times, f"eager {precision}", name), "times_loader": ratio(times, LOADER, name)}
        row |= {"roofline": 1e6 * least / taken, "loss": loop.loss(), "set_up": loop.set_up}
        rows.append(row)
    return {
        "images": dataset.name,
        "shipped": shipped.precision,
        "record_every": shipped.record_every,
        "rows": rows,
        "rounds": times,
    }


def show(case: Case, found: dict[str, Any]) -> None:
    print(f"  {case.title} on {found['images']}; {found['shipped']} ships")
    print(f"  {'loop':36}{'µs/step':>10}{'s/epoch':>9}{'x eager':>9}{'x loader':>9}{'roofline':>9}"
          f"{'loss':>9}{'set-up s':>9}")  # fmt: skip
    for row in found["rows"]:
        print(f"  {row['loop']:36}{row['microseconds']:10.1f}{row['epoch_seconds']:9.3f}{row['times_eager']:9.2f}"
              f"{row['times_loader']:9.1f}{row['roofline']:9.1%}{row['loss']:9.2f}{row['set_up']:9.1f}",
              flush=True)  # fmt: skip


PARTS = {
    "ceilings": ceilings, "same": same, "failure": failure, "knobs": knobs, "many": many, "look": look,
    "evidence": evidence, "anchor": anchor, "steps": steps,
}  # fmt: skip


def machine() -> dict[str, Any]:
    driver, name = "", "CPU"
    if DEVICE == "cuda":
        name = torch.cuda.get_device_name()
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
            driver = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[0]
    return {"device": name, "driver": driver, "torch": torch.__version__, "cuda": torch.version.cuda}


def write(bench: Bench) -> None:
    """The other parts keep what was found on the same machine."""
    content = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    if content.get("machine") != machine():
        content = {}
    content |= {"machine": machine(), "measured": time.strftime("%Y-%m-%d"), **bench.found}
    RESULTS.write_text(json.dumps(content, indent=1) + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--limit", type=float, default=430.0, help="seconds after which no further table is begun")
    parser.add_argument("--tiny", action="store_true", default=DEVICE != "cuda", help="small models, writes no file")
    arguments = parser.parse_args()
    if DEVICE != "cuda":
        torch.set_num_threads(1)
    bench = Bench(arguments.tiny, arguments.limit)
    print(", ".join(f"{name} {value}" for name, value in machine().items() if value), flush=True)
    for name in PARTS:
        if name in arguments.parts or (name == "ceilings" and "steps" in arguments.parts):
            print(f"{name}:", flush=True)
            try:
                bench.found[name] = PARTS[name](bench)
            except Exception as error:  # a card is at hand for minutes: the other parts are measured all the same
                traceback.print_exc()
                bench.check(False, f"{name} ended with {type(error).__name__}")
            if not bench.tiny:
                write(bench)
    print("\n".join(bench.wrong) or "all numbers are right")
    return 1 if bench.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
