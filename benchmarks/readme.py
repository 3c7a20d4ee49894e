"""Writes the README's measured sections from the files in benchmarks/results: `python benchmarks/readme.py`."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from benchmarks.training_tables import beside, quality_table  # noqa: E402

README = HERE.parent / "README.md"
IDIOMATIC, PYTHAE, CEILING = "idiomatic loop", "pythae", "matrix products only"  # rows of train_cpu


def results(name: str) -> dict[str, Any]:
    return json.loads((HERE / "results" / f"{name}.json").read_text())


def ranged(values: list[float], form: str = ".2f") -> str:
    """Median (lowest–highest)."""
    low, middle, high = (format(value, form) for value in (min(values), statistics.median(values), max(values)))
    return f"{middle} ({low}–{high})"


def made_on(found: dict[str, Any], loads: list[float] | None = None) -> str:
    """The processor, its cores and the load meanwhile, as far as the results file tells."""
    machine = found.get("machine", {})
    cores = machine.get("cores", found.get("cores"))
    loads = loads or found.get("load") or machine.get("load")
    loads = loads if isinstance(loads, list) or loads is None else [loads]
    name = machine.get("processor", "processor not recorded")
    told = [name, *([f"{cores} cores"] if cores else [])]
    if loads:
        low, high = f"{min(loads):.1f}", f"{max(loads):.1f}"
        return ", ".join([*told, f"load {low}" if low == high else f"load {low}–{high}"])
    return ", ".join([*told, "load not recorded"])


def training() -> list[str]:
    found = results("train_cpu")
    speed, quality = found["speed"], found["quality"]
    lines = [
        f"**Training** ({speed['task']}; one thread, {speed['table'][0]['rounds']} interleaved rounds, by CPU time; in "
        "brackets the lowest and the highest ratio of a round). Equal settings are Adam at 1e-3 in float32, shipped "
        f"defaults {_shipped(speed)}. {_measured(speed)}. "
        "`python benchmarks/train_cpu.py`, see `benchmarks/README.md`:",
        "",
        "| loop | images per CPU second | times the idiomatic loop | times pythae | share of the matrix products |",
        "|---|---|---|---|---|",
    ]
    for row in (row for row in speed["table"] if row["threads"] == 1):
        ratios = " | ".join(_ratio(row, base) for base in (IDIOMATIC, PYTHAE, CEILING))
        lines.append(f"| {row['loop']} | {row['images_per_cpu_second']:,.0f} | {ratios} |")
    lines += _left_out(speed, 4)
    lines += [
        "",
        "![Speed of each loop in units of the float32 matrix products', and its gap to the products of its precision]"
        "(benchmarks/results/train_cpu.svg)",
    ]
    convolutional = found["conv28"], found["conv64"]
    where = " ".join(f"{task['task'].split(',')[0]}: {_measured(task)}." for task in convolutional)
    lines += ["", f"Convolutional networks. {where}"]
    lines += ["", "| convolutional | loop | images per CPU second | times pythae |", "|---|---|---|---|"]
    for task in convolutional:
        for row in task["table"]:
            images = f"{row['images_per_cpu_second']:,.0f}"
            lines.append(f"| {task['task'].split(',')[0]} | {row['loop']} | {images} | {_ratio(row, PYTHAE)} |")
        lines += [f"| {task['task'].split(',')[0]} {line}" for line in _left_out(task, 2)]
    shipped = "; ".join(f"{task['task'].split(',')[0]}: {_shipped(task)}" for task in convolutional)
    targets = list(quality["table"][0]["targets"])
    lines += [
        "",
        f"Shipped defaults there: {shipped}.",
        "",
        "CPU seconds until the held-out −ELBO (MNIST, fixed binarisation, all 10,000 images) is that low, median of "
        f"{quality['table'][0]['rounds']} rounds; in brackets the lowest and highest share, within a round, of the "
        f"idiomatic loop's time and of pythae's. {_measured(quality)}:",
        "",
        "| loop | " + " | ".join(f"{target} nats" for target in targets) + " |",
        "|---" * (1 + len(targets)) + "|",
    ]
    for row in quality_table(quality["runs"], tuple(map(float, targets))):
        lines.append(f"| {row['loop']} | " + " | ".join(_seconds(row, target) for target in targets) + " |")
    lines += _left_out(quality, len(targets))
    return lines if speed["machine"].get("bfloat16", True) else [*lines, "", _in_bfloat16()]


def _in_bfloat16() -> str:
    """What an earlier version's shipped defaults were worth on a processor that multiplies bfloat16."""
    found = results("train_cpu_bfloat16")

    def shipped(task: str) -> dict[str, Any]:
        return next(row for row in found[task]["table"] if "shipped" in row["loop"])

    dense, images28, images64 = (
        _ratio(shipped(task), base) for task, base in (("speed", IDIOMATIC), ("conv28", PYTHAE), ("conv64", PYTHAE))
    )
    share = shipped("quality")["targets"]["110"]["share"][IDIOMATIC]
    return (
        "Where the processor multiplies bfloat16 the shipped defaults do: an earlier version took in "
        f"{dense} times the idiomatic loop's images, convolutional ones {images28} times pythae's at 28x28 and "
        f"{images64} at 64x64, and reached 110 nats in {share:.2f} of the idiomatic loop's seconds "
        f"({found['speed']['measured']}, "
        f"{made_on(found['speed'])}, torch {found['speed']['versions']['torch']}, other programs beside a part of it)."
    )


