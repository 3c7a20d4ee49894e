"""Explore a run's latent space: `?run=name&mode=sliders&z=...`, and what each mode adds to the address."""

from __future__ import annotations

import streamlit as st

from ui.address import check_address, check_z
from ui.explore.modes import ALWAYS, chosen_mode
from ui.explore.space import space_of
from ui.runs.chooser import choose_run
from ui.runs.display_limits import limits_note

view = choose_run("Explore", keep=("mode",))
if view is not None:
    st.set_page_config(page_title=f"{view.name} · Explore · ELBO Room")
    space = space_of(view)
    mode = chosen_mode(space)
    check_address([*ALWAYS, *mode.fields])  # their values are checked by the mode itself, in the browser
    check_z(space.k, space.support, space.usual_z)
    mode.draw(space)
    limits_note(view.run)
