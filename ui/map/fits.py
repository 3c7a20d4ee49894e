"""The processes that compute maps, held once per server: started when somebody asks, stopped keeping what they have."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import streamlit as st

from ui.live.cache import current_codes, weights_sha
from ui.live.processes import Processes
from ui.room.limits import check_disk
from ui.runs.owners import current_owner, is_teacher
from vae.errors import ElboRoomError, RunBusy
from vae.files import told
from vae.space.fit_process import WORKING, folder_of, read_fit, request_fit, stop_fit
from vae.space.projections import PROJECTIONS

MOST = 2  # maps computed at a time; a classroom shares the cores with the training runs
COMMAND = (sys.executable, "-m", "vae.space.fit_process")
PATIENCE = 3.0  # seconds that a fit gets to end by itself before it is killed


@st.cache_resource(show_spinner=False)
def _holder() -> Processes:
    return Processes()


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
            check_disk(current_owner(), 0, is_teacher())
            codes = current_codes(path, sha, part)
            request_fit(path, method, sha, codes.loc, part)
            command = [*COMMAND, str(path), "--method", method, "--part", part, "--weights", sha]
            holder.start(folder, command)
    except (ElboRoomError, OSError) as error:
        return told(error)
    return ""


def warm() -> None:
    """Keeps a process at hand that has imported what t-SNE needs: the first frame comes seconds sooner."""
    _holder().warm([*COMMAND, "--spare"])


def end_fit(path: Path, method: str, part: str = "test") -> None:
    """Lets the fit end with what it has, where this browser may say so; one that does not listen is killed after a
    while."""
    sha = weights_sha(path)
    for folder in {folder_of(path, method, sha, part), *_folders(path, method, part)}:
        status = read_fit(folder)
        if status.state not in WORKING or not _holder().may_end(folder):
            continue
        stop_fit(folder)
        iterates = PROJECTIONS[method].iterates
        _holder().kill_later(folder, PATIENCE if iterates else 0.0)


def _folders(path: Path, method: str, part: str) -> list[Path]:
    """Folders of this run in which a process of ours works."""
    form = re.escape(folder_of(path, method, "", part).name) + "[0-9a-f]{8}"
    living = _holder().living()
    return [folder for folder in living if folder.parent.parent == path and re.fullmatch(form, folder.name)]


def stop_all() -> None:
    """Ends all fits, as the server ends: each saves what it has."""
    _holder().stop_all()
