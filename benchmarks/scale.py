"""How the cost of training grows: `python benchmarks/scale.py`.

With the number of images, the pixels, the latent dimensions; made-up images, batches of 128, one thread, each setting
in a process of its own, rounds interleaved. Viewers are taken from results/viewers.json. Prints a table, writes
benchmarks/results/scale.json and draws benchmarks/results/scale.svg from it (`--draw` does only that).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
import urllib.parse
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))

from machine import machine  # noqa: E402

RESULTS = REPOSITORY / "benchmarks" / "results" / "scale.json"
PICTURE = RESULTS.with_suffix(".svg")
USUAL: dict[str, Any] = {"images": 60_000, "side": 28, "latent_dim": 20, "network": "mlp"}
AXES: dict[str, list[dict[str, Any]]] = {  # what is turned -> settings that differ from the usual ones
    "images": [{"images": n} for n in (60_000, 250_000, 1_000_000)],
    "side": [{"side": s, "network": net, "images": 4_000} for net in ("mlp", "conv") for s in (28, 64, 128)],
    "latent_dim": [{"latent_dim": k} for k in (2, 10, 50, 200)],
}
BATCH, HELD_OUT = 128, 1_000
COLOURS = {"mlp": "#3d5a98", "conv": "#b3541e"}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0, help="of training for each setting and round")
    parser.add_argument("--one", type=json.loads, help=argparse.SUPPRESS)
    parser.add_argument("--draw", action="store_true", help="only draw the picture anew, from the file of results")
    parser.add_argument("--quick", action="store_true", help="two small settings, writes no file")
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(one(arguments.one, arguments.seconds)))
        return 0
    if not arguments.draw:
        axes = AXES
        if arguments.quick:
            axes, arguments.rounds, arguments.seconds = {"images": [{"images": 500}, {"images": 2_000}]}, 1, 0.2
        rows = table(measure(axes, arguments))
        show(rows)
        if arguments.quick:
            return 0
        write(rows, arguments)
        for row in viewers():
            print(f"{row['what']}: keeps {row['kept']:.0%} of its speed (benchmarks/viewers.py)")
    draw(json.loads(RESULTS.read_text())["table"])
    return 0


def one(settings: dict[str, Any], seconds: float) -> dict[str, float]:
    """Train for so long: CPU seconds a step, seconds until the first step is done, memory in bytes."""
    import torch

    from vae.config import Config
    from vae.datasets.dataset import DataInfo, Dataset
    from vae.training.defaults import complete
    from vae.training.trainer import Trainer

    side, images = settings["side"], settings["images"]
    before = peak()
    generator = torch.Generator().manual_seed(0)
    pixels = torch.empty(images + HELD_OUT, 1, side, side, dtype=torch.uint8)
    for rows in pixels.split(10_000):  # memory for what is made up would hide the trainer's
        rows.random_(0, 256, generator=generator)
    info = DataInfo("noise", (1, side, side), "unit", 255, images, HELD_OUT)
    config = Config(
        dataset="noise",
        likelihood="gaussian",
        C=10.0,
        network=settings["network"],
        hidden=(400,),
        latent_dim=settings["latent_dim"],
        batch_size=BATCH,
        lr=1e-3,
        precision="float32",
        epochs=1000,
        threads=1,
        device="cpu",
    )
    config, _ = complete(config, info)
    began = time.perf_counter()
    trainer = Trainer(config, Dataset(info, pixels[:images], pixels[images:]))
    trainer.take_steps(1)
    start, steps, cpu = time.perf_counter() - began, 0, time.process_time()
    while time.process_time() - cpu < seconds or steps < 3:
        trainer.take_steps(1)
        steps += 1
    cpu = time.process_time() - cpu
    return {"step": cpu / steps, "start": start, "data": pixels.numel(), "memory": peak() - before}


def peak() -> int:
    """Bytes of memory that this process has held at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def measure(axes: dict[str, list[dict[str, Any]]], arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """One result for each setting and round; each round begins with another setting."""
    settings = [(axis, USUAL | changed) for axis, all_changed in axes.items() for changed in all_changed]
    runs = []
    for number in range(arguments.rounds):
        first = number * len(settings) // arguments.rounds
        for axis, setting in settings[first:] + settings[:first]:
            command = [sys.executable, __file__, "--one", json.dumps(setting), "--seconds", str(arguments.seconds)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-3000:]}")
            runs.append({"axis": axis, **setting, **json.loads(done.stdout.splitlines()[-1])})
        print(f"round {number + 1} of {arguments.rounds} (load {os.getloadavg()[0]:.1f})", flush=True)
    return runs


