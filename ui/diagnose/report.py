"""A diagnosis to take along."""

import json
from pathlib import Path
import streamlit as st
from vae.diagnosis.results import Diagnosis


def downloads(path: Path, diagnosis: Diagnosis) -> None:
    st.download_button("Save report", "x", f"{path.name}-diagnosis.html", "text/html", on_click="ignore")
    st.download_button("JSON", json.dumps({}), f"{path.name}-diagnosis.json", "application/json", on_click="ignore")
