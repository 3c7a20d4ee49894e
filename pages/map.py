"""Map: where a run's model puts the images, and what it decodes at each place. `?run=name&method=...&images=17_44`"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from ui import style
from ui.address import check_address
from ui.components.map import FitRequest, latent_map
from ui.live.holes import keeps_holes
from ui.map import fits
from ui.map.view import FIELDS, MapView, read_view
from ui.runs.chooser import choose_run
from ui.runs.display_limits import limits_note
from vae.errors import ElboRoomError

KNOWN = ("images", *FIELDS)
WIDTH = 760  # pixels of a figure, where there is room
FIGURES = {
    "map": "Map",
    "rate": "Rate per image",
    "distortion": "Distortion per image",
    "codes": "Codes against the prior",
}


def the_map(path: Path, k: int, support: str, holes: bool) -> None:
    """Draws the map; what the address asks for and this run does not have is left out, with a notice."""
    _, refused = read_view(st.query_params, k, support, holes)
    if refused:
        style.notice(f"The address asked for what this run does not have ({', '.join(refused)}); it was left out.")
        for name in refused:
            del st.query_params[name]
    _the_map(path, k, support, holes)


@st.fragment
def _the_map(path: Path, k: int, support: str, holes: bool) -> None:
    """A fragment: a change of the view draws nothing else anew."""
    view, _ = read_view(st.query_params, k, support, holes)
    last = st.session_state.get("map-problem", ("", ""))
    problem = last[1] if last[0] == path.name else ""
    changed, request = latent_map(path.name, k, view, problem, support, holes, key="latent-map")
    if changed is not None and changed != view and changed != st.session_state.get("map-view"):
        st.session_state["map-view"] = view = changed
        if changed.part != st.query_params.get("part", "test"):
            st.query_params.pop("images", None)
        st.query_params.update(changed.to_query())
    if request is not None:
        fulfil(path, request)
    static_figure(path, view, k, support)


def fulfil(path: Path, request: FitRequest) -> None:
    """Starts or ends the computing of a map; where it cannot start, the map says why."""
    if request.action == "stop":
        fits.end_fit(path, request.method, request.part)
        return
    problem = fits.start_fit(path, request.method, request.part)
    before = st.session_state.get("map-problem", ("", ""))[1]
    st.session_state["map-problem"] = (path.name, problem)
    if problem != before:
        st.rerun()


def static_figure(path: Path, view: MapView, k: int, support: str) -> None:
    """Draws the figure for print, made only when somebody asks, with downloads."""
    with st.container(key="map-figure", width=WIDTH):
        if not st.toggle("Figures and tables", key="map-static", help="The map and histograms, to read and download."):
            return
        from ui.map.figures import map_figure  # plotly takes its time
        from ui.map.histograms import histogram
        from ui.map.tables import histogram_table, map_table

        quantity, picture = choose_figure(k)
        tone = st.context.theme.type or "light"
        try:
            figure = histogram(path, quantity, view.part, tone) if quantity else map_figure(path, view, tone)
            table = histogram_table(path, quantity, view.part) if quantity else map_table(path, view)
        except ElboRoomError as error:
            style.problem(str(error))
            return
        name = f"{path.name}-{quantity or view.method}"
        image = {"format": picture.lower(), "filename": name, "scale": 2}
        config = {"displaylogo": False, "displayModeBar": True, "toImageButtonOptions": image}
        st.plotly_chart(figure, theme=None, key="map-plotly", config=config)
        spread = " Each bar counts means of q(z|x). The prior is wider: each q(z|x) also has a spread of its own."
        coded = quantity.startswith("z") and support == "real"
        style.note(f"The camera above the figure saves it as {picture}.{spread if coded else ''}")
        with st.container(horizontal=True):
            page = figure.to_html(include_plotlyjs=True)
            st.download_button("Figure as a page (HTML)", page, f"{name}.html", "text/html", on_click="ignore")
            st.download_button("Values as a table (CSV)", table, f"{name}.csv", "text/csv", on_click="ignore")


def choose_figure(k: int) -> tuple[str, str]:
    """Draws the choice of a figure; returns what to draw, "" for the map, else rate, distortion or z3, and the
    format of its picture."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        kinds = ["map", "rate", "distortion", "codes"]
        kind = st.segmented_control(
            "Figure", kinds, default="map", required=True, format_func=lambda kind: FIGURES[kind], key="map-kind"
        )
        if kind == "codes" and k > 1:
            names = [f"z{d}" for d in range(k)]
            chosen = st.selectbox("Dimension", names, key="map-dimension", width=110)
            kind = chosen if chosen in names else names[0]
        elif kind == "codes":
            kind = "z0"
        picture = st.segmented_control("Picture", ["PNG", "SVG"], default="PNG", required=True, key="map-picture")
    return "" if kind in (None, "map") else kind, picture or "PNG"


check_address(KNOWN)
view = choose_run("Map", keep=("colour",))
if view is not None:
    st.set_page_config(page_title=f"{view.name} · Map · ELBO Room")
    fits.warm()
    from vae.model.latents import LATENTS  # torch takes its time

    the_map(view.path, view.config.latent_dim, LATENTS[view.config.latent].support, keeps_holes(view.path))
    limits_note(view.run)
