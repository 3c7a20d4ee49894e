"""The main Streamlit script: page settings, style sheet, navigation. Runs around every page."""

from __future__ import annotations

import sys
from pathlib import Path

import streamlit as st

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:  # a test may start from another folder
    sys.path.insert(0, str(ROOT))

from ui import style  # noqa: E402
from ui.components.show import show  # noqa: E402
from ui.navigation import addresses, navigation  # noqa: E402

st.set_page_config(page_title="ELBO Room", page_icon=str(style.LOGO), layout="wide")
style.apply()
st.logo(str(style.LOGO), size="medium", link=None)

page = st.navigation(navigation(), position="top")
show(addresses())
page.run()
