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


def _bundle() -> Export:
    from vae.exports.bundle import BUNDLE

    return BUNDLE


def _npz() -> Export:
    from vae.exports.npz import NPZ

    return NPZ


def _parquet() -> Export:
    from vae.exports.parquet import PARQUET

    return PARQUET


def _onnx() -> Export:
    from vae.exports.onnx_halves import ONNX

    return ONNX


def _tensorboard() -> Export:
    from vae.exports.tensorboard import TENSORBOARD

    return TENSORBOARD


def _gif() -> Export:
    from vae.exports.gif import GIF

    return GIF


def _svg() -> Export:
    from vae.exports.svg import SVG

    return SVG


EXPORTS: dict[str, Callable[[], Export]] = {
    "html": _html,
    "bundle": _bundle,
    "onnx": _onnx,
    "csv": _csv,
    "npz": _npz,
    "parquet": _parquet,
    "tensorboard": _tensorboard,
    "gif": _gif,
    "svg": _svg,
}


def export(name: str) -> Export:
    """Returns the format of that name. Raises ConfigError."""
    if name not in EXPORTS:
        raise ConfigError(f"format: expected {', '.join(EXPORTS)}, got {name[:40]!r}")
    return EXPORTS[name]()
