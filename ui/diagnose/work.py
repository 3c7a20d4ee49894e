"""The processes that diagnose runs, held once per server: started when somebody opens the page, stopped keeping what
they have found."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import streamlit as st

from ui.live.cache import weights_sha
from vae.diagnosis.results import WORKING, folder_of, read_status, request_diagnosis, stop_diagnosis
from vae.engines.process import WorkerProcess, end_all
from vae.errors import ElboRoomError, RunBusy

MOST = 2  # runs diagnosed at a time; a classroom shares the cores with the training runs
PATIENCE = 3.0  # seconds that a diagnosis gets to end by itself before it is killed


class _Holder:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.workers: dict[Path, WorkerProcess] = {}
        self.spare: WorkerProcess | None = None

    def living(self) -> dict[Path, WorkerProcess]:
        """Returns the workers that have not ended; the others are forgotten."""
        self.workers = {folder: worker for folder, worker in self.workers.items() if worker.exit_code() is None}
        return self.workers


@st.cache_resource(show_spinner=False)
def _holder() -> _Holder:
    return _Holder()


def start_diagnosis(path: Path, again: bool = False) -> str:
    """Has the run's newest weights diagnosed, unless that is under way; returns a sentence where it cannot be. What is
    known already is kept, but with `again`."""
    try:
        sha = weights_sha(path)
        holder = _holder()
        with holder.lock:
            if read_status(folder_of(path, sha)).state in WORKING:
                return ""
            if len(holder.living()) >= MOST:
                raise RunBusy(f"{MOST} runs are being diagnosed already; this one can start when one of them is done")
            folder = request_diagnosis(path, sha, again)
            holder.workers[folder] = _worker(path, sha, folder)
    except (ElboRoomError, OSError) as error:
        return str(error)
    return ""


def _worker(path: Path, sha: str, folder: Path) -> WorkerProcess:
    """The spare process if it lives, else a new one."""
    holder = _holder()
    spare, holder.spare = holder.spare, None
    if spare is not None and spare.hand(folder):
        return spare
    with open(folder / "log.txt", "wb") as log:
        return WorkerProcess([sys.executable, "-m", "vae.diagnosis.process", str(path), "--weights", sha], log)


def warm() -> None:
    """Keeps a process at hand that has imported torch: the first findings come seconds sooner."""
    holder = _holder()
    with holder.lock:
        if holder.spare is None or holder.spare.exit_code() is not None:
            try:
                holder.spare = WorkerProcess([sys.executable, "-m", "vae.diagnosis.process", "--spare"])
            except OSError:
                holder.spare = None  # the diagnosis tells, if it comes to one


def end_diagnosis(folder: Path) -> None:
    """Lets a diagnosis end with what it has; one that does not listen is killed after a while."""
    if read_status(folder).state in WORKING:
        stop_diagnosis(folder)
        threading.Thread(target=_kill_later, args=(folder,), daemon=True).start()


def _kill_later(folder: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    worker = _holder().workers.get(folder)
    while worker is not None and worker.exit_code() is None:
        if time.monotonic() > deadline:
            worker.kill()
            return
        time.sleep(0.05)


def stop_all() -> None:
    """Ends all diagnoses, as the server ends: each keeps what it has found."""
    holder = _holder()
    end_all([*holder.living().values(), *([holder.spare] if holder.spare else [])], time.monotonic() + 2)
    holder.spare = None
