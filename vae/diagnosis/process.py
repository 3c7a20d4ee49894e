"""One process that diagnoses one run: `python -m vae.diagnosis.process RUN_DIR`, or `--spare`, which imports first and
then receives a prepared folder on standard input. What it finds lies with the run, see `vae.diagnosis.results`; what
lies there already of these weights is not computed again.

Standard input held open means that whoever started the process lives; at its end the diagnosis stops with what it has.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import sys
import threading
import time
from pathlib import Path

from vae import runs
from vae.diagnosis.case import Case, Stopped
from vae.diagnosis.finding import Finding
from vae.diagnosis.results import (
    DiagnosisStatus,
    acquire,
    clear_leftovers,
    folder_of,
    forget_result,
    read_diagnosis,
    read_status,
    request_diagnosis,
    write_result,
)
from vae.diagnosis.work import Notify, in_turn, results_of
from vae.engines.streams import read_line, watch_input, write_plainly, write_to_log
from vae.errors import ElboRoomError, RunBusy, RunError
from vae.files import what_helps, write_json
from vae.machine import compute_on_one_thread, let_idle_threads_sleep
from vae.space.fit_process import SPARE_PATIENCE

STATUS_EVERY = 0.25  # seconds between two statuses at least
LOOK_EVERY = 0.05  # seconds between two looks for the file `stop`


class DiagnosisWork:
    """The work in one folder, whose lock this process holds."""

    def __init__(self, folder: Path, sha: str, gone: threading.Event, notify: Notify = lambda *_: None) -> None:
        self.folder, self.gone, self.notify = folder, gone, notify
        self.status = DiagnosisStatus("working", weights=sha)
        self.began = time.monotonic()
        self.next_status = self.next_look = 0.0

    def run(self, case: Case) -> None:
        """Computes what is not there yet, and keeps each result as soon as it is there."""
        kept = read_diagnosis(self.folder).results
        for result in kept.values():
            if result.failed:
                forget_result(self.folder, result.name)
        findings = in_turn([name for name, result in kept.items() if not result.failed])
        self.status.total, self.status.done = len(in_turn()), len(in_turn()) - len(findings)
        self._write()
        try:
            for result in results_of(case, findings, self._receive):
                write_result(self.folder, result)
                self.status.done += 1
                if "codes" in vars(case):  # somebody has asked for them
                    self.status.source = case.codes.source
                self._write()
            self.end("finished")
        except Stopped:
            self.end("stopped")

    def end(self, state: str, message: str = "") -> None:
        """Says how it ended."""
        self.status.state, self.status.message, self.status.finding, self.status.words = state, message, "", ""
        if state == "finished":
            self.status.fraction = 1.0
        self._write()

    def _receive(self, finding: Finding, fraction: float, words: str) -> None:
        self.notify(finding, fraction, words)
        self.look(finding.name, fraction, words)

    def look(self, name: str, fraction: float, words: str) -> None:
        """Says how far it is, a few times a second. Raises Stopped where somebody asked it to end."""
        now = time.monotonic()
        if now >= self.next_look:
            self.next_look = now + LOOK_EVERY
            if (self.folder / "stop").exists():
                raise Stopped
        if self.gone.is_set():
            raise Stopped
        new = name != self.status.finding
        self.status.finding, self.status.fraction, self.status.words = name, round(fraction, 4), words
        if new or now >= self.next_status:
            self._write()

    def _write(self) -> None:
        self.status.seconds = round(time.monotonic() - self.began, 2)
        write_json(self.folder / "status.json", dataclasses.asdict(self.status), durable=False)
        self.next_status = time.monotonic() + STATUS_EVERY


def diagnose(
    folder: Path, case: Case, sha: str, gone: threading.Event | None = None, notify: Notify = lambda *_: None
) -> None:
    """Does the work that `request_diagnosis` prepared; expected failures become a final status with a sentence. Raises
    what `notify` raises but Stopped, RunBusy, and RunError where the folder takes nothing any more."""
    do(DiagnosisWork(folder, sha, gone or threading.Event(), notify), case)


def do(work: DiagnosisWork, case: Case) -> None:
    """Does this work, as the only process in its folder; see `diagnose`."""
    folder = work.folder
    lock = acquire(folder)
    try:
        clear_leftovers(folder)
        try:
            work.run(case)
        except KeyboardInterrupt:
            work.end("stopped")
            raise
        except ElboRoomError as error:
            work.end("failed", str(error))
    except OSError as error:
        raise RunError(
            f"run {case.run.name!r}: the diagnosis cannot be kept ({error.strerror}); {what_helps(error)}"
        ) from None
    finally:
        lock.release()


def weights_of(path: Path) -> str:
    """Returns the SHA-256 of the run's weights. Raises RunError where there are none yet."""
    sha = runs.content_hash(path, runs.WEIGHTS)
    if sha is None:
        raise RunError(f"run {path.name!r} has no weights yet; they come with its first save")
    return sha


def open_case(path: Path, limit: int | None = None) -> tuple[Case, str]:
    """Returns the run of the newest weights, and their SHA-256; a training may replace them meanwhile. Raises RunError
    where there are none, or they do not keep still."""
    for _ in range(5):
        sha, run = weights_of(path), runs.load_run(path)
        _ = run.model  # read now, and kept
        if weights_of(path) == sha:
            return Case(run, limit=limit), sha
    raise RunError(f"run {path.name!r}: its weights are replaced all the time; ask again when it is paused")


def diagnose_run(path: Path, sha: str | None, again: bool, gone: threading.Event) -> None:
    """Diagnoses the newest weights of a run. `sha`: of the weights for which `request_diagnosis` has prepared a folder:
    an expected failure is then its status, and where a training has written newer ones, these are diagnosed in theirs.
    Raises ElboRoomError."""
    try:
        case, newest = open_case(path)
        folder = folder_of(path, newest) if sha == newest else request_diagnosis(path, newest, again)
        if sha not in (None, newest):
            say(folder_of(path, sha), sha, "stopped")
        diagnose(folder, case, newest, gone)
    except ElboRoomError as error:
        if sha is not None and not isinstance(error, RunBusy):
            say(folder_of(path, sha), sha, "failed", str(error))
        raise


def say(folder: Path, sha: str, state: str, message: str = "") -> None:
    """Says what became of a prepared folder, for whoever waits for these weights."""
    with contextlib.suppress(OSError):
        status = DiagnosisStatus(state, weights=sha, message=message)
        write_json(folder / "status.json", dataclasses.asdict(status))


def main(arguments: list[str] | None = None) -> int:
    """Diagnoses the run of the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m vae.diagnosis.process", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("run", type=Path, nargs="?", metavar="RUN_DIR")
    parser.add_argument("--weights", help="SHA-256 of the weights whose folder is prepared")
    parser.add_argument("--again", action="store_true", help="compute anew what is there already")
    parser.add_argument("--spare", action="store_true", help="wait for a prepared folder on standard input")
    let_idle_threads_sleep()
    compute_on_one_thread()
    write_plainly()
    options = parser.parse_args(arguments)
    if options.spare == (options.run is not None):
        parser.error("expected a RUN_DIR or --spare")
    path, sha, gone = options.run, options.weights, threading.Event()
    try:
        if options.spare:
            folder = read_line(SPARE_PATIENCE)
            if not folder:
                return 0
            write_to_log(Path(folder) / "log.txt")
            path, sha = Path(folder).parents[1], read_status(Path(folder)).weights
        watch_input(gone)
        diagnose_run(path, sha, options.again, gone)
    except (ElboRoomError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
