"""What is asked of a visitor's pictures before they become a dataset; every answer has one that fits already."""

from __future__ import annotations

from typing import Literal

import streamlit as st

from ui import style
from vae.datasets.own.decode import FITS, Fit
from vae.datasets.own.prepare import SIDES, Choices, suggested
from vae.datasets.own.report import Report
from vae.datasets.own.words import report_lines
from vae.errors import ConfigError

FIT_WORDS: dict[Fit, str] = {"crop": "crop the middle", "pad": "pad the border", "stretch": "stretch"}
GIVEN, SHARE = "the given part", "a share"


def show_report(report: Report) -> None:
    """The report, with what was skipped and why one click behind."""
    style.label("What is there")
    style.facts({name.capitalize(): text for name, text in report_lines(report.to_json()).items()})
    if report.skipped:
        with st.expander(f"What is skipped, and why ({report.skipped:,})"):
            style.facts(dict(report.skips))
            if report.skipped > len(report.skips):
                style.note(f"And {report.skipped - len(report.skips):,} more.")


def ask(report: Report, key: str) -> Choices | None:
    """The choices; None, with a sentence, where they cannot be. `key`: of these pictures; others have their own."""
    first = suggested(report)
    style.label("What the model will see")
    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
        height = st.number_input("Height", *SIDES, first.size[0], key=f"own-height-{key}", width=130)
        width = st.number_input("Width", *SIDES, first.size[1], key=f"own-width-{key}", width=130)
        fit = st.segmented_control(
            "Where the shape differs", list(FITS), default=first.fit, format_func=FIT_WORDS.__getitem__,
            key=f"own-fit-{key}", required=True,
        )  # fmt: skip
        colour = st.segmented_control(
            "Colours",
            ["grey", "colour"],
            default="colour" if first.colour else "grey",
            key=f"own-colour-{key}",
            required=True,
        )
    given = bool(report.parts and report.parts.get("train") and report.parts.get("test"))
    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
        how = SHARE
        if given:
            how = st.segmented_control("Held out", [GIVEN, SHARE], default=GIVEN, key=f"own-how-{key}", required=True)
        share, stratify = 20, False
        if how == SHARE:
            share = st.number_input(
                "Held out, in %", 1, 90, 20, key=f"own-share-{key}", width=150,
                help="Images that are never trained on: what they cost is the honest number.",
            )  # fmt: skip
            if report.classes is not None:
                stratify = st.checkbox("The same share of each class", first.stratify, key=f"own-stratify-{key}")
    held_out: float | Literal["given"] = "given" if how == GIVEN else share / 100
    try:
        return Choices((height, width), fit or first.fit, colour == "colour", held_out, stratify)
    except ConfigError as error:
        style.problem(str(error))
        return None