def table(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row for each setting: medians over the rounds."""
    rows: list[dict[str, Any]] = []
    keys = ("axis", *USUAL)
    for key in dict.fromkeys(tuple(r[k] for k in keys) for r in runs):
        mine = [r for r in runs if tuple(r[k] for k in keys) == key]
        row: dict[str, Any] = dict(zip(keys, key, strict=True))
        row["cpu_seconds_per_1000_steps"] = 1000 * statistics.median(r["step"] for r in mine)
        row["range"] = [1000 * min(r["step"] for r in mine), 1000 * max(r["step"] for r in mine)]
        row["start_seconds"] = statistics.median(r["start"] for r in mine)
        row["data_bytes"] = mine[0]["data"]
        row["memory_bytes"] = statistics.median(r["memory"] for r in mine)
        rows.append(row)
    order = {axis: place for place, axis in enumerate(AXES)}
    return sorted(rows, key=lambda row: (order[row["axis"]], row["network"] == "conv", row[row["axis"]]))


def show(rows: list[dict[str, Any]]) -> None:
    head = f"{'images':>10}{'side':>6}{'latent':>8}  {'network':8}{'CPU s/1,000 steps (range)':>28}"
    print(f"\n{head}{'start':>9}{'memory, of it data':>22}")
    for row in rows:
        low, high = row["range"]
        speed = f"{row['cpu_seconds_per_1000_steps']:.2f} ({low:.2f}-{high:.2f})"
        memory = f"{row['memory_bytes'] / 1e6:,.0f}, {row['data_bytes'] / 1e6:,.0f} MB"
        print(
            f"{row['images']:10,}{row['side']:6}{row['latent_dim']:8}  {row['network']:8}{speed:>28}"
            f"{row['start_seconds']:7.2f} s{memory:>22}"
        )


def viewers() -> list[dict[str, Any]]:
    """What benchmarks/viewers.py found: the share of its speed that a run keeps while others watch."""
    found = json.loads((RESULTS.parent / "viewers.json").read_text())["rows"]
    return [{"what": row["what"], "viewers": row["viewers"], "kept": statistics.median(row["kept"])} for row in found]


def write(rows: list[dict[str, Any]], arguments: argparse.Namespace) -> None:
    content = {
        "task": f"made-up images, hidden width 400, Gaussian, batches of {BATCH}, float32, one thread",
        "measured": time.strftime("%Y-%m-%d"),
        "machine": machine(),
        "rounds": arguments.rounds,
        "table": rows,
        "viewers": viewers(),
    }
    RESULTS.write_text(json.dumps(content, indent=1) + "\n")
    print(f"wrote {RESULTS.relative_to(REPOSITORY)}")


def draw(rows: list[dict[str, Any]]) -> None:
    """Small multiples: what 1,000 steps cost along each axis, and what memory the images ask for."""
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    panels = [
        ("images", "cpu_seconds_per_1000_steps", "images", "CPU s per 1,000 steps"),
        ("side", "cpu_seconds_per_1000_steps", "side of the image, pixels", ""),
        ("latent_dim", "cpu_seconds_per_1000_steps", "latent dimensions", ""),
        ("images", "memory_bytes", "images", "memory, MB"),
    ]
    figure = make_subplots(1, len(panels), horizontal_spacing=0.06)
    for column, (axis, quantity, name, unit) in enumerate(panels, 1):
        for network, colour in COLOURS.items():
            mine = [row for row in rows if row["axis"] == axis and row["network"] == network]
            x, y = [row[axis] for row in mine], [row[quantity] / (1e6 if unit == "memory, MB" else 1) for row in mine]
            texts = [f"{value:,.1f}" if value < 100 else f"{value:,.0f}" for value in y]
            line = {"color": colour, "width": 2}
            trace = go.Scatter(
                x=x, y=y, text=texts, mode="lines+markers+text", name=network, line=line, marker={"size": 7},
                textposition="top center", textfont={"color": colour, "size": 11}, showlegend=axis == "side",
            )  # fmt: skip
            figure.add_trace(trace, 1, column)
        values = sorted({row[axis] for row in rows if row["axis"] == axis})
        told = [f"{v / 1e6:g}M" if v >= 1e6 else f"{v / 1e3:g}k" if v >= 1e4 else str(v) for v in values]
        figure.update_xaxes(type="log", tickvals=values, ticktext=told, title=name, row=1, col=column)
        figure.update_yaxes(type="log", dtick=1, title=unit, row=1, col=column)
        figure.update_yaxes(range=[0, 4] if quantity == "memory_bytes" else [-0.3, 4], row=1, col=column)
    figure.update_layout(
        width=1120, height=330, template="plotly_white", font={"family": "sans-serif", "size": 12},
        margin={"l": 60, "r": 20, "t": 30, "b": 50}, legend={"x": 0.3, "y": 1.08, "orientation": "h"},
    )  # fmt: skip
    PICTURE.write_text(svg_of(figure))
    print(f"wrote {PICTURE.relative_to(REPOSITORY)}")


def svg_of(figure: Any) -> str:
    """The figure as plotly draws it in a Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1200, "height": 500})
        page.set_content(figure.to_html(include_plotlyjs=True, div_id="figure"))
        size = {"format": "svg", "width": figure.layout.width, "height": figure.layout.height}
        url = page.evaluate("size => Plotly.toImage('figure', size)", size)
        browser.close()
    return urllib.parse.unquote(url.split(",", 1)[1]) + "\n"


if __name__ == "__main__":
    sys.exit(main())
