"""Who may steer, rename or delete a run: the browser that started it, and the teacher.

    owner.json          may change the run
    a browser's id      that browser
    a tab's id          that tab, as long as it lives (its browser keeps no cookies), and whoever sits at this machine
    none                whoever sits at this machine: the run was started from the command line
    cannot be read      nobody

It lies in the run's directory, so it survives the server. Whoever sits at this machine: `network.from_this_machine`.
The teacher is whoever gave the teacher's code (`ui.room`), and may change every run but those that ship.
"""

from __future__ import annotations

import contextlib
import secrets
from pathlib import Path

import streamlit as st

from ui.network import HERE
from ui.room import people
from ui.room.identity import TEACHER, is_granted, owner_id, visitor_id
from vae import runs
from vae.checked_json import fields, number, text
from vae.errors import RunDamaged
from vae.files import write_json

UNREADABLE = "?"  # no owner id: those are digits
TAB = "tab-"  # what the ids of tabs begin with
OWNER = fields(("owner",), owner=text(100), disk=number(0))
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


def record_owner(path: Path, owner: str, disk: float = 0) -> None:
    """Writes the owner beside the run; "" leaves it without one. disk: the bytes that the run will have, where that is
    known."""
    if owner:
        write_json(path / "owner.json", {"owner": owner, "disk": disk})


def hand_over(before: str, owner: str) -> None:
    """Gives the runs and the images of one owner to another; what cannot be written stays as it is."""
    from vae.datasets import data_root, own_datasets  # torch takes its time
    from vae.datasets.own.stored import FOLDER

    if not before or before == owner:
        return
    for path in [*runs.list_runs(), *(data_root() / FOLDER / name for name in own_datasets())]:
        if recorded_owner(path) == before:
            with contextlib.suppress(OSError):
                record_owner(path, owner, reserved_disk(path))


def reserved_disk(path: Path) -> float:
    """Returns the bytes that the run will have, as they were told at its start; 0 where they were not."""
    try:
        return float(runs.read_file(path, "owner.json", OWNER).get("disk", 0))
    except (FileNotFoundError, RunDamaged):
        return 0.0


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


def is_teacher() -> bool:
    """Returns whether this browser has given the teacher's code."""
    return is_granted(TEACHER, st.context.cookies)


def may_change(path: Path, owner: str | None = None) -> bool:
    """Returns whether this browser may steer, rename and delete the run, by its files as they are now."""
    return not runs.is_shipped(path) and may_steer(recorded_owner(path), owner)


def may_steer(recorded: str, owner: str | None = None) -> bool:
    """Returns whether this browser (or the one with the id `owner`) may steer a run of that owner."""
    return is_owner(recorded, owner) or (owner is None and is_teacher())


def is_owner(recorded: str, owner: str | None = None) -> bool:
    """Returns the same without the teacher's rights: they are about runs, not about pictures of a visitor's own."""
    if recorded and recorded == (current_owner() if owner is None else owner):
        return True
    return _nobodys(recorded) and at_this_machine()


def may_end_work(path: Path, starter: str) -> bool:
    """Returns whether this browser may end what is computed about a run (a map, a diagnosis, suspects), which everybody
    may have computed: whoever asked for it, whoever may change the run, and of any run, demos too, the teacher and
    those at this machine."""
    return starter == current_owner() or may_change(path) or is_teacher() or at_this_machine()


def why_not(recorded: str) -> str:
    """Returns the sentence for a browser that may not steer a run of that owner."""
    return ONLY_HERE if _nobodys(recorded) else NOT_YOURS


def by_words(recorded: str) -> str:
    """Returns `by Ada`, or "" where the owner has told no name; for the teacher then a part of its id."""
    if name := people.name_of(recorded):
        return f"by {name}" + (" (you)" if recorded == current_owner() else "")
    told = recorded and recorded != UNREADABLE and not recorded.startswith(TAB) and is_teacher()
    return f"by visitor {recorded[:4]}" if told else ""


def _nobodys(recorded: str) -> bool:
    """Whether no browser can come back as the owner."""
    return not recorded or recorded.startswith(TAB)
