"""Below the table: what is done with rows, and what each class costs."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from ui import style
from ui.runs.run_view import RunView
from ui.suspects import work
from ui.suspects.actions import PROBLEM, mark_all
from ui.suspects.marks import where_they_stay
from ui.suspects.view import SECOND, SuspectsView
from vae.config import count_rows
from vae.diagnosis.suspects.marks import Marks, identity, rows_of

if TYPE_CHECKING:
    from vae.diagnosis.suspects.table import Listed

PAGES = Path(__file__).resolve().parents[2] / "pages"
MOST_ON_MAP = 400  # images in an address


def rows_panel(run: RunView, view: SuspectsView, listed: Listed, indices: list[int], marks: Marks) -> None:
    """Draws what can be done with the rows that are listed, and with those that are marked."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="suspects-do"):
        if view.part != SECOND and listed.rows is not None:
            _marking(run, listed, indices, marks)
        _files(run, view, listed, indices, marks)
        if view.part != SECOND:
            _links(run, listed, indices, marks)
    if (sentence := where_they_stay(run)) and view.part != SECOND:
        style.note(sentence)


def _marking(run: RunView, listed: Listed, indices: list[int], marks: Marks) -> None:
    here = [i for i in indices if (listed.part, listed.row(i)) in marks]
    st.button(
        f"Mark all {len(indices):,} listed", icon=":material/check_box:", key="suspects-mark-all",
        disabled=not indices or len(here) == len(indices), on_click=mark_all, args=(run, listed, indices, True),
        help="Of a group of copies the first one stays unmarked.",
    )  # fmt: skip
    st.button(
        "Unmark", icon=":material/check_box_outline_blank:", key="suspects-unmark-all",
        disabled=not here, on_click=mark_all, args=(run, listed, indices, False),
    )  # fmt: skip


def _files(run: RunView, view: SuspectsView, listed: Listed, indices: list[int], marks: Marks) -> None:
    """CSV and JSON of all that is listed, made when somebody asks."""
    from vae.diagnosis.suspects.export import as_json
    from vae.diagnosis.suspects.table import rows_for
    from vae.files import as_csv

    about: dict[str, Any] = {"run": run.name, "part": view.second if view.part == SECOND else view.part}
    about |= {"sort": view.sort, "kind": view.kind, "k": view.k, "data": identity(run.data)}
    name = f"{run.name}-suspects-{view.kind}-{len(indices)}"
    st.download_button(
        "CSV", lambda: as_csv(rows_for(listed, indices, view.k, marks)), f"{name}.csv", "text/csv",
        key="suspects-csv", icon=":material/download:", on_click="ignore", disabled=not indices,
    )  # fmt: skip
    st.download_button(
        "JSON", lambda: as_json(rows_for(listed, indices, view.k, marks), about), f"{name}.json", "application/json",
        key="suspects-json", icon=":material/download:", on_click="ignore", disabled=not indices,
    )  # fmt: skip


def _links(run: RunView, listed: Listed, indices: list[int], marks: Marks) -> None:
    chosen = [i for i in indices if (listed.part, listed.row(i)) in marks] or indices
    if chosen:
        what = "Marked ones on the Map" if len(chosen) < len(indices) else "Show on the Map"
        named = "_".join(map(str, chosen[:MOST_ON_MAP]))
        query = {"run": run.name, "part": listed.part, "images": named}
        st.page_link(PAGES / "map.py", label=what, icon=":material/scatter_plot:", query_params=query)
    gone = sum(count_rows(rows_of(marks)).values()) if marks else 0
    if gone and not run.config.is_yours:
        query = {"from": run.name, "without": "marked"}
        label = f"Train without these {gone:,}" if gone > 1 else "Train without this one"
        st.page_link(PAGES / "train.py", label=label, icon=":material/model_training:", query_params=query)


def evidence_control(run: RunView, view: SuspectsView, listed: Listed, working: bool) -> None:
    """Draws how much of log p(x) is known, and the button that goes on with it."""
    from vae.diagnosis.suspects.evidence import SAMPLES
    from vae.runs.own_numbers import why_no_likelihood

    if (sentence := why_no_likelihood(run.config, run.data)) or view.part == SECOND:
        style.note(sentence)
        return
    known = 0 if listed.bounds is None else len(listed.bounds)
    if known < len(listed):
        words = "Go on with log p(x)" if known else "log p(x) too"
        st.button(
            words, icon=":material/functions:", key="suspects-evidence", disabled=working,
            on_click=ask, args=(run.path, view.part, ""),
            help=f"The importance bound with {SAMPLES} samples an image, the highest −ELBO first. It can be stopped; "
            "what is there stays.",
        )  # fmt: skip
    if known:
        flagged = int(listed.bounds.flagged.sum()) if listed.bounds is not None else 0
        style.note(
            f"log p(x) of {known:,} of {len(listed):,} images, {SAMPLES} samples each; ≥ stands where it is only a "
            f"bound ({flagged:,} images: too few effective samples, or too heavy weights)."
        )


def ask(path: Path, evidence: str, second: str) -> None:
    """Has more looked for; the page says why where that cannot be."""
    if sentence := work.start(path, evidence, second):
        st.session_state[PROBLEM] = sentence


def second_control(run: RunView, view: SuspectsView, working: bool) -> None:
    """Draws the button that scores a second dataset that is not scored yet."""
    style.note(f"{view.second} is not scored by this model yet.")
    st.button(
        f"Score {style.plain(view.second)}", icon=":material/play_arrow:", key="suspects-second-start",
        disabled=working, on_click=ask, args=(run.path, "", view.second),
    )  # fmt: skip


def classes_table(listed: Listed) -> None:
    """Draws what the images of each class cost, one class a line."""
    from vae.diagnosis.suspects.classes import class_means

    def cell(mean: tuple[float, float]) -> str:
        value, error = mean
        return style.number(value) + (f" ± {max(0.1, error):.1f}" if math.isfinite(error) else "")

    means = class_means(listed)
    rows = [
        {
            "class": one.name,
            "images": one.n,
            "rate": cell(one.rate),
            "distortion": cell(one.distortion),
            "ELBO": cell(one.elbo),
            "log p(x)": _log_px(one, cell),
        }
        for one in means
    ]
    style.label("Per class, means over images ± standard error, nats")
    st.dataframe(rows, hide_index=True, key="suspects-classes", height="content")


def _log_px(one: Any, cell: Any) -> str:
    if one.log_px is None:
        return f"– ({one.known:,} of {one.n:,})" if one.known else "–"
    return f"≥ {style.number(one.log_px[0])}" if one.flagged else cell(one.log_px)
