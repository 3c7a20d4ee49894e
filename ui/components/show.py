"""How a page is shown: large for a room, or without controls for those whom a link has led here. See `show/show.js`."""

from __future__ import annotations

import streamlit as st

from ui.components.mounting import browser_component
from ui.network import origin_for_others

_show = browser_component("show/show")


def show(addresses: list[str], key: str = "er-show") -> None:
    """Mounts it. `addresses`: of the pages, in the order of the keys 1 to 9, relative to the application's own."""
    _show(key=key, data={"pages": addresses, "origin": origin_for_others(st.context.url or "") or ""})
