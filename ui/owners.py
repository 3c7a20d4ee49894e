"""Who may stop, rename or delete a run: the browser that started it.

The owner is recorded in the run's directory (`owner.json`), so it survives the server. A run without a record was
started from the command line and belongs to whoever sits at this machine.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from ui.gate import owner_id, visitor_id
from vae import runs
from vae.checked_json import fields, text
from vae.errors import RunDamaged
from vae.files import write_json

UNREADABLE = "?"  # no owner id: those are digits
OWNER = fields(("owner",), owner=text(100))


def current_owner() -> str:
    """This browser's owner id, "" where it keeps no cookies."""
    return owner_id(visitor_id(st.context.cookies))


def record_owner(path: Path, owner: str) -> None:
    if owner:
        write_json(path / "owner.json", {"owner": owner})


def recorded_owner(path: Path) -> str:
    """The owner id; "" where none is recorded. A record that cannot be read is nobody's: no browser has this id."""
    try:
        return runs.read_file(path, "owner.json", OWNER)["owner"]
    except FileNotFoundError:
        return ""
    except RunDamaged:
        return UNREADABLE


def may_change(path: Path, owner: str | None = None) -> bool:
    """Whether this browser may steer, rename and delete the run."""
    if runs.is_shipped(path):
        return False
    recorded = recorded_owner(path)
    return not recorded or recorded == (current_owner() if owner is None else owner)
