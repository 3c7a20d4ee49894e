"""The digits behind two lessons, read once per server."""

from __future__ import annotations

import streamlit as st

from vae.lessons.derivation import collapse


@st.cache_resource(max_entries=1, show_spinner=False)
def spectrum() -> collapse.Spectrum:
    """Returns the digits and the variances along their principal axes, computed once per server."""
    return collapse.spectrum(collapse.digits())
