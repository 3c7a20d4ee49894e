"""The address of a page: whatever it holds, the page opens, and says what it could not use."""

from __future__ import annotations

from collections.abc import Iterable

import streamlit as st

from ui import style
from ui.components.explore import z_fault
from ui.manner import FIELDS as SHOWN

NAMED = 3  # parameters that a sentence names; of the others it says how many there are
ALONG = (*SHOWN, "run")  # goes along from page to page, also over one that shows no run


def check_address(known: Iterable[str]) -> None:
    """Takes out of the address what a page does not know, and says so."""
    if sentence := take_unknown(known):
        style.notice(sentence)


def take_unknown(known: Iterable[str]) -> str:
    """Takes out of the address what a page does not know; returns a sentence about it, "" where there was nothing."""
    known = {*known, *ALONG}
    unknown = sorted(set(st.query_params) - known)
    if not unknown:
        return ""
    st.query_params.from_dict({name: st.query_params[name] for name in st.query_params if name in known})
    more = f" and {len(unknown) - NAMED:,} more" if len(unknown) > NAMED else ""
    names = ", ".join(name[:20] for name in unknown[:NAMED]) + more
    return f"The address contained settings that this page does not know ({names}); they were left out."


def check_z(k: int, support: str, usual: str) -> None:
    """Takes the z out of the address where it is no code of k dimensions, and says that `usual` is shown instead."""
    if fault := z_fault(st.query_params.get("z", ""), k, support):
        del st.query_params["z"]
        style.notice(f"The z in the address could not be used: {fault} The {usual} is shown instead.")
