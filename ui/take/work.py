"""The processes that make files of runs, held once per server: two at a time, the others wait for their turn.

A file lies in a folder of its own (`vae.exports.work_folder`) that is named after all that it depends on, so that
whoever asks for the same one finds it there, or finds it being made.
"""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import json
import logging
import secrets
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from ui.live.processes import Processes
from ui.room.limits import place_for
from ui.runs.owners import record_owner
from vae import runs
from vae.engines.process import WorkerProcess, describe_exit
from vae.errors import RunBusy, RunError
from vae.exports.command import file_name
from vae.exports.export import Export
from vae.exports.work_folder import (
    LOG_FILE,
    STOP_FILE,
    WORKING,
    ExportStatus,
    ask_to_stop,
    drop_output,
    folder_of,
    forget,
    make_room,
    prepare,
    read_status,
)
from vae.files import DISK_FULL, is_full, what_helps

MOST = 2  # files made at a time; a classroom shares the cores with the training runs
PATIENCE = 5.0  # seconds that a process gets to end by itself before it is killed
LOOK_EVERY = 0.1  # seconds between two looks whether a process has ended
QUEUED = "queued"
UNDER_WAY = (QUEUED, *WORKING)
COMMAND = (sys.executable, "-m", "vae.exports.process")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """A file that somebody asked for and that is not made yet. owner: who asked."""

    folder: Path
    command: tuple[str, ...]
    owner: str


class Work:
    """All jobs of a server. From any thread."""

    def __init__(self) -> None:
        self.processes = Processes()
        self.lock = self.processes.lock
        self.secret = secrets.token_bytes(32)  # nobody guesses the address of a file
        self.jobs: dict[Path, Job] = {}  # in the order in which they were asked for
        self.endings: dict[Path, ExportStatus] = {}  # of processes that did not say themselves how they ended
        self.closed = False

    def order(self, job: Job) -> None:
        """Has the file made, in its turn; nothing happens where it is being made. Raises RunBusy where this visitor has
        another one in the making, OSError where the folder cannot be written."""
        with self.lock:
            if job.folder in self.jobs or self.closed:
                return
            if any(other.owner == job.owner and self._under_way(other.folder) for other in self.jobs.values()):
                raise RunBusy("A file is being made for you already: wait until it is done, or stop it.")
            make_room(job.folder.parents[1], keep=self.jobs)
            self.endings = {folder: status for folder, status in self.endings.items() if folder.is_dir()}
            self.endings.pop(job.folder, None)
            prepare(job.folder)
            record_owner(job.folder, job.owner)
            self.jobs[job.folder] = job
            self._advance()

    def status(self, folder: Path) -> ExportStatus:
        """Returns how far it is; a job that waits says which one it is."""
        with self.lock:
            waiting = self._waiting()
            if folder in waiting:
                return ExportStatus(QUEUED, words=_place(waiting.index(folder)))
            if folder not in self.jobs and folder in self.endings:
                return self.endings[folder]
        status = read_status(folder)
        if status.state in WORKING and folder not in self.jobs:
            with self.lock:  # it may have ended between the two looks
                return self.endings.get(folder) or read_status(folder)
        if status.state in WORKING and (folder / STOP_FILE).exists():  # a process that begins looks for it late
            return dataclasses.replace(status, words="stopping")
        return status

    def may_stop(self, folder: Path, owner: str) -> bool:
        """Returns whether this visitor asked for the file that is being made there."""
        job = self.jobs.get(folder)
        return job is not None and job.owner == owner

    def stop(self, folder: Path) -> None:
        """Ends a job; a process that does not listen is killed after a while."""
        with self.lock:
            if folder in self._waiting():
                del self.jobs[folder]
                self.endings[folder] = ExportStatus("stopped")
                return
        try:
            ask_to_stop(folder)
        except OSError:
            log.warning("An export could not be asked to stop; it is killed", exc_info=True)
        self.processes.kill_later(folder, PATIENCE)

    def stop_all(self) -> None:
        """Ends everything, as the server ends; no file stays."""
        with self.lock:
            self.closed = True
            folders = list(self.jobs)
        self.processes.stop_all()
        for folder in folders:
            forget(folder)
        make_room(runs.runs_root(), old=0.0)

    def _waiting(self) -> list[Path]:
        return [folder for folder in self.jobs if folder not in self.processes.workers]

    def _under_way(self, folder: Path) -> bool:
        """Whether a job waits or works; a process that has made its file needs a moment to end."""
        return folder not in self.processes.workers or read_status(folder).state in WORKING

    def _advance(self) -> None:
        """Starts as many as may run; the lock is held."""
        for folder in [] if self.closed else self._waiting():
            if len(self.processes.workers) >= MOST:
                return
            try:
                with open(folder / LOG_FILE, "wb") as output:
                    worker = WorkerProcess(self.jobs[folder].command, output)
            except OSError as error:
                del self.jobs[folder]
                self.endings[folder] = ExportStatus("failed", message=f"It could not be started ({error.strerror}).")
                continue
            self.processes.workers[folder] = worker
            threading.Thread(target=self._wait, args=(folder, worker), daemon=True, name="export").start()

    def _wait(self, folder: Path, worker: WorkerProcess) -> None:
        """Waits for a process to end, says how it did where it could not, and starts the next."""
        while (code := worker.exit_code()) is None:
            time.sleep(LOOK_EVERY)
        with self.lock:
            if ending := _ending(folder, code):
                drop_output(folder)
                self.endings[folder] = ending
            self.processes.workers.pop(folder, None)
            self.jobs.pop(folder, None)
            self._advance()


