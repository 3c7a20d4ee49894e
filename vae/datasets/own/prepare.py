"""From a person's pictures to a dataset: the choices, the held-out part, and the file that is kept.

    <data root>/own/<name>/images.npz     images (N, h, w) or (N, h, w, 3) uint8, labels, split, files: names
    <data root>/own/<name>/about.json     what it is, the choices, the report, and the file's SHA-256

Both come into being together, by the rename of a folder: a preparation that is stopped or killed leaves nothing that
counts, and what it left is cleared by the next.
"""

from __future__ import annotations

import dataclasses
import os
import re
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from vae.datasets.arrays import FEWEST_IMAGES, MOST_CLASSES
from vae.datasets.dataset import SPLIT_SEED
from vae.datasets.downloads import Progress, checksum
from vae.datasets.npz import MOST_BYTES
from vae.datasets.own.decode import FITS, Fit, fitted
from vae.datasets.own.entries import Entry, Found
from vae.datasets.own.report import Report, usable
from vae.datasets.own.stored import ABOUT, FOLDER, IMAGES, check_name, describe_file, is_name
from vae.datasets.pictures import Opened
from vae.errors import ConfigError, DataError
from vae.files import insist, what_helps, write_json
from vae.machine import process_memory

SIDES = (4, 512)
FRACTIONS = (0.01, 0.9)
DEFAULT_SIDE = 64


@dataclass(frozen=True)
class Choices:
    """size: (height, width). held_out: a share, or "given" where the source has parts. stratify: each class by its
    share. Raises ConfigError."""

    size: tuple[int, int]
    fit: Fit = "crop"
    colour: bool = False
    held_out: float | Literal["given"] = 0.2
    stratify: bool = False
    seed: int = SPLIT_SEED

    def __post_init__(self) -> None:
        low, high = SIDES
        if not all(low <= side <= high for side in self.size):
            raise ConfigError(f"size: expected sides from {low} to {high} pixels, got {self.size[0]} x {self.size[1]}")
        if self.fit not in FITS:
            raise ConfigError(f"fit: expected one of {', '.join(FITS)}, got {self.fit!r}")
        if self.held_out != "given" and not (
            isinstance(self.held_out, float) and FRACTIONS[0] <= self.held_out <= FRACTIONS[1]
        ):
            raise ConfigError(
                f"held-out: expected a share from {FRACTIONS[0]} to {FRACTIONS[1]}, or given, got {self.held_out!r}"
            )

    @property
    def channels(self) -> int:
        return 3 if self.colour else 1


def suggested(report: Report) -> Choices:
    """Returns the choices that fit the pictures: their own size where that is one and small, colour where they have
    it, the parts that are given."""
    width, height = report.smallest
    own = report.different_sizes == 1 and all(SIDES[0] <= side <= 128 for side in (width, height))
    parts = report.parts or {}
    return Choices(
        (height, width) if own else (DEFAULT_SIDE, DEFAULT_SIDE),
        colour=report.coloured > 0,
        held_out="given" if parts.get("train") and parts.get("test") else 0.2,
        stratify=report.classes is not None,
    )


def suggested_name(source: str) -> str:
    """Returns a name for the dataset from the source's."""
    name = re.sub(r"[^a-z0-9]+", "-", source.lower()).strip("-")[:33].strip("-") or "images"
    return name if is_name(name) else f"my-{name}"


def split_of(labels: list[str | None], choices: Choices) -> NDArray[np.bool_]:
    """Returns which are held out, (n,): round(share · n) of them, at least one and not all. Stratified, every class
    gives share · its own count, rounded so that they add up: the largest remainders up."""
    n, share = len(labels), float(choices.held_out)
    count = min(max(round(share * n), 1), n - 1)
    random = np.random.RandomState(choices.seed)
    held_out = np.zeros(n, bool)
    if not choices.stratify or all(label is None for label in labels):
        held_out[random.permutation(n)[:count]] = True
        return held_out
    _, classes = np.unique([label or "" for label in labels], return_inverse=True)
    exact = np.bincount(classes) * (count / n)
    counts = np.floor(exact + 1e-9).astype(int)
    for up in np.argsort(counts - exact, kind="stable")[: count - counts.sum()]:
        counts[up] += 1
    for index, take in enumerate(counts):
        members = np.flatnonzero(classes == index)
        held_out[random.permutation(members)[:take]] = True
    return held_out


