"""Take away: what a run can leave as, made and downloaded. `?run=NAME&format=csv&kind=history`"""

from __future__ import annotations

import streamlit as st

from ui import style
from ui.address import check_address
from ui.runs.chooser import choose_run
from ui.runs.run_view import RunView
from ui.take.rows import load, rows
from ui.take.words import command, of_which_save
from vae.exports.exports import EXPORTS

KEPT = ("format", "kind")


def chosen_format() -> tuple[str | None, str | None]:
    """Returns the format of the address and its kind; what there is not is taken out, and said."""
    name, kind = (st.query_params.get(field) for field in KEPT)
    if name is not None and name not in EXPORTS:
        style.notice(f"There is no format “{name[:30]}”; all that there are stand below.")
        del st.query_params["format"]
        name = None
    made = None if name is None else load(name)
    if kind is not None and (made is None or kind not in made.kinds):
        if made is not None:
            style.notice(f"There is no “{kind[:30]}” of this format; its first kind is shown instead.")
        del st.query_params["kind"]
        kind = None
    return name, kind


def take(view: RunView) -> None:
    """Draws what the page says of all formats, and the formats."""
    name, kind = chosen_format()
    style.title("Take it along", of_which_save(view))
    rows(view, name, kind)
    style.note(f"The same from a terminal: {command(view.name, name, kind)}")


check_address(KEPT)
view = choose_run("Take away", keep=KEPT, model=False)
if view is not None:
    st.set_page_config(page_title=f"{view.name} · Take away · ELBO Room")
    st.html(style.STATIC / "take/take.css")
    take(view)
