"""A link to the view that is open, as text and as a QR code."""

from __future__ import annotations

import streamlit as st

from ui.components.mounting import browser_component
from ui.network import origin_for_others

_link = browser_component("shared/link")
REACHED = "Brings this view back, in any browser that reaches this server."
ALONE = (
    "Only this machine can reach this address. Start the app with `streamlit run app.py --server.address 0.0.0.0` to "
    "open it to your network; an address for others then stands here."
)


def link(key: str = "link") -> None:
    """Draws the button that opens it. The address is read in the browser: what a drag wrote there Python does not
    know."""
    origin = origin_for_others(st.context.url or "")
    with st.popover("Link", icon=":material/link:", type="tertiary"):
        _link(key=key, data={"origin": origin or "", "note": ALONE if origin is None else REACHED})
