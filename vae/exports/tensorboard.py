"""The training's records as a file of events, which TensorBoard opens beside those of other programs.

Such a file is a row of records, each its length, a checksum of that, an Event of protobuf, and a checksum of it; an
Event here is a wall time, a step, and scalars by their tags.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

from vae.exports.export import Export, Progress
from vae.exports.history_rows import PARTS, history_rows, seconds_passed
from vae.exports.protobuf import double, field
from vae.files import write_atomically
from vae.runs import Run, read_status
from vae.runs.origin import ended

MOST_RECORDS = 50_000  # evenly over the steps of longer histories; TensorBoard draws a thousand points
AT_ONCE = 500
CRC32C = 0x82F63B78  # Castagnoli's polynomial, its bits reversed
MASK = 0xA282EAD8


def _table() -> list[int]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (CRC32C if value & 1 else 0)
        table.append(value)
    return table


TABLE = _table()


def crc32c(data: bytes) -> int:
    """Returns the checksum of RFC 3720."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = TABLE[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def record(data: bytes) -> bytes:
    """Returns data as a record; its checksums are rotated and moved, so that those of checksums differ."""
    head = struct.pack("<Q", len(data))
    return head + _masked(head) + data + _masked(data)


def _masked(data: bytes) -> bytes:
    crc = crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + MASK) & 0xFFFFFFFF)


def event(wall_time: float, step: int, scalars: dict[str, float]) -> bytes:
    """Returns an Event of numbers at a step."""
    values = b"".join(field(1, field(1, tag) + field(2, float(value))) for tag, value in scalars.items())
    return double(1, wall_time) + field(2, step) + field(5, values)


def scalars_of(row: dict[str, Any]) -> dict[str, float]:
    """Returns the numbers of a row by their tags: `train/rate`, `heldout/rate_per_dim_z0`, `C`, `lr`, `epoch`."""
    found: dict[str, float] = {name: row[name] for name in ("C", "lr", "epoch") if name in row}
    for _, prefix in PARTS:
        start = f"{prefix}_"
        found |= {f"{prefix}/{name.removeprefix(start)}": row[name] for name in row if name.startswith(start)}
    return found


def _write(run: Run, kind: str, file: Path, progress: Progress) -> dict[str, Any]:
    progress(0.0, "reading the history")
    rows = history_rows(run.history)
    every = -(-len(rows) // MOST_RECORDS) or 1
    times = _times(run, rows)
    kept = list(zip(times, rows, strict=True))[::-every][::-1]
    parts = [record(double(1, times[0]) + field(3, "brain.Event:2"))]
    for index, (wall_time, row) in enumerate(kept):
        if index % AT_ONCE == 0:
            progress(0.1 + 0.9 * index / len(kept), "writing events")
        parts.append(record(event(wall_time, row["step"], scalars_of(row))))
    write_atomically(file, b"".join(parts))
    facts = {"records": len(kept), "tags": len({tag for _, row in kept for tag in scalars_of(row)})}
    return facts | ({"of": len(rows)} if every > 1 else {})


def _times(run: Run, rows: list[dict[str, Any]]) -> list[float]:
    """The wall time of each record, seconds since 1970, by when the training ended."""
    passed = seconds_passed(rows)
    began = ended(run.path, read_status(run.path).heartbeat) - passed[-1]
    return [began + one for one in passed]


def _why_not(run: Run, kind: str) -> str:
    return "" if history_rows(run.history) else "its history holds no records; train it for some steps first."


TENSORBOARD = Export(
    title="TensorBoard",
    about="The training's records as an events file: put it into a folder of its own and name that as --logdir.",
    ending=".tfevents",
    write=_write,
    kinds={},
    why_not=_why_not,
)
