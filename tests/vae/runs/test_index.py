"""The index of runs: what it returns is what reading each run anew returns, and it reads only what changed."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from vae import runs
from vae.config import Config
from vae.runs.index import COARSE, Index

LONG_AGO = time.time() - 100


class Reader:
    """Reads a run's status, and counts."""

    def __init__(self) -> None:
        self.read: list[str] = []

    def __call__(self, path: Path) -> tuple[str, str, int]:
        self.read.append(path.name)
        status = runs.read_status(path)
        return path.name, status.state, (path / "history.jsonl").stat().st_size

    def since(self) -> list[str]:
        """The runs that were read since the last time that this was asked."""
        read, self.read = self.read, []
        return sorted(read)


@pytest.fixture
def reader() -> Reader:
    return Reader()


@pytest.fixture
def index(reader: Reader) -> Index[tuple[str, str, int]]:
    return Index(reader, lambda row: row[1] == "running")


def age(folder: Path) -> None:
    """As if all had been written long ago."""
    for path in sorted(folder.rglob("*"), reverse=True):
        os.utime(path, (LONG_AGO, LONG_AGO))
    os.utime(folder, (LONG_AGO, LONG_AGO))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in "abc":
        path = runs.create_run(Config(), {"shape": [1, 8, 8]}, name, tmp_path / "runs")
        (path / "history.jsonl").write_text("")
        runs.write_status(path, runs.Status("finished"))
    age(tmp_path / "runs")
    return tmp_path / "runs"


def anew(root: Path) -> list[tuple[str, str, int]]:
    return [Reader()(path) for path in runs.list_runs(root)]


def test_only_what_changed_is_read_again(root: Path, reader: Reader, index: Index) -> None:
    assert index.rows(root) == anew(root)
    assert reader.since() == ["a", "b", "c"]
    assert index.rows(root) == anew(root)
    assert reader.since() == []
    runs.write_status(root / "b", runs.Status("failed"))
    os.utime(root / "b", (LONG_AGO + 1, LONG_AGO + 1))
    os.utime(root / "b/status.json", (LONG_AGO + 1, LONG_AGO + 1))
    assert index.rows(root) == anew(root)
    assert reader.since() == ["b"]
    assert index.rows(root) == anew(root)
    assert reader.since() == []


def test_what_is_appended_or_overwritten_in_place_is_noticed(root: Path, reader: Reader, index: Index) -> None:
    index.rows(root)
    reader.since()
    with open(root / "a/history.jsonl", "ab") as file:  # a directory's time does not move
        file.write(b'{"step": 1}\n')
    (root / "c/status.json").write_text((root / "c/status.json").read_text().replace("finished", "diverged"))
    assert index.rows(root) == anew(root)
    assert reader.since() == ["a", "c"]


def test_a_change_within_one_tick_of_the_clock_is_not_missed(root: Path, reader: Reader, index: Index) -> None:
    stamp = time.time()
    for state in ("failed", "stopped"):  # of one length, at one time
        runs.write_status(root / "a", runs.Status(state, heartbeat=1.0))
        for path in (root / "a", root / "a/status.json"):
            os.utime(path, (stamp, stamp))
        assert [state for name, state, _ in index.rows(root) if name == "a"] == [state]
    os.utime(root / "a/status.json", (stamp - COARSE, stamp - COARSE))


def test_a_run_at_work_is_read_each_time_for_its_process_may_die(root: Path, reader: Reader, index: Index) -> None:
    lock = runs.acquire(root / "a")
    runs.write_status(root / "a", runs.Status("running"))
    age(root)
    assert [row[1] for row in index.rows(root) if row[0] == "a"] == ["running"]
    lock.release()
    assert [row[1] for row in index.rows(root) if row[0] == "a"] == ["interrupted"]


def test_runs_that_are_gone_renamed_or_new_are_so_in_the_index(root: Path, reader: Reader, index: Index) -> None:
    index.rows(root)
    shutil.rmtree(root / "a")
    runs.rename_run(root / "b", "d")
    shutil.copytree(root / "c", root / "e")
    assert index.rows(root) == anew(root)
    assert {row[0] for row in index.rows(root)} == {"c", "d", "e"}
    assert {path.name for path in index._kept} <= {"c", "d", "e"}
    shutil.rmtree(root)
    assert index.rows(root) == []


def test_two_folders_do_not_drive_each_other_out(root: Path, reader: Reader, index: Index) -> None:
    other = shutil.copytree(root, root.with_name("other"))
    age(other)
    for _ in range(2):
        assert index.rows(root) == anew(root)
        assert index.rows(other) == anew(other)
    assert reader.since() == sorted("aabbcc")
