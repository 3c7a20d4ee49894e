"""For the visitor of a shared server, on Home: a name, the way to another browser, the codes, the room on the disk; for
the teacher more."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from ui import server, style
from ui.room import people
from ui.room.disk import in_words, usage
from ui.room.door import PATH
from ui.room.identity import CLASS, TEACHER, is_granted, visitor_id
from ui.room.limits import disk_words
from ui.room.moving import tickets
from ui.room.settings import is_shared, room
from ui.runs.gallery import cards_of
from ui.runs.owners import current_owner, is_teacher, may_change
from vae import runs
from vae.errors import ElboRoomError
from vae.files import told

NAME, CODE, ASKED = "room-name", "room-code", "room-stop-asked"
NO_COOKIES = (
    "This browser keeps no cookies for this site: it can steer what it starts until its tab is closed, and cannot be "
    "moved."
)
HOW = (
    "In the other browser, enter it within ten minutes where a code is asked for, or at the address below. It works "
    "once. Both are the same visitor from then on: its runs, its name, its rights."
)


def menu() -> None:
    """Draws the menu; nothing where nobody else reaches the server."""
    if not (is_shared() or room().class_code or room().teacher_code):
        return
    if st.session_state.pop(ASKED, False):
        _stop_all()
    owner = current_owner()
    with st.popover((people.name_of(owner) and "You") or "Who are you?", icon=":material/person:", key="room-menu"):
        st.session_state.setdefault(NAME, people.name_of(owner))
        st.text_input(
            "Your name", key=NAME, max_chars=people.LONGEST, on_change=_call, placeholder="stands beside your runs",
            help="Optional. Everybody here sees it; it gives no rights.",
        )  # fmt: skip
        if is_teacher():
            _for_the_teacher()
        _trash(owner)
        _moving()
        st.html(f'<p class="er-note"><a href=".{PATH}" style="color:inherit">Enter a code</a></p>')
        for sentence in _disk(owner):
            style.note(sentence)


def about_the_disk() -> None:
    """Draws a sentence where the folder of runs is full, or nearly."""
    full, sentence = disk_words()
    if sentence:
        (style.problem if full else style.notice)(sentence)


def _call() -> None:
    try:
        st.session_state[NAME] = people.call(current_owner(), st.session_state[NAME])
    except OSError as error:
        st.session_state["notice"] = f"The name could not be kept ({error.strerror or error})."


def _moving() -> None:
    visitor = visitor_id(st.context.cookies)
    if not visitor:
        style.note(NO_COOKIES)
        return
    st.button("Move to another browser", key="room-move", icon=":material/move_up:", on_click=_issue, args=(visitor,))
    if code := st.session_state.get(CODE):
        st.code(code, language=None)
        style.note(HOW)
        st.code((st.context.url or "").partition("?")[0].rstrip("/") + PATH, language=None, wrap_lines=True)


def _issue(visitor: str) -> None:
    cookies = st.context.cookies
    grants = tuple(kind for kind in (CLASS, TEACHER) if is_granted(kind, cookies))
    st.session_state[CODE] = tickets().issue(visitor, grants)
    if not st.session_state[CODE]:
        st.session_state["notice"] = "Too many such codes wait to be used on this server; try again in ten minutes."


def _for_the_teacher() -> None:
    style.note("You have the teacher’s rights: you may steer, stop, rename and delete every run.")
    count = len(_at_work())
    st.button(
        f"Stop all {count:,} runs" if count else "Stop all runs", key="room-stop-all", icon=":material/stop:",
        disabled=not count, on_click=lambda: st.session_state.__setitem__(ASKED, True),
    )  # fmt: skip


def _trash(owner: str) -> None:
    """The teacher empties all of it, others what they deleted themselves."""
    taken = usage()
    trash = taken.trash if is_teacher() else taken.trash_by_owner.get(owner, 0)
    st.button(
        f"Empty {'the' if is_teacher() else 'your'} trash ({in_words(trash)})", key="room-empty-trash",
        icon=":material/delete_forever:", disabled=not trash, on_click=_empty_trash,
        help="Deletes for good what was deleted in the last day.",
    )  # fmt: skip


@st.dialog("Stop all runs?")
def _stop_all() -> None:
    count = len(_at_work())
    style.note(f"{count:,} train or wait. Each saves and can be continued later.")
    if st.button("Stop them", type="primary", key="room-stop-confirm", on_click=stop_all):
        st.rerun()


def _at_work() -> list[Path]:
    """Those that wait first: no place becomes free for one of them."""
    active = [card for card in cards_of() if card.active]
    return [card.path for card in sorted(active, key=lambda card: card.state not in runs.WAITING)]


def stop_all() -> None:
    """Stops every run that this browser may stop."""
    for path in _at_work():
        try:
            if may_change(path):
                server.engine_of(path).stop(path)
        except (ElboRoomError, OSError) as error:
            st.session_state["notice"] = told(error)


def _empty_trash() -> None:
    runs.empty_trash(older_than=0, which=may_change)
    usage(fresh=True)


def _disk(owner: str) -> list[str]:
    limits, taken = room(), usage()
    lines = []
    for what, most, count in (
        ("On the disk, you take", limits.disk_per_person, taken.by_owner.get(owner, 0)),
        ("All visitors take", limits.disk_in_all, taken.whole),
    ):
        lines.append(f"{what} {in_words(count)}" + (f" of {in_words(most * 1e9)}." if most is not None else "."))
    return lines
