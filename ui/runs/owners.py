"""Who may steer, rename or delete a run: the browser that started it.

    owner.json          may change the run
    a browser's id      that browser
    a tab's id          that tab, as long as it lives (its browser keeps no cookies), and whoever sits at this machine
    none                whoever sits at this machine: the run was started from the command line
    cannot be read      nobody

It lies in the run's directory, so it survives the server. Whoever sits at this machine: `network.from_this_machine`.
"""

from __future__ import annotations

import secrets
from pathlib import Path

import streamlit as st

from ui.gate import HERE, owner_id, visitor_id
from vae import runs
from vae.checked_json import fields, text
from vae.errors import RunDamaged
from vae.files import write_json

UNREADABLE = "?"  # no owner id: those are digits
TAB = "tab-"  # what the ids of tabs begin with
OWNER = fields(("owner",), owner=text(100))
NOT_YOURS = "Another browser started this run: you can watch it here and copy its settings, but not steer it."
ONLY_HERE = (
    "No browser is recorded as this run's owner: you can watch it here and copy its settings; it can be "
    "steered, renamed and deleted only on the server's own machine, at localhost."
)


def current_owner() -> str:
    """This browser's owner id; where it keeps no cookies, this tab's."""
    if owner := owner_id(visitor_id(st.context.cookies)):
        return owner
    return str(st.session_state.setdefault("tab-owner", TAB + secrets.token_hex(12)))


def record_owner(path: Path, owner: str) -> None:
    """Writes the owner beside the run; "" leaves it without one."""
    if owner:
        write_json(path / "owner.json", {"owner": owner})


def recorded_owner(path: Path) -> str:
    """Returns the owner id; "" where none is recorded. A record that cannot be read is nobody's: no browser has this
    id."""
    try:
        return runs.read_file(path, "owner.json", OWNER)["owner"]
    except FileNotFoundError:
        return ""
    except RunDamaged:
        return UNREADABLE


def at_this_machine() -> bool:
    """Returns whether this page is open in a browser on the server's own machine. The gate says so, no visitor can."""
    return st.context.headers.get(HERE) == "1"


def may_change(path: Path, owner: str | None = None) -> bool:
    """Returns whether this browser may steer, rename and delete the run, by its files as they are now."""
    return not runs.is_shipped(path) and may_steer(recorded_owner(path), owner)


def may_steer(recorded: str, owner: str | None = None) -> bool:
    """Returns whether this browser (or the one with the id `owner`) may steer a run of that owner."""
    if recorded and recorded == (current_owner() if owner is None else owner):
        return True
    return _nobodys(recorded) and at_this_machine()


def why_not(recorded: str) -> str:
    """Returns the sentence for a browser that may not steer a run of that owner."""
    return ONLY_HERE if _nobodys(recorded) else NOT_YOURS


def _nobodys(recorded: str) -> bool:
    """Whether no browser can come back as the owner."""
    return not recorded or recorded.startswith(TAB)
