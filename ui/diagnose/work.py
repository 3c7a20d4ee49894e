"""The processes that diagnose runs, held once per server: started when somebody opens the page, stopped keeping what
they have found."""

from __future__ import annotations

import sys
from pathlib import Path

import streamlit as st

from ui.live.cache import weights_sha
from ui.live.processes import Processes
from ui.room.limits import check_disk
from ui.runs.owners import current_owner, is_teacher
from vae.diagnosis.results import WORKING, folder_of, read_status, request_diagnosis, stop_diagnosis
from vae.errors import ElboRoomError, RunBusy
from vae.files import told

MOST = 2  # runs diagnosed at a time; a classroom shares the cores with the training runs
COMMAND = (sys.executable, "-m", "vae.diagnosis.process")
PATIENCE = 3.0  # seconds that a diagnosis gets to end by itself before it is killed


@st.cache_resource(show_spinner=False)
def _holder() -> Processes:
    return Processes()


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
            check_disk(current_owner(), 0, is_teacher())
            folder = request_diagnosis(path, sha, again)
            holder.start(folder, [*COMMAND, str(path), "--weights", sha])
    except (ElboRoomError, OSError) as error:
        return told(error)
    return ""


def warm() -> None:
    """Keeps a process at hand that has imported torch: the first findings come seconds sooner."""
    _holder().warm([*COMMAND, "--spare"])


def may_end(folder: Path) -> bool:
    """Returns whether this browser may stop the diagnosis."""
    return _holder().may_end(folder)


def end_diagnosis(folder: Path) -> None:
    """Lets a diagnosis end with what it has, where this browser may say so; one that does not listen is killed after a
    while."""
    if read_status(folder).state in WORKING and may_end(folder):
        stop_diagnosis(folder)
        _holder().kill_later(folder, PATIENCE)


def stop_all() -> None:
    """Ends all diagnoses, as the server ends: each keeps what it has found."""
    _holder().stop_all()
