"""What `python -m vae suspects` prints and writes."""

from __future__ import annotations

import argparse
import threading
from pathlib import Path
from typing import Any

from vae import runs
from vae.diagnosis.suspects.export import SUFFIXES, as_json
from vae.diagnosis.suspects.marks import identity, read_marks
from vae.diagnosis.suspects.opened import open_part, open_second, second_images
from vae.diagnosis.suspects.options import KS
from vae.diagnosis.suspects.process import Asked, look_for_suspects
from vae.diagnosis.suspects.results import read_scores
from vae.diagnosis.suspects.table import KINDS, SECOND_KINDS, SORTS, Listed, order, rows_for
from vae.errors import ConfigError
from vae.files import as_csv, write_atomically

SHOWN = ("row", "label", "suggested", "differ", "neighbours", "rate", "distortion", "log_px", "copy_of", "blank", "far")


def answer(path: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Looks for the suspects of a run where that is not done, and returns those that are asked for, most suspect
    first; written to `options.out` too. Raises ConfigError before any work, ElboRoomError."""
    _check(options)
    asked = Asked((options.part or "train") if options.evidence else None, second=options.second or "")
    folder = look_for_suspects(path, asked, threading.Event())
    run = runs.load_run(path)
    marks = read_marks(path, run.data)
    listed = _listed(run, folder, options)
    sort = options.sort or ("disagreement" if listed.scores.differ is not None else "elbo")
    indices = order(listed, sort, options.k, kind=options.kind, marks=marks)
    rows = rows_for(listed, indices[: options.limit], options.k, marks)
    about = {"run": str(path), "part": options.second or listed.part, "sort": sort, "kind": options.kind}
    about |= {"n": len(listed), "found": len(indices), "k": options.k, "data": identity(run.data)}
    if options.out is not None:
        csv = options.out.suffix.lower() == ".csv"
        write_atomically(
            options.out, (as_csv(rows, () if rows else ("part", "row")) if csv else as_json(rows, about)).encode()
        )
    return {**about, "images": rows}


def _check(options: argparse.Namespace) -> None:
    if options.limit < 1:
        raise ConfigError(f"limit: expected 1 or more, got {options.limit}")
    if options.out is not None and options.out.suffix.lower() not in SUFFIXES:
        raise ConfigError(f"out: expected a file ending in {' or '.join(SUFFIXES)}, got {options.out.name[:80]!r}")
    if options.out is not None and not options.out.absolute().parent.is_dir():
        raise ConfigError(f"out: there is no folder {options.out.absolute().parent}; make it first")
    kinds = SECOND_KINDS if options.second else KINDS
    for name, value, allowed in (("sort", options.sort, (None, *SORTS)), ("kind", options.kind, kinds)):
        if value not in allowed:
            raise ConfigError(f"{name}: expected one of {', '.join(filter(None, allowed))}, got {value!r}")
    if options.k not in KS:
        raise ConfigError(f"k: expected one of {', '.join(map(str, KS))} neighbours, got {options.k}")


def _listed(run: runs.Run, folder: Path, options: argparse.Namespace) -> Listed:
    if options.second:
        listed = open_second(run, folder, options.second, second_images(run, options.second))
        assert listed is not None, "the work above has scored it"
        return listed
    there = read_scores(folder)
    return open_part(run, folder, options.part or ("train" if "train" in there else "test"))


def lines(found: dict[str, Any]) -> list[str]:
    """Returns the rows as text, one image a line; numbers in nats."""
    head = f"{found['found']:,} of {found['n']:,} images ({found['part']}), by {SORTS[found['sort']][0]}; nats"
    table = ["".join(f"{name:>13}" for name in SHOWN)]
    for row in found["images"]:
        table.append("".join(f"{_cell(row[name]):>13}" for name in SHOWN))
    return [head, *table]


def _cell(value: Any) -> str:
    if value is None or value is False:
        return "–"
    if value is True:
        return "yes"
    return f"{value:.1f}" if isinstance(value, float) else str(value)[:12]
