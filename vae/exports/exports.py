"""Which formats are there? The registry, each loaded when somebody asks for it."""

from __future__ import annotations

from collections.abc import Callable

from vae.errors import ConfigError
from vae.exports.export import Export


def _html() -> Export:
    from vae.exports.offline_page import HTML

    return HTML


def _csv() -> Export:
    from vae.exports.csv_table import CSV

    return CSV


EXPORTS: dict[str, Callable[[], Export]] = {"html": _html, "csv": _csv}


def export(name: str) -> Export:
    """Returns the format of that name. Raises ConfigError."""
    if name not in EXPORTS:
        raise ConfigError(f"format: expected {', '.join(EXPORTS)}, got {name[:40]!r}")
    return EXPORTS[name]()
