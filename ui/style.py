"""The visual identity in one place: logo, style sheet, kinds of text, how numbers are written."""

from __future__ import annotations

import re
from html import escape
from pathlib import Path

import streamlit as st

STATIC = Path(__file__).resolve().parent / "static"
CODE = re.compile(r":(?=[\w+\\])")  # begins an icon or an emoji, escaped or not, unless something stands behind it
MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>~$:])")
LOGO = STATIC / "shared/logo.svg"


def apply() -> None:
    """Puts the style sheet on the page."""
    st.html(STATIC / "shared/style.css")


def lead(text: str) -> None:
    """Draws a page's first sentence, larger than the rest. `text` is literal."""
    st.html(f'<p class="er-lead">{escape(text)}</p>')


def note(text: str) -> None:
    """Draws a quiet sentence. `text` is literal: names inside it are never read as Markdown or HTML."""
    st.html(f'<p class="er-note">{escape(text)}</p>')


def title(name: str, about: str) -> None:
    """Draws a run's name over a line about it. Both are literal."""
    st.html(f'<h1 class="er-title"><bdi>{escape(name)}</bdi></h1><p class="er-note">{escape(about)}</p>')


def label(text: str) -> None:
    """Draws a small heading over a group. `text` is literal."""
    st.html(f'<p class="er-label">{escape(text)}</p>')


def problem(text: str) -> None:
    """Draws a sentence about what went wrong and what to do. `text` is literal."""
    st.html(f'<p class="er-problem" role="alert">{escape(text)}</p>')


def notice(text: str) -> None:
    """Draws a sentence about something that happened just now. `text` is literal."""
    st.html(f'<p class="er-notice" role="status">{escape(text)}</p>')


def plain(text: str) -> str:
    """Returns a text as Markdown that says exactly this, for labels, which are Markdown: it may come from a stranger's
    file or address."""
    return CODE.sub(":\u2060", MARKDOWN.sub(r"\\\1", " ".join(text.split())))


def facts(rows: dict[str, str]) -> None:
    """Names and values, one pair a line. Both are literal."""
    pairs = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in rows.items())
    st.html(f'<dl class="er-facts">{pairs}</dl>')


def number(value: float | None, digits: int = 1) -> str:
    """Writes a number for reading: grouped thousands, a true minus sign, a dash where there is none."""
    if value is None:
        return "–"
    return f"{value:,.{digits}f}".replace("-", "−")
