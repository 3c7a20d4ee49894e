"""The run that a page of the Explore section shows: chosen from a list, kept in the address as `?run=name`.

view = choose_run("Explore", keep=("mode",))
if view is None:
    st.stop()  # what is wrong and a way on are on the page
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterable
from pathlib import Path

import streamlit as st

from ui import style
from ui.components.address import complete_address
from ui.components.link import link
from ui.runs.gallery import facts
from ui.runs.run_view import RunView
from ui.runs.states import in_words
from vae import runs
from vae.errors import RunDamaged, RunError, RunNotFound

PAGES = Path(__file__).resolve().parent.parent.parent / "pages"
HOME, TRAIN = PAGES / "home.py", PAGES / "train.py"
WAYS = {  # with icons; a page's file is named after the first word
    "Train": "monitoring",
    "Explore": "tune",
    "Map": "scatter_plot",
    "Diagnose": "troubleshoot",
    "Suspects": "image_search",
    "Terms": "show_chart",
    "Compare": "compare",
    "Take away": "download",
}
SOUND, DAMAGED, NOT_OFFERED = "sound", "damaged", "not offered"
LOOK_EVERY = 1.0  # seconds between two looks for the first weights


def choose_run(
    here: str,
    keep: Iterable[str] = (),
    key: str = "chosen-run",
    offer: Callable[[RunView], bool] = lambda _: True,
    first: Callable[[RunView], bool] = lambda _: True,
    model: bool = True,
) -> RunView | None:
    """Draws the list; returns the run to show, or None where there is none, after a sentence and a way on.

    `here` is the page's own name; `keep` names the parameters of the address that stay when another run is chosen;
    `offer` says which runs are listed besides the address's own, `first` which of them the page opens with where the
    address names none; without such a run it is the newest. `model`: whether the page needs one; where it does not,
    runs that have only a history are listed too.
    """
    views = {path: one for path in runs.list_runs() if (one := RunView(path)).has_weights or not model}
    offered = {path: _offered(view, offer) for path, view in views.items()}
    found = [path for path, kind in offered.items() if kind != NOT_OFFERED]
    name = st.query_params.get("run")
    if name is None and not found:
        _nothing_yet()
        return None
    if name is None:
        sound = [path for path in found if offered[path] == SOUND]
        name = next((path for path in sound if first(views[path])), (sound or found)[0]).name
        complete_address(run=name)
    view = _named(name, views)
    names = [path.name for path in found]
    if view is not None and view.name not in names:
        names.insert(0, view.name)
    about = describe_run(view) if view is not None else ""
    damaged = {path.name for path in found if offered[path] == DAMAGED}
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="run-chooser"):
        _select(names, view.name if view is not None else None, about, tuple(keep), key, damaged)
        if view is not None and about and view.has_weights and not damage(view.path):
            ways(view.name, here)
            link()
    if view is None:
        _not_found(name, bool(found))
        return None
    return view if _can_be_shown(view, model) else None


def _named(name: str, views: dict[Path, RunView]) -> RunView | None:
    """The run with the name in the address; None where there is none."""
    try:
        path = runs.run_path(name)
    except RunNotFound:
        return None
    return views.get(path) or RunView(path)


def _offered(view: RunView, offer: Callable[[RunView], bool]) -> str:
    """Whether a run is on the list. One that cannot be read is, as damaged, and never hides another."""
    try:
        runs.check_known(view.path, view.config)
        return SOUND if offer(view) else NOT_OFFERED
    except RunError:
        return DAMAGED
    except Exception:
        logging.getLogger(__name__).exception("run %r could not be read", view.name)
        return DAMAGED


def describe_run(view: RunView) -> str:
    """Returns `mnist · d = 10 · bernoulli, C = 1 · finished`; "" where the config cannot be read."""
    try:
        about = facts(view.config, view.measured.get("C"), view.asked_C)
    except RunError:
        return ""
    return f"{view.dataset} · {about} · {in_words(view.status.state)}"


def _select(
    names: list[str], current: str | None, about: str, keep: tuple[str, ...], key: str, damaged: set[str]
) -> None:
    if names:
        st.session_state[key] = current  # the address decides, also after the browser's Back
        st.selectbox(
            "Run", names, index=None, key=key, width=230, placeholder="Choose a run", required=current is not None,
            format_func=lambda name: f"{name} (cannot be opened)" if name in damaged else name,
            label_visibility="collapsed", on_change=_chosen, args=(key, keep),
        )  # fmt: skip
    if about:
        style.note(about)


def ways(name: str, here: str) -> None:
    """Links to the other pages of a run; `here` is the name of the page that shows it now."""
    for label, icon in WAYS.items():
        if label != here:
            page = PAGES / f"{label.split()[0].lower()}.py"
            st.page_link(page, label=label, icon=f":material/{icon}:", query_params={"run": name})


def _chosen(key: str, keep: tuple[str, ...]) -> None:
    if name := st.session_state.get(key):
        st.query_params.from_dict({"run": name} | {k: st.query_params[k] for k in keep if k in st.query_params})


def _not_found(name: str, others: bool) -> None:
    choose = "choose another one above" if others else "train one"
    style.problem(f"There is no run named “{name[:60]}”. It may have been renamed or deleted: {choose}.")
    _ways_on()


def _can_be_shown(view: RunView, model: bool) -> bool:
    try:
        runs.check_known(view.path, view.config)
        if model and not view.has_weights:
            _no_weights_yet(view)
            return False
        fault = damage(view.path)
    except RunError as error:
        fault = str(error)
    if fault:
        style.problem(fault)
        _ways_on()
    return not fault


def damage(path: Path) -> str:
    """Returns what is wrong with the run's weights, a sentence; "" if they are those that were saved."""
    try:
        stamps = tuple((path / name).stat().st_mtime_ns for name in (runs.WEIGHTS, "manifest.json"))
    except OSError:
        stamps = (0, 0)
    return _damage(path, stamps)


