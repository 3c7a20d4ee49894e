"""What four public notes print, beside what is right, with the difference recomputed."""

from __future__ import annotations

from html import escape

import streamlit as st

from ui import style
from ui.charts.checks import digits_for, small
from vae.lessons.derivation.errata import ERRATA, Erratum
from vae.lessons.derivation.errata_examples import Measured

HEADINGS = {"misprint": "Misprint: right is", "missing condition": "Missing condition"}


@st.cache_data(max_entries=32, show_spinner=False)
def measured(name: str) -> list[Measured]:
    """Returns the numbers of one erratum: the same for everybody, since each example has its own fixed seed."""
    return ERRATA[name].measure()


def everything() -> None:
    """Draws all errata, note by note."""
    notes: dict[str, list[Erratum]] = {}
    for erratum in ERRATA.values():
        notes.setdefault(erratum.note, []).append(erratum)
    for note, errata in notes.items():
        st.subheader(note, anchor=False)
        for erratum in errata:
            box(erratum, f"misprint-{erratum.name}")


def of_step(step: str) -> None:
    """Draws the errata that belong to one step, closed until somebody asks."""
    here = [erratum for erratum in ERRATA.values() if erratum.step == step]
    if not here:
        return
    with st.expander(counted(here), icon=":material/edit_note:"):
        for erratum in here:
            style.note(erratum.note)
            box(erratum, f"here-{erratum.name}")


def counted(errata: list[Erratum]) -> str:
    """Returns in words how many there are of each kind."""
    kinds = [erratum.kind for erratum in errata]
    number = {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}
    words = [f"{count} {kind}{'s' if count > 1 else ''}" for kind, count in number.items()]
    return f"In notes on this step: {' and '.join(words)}"


def box(erratum: Erratum, key: str) -> None:
    """Draws one erratum: what is printed, what is right, the measured difference."""
    with st.container(key=f"panel-{key}"):
        printed, right = st.columns(2, gap="medium")
        with printed:
            style.label("Printed")
            for quote in erratum.printed:
                st.markdown(quote.markdown)
        with right:
            style.label(HEADINGS[erratum.kind])
            st.markdown(erratum.right)
        st.markdown(erratum.example)
        st.html(f'<div class="er-measured">{"".join(row(number) for number in measured(erratum.name))}</div>')


def row(number: Measured) -> str:
    """Returns one measured difference as HTML."""
    check = number.check
    whole = float(number.printed).is_integer() and float(number.right).is_integer() and check is None
    digits = digits_for(check.error) if check else 0 if whole else 3
    tiny = 0 < abs(number.printed) < 0.5 * 10.0**-digits
    printed = small(number.printed) if tiny and check is None else style.number(number.printed, digits)
    unit = f" {number.unit}" if number.unit else ""
    sampling = f", sampled {style.number(check.estimate, digits)} ± {small(check.error)}" if check else ""
    return (
        f"<dl><dt>{escape(number.what)}</dt>"
        f'<dd class="er-bad">{printed}{escape(unit)}</dd>'
        f"<dd>right: {style.number(number.right, digits)}{sampling}{escape(unit)}</dd></dl>"
    )
