"""A sweep: one run for each value of C, learning rate, number of latent dimensions and seed; what it takes, counted
before the start.

With a warm start the runs along C are a chain, from the largest C to the smallest, each starting from the weights of
the one before, so that codes stay comparable. Downwards: a smaller C gives up directions that are there already, while
from a collapsed code no gradient leads back.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from vae import runs
from vae.config import Config, check_C
from vae.errors import ConfigError
from vae.runs.sweep_mark import VARIED, SweepMark, write_mark

if TYPE_CHECKING:
    from vae.datasets import DataInfo

MOST_RUNS = 10_000
DIGITS = 3  # significant ones of the values in a range
START_SECONDS = 2.0  # about, of a run: its process and its first step
HISTORY_BYTES = 500_000  # about, of a run's records and pictures
C = float | Literal["fit"]


@dataclass(frozen=True)
class Sweep:
    """What is tried, each with each; an empty tuple leaves the setting as `base` has it. A None is chosen by the
    settings, as where nothing is given."""

    base: Config
    C: tuple[C, ...] = ()
    lr: tuple[float | None, ...] = ()
    latent_dim: tuple[int, ...] = ()
    seeds: int = 1  # from base.seed on
    warm_start: bool = False
    name: str | None = None

    def __len__(self) -> int:
        return self.seeds * math.prod(len(values) or 1 for values in (self.C, self.lr, self.latent_dim))

    @property
    def varies(self) -> tuple[str, ...]:
        """The settings that differ among the runs."""
        counts = {"C": len(self.C), "lr": len(self.lr), "latent_dim": len(self.latent_dim), "seed": self.seeds}
        return tuple(name for name in VARIED if counts[name] > 1)


@dataclass(frozen=True)
class Point:
    """One run of a sweep to be: its completed config, its name, the point from whose weights it starts."""

    config: Config
    name: str
    warm_from: int | None = None


@dataclass(frozen=True)
class Plan:
    """A sweep that can be made, and what it takes."""

    sweep: Sweep
    points: tuple[Point, ...]
    info: DataInfo
    notes: tuple[str, ...]  # what was chosen for the user
    disk: int  # bytes

    def seconds(self, at_once: int = 1) -> float:
        """Estimates, roughly, the seconds on two ordinary cores with so many runs at a time; a chain goes one by
        one."""
        from vae.training.defaults import images_per_second

        each = [
            START_SECONDS + (p.config.epochs or 1) * self.info.train / images_per_second(p.config, self.info)
            for p in self.points
        ]
        longest = [0.0] * len(each)  # until the run has ended, its chain before it
        for index in self.order():
            before = self.points[index].warm_from
            longest[index] = each[index] + (0.0 if before is None else longest[before])
        return max(sum(each) / max(1, at_once), *longest)

    def order(self) -> list[int]:
        """Returns the points' places in the order in which they can be trained: each after the one before it."""
        sizes = [math.inf if isinstance(p.config.C, (str, type(None))) else p.config.C for p in self.points]
        return sorted(range(len(sizes)), key=lambda i: -sizes[i]) if self.sweep.warm_start else list(range(len(sizes)))


def values_of_C(text: str) -> list[C]:
    """Reads `0.1,1,10`, `fit` and ranges `0.3..300:8`, eight values in equal ratios, in any mixture. Raises ConfigError
    for what is none of them."""
    return [value for part in text.split(",") for value in _part(part.strip())]


def _part(text: str) -> list[C]:
    if text == "fit":
        return ["fit"]
    try:
        ends, _, count = text.partition(":")
        low, dots, high = ends.partition("..")
        if not dots and not count:
            return [float(low)]
        return spread_out(float(low), float(high), int(count))
    except ValueError:
        pass
    raise ConfigError(f"C: expected a number, fit, or a range such as 0.3..300:8, got {text[:40]!r}")


def spread_out(low: float, high: float, count: int) -> list[C]:
    """Returns `count` values from `low` to `high` in equal ratios, to three digits. Raises ConfigError."""
    low, high = check_C(low), check_C(high)
    if not 2 <= count <= MOST_RUNS or low >= high:
        raise ConfigError(
            f"C: a range goes from a smaller to a larger value in 2 to {MOST_RUNS:,} points, got {low:g}..{high:g} in "
            f"{count:,}"
        )
    ratio = (high / low) ** (1 / (count - 1))
    return [float(f"{low * ratio**index:.{DIGITS}g}") for index in range(count)]


