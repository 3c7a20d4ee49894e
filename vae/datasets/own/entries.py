"""Where a person's pictures lie: a folder, a zip, parquet, an .npz or .npy, or files that were dropped on a page.

All become one stream of `Entry`: a name, the bytes or the pixels, a class, a part. Folders and zips mean the same:

    cat/1.png, dog/2.jpg            the folder is the class
    1.png, 2.png                    no classes
    train/cat/1.png, test/dog/2.png  the parts are given (training, val, valid, validation, testing are known too)

A folder that holds everything is no class. What lies deeper belongs to the first folder. Hidden files are passed over.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import IO, Literal

import numpy as np
from numpy.typing import NDArray

from vae.errors import DataError

Part = Literal["train", "test"]
PARTS: dict[str, Part] = {
    "train": "train", "training": "train",
    "test": "test", "testing": "test", "val": "test", "valid": "test", "validation": "test",
}  # fmt: skip
MOST_FILES = 300_000  # of a folder
MOST_DROPPED = 50_000
LONGEST_NAME, LONGEST_CLASS = 200, 60  # characters, of what is kept
PICTURES, TABLES, ARRAYS, ARCHIVES = (".png", ".jpg", ".jpeg"), (".parquet",), (".npz", ".npy"), (".zip",)
OTHER_ARCHIVES = (".tar", ".gz", ".tgz", ".7z", ".rar", ".bz2", ".xz", ".zst")
KINDS = "a folder or a .zip of PNG and JPEG files, a .parquet, an .npz or an .npy"


@dataclass(frozen=True)
class Item:
    """A file. name: its path below what was given, with slashes. location: where it lies on this machine."""

    name: str
    size: int
    location: Path

    def bytes_file(self) -> IO[bytes]:
        """Returns it, open for reading."""
        return open(self.location, "rb")

    @property
    def suffix(self) -> str:
        return PurePosixPath(self.name).suffix.lower()


@dataclass(frozen=True)
class Entry:
    """One picture that may be: `read` gives its bytes, or pixels (height, width) or (height, width, 3) in uint8, or
    raises a DataError that says why there are none. Name and class are cut, and hold what can be shown only."""

    name: str
    read: Callable[[], bytes | NDArray[np.uint8]]
    label: str | None = None
    part: Part | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", shown(self.name)[-LONGEST_NAME:])
        object.__setattr__(self, "label", None if self.label is None else shown(self.label)[:LONGEST_CLASS])


def shown(name: str) -> str:
    """Returns a name with a mark for each character that breaks a line, turns the writing round, or is none."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in name)


@dataclass(frozen=True)
class Found:
    """What was given. entries(): the pictures, in an order that is the same every time. count: how many, 0 where that
    is not known before. empty: folders without a picture. skipped: what is no picture, and why."""

    name: str
    entries: Callable[[], Iterable[Entry]]
    count: int
    empty: tuple[str, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = field(default=())


def at(path: Path) -> Found:
    """Finds what lies at `path`. Raises DataError."""
    if path.is_dir():
        items, empty = _walk(path)
        return _of_files(path.name or "images", items, empty, whole_folder=True)
    if not path.is_file():
        raise DataError(f"{path}: expected {KINDS} there, found nothing; check the path")
    item = Item(path.name, path.stat().st_size, path)
    return _of_one(item) or _of_files(path.stem, [item], ())


def dropped(files: Sequence[tuple[str, Path]]) -> Found:
    """Finds what was dropped: (name, place) of each file; names may hold folders and say nothing of the place. Raises
    DataError."""
    if not files:
        raise DataError(f"images: nothing was dropped; expected {KINDS}")
    if len(files) > MOST_DROPPED:
        raise DataError(f"images: {len(files):,} files are too many to drop; at most {MOST_DROPPED:,}, or one zip")

    items = sorted(
        (Item(_plain_path(name), path.stat().st_size, path) for name, path in files),
        key=lambda item: item.name,
    )
    if len(items) == 1 and (found := _of_one(items[0])):
        return found
    top = PurePosixPath(items[0].name).parts[0]
    together = len(PurePosixPath(items[0].name).parts) > 1 and all(one.name.startswith(f"{top}/") for one in items)
    if together:
        items = [replace(item, name=item.name.removeprefix(f"{top}/")) for item in items]
    return _of_files(top if together else "images", items, (), whole_folder=True)


def _plain_path(name: str) -> str:
    """A path below a folder, whatever the browser says."""
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    return "/".join(parts) or "file"


def _of_one(item: Item) -> Found | None:
    """One file that holds many pictures; None where it does not."""
    if item.suffix in ARCHIVES:
        from vae.datasets.own.archive import in_archive

        return in_archive(item)
    if item.suffix in TABLES:
        from vae.datasets.own.table import in_tables

        return in_tables([item])
    if item.suffix in ARRAYS:
        from vae.datasets.own.pixels import in_arrays

        return in_arrays(item)
    if item.suffix not in PICTURES:
        raise DataError(f"{item.name}: expected {KINDS}, got {item.suffix or 'a file without an ending'}")
    return None


def _walk(folder: Path) -> tuple[list[Item], tuple[str, ...]]:
    """All files below a folder, and its folders that hold nothing. Links are not followed."""
    items, empty = [], []

    def fail(error: OSError) -> None:
        raise DataError(f"{error.filename}: cannot be read ({error.strerror}); check who may read it")

    for place, folders, names in os.walk(folder, onerror=fail):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and not name.startswith("__MACOSX"))
        below = Path(place).relative_to(folder)
        if not folders and not any(not name.startswith(".") for name in names) and place != str(folder):
            empty.append(below.as_posix())
        for name in sorted(names):
            path = Path(place) / name
            if path.is_symlink():
                continue
            size = path.stat().st_size if path.is_file() else -1
            if size >= 0:
                items.append(Item((below / name).as_posix(), size, path))
        if len(items) > MOST_FILES:
            raise DataError(f"{folder}: more than {MOST_FILES:,} files; give a folder with fewer, or a parquet file")
    return sorted(items, key=lambda item: item.name), tuple(empty)


