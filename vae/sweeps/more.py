"""Further runs for a curve: at new values of C, otherwise as the runs that are there."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from vae import runs
from vae.errors import ConfigError
from vae.runs.sweep_mark import read_mark, write_mark
from vae.sweeps.planes import Point


def add_runs(along: Sequence[Point], values: Sequence[float], root: Path | None = None) -> list[Path]:
    """Makes a run of the same sweep for each value of C, all or none begun; returns their folders in the order in which
    they can be trained. Where the runs of the curve start from their neighbours, so do these. Raises ConfigError for
    runs of no sweep, RunError where they cannot be written."""
    from vae.datasets import DataInfo
    from vae.training.defaults import needs_of

    paths = {point.name: runs.run_path(point.name, root) for point in along}
    marks = {name: read_mark(path) for name, path in paths.items()}
    mark = next(iter(marks.values()), None)
    if mark is None:
        raise ConfigError("sweep: expected runs of one sweep to add to")
    warm = any(one and one.warm_from for one in marks.values())
    config, data = runs.read_config(paths[along[0].name])
    needed = needs_of(config, DataInfo.from_json(data)).disk * len(values)
    runs.check_free_disk(root or runs.runs_root(), needed, f"{len(values)} more runs")
    there = {point.C: point.name for point in along if point.C is not None}
    made = []
    for C in sorted(values, reverse=True):
        path = runs.create_run(dataclasses.replace(config, C=C), data, _name(along[0], C), root)
        above = min((value for value in there if value > C), default=None)
        near = there[above] if warm and above is not None else None
        write_mark(path, dataclasses.replace(mark, warm_from=near))
        there[C] = path.name
        made.append(path)
    return made


def _name(like: Point, C: float) -> str:
    """The name of a run, with its C in the place of the other one's."""
    own = f"C-{like.C:.12g}"
    return like.name.replace(own, f"C-{C:.12g}") if own in like.name else f"{like.sweep_name}-C-{C:.12g}"
