"""An events file: the checksum by its published values, the records by another reader of protobuf."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from vae import runs
from vae.exports import tensorboard
from vae.exports.export import unheard
from vae.exports.tensorboard import TENSORBOARD, crc32c
from vae.runs import Run

DEMO = runs.load_run(Path(__file__).resolve().parents[3] / "checkpoints/demo-digits-2d")
KINDS = descriptor_pb2.FieldDescriptorProto
FIELDS = {  # of event.proto and summary.proto, as far as scalars need them
    "Event": [
        ("wall_time", 1, KINDS.TYPE_DOUBLE), ("step", 2, KINDS.TYPE_INT64), ("file_version", 3, KINDS.TYPE_STRING),
        ("summary", 5, "Summary"),
    ],
    "Summary": [("value", 1, "Value")],
    "Value": [("tag", 1, KINDS.TYPE_STRING), ("simple_value", 2, KINDS.TYPE_FLOAT)],
}  # fmt: skip


def event_class() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="events.proto", package="t", syntax="proto3")
    for name, fields in FIELDS.items():
        message = file.message_type.add(name=name)
        for field, number, kind in fields:
            many = KINDS.LABEL_REPEATED if field == "value" else KINDS.LABEL_OPTIONAL
            added = message.field.add(name=field, number=number, label=many)
            added.type = KINDS.TYPE_MESSAGE if isinstance(kind, str) else kind
            if isinstance(kind, str):
                added.type_name = f".t.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("t.Event"))


def records(data: bytes) -> Iterator[bytes]:
    """The records of a file, both checksums held against theirs."""

    def unmasked(crc: int) -> int:
        rotated = (crc - 0xA282EAD8) % 2**32
        return (rotated >> 17 | rotated << 15) % 2**32

    while data:
        (length, crc), body = struct.unpack("<QI", data[:12]), data[12:]
        assert unmasked(crc) == crc32c(data[:8])
        assert unmasked(struct.unpack("<I", body[length : length + 4])[0]) == crc32c(body[:length])
        yield body[:length]
        data = body[length + 4 :]


@pytest.mark.parametrize(
    ("data", "crc"),  # RFC 3720, appendix B.4, and the check value of the catalogues
    [
        (bytes(32), 0x8A9136AA), (b"\xff" * 32, 0x62A8AB43), (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C), (b"123456789", 0xE3069283), (b"", 0),
    ],
)  # fmt: skip
def test_the_checksum_has_its_published_values(data: bytes, crc: int) -> None:
    assert crc32c(data) == crc


def test_the_events_are_the_records_of_the_training(tmp_path: Path) -> None:
    facts = TENSORBOARD.write(DEMO, "", tmp_path / "a.tfevents", unheard)
    Event = event_class()
    first, *events = [Event.FromString(data) for data in records((tmp_path / "a.tfevents").read_bytes())]
    assert first.file_version == "brain.Event:2"
    lines = [line for line in DEMO.history if line.get("train")]
    assert facts["records"] == len(events) == len(lines)
    end = runs.read_status(DEMO.path).heartbeat
    for event, line in zip(events, lines, strict=True):
        found = {value.tag: value.simple_value for value in event.summary.value}
        assert event.step == line["step"]
        assert event.wall_time == pytest.approx(end - lines[-1]["seconds"] + line["seconds"])
        assert found["train/rate_per_dim_z1"] == pytest.approx(line["train"]["rate_per_dim"][1])
        assert found["C"] == pytest.approx(line["C"])
        assert found["lr"] == pytest.approx(line["lr"])
        assert ("heldout/elbo" in found) == bool(line["test"])
        if line["test"]:
            assert found["heldout/elbo"] == pytest.approx(line["test"]["elbo"])


def continued(lines: list[dict[str, Any]]) -> type[Run]:
    class Continued(Run):
        @property
        def history(self) -> list[dict[str, Any]]:
            return lines

    return Continued


def test_a_second_process_goes_on_in_time_and_a_long_history_is_thinned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = [1.0, 2.0, 5.0, 1.0, 3.0]
    lines = [{"step": i + 1, "seconds": s, "train": {"rate": 1.0}} for i, s in enumerate(seconds)]
    monkeypatch.setattr(tensorboard, "MOST_RECORDS", 3)
    facts = TENSORBOARD.write(continued(lines)(DEMO.path), "", tmp_path / "a", unheard)
    assert facts == {"records": 3, "tags": 1, "of": 5}
    events = [event_class().FromString(data) for data in records((tmp_path / "a").read_bytes())][1:]
    assert [event.step for event in events] == [1, 3, 5]
    times = [event.wall_time - events[0].wall_time for event in events]
    assert times == pytest.approx([0, 4, 7])
    assert "no records" in TENSORBOARD.why_not(continued([])(DEMO.path), "")
