"""From what the loops measured of themselves to the tables of `train_cpu.py`: medians, and ratios within a round."""

from __future__ import annotations

import math
import statistics
from typing import Any

from benchmarks.machine import IDLE
from benchmarks.training_loops import BASES, CEILING, CEILING_BFLOAT16

Run = dict[str, Any]  # loop, round, threads, and what the loop reported
Row = dict[str, Any]


def speed_table(runs: list[Run]) -> list[Row]:
    """A row for each loop and number of threads. Ratios: to each base in the same round, by CPU and by wall time."""
    rows = []
    for threads, name in dict.fromkeys((r["threads"], r["loop"]) for r in runs):
        mine = {r["round"]: r for r in runs if (r["threads"], r["loop"]) == (threads, name)}
        row: Row = {"loop": name, "threads": threads, "rounds": len(mine), "others": _median(mine, "others")}
        for clock in ("cpu", "wall"):
            row[f"images_per_{clock}_second"] = statistics.median(r["images"] / r[clock] for r in mine.values())
        row["times"] = {}
        for base in (*BASES, CEILING, CEILING_BFLOAT16):
            theirs = {r["round"]: r for r in runs if (r["threads"], r["loop"]) == (threads, base)}
            if theirs:
                row["times"][base] = {
                    clock: [mine[n]["images"] / mine[n][clock] * theirs[n][clock] / theirs[n]["images"] for n in mine]
                    for clock in ("cpu", "wall")
                }
        rows.append(row)
    return rows


def quality_table(runs: list[Run], targets: tuple[float, ...]) -> list[Row]:
    """A row for each loop: CPU and wall seconds to each target, the median over the rounds; None where it was not
    reached in half of them or more. Ratios: this loop's seconds by each base's in the same round."""
    rows = []
    for name in dict.fromkeys(r["loop"] for r in runs):
        mine = {r["round"]: r for r in runs if r["loop"] == name}
        row: Row = {"loop": name, "rounds": len(mine), "others": _median(mine, "others"), "targets": {}}
        row["lowest"] = min(point[3] for r in mine.values() for point in r["curve"])
        row["cpu_spent"] = statistics.median(r["cpu"] for r in mine.values())
        for target in targets:
            seconds = {clock: {n: reached(r["curve"], target, clock) for n, r in mine.items()} for clock in CLOCKS}
            found: dict[str, Any] = {c: _finite(statistics.median(s.values())) for c, s in seconds.items()}
            found["share"], found["share_range"] = {}, {}
            for base in BASES:
                theirs = {
                    r["round"]: reached(r["curve"], target, "cpu") for r in runs if r["loop"] == base and r["curve"]
                }
                if theirs:
                    shares = [seconds["cpu"][n] / theirs[n] for n in mine]
                    known = all(map(math.isfinite, theirs.values()))
                    found["share"][base] = _finite(statistics.median(shares)) if known else None
                    found["share_range"][base] = (
                        [min(shares), max(shares)] if known and max(shares) < math.inf else None
                    )
            row["targets"][f"{target:g}"] = found
        rows.append(row)
    return rows


def idle(runs: list[Run]) -> bool | None:
    """Returns whether other programs kept at most IDLE cores busy during each run; None where that is not known."""
    known = [r["others"] for r in runs if r["others"] is not None]
    return max(known) <= IDLE if known else None


def beside(runs: list[Run]) -> str:
    """Returns the same in words."""
    known = [r["others"] for r in runs if r["others"] is not None]
    busy = [others for others in known if others > IDLE]
    if not known:
        return "whether the machine was idle is not known"
    if not busy:
        return f"the machine was idle: other programs kept at most {max(known):.2f} cores busy during a run"
    return (
        f"the machine was not idle: other programs kept more than {IDLE:g} cores busy during {len(busy)} of "
        f"{len(known)} runs, at most {max(busy):.1f}"
    )


CLOCKS = {"cpu": 1, "wall": 2}  # place in a point of the curve: images, CPU seconds, wall seconds, held-out −ELBO


def reached(curve: list[list[float]], target: float, clock: str) -> float:
    """Seconds at which the curve falls to the target, on the line between two looks; infinity if it never does."""
    before: list[float] | None = None
    for point in curve:
        if point[3] <= target:
            if before is None:
                return point[CLOCKS[clock]]
            share = (before[3] - target) / (before[3] - point[3])
            return before[CLOCKS[clock]] + share * (point[CLOCKS[clock]] - before[CLOCKS[clock]])
        before = point
    return math.inf


def show_speed(title: str, rows: list[Row]) -> None:
    bases = [base for base in (*BASES, CEILING) if any(base in row["times"] for row in rows)]
    print(f"\n{title}\n{'loop':43}{'threads':>8}{'images/CPU s':>14}{'images/s':>10}{'others':>8}", end="")
    print("".join(f"{'x ' + base + ' (range)':>32}" for base in bases))
    for row in rows:
        line = f"{row['loop']:43}{row['threads']:8}{row['images_per_cpu_second']:14,.0f}"
        line += f"{row['images_per_wall_second']:10,.0f}{_number(row['others'], '.2f'):>8}"
        print(line + "".join(f"{with_range(row['times'].get(base, {}).get('cpu', [])):>32}" for base in bases))


def show_quality(title: str, rows: list[Row]) -> None:
    targets = list(rows[0]["targets"])
    print(f"\n{title}; CPU seconds (wall), and divided by the bases' CPU seconds\n{'loop':43}", end="")
    print("".join(f"{target + ' nats':>18}{'x idiomatic':>13}{'x pythae':>10}" for target in targets))
    for row in rows:
        line = f"{row['loop']:43}"
        for found in row["targets"].values():
            line += f"{told(found, row):>18}"
            line += (
                f"{_number(found['share'].get(BASES[0]), '.2f'):>13}{_number(found['share'].get(BASES[1]), '.2f'):>10}"
            )
        print(line)


def told(found: dict[str, Any], row: Row) -> str:
    """`12.3 (12.4)`, or `not in 90`."""
    if found["cpu"] is None:
        return f"not in {row['cpu_spent']:.0f}"
    return f"{found['cpu']:.1f} ({_number(found['wall'], '.1f')})"


def with_range(ratios: list[float]) -> str:
    """`2.31 (2.25-2.40)`, empty for none."""
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})" if ratios else ""


def _median(mine: dict[int, Run], key: str) -> float | None:
    values = [r[key] for r in mine.values() if r[key] is not None]
    return statistics.median(values) if values else None


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _number(value: float | None, form: str) -> str:
    return "" if value is None else f"{value:{form}}"