def plan(sweep: Sweep) -> Plan:
    """Makes every choice for every run and counts what they take; nothing is made yet. Raises ConfigError in one
    sentence for what cannot be, whichever run it is."""
    from vae.datasets import describe
    from vae.training.defaults import complete, needs_of

    if sweep.seeds < 1:
        raise ConfigError(f"seeds: expected 1 or more, got {sweep.seeds}")
    if len(sweep) > MOST_RUNS:
        raise ConfigError(f"sweep: expected at most {MOST_RUNS:,} runs, got {len(sweep):,}; try fewer values")
    if sweep.warm_start and len([value for value in sweep.C if value != "fit"]) < 2:
        raise ConfigError("warm start: expected two or more values of C to go along; try a range such as 0.3..300:8")
    info = describe(sweep.base.dataset, without=sweep.base.without)
    tried: list[tuple[Config, str, dict[str, Any]]] = []
    notes: list[str] = []
    disk = 0
    alike: dict[tuple[Any, ...], tuple[Config, int]] = {}  # a choice depends on C only by its kind, on no seed
    for given in _product(sweep):
        config = dataclasses.replace(sweep.base, **given)
        key = (config.lr, config.latent_dim, config.C if config.C in (None, "fit", 1) else 0)
        if key not in alike:
            completed, notes = complete(config, info)
            alike[key] = completed, needs_of(completed, info).disk + HISTORY_BYTES
        completed, needed = alike[key]
        C = completed.C if config.C is None else config.C
        tried.append((dataclasses.replace(completed, C=C, seed=config.seed), _name(sweep, given), given))
        disk += needed
    before = _neighbours([given for *_, given in tried]) if sweep.warm_start else [None] * len(tried)
    points = (Point(config, name, near) for (config, name, _), near in zip(tried, before, strict=True))
    return Plan(sweep, tuple(points), info, tuple(notes), disk)


def create(planned: Plan, root: Path | None = None, of: SweepMark | None = None) -> list[Path]:
    """Makes the runs of a sweep, all or none begun; returns their folders, in the points' order. `of`: the sweep that
    they are added to. Raises RunError where they cannot be written or the disk has no room."""
    from vae.datasets import describe

    sweep, base = planned.sweep, planned.points[0].config
    runs.check_free_disk(root or runs.runs_root(), planned.disk, f"a sweep of {len(planned.points):,} runs")
    data = describe(base.dataset, binarize=base.binarize or "none", without=base.without).to_json()
    name = runs.clean_name(sweep.name or Path(base.dataset).stem)
    mark = of or SweepMark(secrets.token_hex(8), name, sweep.varies)
    paths = [runs.create_run(point.config, data, point.name, root) for point in planned.points]
    for point, path in zip(planned.points, paths, strict=True):
        near = None if point.warm_from is None else paths[point.warm_from].name
        write_mark(path, dataclasses.replace(mark, warm_from=near))
    return paths


def _product(sweep: Sweep) -> list[dict[str, Any]]:
    """What each run changes of the base: the settings that were given values."""
    seeds = range(sweep.base.seed, sweep.base.seed + sweep.seeds)
    values = {"C": sweep.C, "lr": sweep.lr, "latent_dim": sweep.latent_dim, "seed": tuple(seeds)}
    given = {name: values[name] for name in VARIED if values[name]}
    return [dict(zip(given, one, strict=True)) for one in itertools.product(*given.values())]


def _name(sweep: Sweep, given: dict[str, Any]) -> str:
    short = {"latent_dim": "d"}
    tried = [f"{short.get(name, name)}-{_written(given[name])}" for name in sweep.varies]
    return "-".join([sweep.name or Path(sweep.base.dataset).stem, *tried])


def _written(value: Any) -> str:
    return "auto" if value is None else f"{value:.12g}" if isinstance(value, float) else str(value)


def _neighbours(tried: list[dict[str, Any]]) -> list[int | None]:
    """The point of the next larger C among those that differ in nothing else; None for the largest, and for fit."""
    chains: dict[tuple[Any, ...], list[int]] = {}
    for index, given in enumerate(tried):
        if isinstance(given.get("C"), (int, float)):
            rest = tuple(value for name, value in given.items() if name != "C")
            chains.setdefault(rest, []).append(index)
    before: list[int | None] = [None] * len(tried)
    for chain in chains.values():
        chain.sort(key=lambda index: -tried[index]["C"])
        for one, after in itertools.pairwise(chain):
            before[after] = one
    return before
