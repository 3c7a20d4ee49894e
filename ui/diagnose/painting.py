"""Where the prior and the codes differ: the small map below the findings, where the finding `holes` is kept."""

from __future__ import annotations

import streamlit as st

from ui import navigation, style
from ui.components.holes import holes_map
from ui.live.holes import keeps_holes
from ui.runs.run_view import RunView
from vae.space.map_kinds import methods_for


def where_they_differ(view: RunView) -> None:
    """Draws the map painted by the classifier's score, with a link to the large one; nothing where there is none."""
    if not keeps_holes(view.path):
        return
    from vae.model.latents import LATENTS  # torch takes its time

    k, support = view.config.latent_dim, LATENTS[view.config.latent].support
    with st.container(key="panel-holes"):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            style.label("Where the prior and the codes differ")
            query = {"run": view.name, "colour": "hole"}
            with st.container(key="er-ftry-on-the-map", width="content"):
                st.page_link(navigation.FOLDER / "map.py", label="Show on the Map", query_params=query)
        holes_map(view.name, k, methods_for(k, support)[0], support)
