"""Writes the README's measured sections from the files in benchmarks/results: `python benchmarks/readme.py`."""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
README = HERE.parent / "README.md"
IDIOMATIC, PYTHAE, CEILING = "idiomatic loop", "pythae", "matrix products only"  # rows of train_cpu


def results(name: str) -> dict[str, Any]:
    return json.loads((HERE / "results" / f"{name}.json").read_text())


def training() -> list[str]:
    found = results("train_cpu")
    speed, quality = found["speed"], found["quality"]
    lines = [
        f"**Training** ({speed['task']}; one thread, {speed['table'][0]['rounds']} interleaved rounds, by CPU time; in "
        "brackets the lowest and the highest ratio of a round). Equal settings are Adam at 1e-3 in float32, shipped "
        f"defaults {_shipped(speed)}. `python benchmarks/train_cpu.py`, see `benchmarks/README.md`:",
        "",
        "| loop | images per CPU second | times the idiomatic loop | times pythae | share of the matrix products |",
        "|---|---|---|---|---|",
    ]
    for row in (row for row in speed["table"] if row["threads"] == 1):
        ratios = " | ".join(_ratio(row, base) for base in (IDIOMATIC, PYTHAE, CEILING))
        lines.append(f"| {row['loop']} | {row['images_per_cpu_second']:,.0f} | {ratios} |")
    lines += ["", "| convolutional | loop | images per CPU second | times pythae |", "|---|---|---|---|"]
    for task in (found["conv28"], found["conv64"]):
        for row in task["table"]:
            images = f"{row['images_per_cpu_second']:,.0f}"
            lines.append(f"| {task['task'].split(',')[0]} | {row['loop']} | {images} | {_ratio(row, PYTHAE)} |")
    shipped = "; ".join(
        f"{task['task'].split(',')[0]}: {_shipped(task)}" for task in (found["conv28"], found["conv64"])
    )
    targets = list(quality["table"][0]["targets"])
    lines += [
        "",
        f"Shipped defaults there: {shipped}.",
        "",
        "CPU seconds until the held-out −ELBO (MNIST, fixed binarisation, all 10,000 images) is that low, median of "
        f"{quality['table'][0]['rounds']} round(s); in brackets the shares of the idiomatic loop's time and pythae's:",
        "",
        "| loop | " + " | ".join(f"{target} nats" for target in targets) + " |",
        "|---" * (1 + len(targets)) + "|",
    ]
    for row in quality["table"]:
        lines.append(f"| {row['loop']} | " + " | ".join(_seconds(row, target) for target in targets) + " |")
    return lines


def _ratio(row: dict[str, Any], base: str) -> str:
    ratios = row["times"].get(base, {}).get("cpu")
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})" if ratios else ""


def _shipped(task: dict[str, Any]) -> str:
    taken = task["shipped"]
    return f"batches of {taken['batch_size']}, learning rate {taken['lr']:g}, {taken['precision']}"


def _seconds(row: dict[str, Any], target: str) -> str:
    found = row["targets"][target]
    if found["cpu"] is None:
        return f"not in {row['cpu_spent']:.0f}"
    shares = [found["share"].get(base) for base in (IDIOMATIC, PYTHAE)]
    return f"{found['cpu']:.1f} ({', '.join('–' if share is None else f'{share:.2f}' for share in shares)})"


def many() -> list[str]:
    found = results("together")
    counts = list(dict.fromkeys(row["models"] for row in found["table"]))
    lines = [
        "**Many models as one step** on a CPU: how many times as fast as one after the other, by CPU time, median of "
        f"{len(found['table'][0]['times'])} interleaved rounds; bold where a sweep trains them together "
        "(`benchmarks/together.py`):",
        "",
        "| model | ms a step, alone | " + " | ".join(f"M = {count}" for count in counts) + " |",
        "|---" * (2 + len(counts)) + "|",
    ]
    for case in dict.fromkeys(row["case"] for row in found["table"]):
        rows = {row["models"]: row for row in found["table"] if row["case"] == case}
        told = {count: f"{statistics.median(row['times']):.2f}" for count, row in rows.items()}
        cells = [f"**{told[count]}**" if rows[count]["together"] else told[count] for count in counts]
        name = f"{case}, {rows[counts[0]]['precision']}"
        lines.append(f"| {name} | {rows[counts[0]]['alone_ms']:.1f} | {' | '.join(cells)} |")
    return lines


