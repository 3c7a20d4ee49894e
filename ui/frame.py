"""The main Streamlit script: page settings, look, navigation. Runs around every page."""

from __future__ import annotations

import sys
from pathlib import Path

import streamlit as st

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:  # a test may start from another folder
    sys.path.insert(0, str(ROOT))

from ui import style  # noqa: E402

st.set_page_config(page_title="ELBO Room", page_icon=str(style.LOGO), layout="wide")
style.apply()
st.logo(str(style.LOGO), size="medium", link=None)

home = st.Page(ROOT / "pages" / "home.py", title="Home", default=True)
train = st.Page(ROOT / "pages" / "train.py", title="Train", url_path="train")
images = st.Page(ROOT / "pages" / "images.py", title="Your images", url_path="images")
explore = st.Page(ROOT / "pages" / "explore.py", title="Explore", url_path="explore")
latent_map = st.Page(ROOT / "pages" / "map.py", title="Map", url_path="map")
learn = st.Page(ROOT / "pages" / "learn.py", title="The derivation", url_path="learn")
binary = st.Page(ROOT / "pages" / "binary.py", title="Binary laboratory", url_path="binary")
converter = st.Page(ROOT / "pages" / "converter.py", title="My code says …", url_path="converter")
pages = {"": [home, train, images, explore, latent_map], "Learn": [learn, binary, converter]}
st.navigation(pages, position="top").run()
