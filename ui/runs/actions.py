"""Taking away, renaming, deleting, and taking a deletion back. Changes ask again whether this browser may: a menu
may be old."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import streamlit as st

from ui import style
from ui.runs.owners import may_change, recorded_owner, why_not
from vae import runs
from vae.errors import ElboRoomError
from vae.files import told


def choose(path: Path, key: str) -> None:
    """Follows a choice from the menu of a run's card; `key` is the menu's."""
    choice = st.session_state.get(key)
    if choice == "Delete":
        _attempt(path, lambda: st.session_state.__setitem__("trashed", runs.delete_run(path)))
    elif choice == "Take away":
        st.session_state["take-away"] = path.name
    elif choice == "Rename":
        st.session_state["renaming"] = path


@st.dialog("Rename run")
def rename(path: Path) -> None:
    """Asks for the new name."""
    st.text(path.name)
    name = st.text_input("New name", path.name, max_chars=60, key="rename-to")
    st.caption("Letters, digits, dots, dashes and underscores are kept; anything else is left out.")
    disabled = not name.strip()
    if st.button("Rename", type="primary", key="rename-confirm", disabled=disabled, on_click=_renamed, args=(path,)):
        st.rerun()


def undo_bar() -> None:
    """Draws, after a deletion, what was deleted, and the way back."""
    trashed = st.session_state.get("trashed")
    if not trashed:
        return
    with st.container(key="panel-undo", horizontal=True, vertical_alignment="center"):
        style.note(f"Deleted {trashed.name.rsplit('.', 1)[0]}. It is kept for a day.")
        st.button("Undo", key="undo-delete", icon=":material/undo:", on_click=_restored, args=(trashed,))


def _renamed(path: Path) -> None:
    _attempt(path, lambda: runs.rename_run(path, st.session_state["rename-to"]))


def _restored(trashed: Path) -> None:
    st.session_state.pop("trashed", None)
    _attempt(trashed, lambda: runs.restore_run(trashed))


def _attempt(path: Path, action: Callable[[], object]) -> None:
    if not may_change(path):
        st.session_state["notice"] = why_not(recorded_owner(path))
        return
    try:
        action()
    except (ElboRoomError, OSError) as error:
        st.session_state["notice"] = told(error)