def watching() -> list[str]:
    rows = results("viewers")["rows"]
    kept = [f"{row['what']}: {statistics.median(row['kept']):.0%}" for row in rows]
    control = results("control")["rows"]
    turned = [
        f"{row['run']} {1000 * row['median']:.0f} / {1000 * row['max']:.0f} ms" for row in control if "C" in row["what"]
    ]
    first = results("first_minute")
    return [
        f"**Watching.** Speed that a run keeps (`benchmarks/viewers.py`): {'; '.join(kept)}. Real tabs on the same two "
        "cores draw their charts with the time that training would have had.",
        "",
        f"**Turning C** takes effect after (median / worst, `benchmarks/control.py`): {'; '.join(turned)}. From the "
        f"click on *Start training* to good reconstructions of digits (`benchmarks/first_minute.py`, median of "
        f"{len(first['rows'])}): {first['cold']:.1f} s on a cold server, {first['warm']:.1f} s on a warm one.",
    ]


def exploring() -> list[str]:
    lines = [
        "**Exploring**, Chromium without a GPU (`benchmarks/pointer.py`; no message leaves the page in a drag):",
        "",
        "| decoder | pictures/s while dragging | pointer to pixels, median | load |",
        "|---|---|---|---|",
    ]
    for row in results("pointer")["rows"]:
        load = statistics.mean(row["load"])
        lines.append(
            f"| {row['model']} | {row['pictures_per_second']:.0f} | {row['pointer_ms']['median']:.0f} ms | {load:.1f} |"
        )
    return lines


def mapping() -> list[str]:
    found = results("map")
    lines = [
        "**Map**, the same browser (`benchmarks/map.py`):",
        "",
        "| map | first picture after the data | redraws/s while panning by mouse | hover decodes/s | load |",
        "|---|---|---|---|---|",
    ]
    for row in found["maps"]:
        points = row["points"].split(":")[0].removeprefix("Map of ")
        lines.append(
            f"| {points} | {row['first_picture_after_data_s']:.2f} s | {row['redraws_per_s_by_mouse']:.0f} | "
            f"{row['hover_decodes_per_s_by_mouse']:.0f} | {row['load_before']:.1f} |"
        )
    tsne = found["tsne"]
    return [
        *lines,
        "",
        f"t-SNE of 10,000 points: PCA start after {tsne['start_s']:.1f} s, first optimised frame after "
        f"{tsne['first_frame_s']:.1f} s, done after {tsne['end_s']:.0f} s.",
    ]


def estimators() -> list[str]:
    found = results("estimators")
    lines = [
        f"{found['task'][0].upper() + found['task'][1:]}; {found['seeds']} seeds. −ELBO is exact, over all 256 codes, "
        "nats per image; "
        "variance and bias are those of the trained model's gradient in the logits.",
        "",
        "| estimator | −ELBO, training (range) | held out | variance | relative bias | CPU seconds |",
        "|---|---|---|---|---|---|",
    ]
    for row in found["table"]:
        low, high = row["train_range"]
        noise, bias = row["gradient_relative_noise"], row["gradient_relative_bias"]
        told = f"{bias:.2f}" if bias > 2 * noise else "none found" if noise > 0 else "0"
        variance = f"{row['gradient_variance']:.2g}" if noise > 1e-9 else "0"
        lines.append(
            f"| {row['estimator']} | {row['train']:.2f} ({low:.2f}–{high:.2f}) | {row['test']:.2f} | {variance} | "
            f"{told} | {row['cpu_seconds']:.0f} |"
        )
    return lines


def anchor() -> list[str]:
    found = results("anchor")
    lines = [
        "MNIST in its fixed binarisation, 50,000 training images, k = 40, batch 100, Adam 1e-4, 500 epochs; all 10,000 "
        f"test images, {found['rows'][0]['samples']} importance samples, one seed. pythae reports "
        f"{found['reference']}; its script has one hidden layer and a second one commented out. The last row is the "
        "configuration above.",
        "",
        "| hidden layers, each way | −log p(x) ≤ (± Monte-Carlo error) | −ELBO | active units | training |",
        "|---|---|---|---|---|",
    ]
    for row in found["rows"]:
        lines.append(
            f"| {len(row['hidden'])} of {row['hidden'][0]} | {-row['iw_bound']:.2f} ± {row['iw_standard_error']:.3f} | "
            f"{-row['elbo']:.2f} | {row['active_units']} of 40 | {row['training_seconds'] / 60:.0f} min |"
        )
    return [*lines, "", f"On {found['machine']}."]


