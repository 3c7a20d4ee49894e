"""What the owner of a shared server sets: the table [room] of Streamlit's secrets.toml, or ELBO_ROOM_ and the name in
capitals in the environment, which goes first. Read once, as the server starts.

    [room]
    class_code = "green table"
    teacher_code = "seven quiet owls"
    runs_per_person = 24

Without Streamlit's `st.secrets`: the gate has no script, and what stands at the top of that file, Streamlit puts into
the environment of every process.
"""

from __future__ import annotations

import dataclasses
import functools
import logging
import os
import tomllib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamlit import config

from ui import network
from vae.errors import ConfigError

PREFIX, TABLE = "ELBO_ROOM_", "room"
LEAST = {"class_code": 6, "teacher_code": 9}  # characters, of which LETTERS differ: by guesses at the rate that
LETTERS = 4  # `ui.room.guesses` leaves, six small letters of chance last four years, nine a hundred thousand
MOST_CODE = 100
MOST = 10**9
SHARED: dict[str, float] = {  # the limits of a server that others reach; at localhost there are none
    "runs_per_person": 24,
    "runs_in_all": 200,
    "epochs_per_run": 5_000,
    "disk_per_person": 5.0,
    "disk_in_all": 50.0,
}


@dataclass(frozen=True)
class Room:
    """class_code: whoever has it comes in. teacher_code: whoever has it may change every run. Runs are those that train
    or wait; disk is in GB. "" and None: nothing is asked, there is no limit."""

    class_code: str = ""
    teacher_code: str = ""
    runs_per_person: int | None = None
    runs_in_all: int | None = None
    epochs_per_run: int | None = None
    disk_per_person: float | None = None
    disk_in_all: float | None = None


def is_shared() -> bool:
    """Returns whether others than those at this machine may reach the server."""
    local = (config.get_option("server.address") or "").lower() in network.LOCAL
    return not local or network.behind_a_proxy()


@functools.cache
def room() -> Room:
    """Returns the settings. Raises ConfigError, which names the setting."""
    given = from_files([Path(file) for file in config.get_option("secrets.files")]) | from_environment(os.environ)
    defaults = SHARED if is_shared() or given.get("class_code") else {}
    made = Room(**defaults | {name: _checked(name, value) for name, value in given.items()})
    if made.class_code and made.class_code == made.teacher_code:
        raise ConfigError("teacher_code: expected another code than class_code, which every visitor has")
    return made


def configure_streamlit() -> None:
    """Has Streamlit show others no more of an error than that there was one; says once where everybody may come in.
    Raises ConfigError for settings that cannot be."""
    asks = room().class_code
    if is_shared() or asks:
        config.set_option("client.showErrorDetails", "none")
    if is_shared() and not asks:
        logging.getLogger("elbo_room").warning(
            "Whoever reaches this server's address may come in and train on it. To ask for a code: %s=… in the "
            "environment, or class_code = '…' below [%s] in .streamlit/secrets.toml.",
            PREFIX + "CLASS_CODE",
            TABLE,
        )


def from_files(files: list[Path]) -> dict[str, Any]:
    """Returns the table of the files, later ones first. Raises ConfigError for a table that holds anything else, and
    for a code that stands outside it."""
    found: dict[str, Any] = {}
    for file in files:
        if not file.is_file():
            continue
        try:
            content = tomllib.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):  # what the parser says would show a part of the file
            raise ConfigError(f"{file}: expected TOML in UTF-8, such as class_code = '…' below [room]") from None
        if outside := sorted(set(content) & set(LEAST)):
            raise ConfigError(f"{file}: {outside[0]} belongs below a line [{TABLE}]")
        table = content.get(TABLE, {})
        if not isinstance(table, dict):
            raise ConfigError(f"{file}: expected {TABLE} to be a table, a line [{TABLE}] with settings below it")
        if unknown := sorted(set(table) - _names()):
            raise ConfigError(f"{file}: [{TABLE}] has no setting {unknown[0][:40]!r}; it has {', '.join(_ordered())}")
        found |= table
    return found


def from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    """Returns the settings that stand in the environment, an empty one as if it were not there."""
    found: dict[str, Any] = {}
    for name in _ordered():
        if text := environment.get(PREFIX + name.upper(), ""):
            found[name] = text if name in LEAST else _number(name, text)
    return found


def same_code(text: str) -> str:
    """Returns a code as it is compared: without spaces around it, its letters in one form of Unicode."""
    return unicodedata.normalize("NFKC", text).strip()


def _checked(name: str, value: Any) -> Any:
    if name in LEAST:
        if not isinstance(value, str) or not LEAST[name] <= len(same_code(value)) <= MOST_CODE:
            raise ConfigError(f"{name}: expected a text of {LEAST[name]} to {MOST_CODE} characters, got another")
        if len(set(same_code(value))) < LETTERS or (same_code(value).isdecimal() and len(same_code(value)) < 9):
            raise ConfigError(f"{name}: too easy to guess; take two words or more, or nine digits or more")
        return same_code(value)
    whole = _type(name) is int
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= MOST:
        raise _not_a_number(name, repr(value))
    if whole and value != int(value):
        raise _not_a_number(name, repr(value))
    return int(value) if whole else float(value)


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise _not_a_number(name, repr(text)) from None


def _not_a_number(name: str, got: str) -> ConfigError:
    kind = "a whole number from 1" if _type(name) is int else "a number of GB above 0"
    return ConfigError(f"{name}: expected {kind} to {MOST:,}, got {got[:40]}")


def _type(name: str) -> type:
    return float if name.startswith("disk") else int


def _ordered() -> list[str]:
    return [field.name for field in dataclasses.fields(Room)]


def _names() -> set[str]:
    return set(_ordered())
