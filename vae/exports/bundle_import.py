"""A run bundle taken in: judged by its directory, unpacked beside the runs, read as every page will read it, and only
then one of them.

A bundle is a stranger's. Nothing is written outside one new folder whose name no run can have, no name in the archive
is used but those that are known, and whatever ends the work, a kill too, no half of a run is listed.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import shutil
import stat
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vae import runs
from vae.checked_json import Misfit, parse
from vae.datasets.zips import DAMAGED, TooManyFiles, open_zip
from vae.errors import ElboRoomError, RunDamaged, RunError
from vae.exports import bundle_layout as layout
from vae.exports.bundle_check import check_run
from vae.exports.export import Progress, unheard
from vae.files import expanded, insist, what_helps, write_json
from vae.machine import process_memory
from vae.runs.directory import new_folder
from vae.runs.origin import Origin, visible, write_origin

WORKSHOP = ".importing-"
FORGOTTEN = 86_400.0  # seconds after which a workshop is a killed import's
CHUNK = 1 << 20
MOST_RATIO, ANY_RATIO_BYTES = 200, 1 << 26  # expanded to packed bytes, and the bytes that may be packed as they like
AGAIN = "export the run again, or copy the file again"


def import_bundle(file: Path, root: Path | None = None, name: str | None = None, progress: Progress = unheard) -> Path:
    """Makes a run of a bundle in the folder of runs; returns its directory. name: left out, that which it had; where
    that is taken, NAME-2. Raises ElboRoomError with one sentence about what is wrong, Stopped from `progress`; nothing
    is left then."""
    file, root = expanded(file), root or runs.runs_root()
    shown = visible(file.name) or "bundle"
    if not file.is_file():
        raise RunError(f"{shown}: expected a run bundle, a .zip, got {'a folder' if file.is_dir() else 'no file'}")
    try:
        with open_zip(file, layout.MOST_FILES) as archive:
            about, members = _judged(archive, os.path.getsize(file), shown)
            total = sum(one.file_size for one in members.values())
            runs.check_free_disk(root, total, shown)
            with _workshop(root) as folder:
                path = folder / runs.clean_name(name or about["name"])
                path.mkdir()
                _unpack(archive, members, about["files"], path, shown, progress)
                _settle(path, about, shown, progress)
                return _put(path, root)
    except ElboRoomError:
        raise
    except TooManyFiles as error:
        raise RunDamaged(f"{shown}: no run bundle: {error}") from None
    except OSError as error:
        if error.errno in (None, errno.EINVAL):  # a place before the file's beginning
            raise RunDamaged(f"{shown}: cut off, damaged or no zip ({_short(error)}); {AGAIN}") from None
        raise RunError(f"{shown}: cannot be taken in ({error.strerror or error}); {what_helps(error)}") from None
    except MemoryError:
        raise RunError(f"{shown}: this machine's memory does not hold it") from None
    except DAMAGED as error:
        raise RunDamaged(f"{shown}: cut off, damaged or no zip ({_short(error)}); {AGAIN}") from None


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:100] or type(error).__name__


# ---- by the directory alone


def _judged(archive: zipfile.ZipFile, size: int, shown: str) -> tuple[dict[str, Any], dict[str, zipfile.ZipInfo]]:
    """The manifest, and the members by their names. Raises RunDamaged, RunError unless it is a harmless archive of
    known files within their sizes, those of the manifest and no others."""
    listed = archive.infolist()
    members = {one.filename: one for one in listed}
    about = _manifest(archive, members, shown)  # first: of a newer version the names may be others
    for one in listed:
        if reason := _wrong_member(one):
            raise RunDamaged(f"{shown}: holds {_name(one)}, {reason}; {AGAIN}")
    if len(members) < len(listed):
        raise RunDamaged(f"{shown}: holds two files of one name; {AGAIN}")
    total, packed = sum(one.file_size for one in listed), sum(one.compress_size for one in listed)
    if packed > size:
        raise RunDamaged(f"{shown}: its directory promises more bytes than the file has; {AGAIN}")
    if total > ANY_RATIO_BYTES and total > MOST_RATIO * size:
        raise RunDamaged(f"{shown}: {size / 1e6:,.2f} MB that expand to {total / 1e6:,.0f} MB are no run; {AGAIN}")
    largest, memory = max(one.file_size for one in listed), process_memory()
    if memory is not None and largest > memory / 4:
        raise RunError(
            f"{shown}: {largest / 1e9:,.1f} GB in one file are too many for this machine's {memory / 1e9:,.1f} GB of "
            "memory; import it on a larger one"
        )
    promised = {*about["files"], layout.MANIFEST}
    if lost := sorted({*promised, *layout.NEEDED} - set(members)):
        raise RunDamaged(f"{shown}: {lost[0][:60]!r} is missing; {AGAIN}")
    if more := sorted(set(members) - promised):
        raise RunDamaged(f"{shown}: holds {more[0]!r}, which its manifest does not know; {AGAIN}")
    return about, members


def _name(one: zipfile.ZipInfo) -> str:
    return ascii(one.filename[:60])


def _wrong_member(one: zipfile.ZipInfo) -> str:
    """Why a member is none of a bundle's; "" where it is."""
    if stat.S_ISLNK(one.external_attr >> 16):
        return "a link"
    most = layout.most_bytes(one.filename)
    if most is None or one.orig_filename != one.filename:
        return "which no run bundle has"
    if one.flag_bits & 1:
        return "which is encrypted"
    if one.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "compressed in a way that is not read"
    if one.file_size > most:
        return f"of {one.file_size:,} bytes where {most:,} are the most"
    return ""