def prepare(found: Found, report: Report, name: str, choices: Choices, root: Path, progress: Progress) -> Path:
    """Makes the dataset `name` of the pictures; returns its folder. `progress` may raise, which stops it and leaves
    nothing. Raises ConfigError for a name that cannot be or is taken, DataError."""
    check_name(name)
    folder = root / FOLDER / name
    if folder.exists():
        raise ConfigError(f"name: there is a dataset {name!r} already; choose another name, or remove it first")
    _check_room(found, report, choices)
    gathered = _Gathered(choices, report.images)
    skips = usable(found, progress, "preparing", 2 * max(choices.size), gathered.add)
    arrays = gathered.arrays(found.name)
    about = {"format": 1, "choices": dataclasses.asdict(choices), "report": report.to_json()}
    if len(skips) != report.skipped or len(gathered.names) != report.images:
        raise DataError(f"{found.name}: its pictures have changed since they were looked at; look at them again")
    progress(1.0, "writing")
    try:
        return _written(folder, arrays, about)
    except OSError as error:
        raise DataError(
            f"{name}: could not be written to {folder.parent} ({error.strerror or error}); {what_helps(error)}"
        ) from None


def _check_room(found: Found, report: Report, choices: Choices) -> None:
    """DataError before the work where the images would be too few, or too many for memory."""
    if report.images < FEWEST_IMAGES:
        raise DataError(f"{found.name}: expected at least {FEWEST_IMAGES} pictures, got {report.images}; add some")
    if report.classes is not None and len(report.classes) > MOST_CLASSES:
        raise DataError(f"{found.name}: expected at most {MOST_CLASSES:,} classes, got {len(report.classes):,}")
    if choices.held_out == "given":
        parts = report.parts or {}
        if not (parts.get("train") and parts.get("test")):
            raise ConfigError("held-out: no parts are given here, such as folders train and test; choose a share")
    needed, memory = report.images * choices.size[0] * choices.size[1] * choices.channels, process_memory()
    most = min(MOST_BYTES, memory // 4 if memory else MOST_BYTES)
    if needed > most:
        raise DataError(
            f"{found.name}: {report.images:,} images of this size take {needed / 2**30:.1f} GiB, more than "
            f"{most / 2**30:.1f} GiB; choose a smaller size"
        )


class _Gathered:
    """The pictures as they will be stored, in one array."""

    def __init__(self, choices: Choices, count: int) -> None:
        self.choices = choices
        self.images = np.empty((count, *choices.size, choices.channels), np.uint8)
        self.names: list[str] = []
        self.labels: list[str | None] = []
        self.parts: list[str | None] = []

    def add(self, entry: Entry, _: Any, picture: Opened) -> None:
        choices = self.choices
        if choices.held_out == "given" and entry.part is None:
            raise DataError(f"{entry.name}: lies in no part; choose a share to hold out instead")
        if len(self.names) < len(self.images):
            image = fitted(picture.image, *choices.size, choices.fit, choices.channels)
            self.images[len(self.names)] = image.transpose(1, 2, 0)
        self.names.append(entry.name)
        self.labels.append(entry.label)
        self.parts.append(entry.part)

    def arrays(self, source: str) -> dict[str, NDArray[Any]]:
        if not self.names:
            raise DataError(f"{source}: holds no picture any more; look at it again")
        given = self.choices.held_out == "given"
        held_out = np.array([part == "test" for part in self.parts]) if given else split_of(self.labels, self.choices)
        arrays: dict[str, NDArray[Any]] = {
            "images": self.images if self.choices.colour else self.images[..., 0],
            "split": held_out.astype(np.uint8),
            "support": np.array("unit"),
            "files": np.array(self.names),
        }
        if any(label is not None for label in self.labels):
            arrays["labels"] = np.array([label or "no label" for label in self.labels])
        return arrays


def _written(folder: Path, arrays: dict[str, NDArray[Any]], about: dict[str, Any]) -> Path:
    own = folder.parent
    own.mkdir(parents=True, exist_ok=True)
    with _alone(own):
        for left in own.glob(".*.tmp"):  # of a preparation that was killed
            shutil.rmtree(left, ignore_errors=True)
        temporary = own / f".{folder.name}.{secrets.token_hex(4)}.tmp"
        try:
            temporary.mkdir()
            with open(temporary / IMAGES, "xb") as file:
                np.savez(file, **arrays)  # type: ignore[arg-type]
                file.flush()
                os.fsync(file.fileno())
            info = dataclasses.replace(describe_file(temporary / IMAGES), name=folder.name, path=None)
            write_json(
                temporary / ABOUT, {**about, "data": info.to_json(), "sha256": checksum(temporary / IMAGES, "sha256")}
            )
            if folder.exists():
                raise ConfigError(f"name: there is a dataset {folder.name!r} already; choose another name")
            insist(os.rename, temporary, folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _alone(own: Path) -> Any:
    lock = FileLock(str(own / ".lock"), timeout=60)
    try:
        return lock.acquire()
    except Timeout:
        raise DataError(f"{own}: another preparation is writing there; try again in a minute") from None
