"""What visitors call themselves: a name for each owner id, in one file beside the runs.

Not in the runs: a run is renamed, packed, exported and published, and no person's name goes along. A name is no right;
two may have the same.
"""

from __future__ import annotations

import os
import threading
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from vae.checked_json import Misfit, named, read_json, text
from vae.files import write_json
from vae.runs import runs_root

FILE = ".people.json"
LONGEST = 40  # characters of a name
MOST = 5_000  # people; of more the first are forgotten
NAMES = named(text(LONGEST), MOST)
_lock = threading.Lock()
_kept: tuple[Path, tuple[int, int, int] | None, Mapping[str, str]] | None = None


def clean(name: str) -> str:
    """Returns a name as it is kept: characters that can be seen, single spaces, 40 at most."""
    seen = "".join(c if c.isprintable() else " " for c in unicodedata.normalize("NFC", name[: 10 * LONGEST]))
    return " ".join(seen.split())[:LONGEST].strip()


def names() -> Mapping[str, str]:
    """Returns the names by owner id; none from a file that cannot be read."""
    global _kept
    file = runs_root() / FILE
    try:
        found = os.stat(file)
        stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
    except OSError:
        return MappingProxyType({})
    if _kept is None or _kept[:2] != (file, stamp):
        try:
            read = read_json(file, NAMES)
        except (Misfit, OSError):
            read = {}
        _kept = (file, stamp, MappingProxyType({owner: clean(name) for owner, name in read.items()}))
    return _kept[2]


def name_of(owner: str) -> str:
    """Returns what the visitor with this owner id is called, "" where it has told no name."""
    return names().get(owner, "") if owner else ""


def call(owner: str, name: str) -> str:
    """Keeps the name of a visitor, with "" none; returns it as it is kept. Raises OSError where nothing can be
    written."""
    name = clean(name)
    with _lock:
        others = {one: called for one, called in names().items() if one != owner}
        kept = others | ({owner: name} if name else {})
        if kept != dict(names()):
            folder = runs_root()
            folder.mkdir(parents=True, exist_ok=True)
            write_json(folder / FILE, dict(list(kept.items())[-MOST:]))
    return name
