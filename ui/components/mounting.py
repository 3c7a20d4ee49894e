"""How a browser module of `ui/static/` becomes a Streamlit component."""

from __future__ import annotations

import streamlit as st
from streamlit.components.v2.types import ComponentRenderer


def browser_component(module: str) -> ComponentRenderer:
    """Returns the component that `ui/static/<module>.js` draws; the module's default export is Streamlit's renderer.

    The inline part only imports: it travels with every change of data, the module is fetched once.
    """
    js = (
        f'const {{ default: draw }} = await import(new URL("app/static/{module}.js", document.baseURI).href);\n'
        "export default draw;\n"
    )
    return st.components.v2.component(f"elbo_room_{module.replace('/', '_')}", js=js)
