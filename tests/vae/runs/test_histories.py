"""Histories that are kept parsed say what the file says now, whatever happened to it meanwhile."""

from __future__ import annotations

import json
import os
import random
import shutil
import threading
from pathlib import Path

import pytest

from vae.errors import RunDamaged
from vae.runs import history
from vae.runs.history import Histories, append_history, checked_history


def line(step: int, rate: float = 1.0) -> bytes:
    return json.dumps({"step": step, "train": {"rate": rate}}).encode() + b"\n"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "history.jsonl").write_bytes(line(1) + line(2))
    return tmp_path


def test_what_is_appended_is_there_and_only_that_is_parsed(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[bytes] = []

    def counted(data: bytes) -> dict[str, object]:
        parsed.append(data)
        return read_line(data)

    read_line = history.read_line
    monkeypatch.setattr(history, "read_line", counted)
    histories = Histories()
    assert [one["step"] for one in histories.checked(run)[0]] == [1, 2]
    parsed.clear()
    append_history(run, {"step": 3})
    assert [one["step"] for one in histories.checked(run)[0]] == [1, 2, 3]
    assert [data for data in parsed if data] == [b'{"step":3}']


@pytest.mark.parametrize("replaced", [False, True])
def test_a_change_of_equal_size_and_time_is_seen(run: Path, replaced: bool) -> None:
    histories, file = Histories(), run / "history.jsonl"
    histories.checked(run)
    before = file.stat()
    if replaced:
        file.unlink()
    file.write_bytes(line(1) + line(7))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = file.stat()
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert [one["step"] for one in histories.checked(run)[0]] == [1, 7]


def test_a_history_that_is_cut_off_deleted_or_another_runs_is_read_anew(run: Path) -> None:
    histories, file = Histories(), run / "history.jsonl"
    histories.checked(run)
    file.write_bytes(line(1))
    assert [one["step"] for one in histories.checked(run)[0]] == [1]
    file.unlink()
    assert histories.checked(run) == ([], "")
    file.write_bytes(line(5))
    assert [one["step"] for one in histories.checked(run)[0]] == [5]
    file.unlink()
    file.mkdir()
    with pytest.raises(RunDamaged, match="expected a file"):
        histories.checked(run)


def test_whatever_is_written_it_says_what_a_reading_anew_says(run: Path) -> None:
    histories, file, draw = Histories(), run / "history.jsonl", random.Random(3)
    pieces = [line(1), line(2, 0.5), b'{"step": "x"}\n', b"\n", b'{"step": 3, "tr', b"ain\xff", b'{"step": 9}', b"[]\n"]
    for _ in range(300):
        data = file.read_bytes() if file.exists() else b""
        match draw.randrange(8):
            case 0:
                file.write_bytes(data[: draw.randrange(len(data) + 1)])
            case 1:
                file.unlink(missing_ok=True)
            case 2 if data:
                place = draw.randrange(len(data))
                file.write_bytes(data[:place] + draw.choice(b"{}2\n").to_bytes() + data[place + 1 :])
            case _:
                file.write_bytes(data + draw.choice(pieces))
        assert histories.checked(run) == checked_history(run)


def test_it_keeps_no_more_bytes_than_it_may(run: Path) -> None:
    histories = Histories(most_bytes=250)
    for number in range(9):
        other = shutil.copytree(run, run / f"run-{number}", ignore=shutil.ignore_patterns("run-*"))
        assert histories.checked(other) == checked_history(other)
    assert 0 < sum(len(kept.data) for kept in histories._kept.values()) <= 250
    assert run / "run-8" in histories._kept


def test_many_threads_read_a_history_that_grows(run: Path) -> None:
    histories, wrong = Histories(), []

    def read() -> None:
        seen = 0
        for _ in range(60):
            steps = [one["step"] for one in histories.checked(run)[0]]
            if steps != list(range(1, len(steps) + 1)) or len(steps) < seen:
                wrong.append(steps)
            seen = len(steps)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for step in range(3, 60):
        append_history(run, {"step": step})
    for thread in threads:
        thread.join()
    assert not wrong
    assert len(histories.checked(run)[0]) == 59
