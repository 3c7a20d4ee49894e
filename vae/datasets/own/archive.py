"""Pictures in a zip. Nothing is unpacked to disk; before anything is read the archive's directory is judged whole.

Refused: names that leave their folder, links, archives in it, encryption, more files or bytes than MOST_..., a
directory that promises more than the file holds. A member is read no further than its directory says, and one that
lies about its size fails its checksum and is skipped.
"""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath, PureWindowsPath

from vae.datasets.own.decode import MOST_BYTES as MOST_PICTURE
from vae.datasets.own.entries import (
    ARCHIVES,
    OTHER_ARCHIVES,
    PICTURES,
    Entry,
    Found,
    Item,
    is_hidden,
    places_of,
)
from vae.datasets.zips import DAMAGED, TooManyFiles, open_zip
from vae.errors import DataError

MOST_FILES = 50_000
MOST_BYTES = 4 * 2**30  # of all members, once they are expanded
MOST_RATIO = 200  # of expanded to packed bytes, of what has ANY_RATIO_BYTES and more; pictures are packed already
ANY_RATIO_BYTES = 2**26


def in_archive(item: Item) -> Found:
    """Finds the pictures of a zip by its directory alone. Raises DataError."""
    try:
        with item.bytes_file() as file, open_zip(file, MOST_FILES) as archive:
            members = archive.infolist()
    except TooManyFiles as error:
        raise DataError(
            f"{item.name}: {error.count:,} files are too many in a zip; at most {MOST_FILES:,}, or unpack it and give "
            "the folder"
        ) from None
    except DAMAGED as error:
        reason = " ".join(str(error).split())[:100] or type(error).__name__
        raise DataError(f"{item.name}: cut off, damaged or no zip ({reason}); make it again") from None
    _judge(item, members)
    files = sorted(
        (one for one in members if not one.is_dir() and not is_hidden(one.filename)), key=lambda one: one.filename
    )
    pictures = [one for one in files if PurePosixPath(one.filename).suffix.lower() in PICTURES]
    if not pictures:
        got = f"{len(files):,} other files, such as {files[0].filename[:60]}" if files else "no files"
        raise DataError(f"{item.name}: expected PNG or JPEG files in it, got {got}")
    chosen = set(pictures)
    skipped = [(one.filename, "not a PNG or a JPEG") for one in files if one not in chosen]
    full = {str(folder) for one in pictures for folder in PurePosixPath(one.filename).parents}
    folders = {one.filename.rstrip("/") for one in members if one.is_dir() and not is_hidden(one.filename)}
    folders |= {str(PurePosixPath(one.filename).parent) for one in files}
    places = places_of([one.filename for one in pictures])

    def entries() -> Iterator[Entry]:
        with item.bytes_file() as file, open_zip(file, MOST_FILES) as archive:
            for one, (label, part) in zip(pictures, places, strict=True):
                yield Entry(one.filename, _reader(archive, one), label, part)

    return Found(PurePosixPath(item.name).stem, entries, len(pictures), tuple(sorted(folders - full)), tuple(skipped))


def _reader(archive: zipfile.ZipFile, one: zipfile.ZipInfo) -> Callable[[], bytes]:
    def read() -> bytes:
        if one.file_size > MOST_PICTURE:
            raise DataError(f"picture: {one.file_size / 1e6:.1f} MB are too many; at most {MOST_PICTURE / 1e6:.0f} MB")
        try:
            with archive.open(one) as member:
                return member.read(one.file_size + 1)
        except DAMAGED as error:
            reason = " ".join(str(error).split())[:80] or type(error).__name__
            raise DataError(f"picture: damaged in the zip ({reason})") from None

    return read


def _judge(item: Item, members: list[zipfile.ZipInfo]) -> None:
    """DataError unless the directory is that of a harmless archive."""
    for one in members:
        _judge_member(item, one)
    total, packed = sum(one.file_size for one in members), sum(one.compress_size for one in members)
    if total > MOST_BYTES:
        raise DataError(
            f"{item.name}: expands to {total / 2**30:,.1f} GiB, more than {MOST_BYTES / 2**30:.0f} GiB; give fewer "
            "pictures, or unpack it and give the folder"
        )
    if packed > item.size:
        raise DataError(
            f"{item.name}: its directory promises more bytes than the file has: it is damaged; make it again"
        )
    if total > ANY_RATIO_BYTES and total > MOST_RATIO * item.size:
        raise DataError(
            f"{item.name}: {item.size / 1e6:,.1f} MB that expand to {total / 1e6:,.0f} MB are no pictures; if they "
            "are, unpack it and give the folder"
        )


def _judge_member(item: Item, one: zipfile.ZipInfo) -> None:
    name, shown = one.filename, one.filename[:60]
    path = PureWindowsPath(name)  # knows both kinds of slashes, and drives
    if not name or path.drive or path.root or ".." in path.parts or "\0" in one.orig_filename:
        raise DataError(f"{item.name}: holds {shown!r}, a name that leaves its folder; make it again from the folder")
    if stat.S_ISLNK(one.external_attr >> 16):
        raise DataError(f"{item.name}: holds {shown!r}, a link; make it again from the files themselves")
    if one.flag_bits & 1:
        raise DataError(f"{item.name}: {shown!r} is encrypted; make it again without a password")
    if PurePosixPath(name).suffix.lower() in (*ARCHIVES, *OTHER_ARCHIVES):
        raise DataError(f"{item.name}: holds {shown!r}, an archive in an archive; unpack it and give the folder")
