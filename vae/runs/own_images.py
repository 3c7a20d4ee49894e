"""The command `images`: datasets of a person's own pictures from the terminal, and which runs use them."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path
from typing import Any

from vae import runs
from vae.datasets import data_root, describe
from vae.datasets.own import stored
from vae.datasets.own.entries import at
from vae.datasets.own.prepare import prepare, suggested, suggested_name
from vae.datasets.own.report import survey
from vae.datasets.own.words import choices_line, report_lines
from vae.errors import ConfigError, ElboRoomError
from vae.files import expanded

Answer = tuple[dict[str, Any], list[str]]  # as JSON, as lines


def answer(options: argparse.Namespace) -> Answer:
    """Does what `images add | list | show | remove` asks for. Raises ElboRoomError."""
    root = data_root()
    return {"add": _add, "list": _list, "show": _show, "remove": _remove}[options.action](options, root)


def _list(_: argparse.Namespace, root: Path) -> Answer:
    names = stored.own_names(root)
    lines = [f"{name:<28}{_described(name)}" for name in names] or ["None yet; `images add PATH` makes the first."]
    return {"datasets": names}, lines


def _show(options: argparse.Namespace, root: Path) -> Answer:
    about = stored.about(options.name, root)
    used = runs.runs_on(options.name, options.runs)
    rows = {"made": choices_line(about["choices"]), **report_lines(about["report"])}
    rows["runs"] = ", ".join(used) or "none"
    return {"name": options.name, **about, "runs": used}, _table(rows)


def _remove(options: argparse.Namespace, root: Path) -> Answer:
    used = runs.runs_on(options.name, options.runs)
    if used and not options.force:
        raise ConfigError(f"{options.name}: used by {', '.join(used[:5])}; --force removes it all the same")
    stored.remove(options.name, root)
    return {"removed": options.name}, [f"{options.name}: removed"]


def _described(name: str) -> str:
    try:
        info = describe(name)
    except ElboRoomError as error:
        return str(error)
    size = " x ".join(str(side) for side in info.shape[1:])
    return f"{info.train:,} + {info.test:,} held out, {size}, {'grey' if info.shape[0] == 1 else 'colour'}"


def _add(options: argparse.Namespace, root: Path) -> Answer:
    """Looks at the pictures, reports, and makes the dataset unless only the report is asked for."""
    found = at(expanded(options.path))
    name = options.name or suggested_name(found.name)
    stored.check_name(name)
    report, _ = survey(found, _show_line)
    asked = {"size": options.size, "held_out": options.held_out, "stratify": options.stratify, "fit": options.fit}
    asked["colour"] = None if options.colour is None else options.colour == "colour"
    choices = dataclasses.replace(
        suggested(report), **{field: value for field, value in asked.items() if value is not None}
    )
    rows = report_lines(report.to_json())
    found_out: dict[str, Any] = {"report": report.to_json(), "choices": dataclasses.asdict(choices)}
    if not options.report:
        folder = prepare(found, report, name, choices, root, _show_line)
        found_out |= {"name": name, "path": str(folder)}
        rows |= {"made": f"{choices_line(dataclasses.asdict(choices))}; --dataset {name} trains on it"}
    if sys.stderr.isatty():
        print(file=sys.stderr)
    return found_out, _table(rows)


def _table(rows: dict[str, str]) -> list[str]:
    return [f"{title:<18}{text}" for title, text in rows.items()]


def _show_line(fraction: float, text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{text:<78}", end="", file=sys.stderr, flush=True)
