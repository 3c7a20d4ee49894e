"""Texts of users in Markdown and YAML: they stay texts."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from html import escape

LONGEST = 200
_MARKS = re.compile(r"[\\`*_{}\[\]#+=~|$@]|:(?=/)|(?<=www)\.", re.IGNORECASE)  # the last two begin addresses


def plain(text: object, most: int = LONGEST) -> str:
    """Returns a text on one line that Markdown shows as it stands: no emphasis, link, picture, formula or HTML."""
    seen = "".join(sign if sign.isprintable() else " " for sign in str(text)[: 4 * most])
    words = " ".join(seen.split())
    words = words if len(words) <= most else words[: most - 1] + "…"
    return escape(_MARKS.sub(r"\\\g<0>", words), quote=False)


def yaml_text(text: object) -> str:
    """Returns it in double quotes, in which YAML reads JSON's escapes."""
    return json.dumps("".join(sign if sign.isprintable() else " " for sign in str(text)[:LONGEST]))


def table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Returns the lines of a table; the cells are Markdown already."""
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    return [*lines, *(f"| {' | '.join(row)} |" for row in rows)]