def evidence() -> list[str]:
    found = results("evidence")
    full = found["extrapolated_to"]
    most = max(row["samples"] for row in found["table"])
    lines = [
        f"**log p(x)** by importance sampling ({found['task']}; {found['threads']} thread, {found['rounds']} "
        f"interleaved rounds of {found['images']} images, K = {most:,}). `python benchmarks/evidence.py`:",
        "",
        f"| way | samples per CPU second | times plain torch | {full['images']:,} images x {full['samples']:,}, "
        "extrapolated | memory | mean log p(x) ≥ |",
        "|---|---|---|---|---|---|",
    ]
    for row in found["table"]:
        if row["samples"] != most:
            continue
        low, high = min(row["ratios"]), max(row["ratios"])
        error = f" ± {row['standard_error']:.3f}" if row["standard_error"] is not None else ""
        bound = f"{row['bound']:.3f}{error}" if row["bound"] is not None else "–"
        lines.append(
            f"| {row['way']} | {row['samples_per_cpu_second']:,.0f} | {statistics.median(row['ratios']):.2f} "
            f"({low:.2f}–{high:.2f}) | {row['extrapolated_seconds'] / 60:.0f} min | {row['grown'] / 1e6:.0f} MB | "
            f"{bound} |"
        )
    return lines


def startup() -> list[str]:
    found = results("startup")
    rows = {row["what"]: row for row in found["table"]}
    first, help_ = rows["app's first text"], rows["python -m vae --help"]
    switches = [row["warm"] for what, row in rows.items() if what.startswith("switch") and what.endswith("again")]
    middle = [statistics.median(seconds) for seconds in switches]
    return [
        f"**Start-up** (`benchmarks/startup.py`, medians of {found['rounds']}): `python -m vae --help` "
        f"{statistics.median(help_['warm']):.2f} s; `streamlit run app.py` to the first text in Chromium "
        f"{statistics.median(first['cold']):.1f} s cold, {statistics.median(first['warm']):.1f} s warm; from one "
        f"page to another {min(middle):.2f}–{max(middle):.2f} s.",
    ]


def scale() -> list[str]:
    found = results("scale")
    images = [row for row in found["table"] if row["axis"] == "images"]
    steps = [row["cpu_seconds_per_1000_steps"] for row in images]
    beside = [(row["memory_bytes"] - row["data_bytes"]) / 1e6 for row in images]
    return [
        f"**Scale** ({found['task']}; `benchmarks/scale.py`, medians of {found['rounds']}). From "
        f"{images[0]['images']:,} to {images[-1]['images']:,} images a step of the mlp stays at {min(steps):.1f}–"
        f"{max(steps):.1f} ms, and memory is the images themselves and {min(beside):.0f}–{max(beside):.0f} MB:",
        "",
        "![CPU seconds per 1,000 steps against images, side and latent dimensions, and memory against images]"
        "(benchmarks/results/scale.svg)",
    ]


def replaced(text: str, name: str, parts: list[list[str]]) -> str:
    """The README with the section between the two comments of that name written anew."""
    begin, end = f"<!-- {name}: written by benchmarks/readme.py -->", f"<!-- end of {name} -->"
    before, rest = text.split(begin)
    section = "\n\n".join("\n".join(part) for part in parts)
    return f"{before}{begin}\n\n{section}\n\n{end}{rest.split(end)[1]}"


def main() -> None:
    argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0]).parse_args()
    intro = (
        "Measured on a shared two-core machine; other programs ran beside, so take the ratios rather than the absolute "
        "figures, and run the scripts on yours."
    )
    speed = [[intro], training(), many(), evidence(), scale(), startup(), watching(), exploring(), mapping()]
    text = replaced(README.read_text(), "speed", speed)
    text = replaced(text, "estimators", [estimators()])
    README.write_text(replaced(text, "anchor", [anchor()]))


if __name__ == "__main__":
    main()
