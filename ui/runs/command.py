"""The command that trains the same run from a terminal."""

from __future__ import annotations

import shlex
from typing import Any

from vae.config import Config


def command_line(config: Config, name: str = "") -> str:
    """Returns the command that trains the same run, with those settings that differ from the defaults."""
    default = Config()
    words = ["python", "-m", "vae", "train"]
    for field, value in config.to_json().items():
        if value is not None and (value != getattr(default, field) or field == "dataset"):
            words += [f"--{field.replace('_', '-')}", _text(value)]
    return shlex.join([*words, "--name", name] if name else words)


def _text(value: Any) -> str:
    if isinstance(value, (tuple, list)):
        return ",".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
