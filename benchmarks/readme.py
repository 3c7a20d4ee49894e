"""Writes the README's measured sections from the files in benchmarks/results: `python benchmarks/readme.py`."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
README = HERE.parent / "README.md"


def results(name: str) -> dict[str, Any]:
    return json.loads((HERE / "results" / f"{name}.json").read_text())


def training() -> list[str]:
    found = results("train_cpu")
    rows = [row for row in found["table"] if row["threads"] == 1]
    lines = [
        f"**Training** ({found['task']}; one thread, {rows[0]['rounds']} interleaved rounds; in brackets the "
        "lowest and the highest ratio of a round). `python benchmarks/train_cpu.py`, see `benchmarks/README.md`:",
        "",
        "| loop | images per CPU second | times the idiomatic loop |",
        "|---|---|---|",
    ]
    for row in rows:
        low, high = min(row["cpu_ratios"]), max(row["cpu_ratios"])
        lines.append(
            f"| {row['loop']} | {row['images_per_cpu_second']:,.0f} | {row['cpu_ratio']:.2f} ({low:.2f}–{high:.2f}) |"
        )
    return [
        *lines,
        "",
        "`--binarize epoch` draws every binary pixel anew in each epoch, which the other loops do not do.",
    ]


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


def replaced(text: str, name: str, parts: list[list[str]]) -> str:
    """The README with the section between the two comments of that name written anew."""
    begin, end = f"<!-- {name}: written by benchmarks/readme.py -->", f"<!-- end of {name} -->"
    before, rest = text.split(begin)
    section = "\n\n".join("\n".join(part) for part in parts)
    return f"{before}{begin}\n\n{section}\n\n{end}{rest.split(end)[1]}"


def main() -> None:
    intro = (
        "Measured on a shared two-core machine; other programs ran beside, so take the ratios rather than the absolute "
        "figures, and run the scripts on yours."
    )
    text = replaced(README.read_text(), "speed", [[intro], training(), watching(), exploring(), mapping()])
    text = replaced(text, "estimators", [estimators()])
    README.write_text(replaced(text, "anchor", [anchor()]))


if __name__ == "__main__":
    main()
