"""Files that a crash, a full disk, a second writer or a reader who has them open cannot leave half written; tables in
which nothing is a formula."""

from __future__ import annotations

import contextlib
import csv
import errno
import hashlib
import io
import json
import os
import re
import secrets
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, ParamSpec, TypeVar

from vae.errors import ConfigError

P = ParamSpec("P")
T = TypeVar("T")
TEMPORARY = re.compile(r"\.(.+)\.[0-9a-f]{8}\.tmp")
PATIENCE = 1.0  # seconds that a denied change of a file is tried again
DISK_FULL = 28  # exit status of a process that could not write why it ended
FULL = (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC))
READ_ONLY = (errno.EACCES, errno.EPERM, errno.EROFS)
NO_FILE = (errno.EISDIR, errno.ENOTDIR, errno.EEXIST)
READ_PATIENCE = 0.1  # the same of a reader, which may look at many files that are denied to it for good


def insist(change: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """Returns what `change` returns: os.replace, a rename, an unlink. Windows denies these while somebody has the file
    open, a reader or a virus scanner: mostly for a moment. PermissionError where it is denied for longer."""
    return _persist(PATIENCE, lambda: change(*arguments, **named))


def read_bytes(path: Path) -> bytes:
    """Returns all of a file that somebody may be replacing just now, which on Windows denies it for a moment."""
    return _persist(READ_PATIENCE, path.read_bytes)


def _persist(patience: float, action: Callable[[], T]) -> T:
    """The seconds are those of the pauses, not of the clock: who is starved meanwhile tries as often as anybody."""
    pause = 0.001
    while True:
        try:
            return action()
        except PermissionError:
            if pause > patience:
                raise
        time.sleep(pause)
        patience, pause = patience - pause, min(2 * pause, 0.05)


def expanded(path: str | Path) -> Path:
    """Returns `path` with a leading ~ or ~name written out; ConfigError where there is no such user."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        user = Path(path).parts[0][:40]
        raise ConfigError(
            f"path: no user {user!r} on this machine; write the folder out, or ./{user} for a name"
        ) from None


def write_atomically(path: Path, data: bytes, durable: bool = True) -> None:
    """Replaces `path` by `data`, as `replacing` does."""
    with replacing(path, durable) as file:
        file.write(data)


@contextlib.contextmanager
def replacing(path: Path, durable: bool = True) -> Iterator[BinaryIO]:
    """Gives a file to write, which replaces `path` at the end: a reader sees the old bytes or the new ones, never a
    part. Errors leave the old.

    `durable=False` skips the wait for the disk: for files that are rewritten several times a second.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with open(temporary, "xb") as file:
            yield file
            file.flush()
            if durable:
                os.fsync(file.fileno())
        insist(os.replace, temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def leftovers(folder: Path, names: Collection[str]) -> list[Path]:
    """Returns temporary files of `write_atomically` for files of these names in a folder: of a write under way, or left
    by a kill, which only who holds the lock of these files can tell."""
    try:
        found = [(name, TEMPORARY.fullmatch(name)) for name in os.listdir(folder)]
    except OSError:
        return []
    return [folder / name for name, match in found if match and match[1] in names]


def write_json(path: Path, value: Any, durable: bool = True) -> None:
    """Replaces `path` by `value` as JSON, as `write_atomically` does. Raises ValueError for NaN and infinity."""
    write_atomically(path, (json.dumps(value, indent=1, allow_nan=False) + "\n").encode(), durable)


def literal(value: object) -> object:
    """Returns a cell of a table that no spreadsheet takes for a formula, which begins so, or so in full width; nor for
    several: a lone carriage return ends a line, and csv puts no quotes around it."""
    if not isinstance(value, str):
        return value
    text = value.replace("\r\n", "\n").replace("\r", "\n")
    begins = text.lstrip(" \n")[:1]
    return f"'{text}" if begins and begins in "=+-@\t＝＋－＠" else text


def as_csv(rows: Iterable[Mapping[str, Any]], columns: Sequence[str] = ()) -> str:
    """Returns the rows as text, with these columns, or else one for each name in any of them; a cell is empty where a
    row has none, or None, and nothing is a formula."""
    if not columns:
        rows = list(rows)
    names = list(columns or dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(literal, names))
    writer.writerows([literal(row.get(name)) for name in names] for row in rows)
    return text.getvalue()


def sha256(data: bytes) -> str:
    """Returns the SHA-256 in 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def is_full(error: OSError) -> bool:
    """Returns whether there was no room."""
    return error.errno in FULL


def told(error: Exception) -> str:
    """Returns what an error says, that of the system without the place of a file: others watch, and this machine's
    folders are no concern of theirs."""
    if not isinstance(error, OSError) or not error.strerror:
        return str(error)
    name = Path(os.fsdecode(error.filename)).name if isinstance(error.filename, (str, bytes)) else ""
    return f"{f'{name}: ' if name else ''}{error.strerror}; {what_helps(error)}"


def what_helps(error: OSError) -> str:
    """Returns what to do where a file could not be written, the middle of a sentence."""
    if is_full(error):
        return "make room"
    if error.errno in READ_ONLY:
        return "make the folder writable, or copy it to one that is"
    if error.errno in NO_FILE:
        name = error.filename2 or error.filename  # the second is what a rename was to replace; the first is gone again
        if not name:
            return "move the folder away, which is no file"
        return f"move {Path(str(name)).name} away, which is no {'file' if Path(str(name)).is_dir() else 'folder'}"
    return "see to its folder"
