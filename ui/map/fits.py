"""The processes that compute maps, held once per server: started when somebody asks, stopped keeping what they have."""

from __future__ import annotations

import re
import sys
import threading
import time
from pathlib import Path

import streamlit as st

from ui.live.cache import current_codes, weights_sha
from vae.engines.process import WorkerProcess, end_all
from vae.errors import ElboRoomError, RunBusy
from vae.space.fit_process import WORKING, folder_of, read_fit, request_fit, stop_fit
from vae.space.projections import PROJECTIONS

MOST = 2  # maps computed at a time; a classroom shares the cores with the training runs
PATIENCE = 3.0  # seconds that a fit gets to end by itself before it is killed


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


def start_fit(path: Path, method: str, part: str = "test") -> str:
    """Has the run's newest codes laid out, unless that is done or under way; returns a sentence where it cannot be."""
    try:
        sha = weights_sha(path)
        folder = folder_of(path, method, sha, part)
        holder = _holder()
        with holder.lock:
            if read_fit(folder).state in (*WORKING, "finished"):
                return ""
            if len(holder.living()) >= MOST:
                raise RunBusy(f"{MOST} maps are being computed already; this one can start when one of them is done")
            codes = current_codes(path, sha, part)
            request_fit(path, method, sha, codes.loc, part)
            holder.workers[folder] = _worker(holder, folder, path, method, part, sha)
    except (ElboRoomError, OSError) as error:
        return str(error)
    return ""


def _worker(holder: _Holder, folder: Path, path: Path, method: str, part: str, sha: str) -> WorkerProcess:
    """The spare process if it lives, else a new one."""
    spare, holder.spare = holder.spare, None
    if spare is not None and spare.hand(folder):
        return spare
    command = [sys.executable, "-m", "vae.space.fit_process", str(path), "--method", method, "--part", part]
    with open(folder / "log.txt", "wb") as log:
        return WorkerProcess([*command, "--weights", sha], log)


def warm() -> None:
    """Keeps a process at hand that has imported what t-SNE needs: the first frame comes seconds sooner."""
    holder = _holder()
    with holder.lock:
        if holder.spare is None or holder.spare.exit_code() is not None:
            try:
                holder.spare = WorkerProcess([sys.executable, "-m", "vae.space.fit_process", "--spare"])
            except OSError:
                holder.spare = None  # the fit tells, if it comes to one


def end_fit(path: Path, method: str, part: str = "test") -> None:
    """Lets the fit end with what it has; one that does not listen is killed after a while."""
    sha = weights_sha(path)
    for folder in {folder_of(path, method, sha, part), *_folders(path, method, part)}:
        status = read_fit(folder)
        if status.state not in WORKING:
            continue
        stop_fit(folder)
        iterates = PROJECTIONS[method].iterates
        threading.Thread(target=_kill_later, args=(folder, PATIENCE if iterates else 0.0), daemon=True).start()


def _folders(path: Path, method: str, part: str) -> list[Path]:
    """Folders of this run in which a process of ours works."""
    form = re.escape(folder_of(path, method, "", part).name) + "[0-9a-f]{8}"
    living = _holder().living()
    return [folder for folder in living if folder.parent.parent == path and re.fullmatch(form, folder.name)]


def _kill_later(folder: Path, patience: float) -> None:
    deadline = time.monotonic() + patience
    worker = _holder().workers.get(folder)
    while worker is not None and worker.exit_code() is None:
        if time.monotonic() > deadline:
            worker.kill()
            return
        time.sleep(0.05)


def stop_all() -> None:
    """Ends all fits, as the server ends: each saves what it has."""
    holder = _holder()
    end_all([*holder.living().values(), *([holder.spare] if holder.spare else [])], time.monotonic() + 2)
    holder.spare = None
