"""How a browser module of `ui/static/` becomes a Streamlit component."""

from __future__ import annotations

import streamlit as st
from streamlit.components.v2.types import ComponentRenderer

from ui.modules import VERSION


def browser_component(module: str) -> ComponentRenderer:
    """Returns the component that `ui/static/<module>.js` draws; the module's default export is Streamlit's renderer.

    The inline part only imports: it travels with every change of data, the module is fetched once.
    """
    js = (
        f'const to = new URL("modules/{VERSION}/{module}.js", document.baseURI);\n'
        "const { default: draw } = await import(to.href);\n"
        "export default draw;\n"
    )
    return st.components.v2.component(f"elbo_room_{module.replace('/', '_')}", js=js)
