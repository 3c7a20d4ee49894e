"""Above the table: how far the work is, which kinds of suspects there are, and what is listed."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from ui import style
from ui.suspects import work
from ui.suspects.view import SECOND, SuspectsView
from vae.diagnosis.suspects.marks import Marks
from vae.diagnosis.suspects.options import KS
from vae.diagnosis.suspects.scores import FAR
from vae.diagnosis.suspects.table import KINDS, SECOND_KINDS, TAIL, of_kind

if TYPE_CHECKING:
    from vae.diagnosis.suspects.table import Listed

LOOK_EVERY = 0.5  # seconds
DRAW_EVERY = 5.0  # seconds between two drawings of the page with more of log p(x)
KIND_WORDS = {
    "all": "All",
    "label": "Label contradicted",
    "exact": "Copies",
    "near": "Near copies",
    "blank": "Blank",
    "far": "Far out",
    "marked": "Marked",
    "tail": "Outliers",
}
KIND_NOTES = {
    "all": "Every image, the most suspect first.",
    "label": "More than half of the {k} nearest training codes share one label, and it is another one.",
    "exact": "Images with the same bytes, each group together; the first of a group is what the others are copies of.",
    "near": "Images that look the same at 16 × 16 places; each group together.",
    "blank": "Images of one value all over.",
    "far": "Rate or distortion lies above the third quartile by more than {far:g} interquartile ranges (Tukey 1977).",
    "marked": "What you marked, with its notes.",
    "tail": "Fewer than {tail:.0%} of the run's own held-out images have so high a −ELBO.",
}


@st.fragment(run_every=LOOK_EVERY)
def progress(folder: Path) -> None:
    """Draws how far the work is and a way to stop it; draws the page anew when something new is there."""
    from vae.diagnosis.results import WORKING, read_status  # torch, which the application starts without

    status = read_status(folder)
    stamps = str([stamp_of(file) for file in sorted(folder.glob("*.npz"))])
    before = st.session_state.get("suspects-stamps")
    st.session_state["suspects-stamps"] = stamps
    if status.state not in WORKING or (before is not None and before != stamps):
        st.rerun()
    with st.container(horizontal=True, vertical_alignment="center", key="suspects-progress"):
        words = status.words[:1].upper() + status.words[1:] if status.words else "Starting"
        st.progress(min(1.0, status.fraction), text=style.plain(f"{words} · {status.seconds:.0f} s"))
        st.button(
            "Stop", icon=":material/stop:", key="suspects-stop", on_click=work.end, args=(folder,),
            disabled=not work.may_end(folder),
        )  # fmt: skip


def stamp_of(file: Path) -> tuple[str, float]:
    """Returns what changes where the page is to be drawn anew: scores at once, log p(x), which grows all the time,
    every few seconds."""
    from vae.diagnosis.suspects.results import SCORES

    written = file.stat().st_mtime
    return file.name, written if file.name == SCORES else written // DRAW_EVERY


def kinds(view: SuspectsView, listed: Listed, marks: Marks) -> None:
    """Draws one choice for each kind of suspects, with how many there are."""
    names = SECOND_KINDS if view.part == SECOND else KINDS
    counts = {name: int(of_kind(listed, name, view.k, marks).sum()) for name in names}
    offered = [name for name in names if counts[name] or name in ("all", "marked", view.kind)]
    st.session_state["suspects-kind"] = view.kind
    st.pills(
        "Show", offered, key="suspects-kind", required=True, wrap=True, label_visibility="collapsed",
        format_func=lambda name: f"{KIND_WORDS[name]} {counts[name]:,}", on_change=_choose_kind, args=(view,),
    )  # fmt: skip
    note = KIND_NOTES[view.kind].format(k=listed.scores.k_there(view.k), far=FAR, tail=TAIL)
    cut = " More pairs look alike at first sight than are compared: some may be missing."
    style.note(note + cut * (view.kind == "near" and listed.scores.near_cut))


def _choose_kind(view: SuspectsView) -> None:
    kind = st.session_state["suspects-kind"]
    together = {"exact": "copies", "near": "copies", "label": "disagreement"}
    sort = together.get(kind) or ("disagreement" if view.sort == "copies" else view.sort)
    go(dataclasses.replace(view, kind=kind, page=1, sort=sort, order=""))


def go(view: SuspectsView) -> None:
    """Makes this what the address says, from the next drawing on."""
    run = {name: st.query_params[name] for name in ("run",) if name in st.query_params}
    st.query_params.from_dict(run | view.to_query())


def choices(view: SuspectsView, parts: tuple[str, ...], listed: Listed | None, datasets: list[str]) -> None:
    """Draws which images are listed: part, class, number of neighbours, second dataset."""
    words = {"train": "Training", "test": "Held out", SECOND: style.plain(view.second) or "Second dataset"}
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="suspects-choices"):
        offered = [*parts, *([SECOND] if view.second else [])]
        _segments("Images", "part", offered, view, words.get, parts)
        if listed is not None and listed.scores.differ is not None:
            _select("Neighbours k", "k", list(KS), view, str, 130, parts)
        if listed is not None and listed.labels is not None:
            there = sorted({-1, *map(int, listed.labels)})
            name = listed.name_of
            _select("Class", "label", there, view, lambda one: "all" if one < 0 else name(one), 130, parts)
        if datasets:
            _select("Second dataset", "second", ["", *datasets], view, lambda one: one or "none", 190, parts)


def _segments(
    label: str, field: str, options: list[Any], view: SuspectsView, words: Any, parts: tuple[str, ...]
) -> None:
    key = f"suspects-{field}"
    st.session_state[key] = getattr(view, field)
    st.segmented_control(
        label, options, key=key, required=True, format_func=words, on_change=_choose, args=(view, field, parts)
    )


def _select(
    label: str,
    field: str,
    options: list[Any],
    view: SuspectsView,
    words: Any,
    width: int,
    parts: tuple[str, ...],
) -> None:
    key, current = f"suspects-{field}", getattr(view, field)
    options = options if current in options else [current, *options]
    st.session_state[key] = current
    st.selectbox(
        label,
        options,
        key=key,
        format_func=words,
        width=width,
        on_change=_choose,
        args=(view, field, parts),
    )


def _choose(view: SuspectsView, field: str, parts: tuple[str, ...]) -> None:
    value = st.session_state[f"suspects-{field}"]
    view = dataclasses.replace(view, **{field: value}, page=1)
    if field == "second":
        view = dataclasses.replace(view, part=SECOND if value else parts[0])
    if field in ("second", "part"):
        kind = view.kind if view.kind in (SECOND_KINDS if view.part == SECOND else KINDS) else "all"
        sort = "elbo" if view.part == SECOND else "disagreement" if view.sort == "elbo" else view.sort
        view = dataclasses.replace(view, kind=kind, label=-1, sort=sort, order="")
    go(view)
