"""A place to drop files, folders or a zip on. They go to the server a file at a time; Python hears of the end."""

from __future__ import annotations

from typing import Any

from ui.components.mounting import browser_component

_drop = browser_component("own/drop")


def drop_zone(
    token: str, most_bytes: int, most_files: int, *, words: dict[str, str] | None = None, key: str = "drop"
) -> bool:
    """Whether a drop has just come in whole under this token (see `ui.own.drops`). `words`: `what` is dropped, a `note`
    and the endings to `accept`, where it is not pictures but a few files of another kind."""
    data = {"token": token, "most_bytes": most_bytes, "most_files": most_files, "words": words}
    answer: Any = _drop(key=key, data=data, on_dropped_change=_nothing).get("dropped")
    return isinstance(answer, dict) and answer.get("token") == token


def _nothing() -> None:
    """Streamlit returns only those values that have a callback."""
