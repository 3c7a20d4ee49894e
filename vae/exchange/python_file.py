"""A Python file with a factory: code of the user's, which runs. For the command line alone; no page ever comes here."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

from vae.errors import ConfigError


def networks_from(source: str) -> tuple[Any, Any]:
    """Runs a file and calls its factory, "vae.py:load", which returns (encoder, decoder); returns these. Raises
    ConfigError where file or factory is not there, and with its words where its code raises."""
    place, colon, factory = source.rpartition(":")
    path = Path(place if colon else source).expanduser()
    if not colon or not factory.isidentifier() or path.suffix != ".py" or not path.is_file():
        raise ConfigError(f"python: expected a file and its factory, such as model.py:load, got {source[:80]!r}")
    spec = importlib.util.spec_from_file_location(f"_own_{path.stem}", path.resolve())
    if spec is None or spec.loader is None:
        raise ConfigError(f"python: {path} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # as dataclasses and pickles of its own look it up
    sys.path.insert(0, str(path.resolve().parent))  # as `python model.py` has it
    try:
        spec.loader.exec_module(module)
        made = getattr(module, factory)()
    except Exception as error:  # whatever that code raises
        raise ConfigError(f"python: {path.name}:{factory} ended with {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove(str(path.resolve().parent))
    if not isinstance(made, tuple) or len(made) != 2:
        raise ConfigError(f"python: expected {factory}() to return (encoder, decoder), got {type(made).__name__}")
    return made
