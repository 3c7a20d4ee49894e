"""Who may stop, rename or delete a run: the browser that started it.

The owner is recorded in the run's directory (`owner.json`), so it survives the server. A run without a record was
started from the command line and belongs to whoever sits at this machine.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from ui.gate import owner_id, visitor_id
from vae.files import read_json, write_json
from vae.runs import is_shipped


def current_owner() -> str:
    """This browser's owner id, "" where it keeps no cookies."""
    return owner_id(visitor_id(st.context.cookies))


def record_owner(path: Path, owner: str) -> None:
    if owner:
        write_json(path / "owner.json", {"owner": owner})


def recorded_owner(path: Path) -> str:
    try:
        return str(read_json(path / "owner.json")["owner"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def may_change(path: Path, owner: str | None = None) -> bool:
    """Whether this browser may steer, rename and delete the run."""
    if is_shipped(path):
        return False
    recorded = recorded_owner(path)
    return not recorded or recorded == (current_owner() if owner is None else owner)
