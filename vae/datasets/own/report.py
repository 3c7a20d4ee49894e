"""What a person's pictures are, before anything is made of them: `survey(found)` reads each once.

How many, of which sizes and modes, which classes, which are the same, which are blank, what is left out and why.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vae.datasets.downloads import Progress
from vae.datasets.own.decode import opened
from vae.datasets.own.entries import Entry, Found
from vae.datasets.own.twins import SIDE, Twins, exact_twins, near_twins, small
from vae.datasets.pictures import Opened
from vae.errors import DataError

BLANK = 2  # of 255: what varies by less shows nothing
COLOUR = 6  # of 255: channels that differ by less are grey
LISTED = 200  # names of what is skipped
SHOWN = 20  # pairs, sizes
SAMPLES = 12
ENOUGH = 512  # sides of what a JPEG is decoded to for the report


@dataclass(frozen=True)
class Report:
    """images: that can be used. sizes: width x height as written and how many, most frequent first. modes: Pillow's
    words. coloured: how many are more than grey. classes: counts, None without labels. parts: counts, None where they
    are not given. exact, near: {images, pairs of names, cut}. skipped: how many; skips: (name, reason) of the first.
    empty: folders without a picture. notes: what had to be decided, and for how many."""

    source: str
    images: int
    sizes: dict[str, int]
    smallest: tuple[int, int]  # width, height
    largest: tuple[int, int]
    different_sizes: int
    modes: dict[str, int]
    coloured: int
    classes: dict[str, int] | None
    parts: dict[str, int] | None
    exact: dict[str, Any]
    near: dict[str, Any]
    blank: int
    blanks: tuple[str, ...]
    skipped: int
    skips: tuple[tuple[str, str], ...]
    empty: tuple[str, ...]
    notes: dict[str, int]

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


@dataclass
class _Seen:
    """What the first reading notes of every picture; it keeps each `step`-th whole."""

    step: int
    samples: list[Entry] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    sizes: list[tuple[int, int]] = field(default_factory=list)
    modes: Counter[str] = field(default_factory=Counter)
    labels: list[str | None] = field(default_factory=list)
    parts: list[str | None] = field(default_factory=list)
    hashes: list[bytes] = field(default_factory=list)
    smalls: list[NDArray[np.uint8]] = field(default_factory=list)
    blanks: list[bool] = field(default_factory=list)
    coloured: int = 0
    notes: Counter[str] = field(default_factory=Counter)

    def add(self, entry: Entry, data: bytes | NDArray[np.uint8], picture: Opened) -> None:
        if len(self.names) % self.step == 0 and len(self.samples) < SAMPLES:
            self.samples.append(dataclasses.replace(entry, read=lambda: data))
        self.names.append(entry.name)
        self.sizes.append((picture.width, picture.height))
        self.modes[picture.mode] += 1
        self.labels.append(entry.label)
        self.parts.append(entry.part)
        content = data if isinstance(data, bytes) else repr(data.shape).encode() + data.tobytes()
        self.hashes.append(hashlib.sha256(content).digest())
        self.smalls.append(small(picture.image))
        self.blanks.append(all(high - low <= BLANK for low, high in _extrema(picture)))
        self.coloured += _is_coloured(picture)
        self.notes.update(picture.notes)


def _extrema(picture: Opened) -> list[tuple[int, int]]:
    found = picture.image.convert("RGB" if picture.image.mode not in ("L", "1") else "L").getextrema()
    return [found] if isinstance(found[0], (int, float)) else list(found)  # type: ignore[list-item]


def _is_coloured(picture: Opened) -> bool:
    if picture.image.mode in ("L", "1"):
        return False
    little = picture.image.convert("RGB")
    little.thumbnail((32, 32))
    pixels = np.asarray(little).astype(np.int16)
    return bool((pixels.max(2) - pixels.min(2)).max() > COLOUR)


def usable(
    found: Found, progress: Progress, doing: str, enough: int | None, use: Callable[[Entry, Any, Opened], None]
) -> list[tuple[str, str]]:
    """Hands every picture that can be decoded to `use`; returns the others with what is wrong with them. `progress`
    may raise, which stops it."""
    skips = list(found.skipped)
    for i, entry in enumerate(found.entries()):
        if i % 16 == 0:
            fraction = min(i / found.count, 1.0) if found.count else 0.0
            progress(fraction, f"{doing} {i:,} of {found.count:,} pictures")
        try:
            data = entry.read()
            picture = opened(data, enough)
        except DataError as error:
            skips.append((entry.name, str(error).removeprefix("picture: ")))
            continue
        use(entry, data, picture)
    progress(1.0, f"{doing} {found.count:,} of {found.count:,} pictures")
    return skips


def survey(found: Found, progress: Progress) -> tuple[Report, list[Entry]]:
    """Reads every picture once. Returns the report, and SAMPLES pictures, spread over all, with what they hold: for a
    look at what the model will see. Raises DataError where there is none that can be used."""
    seen = _Seen(max(1, found.count // SAMPLES))
    skips = usable(found, progress, "looking at", ENOUGH, seen.add)
    if not seen.names:
        raise DataError(f"{found.name}: no picture can be used; the first: {skips[0][0]}, {skips[0][1]}"
                        if skips else f"{found.name}: holds no pictures")  # fmt: skip
    exact = exact_twins(seen.hashes, len(seen.hashes))
    left_out = np.array(seen.blanks)
    left_out[[later for _, later in exact.pairs]] = True
    near = near_twins(np.array(seen.smalls).reshape(-1, SIDE, SIDE), left_out)
    sizes = Counter(f"{width} x {height}" for width, height in seen.sizes)
    area = sorted(set(seen.sizes), key=lambda size: (size[0] * size[1], size))
    report = Report(
        source=found.name,
        images=len(seen.names),
        sizes=dict(sizes.most_common(SHOWN)),
        smallest=area[0],
        largest=area[-1],
        different_sizes=len(sizes),
        modes=dict(seen.modes.most_common()),
        coloured=seen.coloured,
        classes=_counts(seen.labels, "no label"),
        parts=_counts(seen.parts, "neither"),
        exact=_named(exact, seen.names),
        near=_named(near, seen.names),
        blank=sum(seen.blanks),
        blanks=tuple(name for name, blank in zip(seen.names, seen.blanks, strict=True) if blank)[:SHOWN],
        skipped=len(skips),
        skips=tuple(skips[:LISTED]),
        empty=found.empty[:SHOWN],
        notes=dict(seen.notes.most_common(SHOWN)),
    )
    return report, seen.samples


def _counts(values: list[str | None], none: str) -> dict[str, int] | None:
    if not any(value is not None for value in values):
        return None
    return dict(sorted(Counter(none if value is None else value for value in values).items()))


def _named(twins: Twins, names: list[str]) -> dict[str, Any]:
    pairs = [[names[one], names[other]] for one, other in twins.pairs[:SHOWN]]
    return {"images": twins.images, "pairs": pairs, "cut": twins.cut}
