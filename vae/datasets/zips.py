"""Zip archives from outside: how many files one lists is judged before its directory is built in memory, where a line
of fifty bytes becomes an object of half a kilobyte."""

from __future__ import annotations

import contextlib
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

DAMAGED = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, ValueError, RuntimeError, NotImplementedError,
    LookupError, OverflowError,
)  # fmt: skip
"""What zipfile raises for bytes that are no sound archive."""
BYTES_EACH = 1024  # of one file's line in the directory, in the mean: 46 and its name
_LINE, _LINE_BYTES = b"PK\x01\x02", 46
_RECORDS = 64  # bytes; what is read in smaller pieces than that are the records at the end


class TooManyFiles(zipfile.BadZipFile):
    """The archive lists `count` files, more than `most`."""

    def __init__(self, count: int, most: int) -> None:
        super().__init__(f"it lists {count:,} files; at most {most:,}")
        self.count = count


@contextlib.contextmanager
def open_zip(file: Path | IO[bytes], most: int) -> Iterator[zipfile.ZipFile]:
    """Opens an archive of at most `most` files for reading. Raises TooManyFiles, and what is in DAMAGED."""
    with open(file, "rb") if isinstance(file, Path) else contextlib.nullcontext(file) as opened:
        watched = _Watched(opened, most)
        with zipfile.ZipFile(watched) as archive:
            watched.opening = False
            yield archive


class _Watched:
    """A file whose directory is looked at while zipfile reads it, in one piece, to build its own."""

    def __init__(self, file: IO[bytes], most: int) -> None:
        self._file, self._most, self.opening = file, most, True
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1) -> bytes:
        if self.opening and size > self._most * BYTES_EACH + 2**17:
            raise zipfile.BadZipFile(f"its directory claims {size:,} bytes, too many for {self._most:,} files")
        data = self._file.read(size)
        if self.opening and size > _RECORDS and (count := _lines(data)) > self._most:
            raise TooManyFiles(count, self._most)
        return data


def _lines(directory: bytes) -> int:
    """How many files a directory lists, each once though they may share a place."""
    count = at = 0
    while directory.startswith(_LINE, at) and len(directory) >= at + _LINE_BYTES:
        at += _LINE_BYTES + sum(struct.unpack_from("<3H", directory, at + 28))
        count += 1
    return count
