"""The run that the first is compared with: chosen among those on the same images, kept in the address as `&other=`."""

from __future__ import annotations

import logging

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from ui import style
from ui.compare.moments import middle_moment
from ui.components.address import complete_address
from ui.runs.chooser import HOME, TRAIN, damage, describe_run
from ui.runs.run_view import RunView
from vae import runs
from vae.comparison.same_images import why_not_comparable
from vae.errors import ElboRoomError, RunNotFound
from vae.runs.moments import list_moments

KEY = "other-run"


def choose_other(view: RunView, row: DeltaGenerator) -> RunView | None:
    """Draws, in `row`, the list of the runs that `view` can be compared with, itself among them where it keeps moments;
    returns the one to show, or None where there is none, after a sentence and a way on. Raises RunDamaged."""
    names = [path.name for path in runs.list_runs() if path != view.path and _comparable(view, RunView(path))]
    middle = middle_moment(view.path)
    name = st.query_params.get("other")
    if name is None and names:
        complete_address(key="complete_other", other=(name := names[0]))
    elif name is None and middle is not None:  # the only run: half-way through its training beside now
        complete_address(key="complete_other", other=(name := view.name), at=middle)
    if name is None:
        _none_yet(view)
        return None
    if middle is not None:
        names.append(view.name)
    other, fault = _named(view, name)
    about = "" if other is None else "the same run" if other.path == view.path else describe_run(other)
    with row:
        _select(names, name if other is not None else None, about)
    if fault:
        style.problem(fault)
        return None
    return other


def has_something_beside_it(view: RunView) -> bool:
    """Returns whether a run keeps moments, or another one sees the same images. Raises RunError."""
    others = (RunView(path) for path in runs.list_runs() if path != view.path)
    return bool(list_moments(view.path)) or any(_comparable(view, other) for other in others)


def _comparable(view: RunView, other: RunView) -> bool:
    """Whether it can be opened, and sees the same images. What is wrong with another run is no concern of this one."""
    try:
        return other.has_weights and not why_not_comparable(view.run, other.run)
    except ElboRoomError:
        return False
    except Exception:
        logging.getLogger(__name__).exception("run %r could not be read", other.name)
        return False


def _named(view: RunView, name: str) -> tuple[RunView | None, str]:
    """The run of this name, None where there is none, and a sentence on why it cannot be compared."""
    try:
        other = RunView(runs.run_path(name))
        runs.check_known(other.path, other.config)
        if not other.has_weights:
            return other, f"“{other.name}” has no weights yet: choose another run, or wait for its first step."
        return other, damage(other.path) or why_not_comparable(view.run, other.run)
    except RunNotFound:
        return None, f"There is no run named “{name[:60]}”. It may have been renamed or deleted: choose another one."
    except ElboRoomError as error:
        return None, str(error)


def _select(names: list[str], current: str | None, about: str) -> None:
    if current is not None and current not in names:
        names = [current, *names]
    if names:
        st.session_state[KEY] = current  # the address decides, also after the browser's Back
        st.selectbox(
            "Compared with", names, index=None, key=KEY, width=230, placeholder="Choose a run",
            required=current is not None, label_visibility="collapsed", on_change=_chosen,
        )  # fmt: skip
    if about:
        style.note(about)


def _chosen() -> None:
    if name := st.session_state.get(KEY):
        kept = {known: st.query_params[known] for known in ("run", "mode", "at", "image") if known in st.query_params}
        st.query_params.from_dict(kept | {"other": name})


def _none_yet(view: RunView) -> None:
    style.lead("Nothing to compare it with yet")
    style.note(
        f"No other run sees the same images as “{view.name}”. Train a second one on {view.dataset}, with another C, "
        "another latent or another seed: both then stand here side by side."
    )
    with st.container(horizontal=True):
        st.page_link(TRAIN, label="Train another one", icon=":material/play_arrow:")
        st.page_link(HOME, label="All runs", icon=":material/grid_view:")
