"""Map: where a run's model puts the images, and what it decodes at each place. `?run=name&method=...&colour=...`"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from ui import look, map_fits
from ui.components.map import FitWish, latent_map
from ui.map_view import FIELDS, MapView, read_view
from ui.run_chooser import choose_run
from vae import runs
from vae.errors import ElboRoomError

KNOWN = ("run", *FIELDS)


def the_map(path: Path, k: int) -> None:
    _, refused = read_view(st.query_params, k)
    if refused:
        look.notice(f"The address asks for what this run does not have ({', '.join(refused)}); that was left out.")
        for name in refused:
            del st.query_params[name]
    _the_map(path, k)


@st.fragment
def _the_map(path: Path, k: int) -> None:
    """A fragment: a change of the view draws nothing else anew."""
    view, _ = read_view(st.query_params, k)
    told = st.session_state.get("map-problem", ("", ""))
    problem = told[1] if told[0] == path.name else ""
    changed, wish = latent_map(path.name, k, view, problem, key="latent-map")
    if changed is not None and changed != view and changed != st.session_state.get("map-view"):
        st.session_state["map-view"] = view = changed
        st.query_params.update(changed.to_query())
    if wish is not None:
        fulfil(path, wish)
    static_figure(path, view)


def fulfil(path: Path, wish: FitWish) -> None:
    """Start or end the computing of a map; where it cannot start, the map says why."""
    if wish.action == "stop":
        map_fits.end_fit(path, wish.method, wish.part)
        return
    problem = map_fits.start_fit(path, wish.method, wish.part)
    before = st.session_state.get("map-problem", ("", ""))[1]
    st.session_state["map-problem"] = (path.name, problem)
    if problem != before:
        st.rerun()


def static_figure(path: Path, view: MapView) -> None:
    """For print: made only when somebody asks, with downloads."""
    with st.container(key="map-figure"):
        if not st.toggle("Static figure and table", key="map-static", help="A Plotly figure of this map, to download."):
            return
        from ui.map_figures import map_figure, map_table  # plotly takes its time

        try:
            figure = map_figure(path, view)
            table = map_table(path, view)
        except ElboRoomError as error:
            look.problem(str(error))
            return
        st.plotly_chart(figure, width="content", key="map-plotly", config={"displaylogo": False})
        name = f"{path.name}-{view.method}"
        with st.container(horizontal=True):
            page = figure.to_html(include_plotlyjs=True)
            st.download_button("Figure as a page (HTML)", page, f"{name}.html", "text/html", on_click="ignore")
            st.download_button("Places as a table (CSV)", table, f"{name}.csv", "text/csv", on_click="ignore")


def drop_unknown_parameters() -> None:
    """The address may hold anything; what this page does not know is taken out, and said."""
    unknown = sorted(set(st.query_params) - set(KNOWN))
    for name in unknown:
        del st.query_params[name]
    if unknown:
        named = ", ".join(name[:20] for name in unknown[:3])
        look.notice(f"The address held settings that this page does not know ({named}); they were left out.")


drop_unknown_parameters()
path = choose_run(keep=("colour",))
if path is not None:
    st.set_page_config(page_title=f"{path.name} · Map · ELBO Room")
    map_fits.warm()
    the_map(path, runs.read_config(path)[0].latent_dim)
