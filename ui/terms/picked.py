"""The chosen run in numbers: C, its terms with their errors, the slope beside theory's, used dimensions; ways on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st

from ui import style
from ui.style import number
from ui.terms.view import TermsView

SLOPE = "Its slope is not yet what theory speaks of."
PAGES = Path(__file__).resolve().parents[2] / "pages"


def picked(view: TermsView) -> None:
    """Draws the chosen run."""
    row = view.row
    if row is None:
        return
    st.html(f'<p class="er-title er-picked">C = {row["C"]:.4g}{" (fitted)" if row["fitted"] else ""}</p>')
    style.note(row["name"])
    style.facts(facts(row))
    if row["unsettled"]:
        style.notice(f"Not taken as converged: {row['unsettled']}. {SLOPE if row['slope_theory'] else ''}".strip())
    elif row["caveat"]:
        style.note(f"Taken as converged; over its last tenth {row['caveat']}.")
    with st.container(horizontal=True):
        query = {"run": row["name"]}
        st.page_link(PAGES / "train.py", label="Open run", icon=":material/open_in_new:", query_params=query)
        other = beside(view)
        if other:
            st.page_link(
                PAGES / "compare.py", label=f"Compare with C = {other['C']:.4g}", icon=":material/compare:",
                query_params={**query, "other": other["name"]},
            )  # fmt: skip


def beside(view: TermsView) -> dict[str, Any] | None:
    """Returns the run to compare the chosen one with: the next larger C of its curve, or the next smaller."""
    along = [p.name for p in view.curve.points] if view.curve else []
    if view.chosen not in along:
        return None
    index = along.index(view.chosen)
    name = along[index + 1] if index + 1 < len(along) else along[index - 1]
    return next((row for row in view.rows if row["name"] == name), None)


def facts(row: dict[str, Any]) -> dict[str, str]:
    """Returns the numbers of a run by name, with units and errors."""
    told = {
        "Rate": with_error(row["rate"], row["rate_error"], "nats"),
        "Squared error": with_error(row["squared_error"], row["squared_error_error"], "px²", 3),
        "Distortion": with_error(row["distortion"], row["distortion_error"], "nats"),
        "ELBO": with_error(row["elbo"], row["elbo_error"], "nats"),
        "Slope": slope_words(row),
        "Dimensions used": used_words(row),
    }
    return {name: words for name, words in told.items() if words}


def slope_words(row: dict[str, Any]) -> str:
    """Returns the slope that theory asks for, and the measured ones, in the plane where the law holds."""
    if row["slope_theory"] is None:
        return ""
    unit = "nats of distortion a nat" if row["weights_C"] else "px² a nat"
    theory = f"theory −1/C = {number(row['slope_theory'], 4)} {unit}"
    if row["slope_measured"] is None:
        return f"{theory}; measured only between two runs of a sweep"
    error = f" ± {number(row['slope_error'], 4)}" if row["slope_error"] is not None else ""
    training = f", on training images {number(row['slope_training'], 4)}" if row["slope_training"] is not None else ""
    return f"{theory}; measured {number(row['slope_measured'], 4)}{error}{training}"


def used_words(row: dict[str, Any]) -> str:
    """Returns how many dimensions are used, and how many the linear decoder would use."""
    if row["used"] is None:
        return ""
    predicted = f"; {row['predicted']} predicted (linear decoder)" if row["predicted"] is not None else ""
    active = f"; {row['active']} active (Var E z > 0.01)" if row["active"] is not None else ""
    return f"{row['used']} of {row['latent_dim']} carry 0.01 nats or more{active}{predicted}"


def with_error(value: float | None, error: float | None, unit: str, digits: int = 2) -> str:
    """Returns a number with its standard error over the held-out images and its unit."""
    if value is None:
        return ""
    return f"{number(value, digits)}{f' ± {number(error, digits)}' if error is not None else ''} {unit}"
