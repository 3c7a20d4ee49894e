"""The datasets that were made of pictures: each described, used, deleted."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from ui import style
from ui.runs.owners import current_owner, is_owner, recorded_owner
from ui.train import form_values
from vae import runs
from vae.errors import ElboRoomError


def folder_of(name: str) -> Path:
    from vae.datasets import data_root
    from vae.datasets.own import stored

    return data_root() / stored.FOLDER / name


def visible() -> list[str]:
    """The datasets that this browser sees: its own, and those from the command line."""
    from vae.datasets import own_datasets

    mine = current_owner()
    return [name for name in own_datasets() if recorded_owner(folder_of(name)) in ("", mine) or may(name)]


def may(name: str) -> bool:
    """Whether this browser may delete it."""
    return is_owner(recorded_owner(folder_of(name)))


def use(name: str) -> None:
    """The form of the Train page has this dataset chosen from now on."""
    st.session_state[form_values.key("dataset")] = name


def shelf(train: Path) -> None:
    """One panel for each dataset."""
    names = visible()
    if not names:
        return
    style.label("Made so far")
    for name in names:
        with st.container(key=f"panel-own-{name}"):
            _one(name, train)


def _one(name: str, train: Path) -> None:
    from vae.datasets import data_root, describe
    from vae.datasets.own import stored
    from vae.datasets.own.words import choices_line, report_lines

    try:
        info, about = describe(name), stored.about(name, data_root())
        made = choices_line(about["choices"])
        text = f"{info.train:,} images to train, {info.test:,} held out · {made}"
        rows = report_lines(about["report"])
    except (ElboRoomError, KeyError, TypeError, ValueError) as error:
        text, rows = str(error) if isinstance(error, ElboRoomError) else f"{name}: its report cannot be read.", {}
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        with st.container(width="stretch"):
            style.title(name, text)
        with st.container(horizontal=True, width="content", gap="small", vertical_alignment="center"):
            if st.button("Train on it", key=f"use-{name}", icon=":material/play_arrow:"):
                use(name)
                st.switch_page(train, query_params={})
            if may(name):
                st.button("Delete", key=f"delete-{name}", type="tertiary", on_click=_ask, args=(name,))
    if rows:
        with st.expander("The report"):
            style.facts({title.capitalize(): line for title, line in rows.items()})


def _ask(name: str) -> None:
    st.session_state["own-delete"] = name


def confirm() -> None:
    """The question, after Delete was pressed."""
    if name := st.session_state.pop("own-delete", None):
        _dialog(name)


@st.dialog("Delete these images?")
def _dialog(name: str) -> None:
    used = runs.runs_on(name)
    st.text(name)
    if used:
        style.problem(
            f"Trained on it: {_runs(used)}. What was learned stays; to go on, or to show these images, the dataset has "
            "to be there."
        )
    style.note("The prepared copy is deleted for good. The pictures that it was made of are not touched.")
    if st.button("Delete", type="primary", key="own-delete-confirm", on_click=_remove, args=(name,)):
        st.rerun()


def _runs(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3:,} more runs" if len(names) > 3 else "")


def _remove(name: str) -> None:
    from vae.datasets import data_root
    from vae.datasets.own import stored

    if not may(name):
        st.session_state["notice"] = "Another browser made these images: they are deleted there."
        return
    try:
        stored.remove(name, data_root())
    except ElboRoomError as error:
        st.session_state["notice"] = str(error)
