"""Files with their SHA-256 in manifest.json, so that a flipped byte is noticed and a crash costs nothing."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from vae.checked_json import Check, Misfit, fields, flag, items, named, parse, read_bytes, read_json, text, whole
from vae.errors import RunDamaged, RunError
from vae.files import sha256, write_atomically, write_json

T = TypeVar("T")
FORMAT = 1
WEIGHTS = "weights.safetensors"
STATE = "resume/state.safetensors"
MOST_BYTES = 1 << 38  # of a checkpoint
MOST_HEADER = 1 << 24  # bytes of its header
MOST_WHY = 400  # characters


def sum_of(value: Any) -> str:
    """Takes a SHA-256 as it is written. Raises Misfit."""
    digits = text()(value)
    if not re.fullmatch("[0-9a-f]{64}", digits):
        raise Misfit(f"expected the 64 digits of a SHA-256, got {digits[:20]!r}")
    return digits


MANIFEST = fields(("files",), format=whole(), shipped=flag, files=named(items(sum_of)))


def read_file(path: Path, name: str, check: Check[T], most: int = 1 << 20) -> T:
    """Returns what `check` makes of a JSON file of the run. RunDamaged names file and field. FileNotFoundError: no
    file."""
    try:
        return read_json(path / name, check, most)
    except Misfit as misfit:
        raise damaged(path, name, misfit) from None


def kept_beside(file: BinaryIO, name: str, most: int) -> str:
    """Returns the text, so many characters at most, that a safetensors file keeps under `name` beside its tensors.
    Raises Misfit where its header holds none."""
    length = int.from_bytes(file.read(8), "little")
    header = fields(("__metadata__",), __metadata__=fields((name,), **{name: text(most)}))
    return str(header(parse(file.read(min(length, MOST_HEADER + 1)), MOST_HEADER))["__metadata__"][name])


def weights_step(path: Path) -> int | None:
    """Returns the step that the weights in the file are from; None where it does not say so."""
    try:
        with open(path / WEIGHTS, "rb") as file:
            step = kept_beside(file, "step", 15)
        return int(step) if step.isascii() and step.isdigit() else None
    except (OSError, Misfit):
        return None


def damaged(path: Path, name: str, why: object) -> RunDamaged:
    """Returns the error for a file of the run that is not what it should be."""
    return RunDamaged(f"run {path.name!r}: {name} cannot be read ({told(why)})")


def told(why: object) -> str:
    """Returns what a library says of a file, on one line: it may quote as much of the file as it likes."""
    words = " ".join(str(why).split())
    return words if len(words) <= MOST_WHY else f"{words[: MOST_WHY - 1]}…"


def check_free_disk(path: Path, needed: int, who: str = "") -> None:
    """Raises a RunError where a start would fill the disk: `needed` bytes and 50 MB to spare. `who`: who asks, else the
    run."""
    there = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
    free, needed = shutil.disk_usage(there).free, needed + 50_000_000
    if free < needed:
        raise RunError(
            f"{who or f'run {path.name!r}'}: {free / 1e6:,.0f} MB of disk are free, it needs "
            f"{needed / 1e6:,.0f} MB; make room, or choose another folder with --runs"
        )


def save_checked(path: Path, files: dict[str, bytes]) -> None:
    """Writes files with their SHA-256 in the manifest, so that a crash at any point leaves every file whole and
    accepted: first the manifest admits the old sums (all of them: after a crash either may be the file's) and the new,
    then the files are replaced, then only the new are left."""
    sums = {name: [sha256(data)] for name, data in files.items()}
    old = _manifest(path)
    admitted, final = {**old, **{n: [*old.get(n, []), *s] for n, s in sums.items()}}, {**old, **sums}
    write_json(path / "manifest.json", {"format": FORMAT, "files": admitted})
    for name, data in files.items():
        (path / name).parent.mkdir(exist_ok=True)
        write_atomically(path / name, data)
    if admitted != final:
        write_json(path / "manifest.json", {"format": FORMAT, "files": final})


def read_checked(path: Path, name: str, signed: bool = True) -> bytes:
    """Returns the bytes of a file, refused unless their SHA-256 is in the manifest. `signed=False` takes a file of
    which the manifest knows nothing, as in runs of older versions. RunError where there is none,
    RunDamaged where it is not the one that was saved."""
    for _ in range(3):  # a save may go on meanwhile: then another look finds both files of one moment
        admitted = _manifest(path).get(name, [])
        try:
            data = read_bytes(path / name, MOST_BYTES)
        except FileNotFoundError:
            raise RunError(f"run {path.name!r} has no {name} yet") from None
        except Misfit as misfit:
            raise damaged(path, name, misfit) from None
        admitted = [*admitted, *_manifest(path).get(name, [])]
        if sha256(data) in admitted or not (admitted or signed):
            return data
    remedy = "train again" if signed else "where it was changed on purpose, take it out of manifest.json"
    raise RunDamaged(
        f"run {path.name!r}: {name} is damaged (its SHA-256 is not in manifest.json); "
        f"restore it from a copy, or {remedy}"
    )


def mark_as_shipped(path: Path) -> None:
    """Marks a packed run: its state for continuing is gone, and the application leaves it as it is. Training on ends
    that."""
    files = {known: sums for known, sums in _manifest(path).items() if known != STATE}
    write_json(path / "manifest.json", {"format": FORMAT, "shipped": True, "files": files})


def is_shipped(path: Path) -> bool:
    """Returns whether the run is a packed one; a manifest that cannot be read says nothing of the kind."""
    try:
        return read_file(path, "manifest.json", MANIFEST).get("shipped") is True
    except (FileNotFoundError, RunDamaged):
        return False


def content_hash(path: Path, name: str) -> str | None:
    """Returns the SHA-256 of a checkpoint file by the manifest: the key for every cache of what is computed from it.

    While a save goes on, or after one that was cut off, the manifest admits several: then the file itself is asked.
    """
    sums = _manifest(path).get(name)
    if sums and len(sums) > 1 and (path / name).is_file():
        return sha256(read_bytes(path / name, MOST_BYTES))
    return sums[-1] if sums else None


def _manifest(path: Path) -> dict[str, list[str]]:
    try:
        return dict(read_file(path, "manifest.json", MANIFEST)["files"])
    except FileNotFoundError:
        return {}
