"""Which formats are there? The registry, each loaded when somebody asks for it."""

from __future__ import annotations

from collections.abc import Callable

from vae.errors import ConfigError
from vae.exports.export import Export


def _csv() -> Export:
    from vae.exports.csv_table import CSV

    return CSV


def _bundle() -> Export:
    from vae.exports.bundle import BUNDLE

    return BUNDLE


EXPORTS: dict[str, Callable[[], Export]] = {"csv": _csv, "bundle": _bundle}


def export(name: str) -> Export:
    """Returns the format of that name. Raises ConfigError."""
    if name not in EXPORTS:
        raise ConfigError(f"format: expected {', '.join(EXPORTS)}, got {name[:40]!r}")
    return EXPORTS[name]()
