"""The application's pages, in the order of the navigation. A new page is a file in `pages/` and a line in PAGES."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st

FOLDER = Path(__file__).resolve().parent.parent / "pages"
PAGES = {  # file: title, and the heading that it stands under
    "home.py": ("Home", ""),
    "train.py": ("Train", ""),
    "images.py": ("Your images", ""),
    "explore.py": ("Explore", ""),
    "map.py": ("Map", ""),
    "diagnose.py": ("Diagnose", ""),
    "suspects.py": ("Suspects", ""),
    "terms.py": ("Terms", ""),
    "compare.py": ("Compare", ""),
    "take.py": ("Take away", ""),
    "learn.py": ("The derivation", "Learn"),
    "binary.py": ("Binary laboratory", "Learn"),
    "converter.py": ("My code says …", "Learn"),
}


def addresses() -> list[str]:
    """Returns the pages' addresses below the application's own, in the order of the navigation; the first is ""."""
    return ["" if not place else Path(file).stem for place, file in enumerate(PAGES)]


def navigation() -> dict[str, list[Any]]:
    """Returns the pages by heading. Each has its file's name for an address, the first the bare one."""
    headings: dict[str, list[Any]] = {}
    for file, (title, heading) in PAGES.items():
        address = Path(file).stem if headings else None
        page = st.Page(FOLDER / file, title=title, url_path=address, default=not headings)
        headings.setdefault(heading, []).append(page)
    return headings