def _measured(task: dict[str, Any]) -> str:
    """Where and with what a task was measured, whether the processor multiplies bfloat16, and what ran beside."""
    has = task["machine"].get("bfloat16", True)
    lacks = "" if has else "this processor has no bfloat16 products; "
    return f"{made_on(task)}, torch {task['versions']['torch']}; {lacks}{beside(task['runs'])}"


def _left_out(task: dict[str, Any], columns: int) -> list[str]:
    """A row for each loop that was not measured, with the reason in its first column."""
    return [f"| {name} | not measured: {why} |{' |' * (columns - 1)}" for name, why in task.get("left_out", {}).items()]


def _ratio(row: dict[str, Any], base: str) -> str:
    ratios = row["times"].get(base, {}).get("cpu")
    return ranged(ratios) if ratios else ""


def _shipped(task: dict[str, Any]) -> str:
    taken = task["shipped"]
    return f"batches of {taken['batch_size']}, learning rate {taken['lr']:g}, {taken['precision']}"


def _seconds(row: dict[str, Any], target: str) -> str:
    found = row["targets"][target]
    if found["cpu"] is None:
        return f"not in {row['cpu_spent']:.0f}"
    shares = [found["share_range"].get(base) for base in (IDIOMATIC, PYTHAE)]
    told = ("–" if share is None else f"{share[0]:.2f}–{share[1]:.2f}" for share in shares)
    return f"{found['cpu']:.1f} ({', '.join(told)})"


def many() -> list[str]:
    found = results("together")
    counts = list(dict.fromkeys(row["models"] for row in found["table"]))
    lines = [
        "**Many models as one step** on a CPU: how many times as fast as one after the other, by CPU time, median "
        f"(lowest–highest) of {len(found['table'][0]['times'])} interleaved rounds; bold where a sweep trains them "
        f"together ({made_on(found)}; `benchmarks/together.py`):",
        "",
        "| model | ms a step, alone | " + " | ".join(f"M = {count}" for count in counts) + " |",
        "|---" * (2 + len(counts)) + "|",
    ]
    for case in dict.fromkeys(row["case"] for row in found["table"]):
        rows = {row["models"]: row for row in found["table"] if row["case"] == case}
        told = {count: ranged(row["times"]) for count, row in rows.items()}
        cells = [f"**{told[count]}**" if rows[count]["together"] else told[count] for count in counts]
        name = f"{case}, {rows[counts[0]]['precision']}"
        lines.append(f"| {name} | {rows[counts[0]]['alone_ms']:.1f} | {' | '.join(cells)} |")
    return lines


def watching() -> list[str]:
    viewers, turns = results("viewers"), results("control")
    kept = [f"{row['what']}: {ranged(row['kept'], '.0%')}" for row in viewers["rows"]]
    control = turns["rows"]
    turned = [
        f"{row['run']} {1000 * row['median']:.0f} / {1000 * row['max']:.0f} ms" for row in control if "C" in row["what"]
    ]
    first = results("first_minute")
    return [
        "**Watching.** Speed that a run keeps, median (lowest–highest) over pairs of phases "
        f"({made_on(viewers)}; `benchmarks/viewers.py`): {'; '.join(kept)}.",
        "",
        f"**Turning C** takes effect after (median / worst; {made_on({**turns, **turns['setting']})}; "
        f"`benchmarks/control.py`): {'; '.join(turned)}. From the click on *Start training* to good reconstructions of "
        f"digits (`benchmarks/first_minute.py`, median (lowest–highest) of {len(first['rows'])}; "
        f"{made_on(first, [row['load'] for row in first['rows']])}): "
        f"{ranged([row['cold'] for row in first['rows']], '.1f')} s on a cold server, "
        f"{ranged([row['warm'] for row in first['rows']], '.1f')} s on a warm one.",
    ]


