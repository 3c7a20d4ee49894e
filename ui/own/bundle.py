"""A run that comes back: drop its bundle, see what it is, choose a name, and it is one of the runs here.

What is shown was read from the bundle by the same import, into a folder that goes with the drop; then it is done once
more into the folder of runs. Nothing of a bundle is run.
"""

from __future__ import annotations

import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from ui import style
from ui.components.drop import drop_zone
from ui.own import drops
from ui.own.work import Work, follow
from ui.room.limits import place_for
from ui.runs.chooser import describe_run
from ui.runs.owners import current_owner, record_owner
from ui.runs.run_view import RunView
from ui.style import number
from ui.take.rows import size
from vae.errors import ConfigError, ElboRoomError, RunError

if TYPE_CHECKING:
    from vae.datasets.downloads import Progress

TOKEN, LOOK, IMPORT, DONE = "bundle-token", "bundle-look", "bundle-import", "bundle-done"
MOST_BYTES = drops.MOST_BYTES
WORDS = {
    "what": "Drop a run's bundle here",
    "note": "One .zip that the page “Take away” or python -m vae export has made",
    "accept": ".zip",
}


@dataclass(frozen=True)
class Report:
    """What a bundle holds. name: that it had where it was made; disk: bytes, unpacked; rows: the rest, in words."""

    name: str
    disk: int
    rows: dict[str, str]


def panel(explore: Path) -> None:
    """Draws the whole way from a file to a run."""
    if done := st.session_state.get(DONE):
        with st.container(horizontal=True, vertical_alignment="center"):
            style.notice(f"“{done}” is here, and yours.")
            st.page_link(explore, label="Open", icon=":material/tune:", query_params={"run": done})
    token = st.session_state.get(TOKEN)
    if token is None or drops.drops().find(token) is None:
        _start_over()
        token = st.session_state[TOKEN]
    if drop_zone(token, MOST_BYTES, 1, words=WORDS, key=f"drop-bundle-{token}"):
        _forget_work()  # another bundle in place of the one before
    drop = drops.drops().find(token)
    if drop is None or not drop.files:
        style.note("A bundle is read as a stranger's file, and never run; nothing is kept before you import it.")
        return
    name, place = drop.files[0]
    shown = Path(name).name[-60:]
    if st.session_state.get(LOOK) is None:
        st.session_state[LOOK] = Work(lambda progress: look(place, shown, progress))
        st.session_state.pop(DONE, None)
    looking: Work = st.session_state[LOOK]
    if follow(looking, "bundle-look"):
        _offer(looking.result, place, shown)


def look(file: Path, shown: str, progress: Progress) -> Report:
    """Reads a bundle as it would be imported; nothing of that stays. `shown`: its name at the visitor's. Raises
    ElboRoomError."""
    from vae.runs.origin import day, read_origin

    trial = file.with_name(f"look-{secrets.token_hex(4)}")
    try:
        path = take_in(file, shown, trial, None, progress)
        view, origin = RunView(path), read_origin(path)
        unpacked = sum(one.stat().st_size for one in path.rglob("*") if one.is_file())
        rows = {
            "Run": path.name,
            "Made by": f"{origin.made_by or 'somebody unnamed'}, {day(origin.made)}" if origin else "",
            "Model": describe_run(view),
            "Terms": terms(view),
            "Images": images_in(path),
            "Training": training_in(view),
            "Size": f"{size(file.stat().st_size)}, unpacked {size(unpacked)}",
        }
        return Report(path.name, unpacked, {title: words for title, words in rows.items() if words})
    except OSError as error:
        raise RunError(f"{shown}: cannot be read here ({error.strerror})") from None
    finally:
        shutil.rmtree(trial, ignore_errors=True)


def terms(view: RunView) -> str:
    """Returns the held-out means of a run in nats; "" where none were recorded."""
    test = view.measured.get("test") or {}
    named = {"distortion": "distortion", "rate": "rate", "elbo": "ELBO"}
    found = [f"{words} {number(test[name])}" for name, words in named.items() if test.get(name) is not None]
    error = test.get("elbo_error")
    return f"{', '.join(found)}{f' ± {number(error)}' if error else ''} nats, held out" if found else ""


def images_in(path: Path) -> str:
    """Returns how many images came along, in words. Raises RunDamaged."""
    from vae.runs.own_data import IMAGES
    from vae.runs.ship import HELD_OUT, held_out

    if (path / IMAGES).is_file():
        return "all of its own"
    if not (path / HELD_OUT).is_file():
        return "none: the map needs the data themselves here"
    return f"{len(held_out(path).images):,} held-out ones"


def training_in(view: RunView) -> str:
    """Returns where a training stands, the moments that it kept, and how it goes on, in words."""
    from vae.runs import STATE
    from vae.runs.moments import list_moments

    moments = len(list_moments(view.path))
    kept = f", {moments:,} moment{'s' * (moments != 1)}" if moments else ""
    exactly = ", goes on exactly where the data are" if (view.path / STATE).is_file() else ""
    return f"step {view.status.step:,}{kept}{exactly}"


def take_in(file: Path, shown: str, root: Path | None, name: str | None, progress: Progress) -> Path:
    """Imports a bundle, which lies under a number here. Raises ElboRoomError."""
    from vae.exports.bundle_import import import_bundle

    try:
        return import_bundle(file, root, name, progress)
    except ElboRoomError as error:
        raise RunError(str(error).replace(file.name, shown)) from None


def _offer(report: Report, place: Path, shown: str) -> None:
    style.facts(report.rows)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.text_input("Name here", report.name, max_chars=60, key="bundle-name", width=260)
        started: Work | None = st.session_state.get(IMPORT)
        busy = started is not None and started.running
        if st.button("Import", type="primary", key="bundle-import-start", disabled=busy):
            owner = current_owner()

            def do(progress: Progress) -> str:
                path = take_in(place, shown, None, name.strip() or None, progress)
                record_owner(path, owner)
                return path.name

            try:
                with place_for(owner, report.disk, count=0):
                    started = st.session_state[IMPORT] = Work(do)
            except ConfigError as error:
                style.problem(str(error))
        st.button("Another one", key="bundle-other", type="tertiary", disabled=busy, on_click=_start_over)
    if started is not None and follow(started, "bundle-import"):
        _start_over()
        st.session_state[DONE] = str(started.result)
        st.rerun()  # the gallery below shows it


def _start_over() -> None:
    """Forgets what was dropped and read, for the next drop."""
    _forget_work()
    if old := st.session_state.pop(TOKEN, None):
        drops.drops().close(old)
    st.session_state[TOKEN] = drops.drops().begin(current_owner())


def _forget_work() -> None:
    for key in (LOOK, IMPORT):
        if (work := st.session_state.pop(key, None)) is not None:
            work.stop()
