"""Taking back a change of C."""

from __future__ import annotations

from typing import Any, Literal

from vae.config import Config, Knobs


def undo_value(config: Config, history: list[dict[str, Any]], knobs: Knobs) -> float | Literal["fit"] | None:
    """Returns what C was before its last change, None if nothing was changed. Undoing twice goes back two changes.

    history: the run's lines; an undone change is one that went back to the value before it.
    """
    stack: list[float | Literal["fit"]] = [config.C if config.C is not None else 1.0]
    changes = [line["value"] for line in history if line.get("knob") == "C"]
    if knobs.C is not None and (not changes or changes[-1] != knobs.C):
        changes.append(knobs.C)  # asked for, not yet taken up
    for value in changes:
        if len(stack) > 1 and stack[-2] == value:
            stack.pop()
        elif stack[-1] != value:
            stack.append(value)
    return stack[-2] if len(stack) > 1 else None
