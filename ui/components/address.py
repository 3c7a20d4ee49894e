"""The address as the browser shows it, completed without a new entry in its history."""

from __future__ import annotations

import streamlit as st

from ui.components.mounting import browser_component

_address = browser_component("shared/address_writer")


def complete_address(key: str = "complete_address", **values: str) -> None:
    """Puts values into the address that were chosen for the visitor.

    The browser writes them first, in place; then Python does, to whom they are then nothing new. Written by Python
    alone they would be a new entry, and the browser's Back would lead to the address that is completed again.
    """

    def written() -> None:
        for name, value in values.items():
            st.query_params.setdefault(name, value)

    _address(key=key, data=values, on_written_change=written)
