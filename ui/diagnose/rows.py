"""A finding as a row of the Diagnose page: is it so, how much, a sentence, what to try, a picture; opened, the rest."""

from __future__ import annotations

from html import escape
from pathlib import Path

import streamlit as st

from ui import navigation, style
from ui.charts import figure
from ui.diagnose.words import detail_rows
from vae.diagnosis.finding import Advice
from vae.diagnosis.results import Result

MARKS = {True: ("●", "found", "found"), False: ("✓", "fine", "fine"), None: ("!", "failed", "cannot be told")}


def row(run: str, result: Result, opened: bool) -> None:
    """Draws one finding; opened, with its details."""
    answer = result.answer
    with st.container(key=f"er-finding-{result.name}"):
        with st.container(key=f"er-fhead-{result.name}"):
            sign, kind, word = MARKS[answer.found if answer else None]
            st.html(f'<p class="er-mark" data-kind="{kind}"><span aria-hidden="true">{sign}</span> {word}</p>')
            _title(result, opened)
            if answer:
                st.html(f'<p class="er-shown">{escape(answer.shown)}</p>')
        with st.container(key=f"er-fsay-{result.name}"):
            st.html(f'<p class="er-say">{escape(answer.sentence if answer else result.failed)}</p>')
            if answer and answer.advice:
                with st.container(horizontal=True, key=f"er-ftry-{result.name}"):
                    for advice in answer.advice:
                        control(run, advice)
        if answer and answer.picture and not opened:
            with st.container(key=f"er-fsee-{result.name}"):
                figure.show(answer.picture, f"finding-{result.name}")
        if opened:
            _details(run, result)


def _title(result: Result, opened: bool) -> None:
    """The name, which opens and closes the row."""
    title = result.answer.title if result.answer else result.question or result.name
    icon = ":material/expand_less:" if opened else ":material/expand_more:"
    help = "Close the details" if opened else "Threshold, protocol, further numbers, the picture larger"
    st.button(
        style.plain(title), type="tertiary", icon=icon, icon_position="right", key=f"open-{result.name}",
        help=help, on_click=_toggle, args=(result.name,),
    )  # fmt: skip


def _toggle(name: str) -> None:
    if st.query_params.get("finding") == name:
        del st.query_params["finding"]
    else:
        st.query_params["finding"] = name


def control(run: str, advice: Advice) -> None:
    """Draws what to try as a link to the page that does it; as words where there is no such page."""
    file = f"{advice.page}.py"
    if file not in navigation.PAGES:
        style.note(advice.words)
        return
    query = {name: value for name, value in advice.query.items() if not name.lower().startswith("embed")}  # Streamlit's
    of_run = {"from": run} if "from" in advice.query else {"run": run}  # a new run with its settings, or this one
    st.page_link(navigation.FOLDER / file, label=style.plain(advice.words), query_params=query | of_run)


def _details(run: str, result: Result) -> None:
    answer = result.answer
    pictures = {"large": answer.picture, "detail": answer.detail} if answer else {}
    there = {kind: svg for kind, svg in pictures.items() if svg}
    with st.container(key=f"er-fmore-{'pair' if there else 'alone'}-{result.name}"):
        if there:
            with st.container(key=f"er-fpictures-{result.name}"):
                for kind, svg in there.items():
                    name = f"{run}-{result.name}" if kind == "large" else f"{run}-{result.name}-{kind}"
                    figure.show(svg, f"finding-{result.name}-{kind}", name)
        style.facts(detail_rows(result) or {"Question": result.question})


def do_not_apply(results: list[Result], opened: str | None) -> None:
    """Draws the questions that make no sense for this run, folded."""
    if not results:
        return
    with st.expander(f"Do not apply to this run ({len(results)})", expanded=opened in {one.name for one in results}):
        style.facts({result.question: result.why_not for result in results})


def page_file(name: str) -> Path | None:
    """Returns the file of a page; None where there is none of that name."""
    return navigation.FOLDER / f"{name}.py" if f"{name}.py" in navigation.PAGES else None
