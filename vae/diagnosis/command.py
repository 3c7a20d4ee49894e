"""`python -m vae diagnose`: what it computes, keeps and prints."""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from vae.diagnosis.case import Case, Stopped
from vae.diagnosis.finding import Finding
from vae.diagnosis.process import diagnose, open_case
from vae.diagnosis.report import diagnosis_json, diagnosis_lines, report_html
from vae.diagnosis.results import Diagnosis, DiagnosisStatus, folder_of, read_diagnosis, request_diagnosis
from vae.diagnosis.work import in_turn, results_of
from vae.errors import ConfigError, RunBusy, RunError
from vae.files import what_helps, write_atomically


def diagnose_to_terminal(path: Path, options: argparse.Namespace) -> bool:
    """Diagnoses a run and prints what is found, or writes it to a file; returns whether all was asked. Ctrl-C ends it
    with what is there. With `--limit` nothing is kept with the run."""
    if options.limit is not None and options.limit < 1:
        raise ConfigError(f"limit: expected 1 or more held-out images, got {options.limit}")
    if options.html is not None:
        _check_place(options.html)
    case, sha = open_case(path, options.limit)
    with _until_interrupted() as gone:
        found = _diagnosis(case, sha, options.again, gone)
    if options.html is not None:
        _write(options.html, report_html(case.run, found))
    if options.json:
        print(json.dumps(diagnosis_json(case.run, found), allow_nan=False))
    elif options.html is not None:
        print(options.html)
    else:
        print("\n".join(diagnosis_lines(case.run, found)))
    return found.status.state == "finished"


def _diagnosis(case: Case, sha: str, again: bool, gone: threading.Event) -> Diagnosis:
    """What is kept, where it is whole; else computed, and kept where the run's folder takes it."""
    path = case.run.path
    if case.limit is not None:
        return _in_memory(case, sha, gone)
    kept = read_diagnosis(folder_of(path, sha))
    if kept.status.state == "finished" and not in_turn(kept.results) and not again:
        return kept
    try:
        folder = request_diagnosis(path, sha, again)
    except RunBusy:
        raise
    except RunError as error:
        print(f"{error}. What is found is shown, and not kept.", file=sys.stderr)
        return _in_memory(case, sha, gone)
    try:
        diagnose(folder, case, sha, gone, _show)
    finally:
        _show_nothing()
    return read_diagnosis(folder)


def _in_memory(case: Case, sha: str, gone: threading.Event) -> Diagnosis:
    began, results, state = time.monotonic(), {}, "finished"

    def notify(finding: Finding, fraction: float, words: str) -> None:
        if gone.is_set():
            raise Stopped
        _show(finding, fraction, words)

    try:
        for result in results_of(case, in_turn(), notify):
            results[result.name] = result
    except Stopped:
        state = "stopped"
    finally:
        _show_nothing()
    source = case.codes.source if "codes" in vars(case) else ""
    seconds = round(time.monotonic() - began, 2)
    return Diagnosis(DiagnosisStatus(state, weights=sha, source=source, seconds=seconds), results)


@contextlib.contextmanager
def _until_interrupted() -> Iterator[threading.Event]:
    """Ctrl-C sets the event; a second one ends at once."""
    gone = threading.Event()

    def stop(*_: object) -> None:
        gone.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield gone
    finally:
        signal.signal(signal.SIGINT, before)


def _show(finding: Finding, fraction: float, words: str) -> None:
    """A line on a terminal; nothing into a file."""
    if sys.stderr.isatty():
        doing = f"{finding.question} {words}"[:70]
        print(f"\r{fraction:4.0%} {doing:<72}", end="", file=sys.stderr, flush=True)


def _show_nothing() -> None:
    if sys.stderr.isatty():
        print(f"\r{'':<78}\r", end="", file=sys.stderr, flush=True)


def _check_place(file: Path) -> None:
    """Raises ConfigError before the work where the report could not be written after it."""
    if file.is_dir():
        raise ConfigError(f"html: expected a file to write, got the folder {file}")
    if not file.absolute().parent.is_dir():
        raise ConfigError(f"html: there is no folder {file.absolute().parent}; make it first")


def _write(file: Path, html: str) -> None:
    try:
        write_atomically(file, html.encode())
    except OSError as error:
        raise ConfigError(f"html: {file} cannot be written ({error.strerror}); {what_helps(error)}") from None
