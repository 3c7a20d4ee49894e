"""Which half of the model trains, encoder or decoder: in words, and from which step on, by the history."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

WORDS = {"both": "both halves", "encoder": "encoder only", "decoder": "decoder only"}


def halves_trained(history: Iterable[dict[str, Any]]) -> list[tuple[int, str]]:
    """Returns from which step on which half trained: [(0, "both"), (1200, "encoder"), ...]."""
    found = [(0, "both")]
    for line in history:
        if line.get("knob") == "part" and line["value"] != found[-1][1]:
            found.append((line["step"], str(line["value"])))
    return found


def half_at(changes: list[tuple[int, str]], step: int) -> str:
    """Returns which half made the steps up to this one."""
    return next(half for start, half in reversed(changes) if start < step or start == 0)