def _ending(folder: Path, code: int) -> ExportStatus | None:
    """How a process ended that did not say it itself; None where it did."""
    status = read_status(folder)
    if status.state not in (*WORKING, "absent"):
        return None
    if not folder.is_dir():
        return ExportStatus("failed", message="The folder of the file was deleted while it was made; make it again.")
    if (folder / STOP_FILE).exists():
        return dataclasses.replace(status, state="stopped")
    if code == DISK_FULL:
        return ExportStatus("failed", message="The server's disk is full; make room, and try again.")
    log.warning("An export ended unexpectedly (%s): %s", describe_exit(code), _tail(folder / LOG_FILE))
    return ExportStatus(
        "failed",
        message=f"The process that made it ended unexpectedly ({describe_exit(code)}); try again.",
    )


def _tail(file: Path) -> str:
    try:
        return file.read_bytes()[-4000:].decode(errors="replace")
    except OSError:
        return ""


def _place(before: int) -> str:
    others = f"{MOST} other files are being made"
    return f"waiting: {others}, this one is next" if not before else f"waiting: {others}, {before:,} more are before it"


@st.cache_resource(show_spinner=False)
def work() -> Work:
    """The server's. What a killed one left is deleted."""
    made = Work()
    make_room(runs.runs_root(), old=0.0)
    return made


def folder_for(path: Path, name: str, kind: str, made_by: str = "") -> Path:
    """Returns the folder of the file of this run as it is now: its name depends on all of the run that the file does.
    Of other runs, which a plane shows beside it, it does not: the page offers to make a file again."""
    try:
        history = (path / "history.jsonl").stat().st_size
    except OSError:
        history = 0
    key = [str(path), runs.content_hash(path, runs.WEIGHTS), history, name, kind, made_by]
    token = hmac.new(work().secret, json.dumps(key).encode(), hashlib.sha256).hexdigest()[:32]
    return folder_of(path.parent, token)


def order(path: Path, name: str, made: Export, kind: str, owner: str, made_by: str = "") -> Path:
    """Has a format of a run made for a visitor; returns the folder. made_by: who made the run, for the formats that say
    so. Raises ElboRoomError, with a sentence."""
    folder = folder_for(path, name, kind, made_by)
    out = folder / file_name(path.name, made, kind)
    command = (*COMMAND, f"--by={made_by}", str(path), name, kind, str(out))
    try:
        with place_for(owner, 0, count=0):
            work().order(Job(folder, command, owner))
    except OSError as error:
        if is_full(error):
            raise RunError("The server's disk is full; make room, and try again.") from None
        raise RunError(
            f"The file cannot be made beside the runs ({error.strerror}); {what_helps(error)}, or use the command "
            "python -m vae export."
        ) from None
    return folder