def _manifest(archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo], shown: str) -> dict[str, Any]:
    one = members.get(layout.MANIFEST)
    if one is None or _wrong_member(one):
        raise RunDamaged(f"{shown}: no run bundle: expected a manifest.json in it, as `python -m vae export` writes it")
    with archive.open(one) as member:
        data = member.read(layout.MOST_SMALL)
    try:
        content = parse(data)
        version = content.get("bundle") if isinstance(content, dict) else None
        if type(version) is int and version > layout.FORMAT:
            raise RunError(
                f"{shown} was written by a newer version (bundle format {version}, here {layout.FORMAT}); update ELBO "
                "Room to take it in"
            )
        return dict(layout.CONTENT(content))
    except Misfit as error:
        raise RunDamaged(f"{shown}: manifest.json cannot be read ({error}); {AGAIN}") from None


# ---- on the disk


@contextlib.contextmanager
def _workshop(root: Path) -> Iterator[Path]:
    """A folder beside the runs that is gone in the end, and those that killed imports left."""
    root.mkdir(parents=True, exist_ok=True)
    for old in root.glob(f"{WORKSHOP}*"):
        with contextlib.suppress(OSError):
            if time.time() - old.stat().st_mtime > FORGOTTEN:
                shutil.rmtree(old, ignore_errors=True)
    folder = root / f"{WORKSHOP}{secrets.token_hex(8)}"
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unpack(
    archive: zipfile.ZipFile,
    members: dict[str, zipfile.ZipInfo],
    sums: dict[str, str],
    path: Path,
    shown: str,
    progress: Progress,
) -> None:
    """Writes each file, no further than its directory says, and holds it to its SHA-256."""
    for place, (name, wanted) in enumerate(sums.items()):
        progress(0.5 * place / len(sums), f"unpacking {name}")
        target = path / layout.place_in_run(name)
        target.parent.mkdir(exist_ok=True)
        with archive.open(members[name]) as source, open(target, "xb") as written:
            found = _copy(source, written, members[name].file_size)
            if name in layout.SIGNED:  # what it cannot do without
                written.flush()
                os.fsync(written.fileno())
        if found != wanted:
            raise RunDamaged(f"{shown}: {name} is not the file that its manifest knows (another SHA-256); {AGAIN}")


def _copy(source: Any, target: Any, size: int) -> str:

    digest, left = hashlib.sha256(), size
    while left and (chunk := source.read(min(CHUNK, left))):
        left -= len(chunk)
        digest.update(chunk)
        target.write(chunk)
    source.read(1)  # to the end, where the checksum is compared
    return digest.hexdigest()


def _settle(path: Path, about: dict[str, Any], shown: str, progress: Progress) -> None:
    """Makes the unpacked files those of a run, once all of them have been read. Raises RunDamaged, RunError."""
    (path / layout.CARD).unlink()  # written anew by who exports the run again
    sums = {name: about["files"][name] for name in layout.SIGNED if name in about["files"]}
    signed = {layout.place_in_run(name): [digest] for name, digest in sums.items()}
    write_json(path / layout.MANIFEST, {"format": runs.FORMAT, "files": signed})
    try:
        check_run(path, progress)
    except ElboRoomError as error:
        raise RunDamaged(f"{shown}: {error}") from None
    versions = {name: visible(about.get(name, ""))[:40] for name in ("elbo_room", "torch")}
    write_origin(path, Origin(visible(about["made_by"]), float(about["made"]), time.time(), **versions))


def _put(path: Path, root: Path) -> Path:
    """Moves the run to its place, which is ours from the moment on that it is an empty folder there."""
    place = new_folder(root, path.name)
    try:
        if os.name == "nt":  # which replaces no folder
            place.rmdir()
        insist(os.rename, path, place)
    except BaseException:
        with contextlib.suppress(OSError):
            place.rmdir()
        raise
    return place
