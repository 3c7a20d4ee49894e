"""The formats that a run can leave as, a row each: what it is, why not, make, progress, download."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from html import escape
from pathlib import Path
from urllib.parse import quote

import streamlit as st

from ui import style
from ui.runs import owners
from ui.runs.run_view import RunView
from ui.take.work import QUEUED, UNDER_WAY, folder_for, order, work
from vae.errors import ElboRoomError
from vae.exports.export import Export
from vae.exports.exports import EXPORTS, export
from vae.exports.work_folder import ExportStatus
from vae.runs.origin import MOST_NAME, read_origin, visible

LOOK_EVERY = 0.4  # seconds
TAKEN, PROBLEM = "taken", "take-problem"
UNTOLD = "This format cannot be made here; the server's log says why."
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Found:
    """A file as a visitor finds it. older: it was made for this visitor of what the run was then."""

    folder: Path
    status: ExportStatus
    older: bool = False


def rows(view: RunView, chosen: str | None, kind: str | None) -> None:
    """Draws all formats; `chosen` and its kind are those of the address."""
    with st.container(key="take-rows"):
        for name in EXPORTS:
            made = load(name)
            with st.container(key=f"er-take-{'chosen-' if name == chosen else ''}{name}"):
                if made is None:
                    _say(name, UNTOLD, "", UNTOLD)
                else:
                    _row(view, name, made, kind if name == chosen else None)


def load(name: str) -> Export | None:
    """Returns a format; None, and a line in the log, where its code cannot be loaded here: the others stay."""
    try:
        return export(name)
    except Exception:
        log.exception("the format %s cannot be loaded", name)
        return None


def _row(view: RunView, name: str, made: Export, kind: str | None) -> None:
    key = f"take-kind-{name}"
    if kind in made.kinds:
        st.session_state[key] = kind  # the address decides, also after the browser's Back
    elif st.session_state.get(key) not in made.kinds:
        st.session_state[key] = next(iter(made.kinds), "")
    kind = st.session_state[key]
    reason = why_not(view, made, kind)
    with st.container(key=f"er-tsay-{name}"):
        _say(made.title, made.about, made.kinds.get(kind, ""), reason)
    with st.container(key=f"er-tdo-{name}"):
        if len(made.kinds) > 1:
            st.segmented_control(
                f"{made.title}: what of it", list(made.kinds), key=key, required=True, label_visibility="collapsed",
                format_func=lambda word: word.replace("_", " "), on_change=_choose, args=(view.name, name, key),
            )  # fmt: skip
        _action(view, name, made, kind, reason, _maker(view, name) if made.signed else "")


def _maker(view: RunView, name: str) -> str:
    """Asks who made the run, as it is to be published; one that came in a bundle says so itself."""
    if read_origin(view.path) is not None:
        return ""
    given = st.text_input(
        "Made by", key=f"take-by-{name}", max_chars=MOST_NAME, placeholder="nobody is named", persist_state="session",
        help="Goes along, and is read by whoever gets the file.",
    )  # fmt: skip
    return visible(given)


def _say(title: str, about: str, kind: str, reason: str) -> None:
    words = f'<p class="er-note">{escape(kind[:1].upper() + kind[1:])}.</p>' if kind else ""
    why = f'<p class="er-take-why">{escape(reason)}</p>' if reason and reason != about else ""
    st.html(
        f'<div class="er-take" data-there="{"no" if reason else "yes"}"><h2>{escape(title)}</h2>'
        f"<p>{escape(about)}</p>{words}{why}</div>"
    )


def why_not(view: RunView, made: Export, kind: str) -> str:
    """Returns why this kind of the format cannot be had of the run; "" where it can."""
    try:
        return made.why_not(view.run, kind)
    except ElboRoomError as error:
        return str(error)
    except Exception:
        log.exception("run %r cannot be asked about %s", view.name, made.title)
        return UNTOLD


def found(view: RunView, name: str, kind: str, made_by: str = "") -> Found:
    """Returns the file of the run as it is now; where there is none, the one that was made for this visitor before."""
    folder = folder_for(view.path, name, kind, made_by)
    status = work().status(folder)
    before = st.session_state.get(TAKEN, {}).get((view.name, name, kind, made_by))
    if status.state == "absent" and before is not None and before != folder:
        earlier = work().status(before)
        if earlier.state != "absent":
            return Found(before, earlier, older=True)
    return Found(folder, status)


def _action(view: RunView, name: str, made: Export, kind: str, reason: str, made_by: str) -> None:
    """Draws what can be done now, and what became of what was done before."""
    it = found(view, name, kind, made_by)
    state = it.status.state
    problem = st.session_state.get(PROBLEM)
    if problem is not None and problem[:3] == (view.name, name, kind):
        style.problem(problem[3])
    elif state == "failed":
        style.problem(it.status.message)
    if state in UNDER_WAY:
        with st.container(horizontal=True, vertical_alignment="center", key=f"take-progress-{name}"):
            follow(it.folder)
            if _may_stop(it.folder):
                st.button("Stop", key=f"take-stop-{name}", on_click=_stop, args=(it.folder,))
            else:
                style.note("Another browser asked for it.")
        return
    with st.container(horizontal=True, vertical_alignment="center", key=f"take-ready-{name}"):
        if state == "finished":
            download(it.folder, it.status)
        elif state == "stopped":
            style.note("Stopped; nothing was kept.")
        st.button(
            _label(it), key=f"take-make-{name}", type="tertiary" if state == "finished" else "secondary",
            disabled=bool(reason), on_click=_make, args=(view.path, name, kind, made_by),
            help=style.plain(reason) or None,  # Markdown, and a sentence may quote the run's files
        )  # fmt: skip
    if state == "finished":
        style.note(facts(it.status))


def _label(it: Found) -> str:
    if it.status.state == "finished":
        return "Make of the newest save" if it.older else "Make again"
    return "Try again" if it.status.state == "failed" else "Make"


def download(folder: Path, status: ExportStatus) -> None:
    """Draws the link that saves the file; it is streamed from disk by a route."""
    address = f"exports/{folder.name}/{quote(status.file)}"
    st.html(
        f'<a class="er-download" href="{escape(address)}" download="{escape(status.file)}">'
        f"Download <small>{escape(size(status.bytes))}</small></a>",
        width="content",
    )


def facts(status: ExportStatus) -> str:
    """Returns what is known of a file, in a line."""
    step = [] if status.step is None else [f"of step {status.step:,}"]
    return " · ".join([status.file, *step, *(f"{name}: {value}" for name, value in status.facts.items())])


def size(count: int) -> str:
    """Returns a number of bytes for reading."""
    for unit, power in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= power:
            return f"{count / power:.3g} {unit}" if count < 999.5 * power else f"{count / power:,.0f} {unit}"
    return f"{count:,} byte{'' if count == 1 else 's'}"


@st.fragment(run_every=LOOK_EVERY)
def follow(folder: Path) -> None:
    """Draws how far a file is; flat, without widgets. The page is drawn anew when it has ended."""
    status = work().status(folder)
    if status.state not in UNDER_WAY:
        st.rerun()
    value = "" if status.state == QUEUED or not status.fraction else f' value="{status.fraction:.3f}"'
    share = f"{status.fraction:.0%}, " if value else ""
    words = f"{share}{status.words or status.state}"
    st.html(
        f'<p class="er-progress" role="status"><progress max="1"{value} aria-label="How far it is"></progress> '
        f"{escape(words)}</p>"
    )


def _choose(run: str, name: str, key: str) -> None:
    st.query_params.from_dict(_address(run, name, st.session_state[key]))


def _address(run: str, name: str, kind: str) -> dict[str, str]:
    return {"run": run, "format": name} | ({"kind": kind} if kind else {})


def _make(path: Path, name: str, kind: str, made_by: str) -> None:
    st.query_params.from_dict(_address(path.name, name, kind))
    st.session_state.pop(PROBLEM, None)
    try:
        folder = order(path, name, export(name), kind, owners.current_owner(), made_by)
        st.session_state.setdefault(TAKEN, {})[path.name, name, kind, made_by] = folder
    except ElboRoomError as error:
        st.session_state[PROBLEM] = (path.name, name, kind, str(error))


def _stop(folder: Path) -> None:
    if _may_stop(folder):
        work().stop(folder)


def _may_stop(folder: Path) -> bool:
    return work().may_stop(folder, owners.current_owner()) or owners.at_this_machine() or owners.is_teacher()
