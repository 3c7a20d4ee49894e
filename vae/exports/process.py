"""One process that makes one file of one run: `python -m vae.exports.process RUN_DIR FORMAT KIND OUT`.

KIND is "" where the format has only one. How far it is stands beside OUT, see `vae.exports.work_folder`. Standard input
held open means that whoever started the process lives; at its end, and where the file `stop` appears, the work ends and
nothing is left of it.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

from vae import runs
from vae.engines.streams import watch_input, write_plainly
from vae.errors import ElboRoomError, RunError, is_out_of_memory
from vae.exports.command import kind_of
from vae.exports.export import Stopped
from vae.exports.exports import export
from vae.exports.work_folder import STOP_FILE, ExportStatus, drop_output, write_status
from vae.files import DISK_FULL, is_full, what_helps
from vae.machine import let_idle_threads_sleep
from vae.runs.checkpoints import weights_step
from vae.runs.config_file import CONFIG

STATUS_EVERY = 0.25  # seconds between two statuses at least
LOOK_EVERY = 0.05  # seconds between two looks for the file `stop`


class ExportWork:
    """The work in one folder. made_by: who made the run, for the formats that say so."""

    def __init__(self, folder: Path, gone: threading.Event, made_by: str = "") -> None:
        self.folder, self.gone, self.made_by = folder, gone, made_by
        self.status = ExportStatus("working")
        self.began = time.monotonic()
        self.next_status = self.next_look = 0.0

    def run(self, path: Path, name: str, kind: str, out: Path) -> None:
        """Makes the file; expected failures become a final status with a sentence. Raises OSError where that cannot be
        written."""
        try:
            facts = self._make(path, name, kind, out)
            self.status.file, self.status.bytes = out.name, out.stat().st_size
            self.status.facts = {fact: in_words(value) for fact, value in facts.items()}
            self.end("finished")
        except Stopped:
            self.end("stopped")
        except ElboRoomError as error:
            self.end("failed", _gone(path) or str(error))
        except OSError as error:
            self.end("failed", _gone(path) or _sentence(error))
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            self.end("failed", "There is not enough memory for it on this machine; close something, and try again.")

    def _make(self, path: Path, name: str, kind: str, out: Path) -> dict[str, Any]:
        self.look(0.0, "starting")
        made = export(name)
        kind = kind_of(made, name, kind or None)
        run = runs.load_run(path)
        if reason := made.why_not(run, kind):
            raise RunError(reason)
        self.status.step = weights_step(path)
        facts = made.write(run, kind, out, self.look, **({"made_by": self.made_by} if made.signed else {}))
        newest = weights_step(path)
        if isinstance(facts.get("step"), int):  # the format knows which save it took
            self.status.step = facts.pop("step")
        elif newest != self.status.step and newest is not None:
            facts = {**facts, "saved meanwhile": f"step {newest:,}; the file may already be of that save"}
        return facts

    def look(self, fraction: float, words: str) -> None:
        """Says how far it is, a few times a second. Raises Stopped where somebody asked it to end."""
        now = time.monotonic()
        if now >= self.next_look:
            self.next_look = now + LOOK_EVERY
            if (self.folder / STOP_FILE).exists():
                raise Stopped
        if self.gone.is_set():
            raise Stopped
        self.status.fraction, self.status.words = round(min(max(fraction, 0.0), 1.0), 4), words[:200]
        if now >= self.next_status:
            self._write()

    def end(self, state: str, message: str = "") -> None:
        """Says how it ended; only a finished file stays."""
        if state != "finished":
            drop_output(self.folder)
        self.status.state, self.status.message, self.status.words = state, message, ""
        self.status.fraction = 1.0 if state == "finished" else self.status.fraction
        self._write()

    def _write(self) -> None:
        self.status.seconds = round(time.monotonic() - self.began, 2)
        write_status(self.folder, self.status)
        self.next_status = time.monotonic() + STATUS_EVERY


def in_words(value: Any) -> str:
    """Returns a fact as a person reads it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}".replace("-", "−")
    if isinstance(value, float):
        return f"{value:,.4g}".replace("-", "−")
    return str(value)[:1000]


def _gone(path: Path) -> str:
    """A sentence where the run is not there any more."""
    there = (path / CONFIG).is_file()
    return "" if there else f"The run “{path.name}” was renamed or deleted meanwhile; nothing was made."


def _sentence(error: OSError) -> str:
    if is_full(error):
        return "The server's disk is full; make room, and try again."
    return f"The file cannot be made ({error.strerror or error}); {what_helps(error)}."


def main(arguments: list[str] | None = None) -> int:
    """Makes the file of the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m vae.exports.process", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("run", type=Path, metavar="RUN_DIR")
    parser.add_argument("format", metavar="FORMAT")
    parser.add_argument("kind", metavar="KIND")
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("--by", default="", metavar="NAME", help="who made the run, for the formats that say so")
    let_idle_threads_sleep()
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before a format loads torch: others train beside it
    write_plainly()
    options = parser.parse_args(arguments)
    gone = threading.Event()
    watch_input(gone)
    try:
        work = ExportWork(options.out.parent, gone, options.by)
        work.run(options.run, options.format, options.kind, options.out)
    except OSError as error:
        print(error, file=sys.stderr)
        return DISK_FULL if is_full(error) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
