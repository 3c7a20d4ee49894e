"""`python -m vae export` and `import`: what they write and print."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from vae import runs
from vae.errors import ConfigError
from vae.exports.export import Export
from vae.exports.exports import export
from vae.files import what_helps


def export_to_file(path: Path, options: argparse.Namespace) -> None:
    """Writes a run in the format that the options name, and says what was written. Raises ConfigError, and what the
    format raises."""
    made = export(options.format)
    kind = kind_of(made, options.format, options.what)
    run = runs.load_run(path)
    if reason := made.why_not(run, kind):
        raise ConfigError(f"run {run.name!r}: {reason}")
    file = options.out or Path(file_name(run.name, made, kind))
    if file.is_dir() or not file.absolute().parent.is_dir():
        raise ConfigError(f"out: expected a file in a folder that exists, got {file}")
    if options.by is not None and not made.signed:
        raise ConfigError(f"by: the format {options.format} does not say who made a run; leave it out")
    try:
        facts = made.write(run, kind, file, _show, **({"made_by": options.by or ""} if made.signed else {}))
    except OSError as error:
        raise ConfigError(f"out: {file} cannot be written ({error.strerror}); {what_helps(error)}") from None
    finally:
        _show_nothing()
    facts = {"file": str(file), "bytes": file.stat().st_size, **facts}
    print(json.dumps(facts) if options.json else "\n".join(f"{name:<12}{value}" for name, value in facts.items()))


def import_from_file(options: argparse.Namespace) -> None:
    """Makes a run of the bundle that the options name, and says where it is and who made it. Raises ElboRoomError."""
    from vae.exports.bundle_import import import_bundle
    from vae.runs.origin import read_origin

    try:
        path = import_bundle(options.file, options.runs, options.name, _show)
    finally:
        _show_nothing()
    origin = read_origin(path)
    facts = {"run": str(path), "origin": origin.words() if origin else "", "state": runs.read_status(path).state}
    print(json.dumps(facts) if options.json else "\n".join(f"{name:<12}{value}" for name, value in facts.items()))


def kind_of(made: Export, name: str, given: str | None) -> str:
    """Returns the kind to write, by default the first; "" where the format has only one. Raises ConfigError."""
    if given is None:
        return next(iter(made.kinds), "")
    if given not in made.kinds:
        expected = f"expected {', '.join(made.kinds)}" if made.kinds else "there is only one kind"
        raise ConfigError(f"what: {expected} for the format {name}, got {given[:40]!r}")
    return given


def file_name(run: str, made: Export, kind: str) -> str:
    """Returns the name of the file unless another is given: `digits-history.csv`."""
    return "-".join([run, *([kind] if kind else [])]) + made.ending


def _show(fraction: float, words: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{fraction:4.0%} {words[:70]:<72}", end="", file=sys.stderr, flush=True)


def _show_nothing() -> None:
    if sys.stderr.isatty():
        print(f"\r{'':<78}\r", end="", file=sys.stderr, flush=True)
