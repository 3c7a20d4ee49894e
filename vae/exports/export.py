"""What every format of a taken-along run says and does.

A newcomer's format is one file with one `Export` in it and one line in `exports.py`; page and command read the
registry.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from vae.runs import WEIGHTS, Run

Progress = Callable[[float, str], None]
"""`progress(fraction, words)`, called at least every second of work; it raises Stopped where the work is to end."""


class Stopped(Exception):
    """Somebody asked the work to end; nothing has been written."""


def nothing_against(run: Run, kind: str) -> str:
    """Returns why this kind of the format cannot be had of the run, a sentence; "" where it can."""
    return ""


def why_no_weights(run: Run, kind: str = "") -> str:
    """Returns why what is made with the model cannot be had of a run, a sentence; "" where it has weights."""
    return "" if (run.path / WEIGHTS).is_file() else "it has no weights yet; train it until it saves some."


def unheard(fraction: float, words: str) -> None:
    """Nobody follows the work."""


@dataclass(frozen=True)
class Export:
    """One way to take a run along, as one file.

    title, about: for the page and `--help`, in words; about is one sentence.
    ending: of the file, with its dot.
    kinds: what of the run, by the word of `--what`, the default first, each with its words; {} where there is only one.
    write: `write(run, kind, file, progress)` writes `file` whole or not at all, and returns facts about it, in names
        and units that a person reads. Raises ElboRoomError, OSError, Stopped.
    why_not: `why_not(run, kind)`, quick: the page asks for every format.
    signed: whether it says who made the run: `write` then takes `made_by=`, a name, too.
    """

    title: str
    about: str
    ending: str
    write: Callable[..., dict[str, Any]]
    kinds: dict[str, str]
    why_not: Callable[[Run, str], str] = nothing_against
    signed: bool = False
