"""A diagnosis to take along: the report that opens offline, and the same for programs."""

from __future__ import annotations

import json

import streamlit as st

from vae.diagnosis.report import diagnosis_json, report_html
from vae.diagnosis.results import Diagnosis
from vae.runs import Run


def downloads(run: Run, diagnosis: Diagnosis) -> None:
    """Draws the two buttons; nothing is written before one is pressed."""
    name = f"{run.name}-diagnosis"

    def page() -> str:
        return report_html(run, diagnosis)

    def data() -> str:
        return json.dumps(diagnosis_json(run, diagnosis), allow_nan=False)

    st.download_button("Save report", page, f"{name}.html", "text/html", on_click="ignore", key="diagnose-report")
    st.download_button("JSON", data, f"{name}.json", "application/json", on_click="ignore", key="diagnose-json")
