"""The processes that look for suspects, held once per server: started when somebody asks, stopped keeping what they
have."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from pathlib import Path

import streamlit as st

from ui.live.cache import weights_sha
from ui.live.processes import Processes
from ui.room.limits import check_disk
from ui.runs.owners import current_owner, is_teacher
from vae.errors import ElboRoomError, RunBusy
from vae.files import told, write_json

MOST = 2  # at a time; a classroom shares the cores with the training runs
PATIENCE = 3.0  # seconds that a process gets to end by itself before it is killed


@st.cache_resource(show_spinner=False)
def _holder() -> Processes:
    return Processes()


def start(path: Path, evidence: str = "", second: str = "") -> str:
    """Has the suspects of the run's newest weights looked for, unless that is under way; returns a sentence where it
    cannot be. evidence: the part whose log p(x) is wanted too. second: another dataset to be scored."""
    from vae.diagnosis.results import WORKING, read_status  # torch, which the application starts without
    from vae.diagnosis.suspects.results import folder_of, request_suspects

    try:
        sha = weights_sha(path)
        folder = folder_of(path, sha)
        holder = _holder()
        with holder.lock:
            if read_status(folder).state in WORKING:
                return ""
            if len(holder.living()) >= MOST:
                raise RunBusy(f"{MOST} runs are looked through already; this one can start when one of them is done")
            check_disk(current_owner(), 0, is_teacher())
            request_suspects(path, sha)
            command = [sys.executable, "-m", "vae.diagnosis.suspects.process", str(path), "--weights", sha]
            command += ["--evidence", evidence] if evidence else []
            command += ["--second", second] if second else []
            holder.start(folder, command)
    except (ElboRoomError, OSError) as error:
        return told(error)
    return ""


def is_whole(folder: Path) -> bool:
    """Returns whether all scores are there."""
    from vae.diagnosis.suspects.results import WHOLE

    return (folder / WHOLE).is_file()


def may_end(folder: Path) -> bool:
    """Returns whether this browser may stop the work."""
    return _holder().may_end(folder)


def end(folder: Path) -> None:
    """Lets the process end with what it has, where this browser may say so; one that does not listen is killed after a
    while."""
    from vae.diagnosis.results import stop_diagnosis

    if not may_end(folder):
        return
    stop_diagnosis(folder)
    _holder().kill_later(folder, PATIENCE, lambda: _say_stopped(folder))


def _say_stopped(folder: Path) -> None:
    """For a process that was killed before it could."""
    from vae.diagnosis.results import WORKING, read_status

    status = read_status(folder)
    if status.state in WORKING:
        with contextlib.suppress(OSError):
            write_json(folder / "status.json", dataclasses.asdict(dataclasses.replace(status, state="stopped")))


def stop_all() -> None:
    """Ends all, as the server ends: each keeps what it has."""
    _holder().stop_all()