def thirty() -> list[str]:
    found = results("thirty")
    decode, reruns, held = found["answers"]["decode"], found["reruns"], found["held_up"]
    cores = [statistics.median(turn[key] for turn in found["crowded"]) for key in ("server_cores", "clients_cores")]
    meanwhile = ", ".join(
        f"{kind} {1000 * told['median']:.0f} / {1000 * told['max']:.0f} ms" for kind, told in held["during"].items()
    )
    return [
        f"**Thirty people at once** ({made_on(found)}; `benchmarks/thirty.py`), two runs training beside: "
        f"{decode['count']:,} answers to sliders in {found['seconds']:.0f} s, median / 95th percentile "
        f"{1000 * decode['median']:.0f} / {1000 * decode['p95']:.0f} ms; {found['errors']} errors; training keeps "
        f"{ranged(found['kept'], '.0%')} of its speed while the server takes {cores[0]:.2f} cores and the clients, on "
        f"the same machine, {cores[1]:.2f}. Thirty Streamlit sessions: {reruns['count']:,} reruns, "
        f"{1000 * reruns['median']:.0f} / {1000 * reruns['p95']:.0f} ms. While {found['waiting']} wait "
        f"{held['codes']['max']:.1f} s for codes, others wait (median / worst): {meanwhile}.",
    ]


def soak() -> list[str]:
    from benchmarks.soak import EXPLAINED, HOUR

    found, last = results("soak"), results("soak")["samples"][-1]
    allowed = EXPLAINED["tab"] * HOUR / 1e6
    grown = ", ".join(
        f"{name} by {found['found'][kind]['an_hour'] / 1e6:.1f} MB".replace("by -", "by −")
        for kind, name in (("heap", "the page's heap"), ("tab", "the tab's process"), ("server", "the server"))
    )
    return [
        f"**An hour's history** of 72,000 records grows {grown}, by the slope of the second half; the history "
        f"explains {allowed:.0f} MB of the tab's (from {last['records']:,} records in "
        f"{last['seconds'] / 60:.0f} minutes, {found['rate']:g} a second; {made_on(found)}; `benchmarks/soak.py`)."
    ]


def own_loop() -> list[str]:
    found = results("own_loop")
    steps, inside = found["seconds_of_a_step"], found["seconds_inside_log"]
    shares = ranged([100 * one / step for one, step in zip(inside, steps, strict=True)], ".1f")
    micro, milli = ranged([1e6 * one for one in inside], ".0f"), ranged([1e3 * step for step in steps], ".1f")
    return [
        "**Your own loop** (`benchmarks/own_loop.py`, 784-400-20, batch 128, one thread, by CPU time; "
        f"{found['rounds']} interleaved turns; {made_on(found)}): `log.step` takes {micro} µs of a step of {milli} ms, "
        f"{shares} %. The loop takes {ranged(found['ratio'], '.3f')} times as long with the log as without.",
    ]


def exploring() -> list[str]:
    found = results("pointer")
    loads = [load for row in found["rows"] for load in row["load"]]
    lines = [
        f"**Exploring**, Chromium without a GPU ({made_on(found, loads)}; `benchmarks/pointer.py`; no message leaves "
        "the page in a drag; the browser draws at most 60 pictures a second). Exported: the page for a browser without "
        "a network, opened from the disk:",
        "",
        "| page | decoder | pictures/s while dragging | pointer to pixels, median | load |",
        "|---|---|---|---|---|",
    ]
    for row in found["rows"]:
        load = f"{min(row['load'])}–{max(row['load'])}"
        lines.append(
            f"| {row['page'].capitalize()} | {row['model']} | {row['pictures_per_second']:.0f} | "
            f"{row['pointer_ms']['median']:.0f} ms | {load} |"
        )
    return lines