@functools.lru_cache(maxsize=64)
def _damage(path: Path, stamps: tuple[int, ...]) -> str:
    try:
        runs.read_checked(path, runs.WEIGHTS)
    except RunDamaged as error:
        return str(error)
    except RunError:
        pass  # gone in this moment: the page's own parts say so
    return ""


def _nothing_yet() -> None:
    style.lead("Nothing to explore yet")
    style.note("A run appears here with its first step. The digits that come with the app take about a minute.")
    st.page_link(TRAIN, label="Train a first run", icon=":material/play_arrow:")


def _no_weights_yet(view: RunView) -> None:
    yours = view.config.is_yours
    if view.active:
        when = "once its loop calls log.model(encoder, decoder)" if yours else "by itself with its first step"
        style.notice(f"“{view.name}” has no weights yet. It appears here {when}.")
        _wait(view.path)
    elif yours:
        style.problem(f"“{view.name}” has no model: its loop never called log.model(encoder, decoder).")
    else:
        style.problem(f"“{view.name}” has no weights: it ended before its first step. Continue it, or choose another.")
    with st.container(horizontal=True):
        st.page_link(TRAIN, label="Watch it train", icon=":material/monitoring:", query_params={"run": view.name})
        st.page_link(HOME, label="All runs", icon=":material/grid_view:")


@st.fragment(run_every=LOOK_EVERY)
def _wait(path: Path) -> None:
    """Draw the page anew when the first weights are there, or when training ended without."""
    view = RunView(path)
    if view.has_weights or not view.active:
        st.rerun()


def _ways_on() -> None:
    with st.container(horizontal=True):
        st.page_link(HOME, label="All runs", icon=":material/grid_view:")
        st.page_link(TRAIN, label="Train a new one", icon=":material/play_arrow:")
