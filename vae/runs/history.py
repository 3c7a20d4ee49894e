"""history.jsonl: one JSON object a line, records and applied knob changes; append-only while training."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vae.checked_json import Misfit, either, fields, items, number, one_of, optional, parse, read_bytes, text, whole
from vae.config import C_LIMITS, HALVES
from vae.errors import RunDamaged
from vae.files import write_atomically
from vae.runs.checkpoints import damaged

MOST_BYTES = 1 << 29
MOST_KEPT = 1 << 24  # bytes of the histories whose lines are kept parsed
MOST_LINE = 1 << 20  # bytes; a record of 512 dimensions has 40,000
_nats = optional(number())  # null: it was not a finite number
MEANS = fields(
    distortion=_nats,
    rate=_nats,
    elbo=_nats,
    elbo_error=_nats,
    distortion_error=_nats,
    rate_error=_nats,
    squared_error_error=_nats,
    squared_error=_nats,
    normaliser=_nats,
    loss=_nats,
    rate_per_dim=optional(items(_nats)),
    marginal_rate_per_dim=optional(items(_nats)),
    images=whole(1),
    active=optional(whole()),
)
RECORD = fields(
    ("step",), step=whole(), epoch=number(0), C=_nats, lr=_nats, train=optional(MEANS), test=optional(MEANS),
    seconds=_nats, event=text(80), device=text(80), precision=text(80), threads=optional(whole(1)),
    run=text(80), weights=optional(text(64)),
)  # fmt: skip
VALUES = {
    "C": either(one_of("fit"), number(*C_LIMITS)),
    "lr_factor": number(0),
    "part": one_of(*HALVES),
    "step": either(text(80), number()),
}
CHANGE = {knob: fields(("step", "value"), step=whole(), value=check) for knob, check in VALUES.items()}


def append_history(path: Path, line: dict[str, Any]) -> None:
    """Adds a line, whole; raises OSError where the disk is full."""
    data = (json.dumps(line, allow_nan=False, separators=(",", ":")) + "\n").encode()
    with open(path / "history.jsonl", "ab") as file:
        file.write(data)


def read_line(data: bytes) -> dict[str, Any]:
    """Reads one line of a history: a record, an event or a change of a knob. Raises Misfit, which names the field."""
    line = parse(data, MOST_LINE)
    return check_change(line) if isinstance(line, dict) and "knob" in line else RECORD(line)


def check_change(line: Any) -> dict[str, Any]:
    """Returns the change of a knob that the line tells. Raises Misfit, which names the field."""
    return CHANGE[fields(("knob",), knob=one_of(*CHANGE))(line)["knob"]](line)


def read_history(path: Path) -> list[dict[str, Any]]:
    """Returns all whole lines. A torn last line (a kill or a full disk in mid-append) is left out, and so is any other
    that is none of a history: see `history_fault`. Raises RunDamaged where the file cannot be read at all."""
    return checked_history(path)[0]


def history_fault(path: Path) -> str:
    """Returns a sentence about the lines that `read_history` leaves out, "" where there are none but a torn last
    one."""
    return checked_history(path)[1]


def checked_history(path: Path) -> tuple[list[dict[str, Any]], str]:
    """Reads the file once for both: returns the lines of `read_history` and the sentence of `history_fault`. Raises
    RunDamaged."""
    data = _history_bytes(path)
    return _told(path, data, _read_on(data, _Read()))


class Histories:
    """Histories that are read again and again, of which each line is parsed once: what is kept of a run counts where
    its file still begins with the very bytes that it was made of. From any thread. The lines are everybody's: to be
    read, never changed."""

    def __init__(self, most_bytes: int = MOST_KEPT) -> None:
        self._most_bytes = most_bytes
        self._kept: dict[Path, _Read] = {}  # the one that was asked for last is last
        self._lock = threading.Lock()

    def checked(self, path: Path) -> tuple[list[dict[str, Any]], str]:
        """Returns what `checked_history` returns now. Raises RunDamaged."""
        data = _history_bytes(path)
        with self._lock:
            before = self._kept.get(path)
        if before is None or not data.startswith(before.data):
            before = _Read()
        read = _read_on(data, before)
        with self._lock:
            self._kept.pop(path, None)
            self._kept[path] = read
            while sum(len(kept.data) for kept in self._kept.values()) > self._most_bytes:
                del self._kept[next(iter(self._kept))]
        return _told(path, data, read)


@dataclass(frozen=True)
class _Read:
    """What the whole lines at the beginning of a history say. places: how many there are, with those that cannot be
    read; faults: of these, and what is wrong with the first."""

    data: bytes = b""
    lines: list[dict[str, Any]] = field(default_factory=list)
    places: int = 0
    faults: int = 0
    first_fault: str = ""


def _read_on(data: bytes, before: _Read) -> _Read:
    """Reads the whole lines that come after those that were read before."""
    whole_lines = data[: data.rfind(b"\n") + 1]
    pieces = whole_lines[len(before.data) :].split(b"\n")[:-1]
    if not pieces:
        return before
    lines, faults, first_fault = list(before.lines), before.faults, before.first_fault
    for place, piece in enumerate(pieces, before.places + 1):
        try:
            lines.append(read_line(piece))
        except Misfit as misfit:
            faults += 1
            first_fault = first_fault or f"line {place:,}, {misfit}"
    return _Read(whole_lines, lines, before.places + len(pieces), faults, first_fault)


def _told(path: Path, data: bytes, read: _Read) -> tuple[list[dict[str, Any]], str]:
    """The lines, with the one after the last line's end if it is whole, and the sentence."""
    lines = [*read.lines, *_lines(data[len(read.data) :])]
    if not read.faults:
        return lines, ""
    more = f", and {read.faults - 1:,} more" if read.faults > 1 else ""
    which = f"({read.first_fault}{more})"
    return lines, f"run {path.name!r}: history.jsonl has lines that cannot be read and are left out {which}."


def history_size(path: Path) -> int:
    """Returns the bytes of history so far: with it a saved state knows which lines came before it."""
    return len(_history_bytes(path))


def split_history(path: Path, size: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Returns the lines in the first `size` bytes, and those beyond. Raises RunDamaged where there are fewer bytes."""
    data = _history_bytes(path)
    if len(data) < size:
        raise RunDamaged(f"run {path.name!r}: history.jsonl is cut off ({len(data):,} of {size:,} bytes)")
    return _lines(data[:size]), _lines(data[size:])


def truncate_history(path: Path, size: int) -> None:
    """Keeps the first `size` bytes. Readers notice the new file."""
    write_atomically(path / "history.jsonl", _history_bytes(path)[:size])


def _history_bytes(path: Path) -> bytes:
    try:
        return read_bytes(path / "history.jsonl", MOST_BYTES)
    except FileNotFoundError:
        return b""
    except Misfit as misfit:
        raise damaged(path, "history.jsonl", misfit) from None


def _lines(data: bytes) -> list[dict[str, Any]]:
    lines = []
    for line in data.split(b"\n"):
        try:
            lines.append(read_line(line))
        except Misfit:
            continue
    return lines