def decoders() -> list[str]:
    found = results("decoders")
    rows = found["rows"]
    run = [row for row in rows if row.get("equal")]
    slow = sorted((row for row in run if row["pictures_per_second"] < _wanted(row)), key=_name)
    told = "; ".join(f"{_name(row)} {row['pictures_per_second']:.3g}" for row in slow)
    median = statistics.median(row["pictures_per_second"] for row in run)
    return [
        f"**Decoders of others.** The decoders of {len(run)} of {len(rows)} public VAEs (pytorch/examples, 1Konny, "
        "PyTorch-VAE, disentangling-vae, pythae, rebuilt with random weights) run in the page and equal torch within "
        f"its limits; {len(run) - len(slow)} give at least {WANTED[1]} pictures a second of a processor in grey, or "
        f"{WANTED[3]} in colour, the median of all {median:.0f}"
        + (f"; fewer: {told}" if slow else "")
        + f" (in node; {made_on(found)}; `node benchmarks/decoder_node.mjs --public`)."
    ]


def colour() -> list[str]:
    found = results("resconv")
    speed = {network: statistics.median(values) for network, values in found["images_per_second"].items()}
    return [
        f"**`--network resconv`** trains {speed['resconv']:.0f} colour images of 64x64 a second of a processor, conv "
        f"{speed['conv']:.0f} (median of {len(found['images_per_second']['conv'])}; {made_on(found)}; "
        f"`benchmarks/resconv.py`): an epoch of 50,000 takes {50_000 / speed['resconv'] / 60:.0f} minutes of one core."
    ]


WANTED = {1: 50, 3: 30}  # pictures a second, by the images' channels


def _wanted(row: dict[str, Any]) -> int:
    return WANTED[row["shape"][0]]


def _name(row: dict[str, Any]) -> str:
    return str(row["name"]).replace("Decoder_", "")


def mapping() -> list[str]:
    found = results("map")
    lines = [
        f"**Map**, the same browser ({made_on(found, [row['load_before'] for row in found['maps']])}; "
        "`benchmarks/map.py`):",
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
        f"variance and bias are those of the trained model's gradient in the logits ({made_on(found)}).",
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
        f"test images, {found['rows'][0]['samples']} samples of q, one seed. pythae reports {found['reference']}; its "
        "script has one hidden layer and a second one commented out. The last row is the configuration above: another "
        "network than the one with one layer, so its number approaches the published one and does not reproduce it. Of "
        "each image's samples only the effective ones count, of which the mean over images was recorded: so few make "
        "−log p(x) ≤ a bound and no more, and no ± is told.",
        "",
        "| hidden layers, each way | −log p(x) ≤ | effective samples, mean | −ELBO | active units | training |",
        "|---|---|---|---|---|---|",
    ]
    for row in found["rows"]:
        lines.append(
            f"| {len(row['hidden'])} of {row['hidden'][0]} | {-row['iw_bound']:.2f} | {row['iw_ess']:.1f} of "
            f"{row['samples']} | {-row['elbo']:.2f} | {row['active_units']} of 40 | "
            f"{row['training_seconds'] / 60:.0f} min |"
        )
    return [*lines, "", f"On {found['machine']}; processor and load not recorded."]


def evidence() -> list[str]:
    found = results("evidence")
    full = found["extrapolated_to"]
    most = max(row["samples"] for row in found["table"])
    lines = [
        f"**log p(x)** by importance sampling ({found['task']}; {found['threads']} thread, {found['rounds']} "
        f"interleaved rounds of {found['images']} images, K = {most:,}; {made_on(found)}). The bound holds in "
        "expectation; some of these images are flagged, so no ± is told. `python benchmarks/evidence.py`:",
        "",
        f"| way | samples per CPU second | times plain torch | {full['images']:,} images x {full['samples']:,}, "
        "extrapolated | memory | mean log p(x) ≥ |",
        "|---|---|---|---|---|---|",
    ]
    for row in found["table"]:
        if row["samples"] != most:
            continue
        bound = f"{row['bound']:.3f}" if row["bound"] is not None else "–"
        lines.append(
            f"| {row['way']} | {row['samples_per_cpu_second']:,.0f} | {ranged(row['ratios'])} | "
            f"{row['extrapolated_seconds'] / 60:.0f} min | {row['grown'] / 1e6:.0f} MB | {bound} |"
        )
    return lines