def _of_files(name: str, items: list[Item], empty: Sequence[str], whole_folder: bool = False) -> Found:
    """Files in folders; where there is parquet and no picture, its tables together."""
    visible = [item for item in items if not is_hidden(item.name)]
    tables = [item for item in visible if item.suffix in TABLES]
    if tables and whole_folder and not any(item.suffix in PICTURES for item in visible):
        from vae.datasets.own.table import in_tables

        return in_tables(tables, name)
    pictures = [item for item in visible if item.suffix in PICTURES]
    skipped = [(item.name, f"{item.suffix or 'no ending'}: not a PNG or a JPEG") for item in visible
               if item.suffix not in PICTURES]  # fmt: skip
    if not pictures:
        got = f"{len(visible):,} other files, such as {visible[0].name[:60]}" if visible else "no files"
        raise DataError(f"{name}: expected PNG or JPEG files, got {got}")
    places = places_of([item.name for item in pictures])
    empty = [*empty, *_emptied(visible, pictures)]

    def entries() -> Iterator[Entry]:
        for item, (label, part) in zip(pictures, places, strict=True):
            yield Entry(item.name, _reader(item), label, part)

    return Found(name, entries, len(pictures), tuple(empty), tuple(skipped))


def _emptied(files: Sequence[Item], pictures: Sequence[Item]) -> list[str]:
    """Folders that hold files but no picture anywhere below."""
    full = {str(folder) for item in pictures for folder in PurePosixPath(item.name).parents}
    return sorted({str(PurePosixPath(item.name).parent) for item in files} - full)


def _reader(item: Item) -> Callable[[], bytes]:
    def read() -> bytes:
        from vae.datasets.own.decode import MOST_BYTES

        if item.size > MOST_BYTES:
            raise DataError(f"picture: {item.size / 1e6:.1f} MB are too many; at most {MOST_BYTES / 1e6:.0f} MB")
        try:
            with item.bytes_file() as file:
                return file.read(item.size)  # of a file that grows meanwhile no more than was counted
        except OSError as error:
            raise DataError(f"picture: cannot be read ({error.strerror})") from None

    return read


def is_hidden(name: str) -> bool:
    """Returns whether a file is an operating system's, not a person's."""
    parts = PurePosixPath(name).parts
    return (
        not parts
        or any(part.startswith(".") or part == "__MACOSX" for part in parts)
        or parts[-1]
        in (
            "Thumbs.db",
            "desktop.ini",
        )
    )


def places_of(names: Sequence[str]) -> list[tuple[str | None, Part | None]]:
    """Returns the class and the part of each file by its path. Where all lie in one folder, that says nothing, unless
    it is the whole path that they share: then too."""
    folders = [PurePosixPath(name).parts[:-1] for name in names]
    while folders and all(folders) and len({parts[0] for parts in folders}) == 1:
        folders = [parts[1:] for parts in folders]
    parts: list[Part | None] = [None] * len(folders)
    if folders and all(one and one[0].lower() in PARTS for one in folders):
        parts = [PARTS[one[0].lower()] for one in folders]
        folders = [one[1:] for one in folders]
    labelled = any(folders) and len({one[:1] for one in folders}) > 1
    labels = [((one[0] if one else "no folder") if labelled else None) for one in folders]
    return list(zip(labels, parts, strict=True))
