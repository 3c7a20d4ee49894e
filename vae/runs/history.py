"""history.jsonl: one JSON object a line, records and applied knob changes; append-only while training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from vae.checked_json import Misfit, either, fields, items, number, one_of, optional, parse, read_bytes, text, whole
from vae.config import C_LIMITS, HALVES
from vae.errors import RunDamaged
from vae.files import write_atomically
from vae.runs.checkpoints import damaged

MOST_BYTES = 1 << 29
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
    lines, faults = [], []
    pieces = _history_bytes(path).split(b"\n")
    for place, line in enumerate(pieces, 1):
        try:
            lines.append(read_line(line))
        except Misfit as misfit:
            if place < len(pieces):
                faults.append(f"line {place:,}, {misfit}")
    if not faults:
        return lines, ""
    more = f", and {len(faults) - 1:,} more" if len(faults) > 1 else ""
    fault = f"run {path.name!r}: history.jsonl has lines that cannot be read and are left out ({faults[0]}{more})."
    return lines, fault


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