def proposals() -> list[str]:
    """The same number from samples of each proposal, at the largest K."""
    found = results("proposals")
    most = max(row["samples"] for row in found["table"])
    loads = [row["load"] for row in found["table"]]
    lines = [
        f"What K = {most:,} samples of each proposal are worth ({made_on(found, loads)}; "
        "`python benchmarks/proposals.py`). Flagged: images with fewer than 30 effective samples, a Pareto shape "
        "above 0.7, or bits of which some code may never have been drawn, where the bound is only a bound:",
        "",
        "| model | proposal | error of the mean, nats (worst image) | against | effective samples, median (smallest) | "
        "flagged | CPU ms an image |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in (row for row in found["table"] if row["samples"] == most):
        lines.append(
            f"| {row['model']} | {row['proposal']} | {row['error']:.3f} ({row['worst']:.2f}) | {row['reference']} | "
            f"{row['ess_median']:.0f} ({row['ess_smallest']:.0f}) | {row['flagged']} of {row['images']} | "
            f"{row['cpu_ms_per_image']:.1f} |"
        )
    return lines


def startup() -> list[str]:
    found = results("startup")
    rows = {row["what"]: row for row in found["table"]}
    first, help_ = rows["app's first text"], rows["python -m vae --help"]
    visits = {
        which: [row["warm"] for what, row in rows.items() if what.startswith("switch") and what.endswith(which)]
        for which in ("first visit", "again")
    }
    middle = {which: [statistics.median(seconds) for seconds in pages] for which, pages in visits.items()}
    first_visit, again = (
        f"{min(middle[which]):.2f}–{max(middle[which]):.2f} s by page ({max(map(max, pages)):.2f} s at worst)"
        for which, pages in visits.items()
    )
    return [
        f"**Start-up** (`benchmarks/startup.py`, medians (lowest–highest) of {found['rounds']}; {made_on(found)}): "
        f"`python -m vae --help` {ranged(help_['warm'])} s; `streamlit run app.py` to the first text in Chromium "
        f"{ranged(first['cold'], '.1f')} s cold, {ranged(first['warm'], '.1f')} s warm; from one page to another, "
        f"{first_visit} at the first visit and {again} at the next.",
    ]


def scale() -> list[str]:
    found = results("scale")
    images = [row for row in found["table"] if row["axis"] == "images"]
    steps = [row["cpu_seconds_per_1000_steps"] for row in images]
    beside = [(row["memory_bytes"] - row["data_bytes"]) / 1e6 for row in images]
    return [
        f"**Scale** ({found['task']}; `benchmarks/scale.py`, medians of {found['rounds']}; {made_on(found)}). From "
        f"{images[0]['images']:,} to {images[-1]['images']:,} images a step of the mlp stays at {min(steps):.1f}–"
        f"{max(steps):.1f} ms, and memory is the images themselves and {min(beside):.0f}–{max(beside):.0f} MB:",
        "",
        "![CPU seconds per 1,000 steps against images, side and latent dimensions, and memory against images]"
        "(benchmarks/results/scale.svg)",
    ]


def engines() -> list[str]:
    from benchmarks.engines import reckoning

    found = results("engines")
    names = dict.fromkeys(row["engine"] for row in found["sweeps"])
    seconds = {name: [row["per_run"] for row in found["sweeps"] if row["engine"] == name] for name in names}
    taken = ", ".join(f"{min(each):.1f}–{max(each):.1f} s by {name}" for name, each in seconds.items())
    handed = [1e3 * (row["make"] + row["submit"]) for row in found["sweeps"]]
    most = max(row["points"] for row in found["sweeps"])
    return [
        f"**A sweep beside its training** ({made_on(found)}; `benchmarks/engines.py`): of up to {most} runs of one "
        f"step, {found['jobs']} at a time, each is made and handed over in {min(handed):.0f}–{max(handed):.0f} ms and "
        f"keeps its place for {taken}, nearly all of it the start of its process. By arithmetic from that:",
        *reckoning(found).splitlines(),
        "",
        "![Seconds until a sweep has ended against its runs](benchmarks/results/engines.svg)",
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
        "Measured on a shared two-core machine; its processor and load stand with each block as far as they were "
        "recorded. Other programs may have run beside, so take the ratios rather than the absolute figures, and run "
        "the scripts on yours. In brackets behind a median: the lowest and the highest."
    )
    speed = [
        [intro],
        training(),
        many(),
        evidence(),
        proposals(),
        scale(),
        engines(),
        startup(),
        watching(),
        thirty(),
        soak(),
        own_loop(),
        exploring(),
        decoders(),
        colour(),
        mapping(),
    ]
    text = replaced(README.read_text(), "speed", speed)
    text = replaced(text, "estimators", [estimators()])
    README.write_text(replaced(text, "anchor", [anchor()]))


if __name__ == "__main__":
    main()
