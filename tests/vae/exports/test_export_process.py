"""One process makes one file: how it ends, what it says, what it leaves."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vae.errors import RunError
from vae.exports import exports
from vae.exports.csv_table import as_csv, history_rows
from vae.exports.export import Export, Progress
from vae.exports.process import ExportWork, in_words
from vae.exports.work_folder import (
    FOLDER,
    ExportStatus,
    ask_to_stop,
    folder_of,
    made_file,
    make_room,
    prepare,
    read_status,
    write_status,
)
from vae.runs import Run, load_run

DEMO = Path(__file__).resolve().parents[3] / "checkpoints" / "demo-digits-2d"
Write = Callable[[Run, str, Path, Progress], dict[str, Any]]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    shutil.copytree(DEMO, tmp_path / "one", ignore=shutil.ignore_patterns("projections", "diagnosis"))
    return tmp_path / "one"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = folder_of(tmp_path, "0" * 32)
    prepare(made)
    return made


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def add(write: Write, **more: Any) -> None:
        fake = Export("Fake", "For a test.", ".fake", write, {}, **more)
        monkeypatch.setitem(exports.EXPORTS, "fake", lambda: fake)

    return add


SLOW = """
import sys, time
from vae.exports import exports, process
from vae.exports.export import Export
def write(run, kind, file, progress):
    while True:
        progress(0.5, "half")
        time.sleep(0.02)
exports.EXPORTS["slow"] = lambda: Export("Slow", "For a test.", ".slow", write, {})
sys.exit(process.main())
"""


def make(run: Path, folder: Path, name: str = "fake", kind: str = "", file: str = "one.fake") -> ExportStatus:
    ExportWork(folder, threading.Event()).run(run, name, kind, folder / file)
    return read_status(folder)


def left(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir() if file.name not in ("status.json", "stop", "log.txt"))


def test_it_makes_what_the_command_makes_and_says_so(run: Path, folder: Path) -> None:
    status = make(run, folder, "csv", "history", "one-history.csv")
    expected = as_csv(history_rows(load_run(run).history)).encode()
    assert (status.state, status.fraction, status.message) == ("finished", 1.0, "")
    assert (status.file, status.bytes, status.step) == ("one-history.csv", len(expected), 3368)
    assert status.facts == {"rows": f"{expected.count(10) - 1:,}"}
    file = made_file(folder, status)
    assert file is not None
    assert file.read_bytes() == expected


def test_progress_is_written_as_it_comes(run: Path, folder: Path, register: Callable[..., None]) -> None:
    seen: list[ExportStatus] = []

    def write(run: Run, kind: str, file: Path, progress: Progress) -> dict[str, Any]:
        for fraction in (0.25, 7.0, -1.0):
            time.sleep(0.26)  # statuses are that far apart
            progress(fraction, f"at {fraction}")
            seen.append(read_status(folder))
        file.write_bytes(b"x")
        return {"error": -1.23456e-7, "frames": 12_000, "exact": True, "of": "a run"}

    register(write)
    status = make(run, folder)
    assert [(one.state, one.fraction, one.words) for one in seen] == [
        ("working", 0.25, "at 0.25"),
        ("working", 1.0, "at 7.0"),
        ("working", 0.0, "at -1.0"),
    ]
    assert status.facts == {"error": "−1.235e−07", "frames": "12,000", "exact": "yes", "of": "a run"}


def test_numbers_of_facts_read_as_numbers() -> None:
    assert in_words(-3).startswith("−")
    assert in_words(1234.5678) == "1,235"
    assert len(in_words("x" * 5000)) == 1000


def test_it_stops_where_it_is_asked_to_and_leaves_nothing(
    run: Path, folder: Path, register: Callable[..., None]
) -> None:
    def write(run: Run, kind: str, file: Path, progress: Progress) -> dict[str, Any]:
        file.with_suffix(".part").write_bytes(b"half")
        ask_to_stop(folder)
        while True:
            progress(0.5, "half")
            time.sleep(0.01)

    register(write)
    assert make(run, folder).state == "stopped"
    assert left(folder) == []


def test_it_stops_where_whoever_started_it_is_gone(run: Path, folder: Path, register: Callable[..., None]) -> None:
    gone = threading.Event()

    def write(run: Run, kind: str, file: Path, progress: Progress) -> dict[str, Any]:
        gone.set()
        progress(0.5, "half")
        return {}

    register(write)
    ExportWork(folder, gone).run(run, "fake", "", folder / "one.fake")
    assert read_status(folder).state == "stopped"


def full(*_: Any) -> dict[str, Any]:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def denied(*_: Any) -> dict[str, Any]:
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def too_large(*_: Any) -> dict[str, Any]:
    raise MemoryError


def unsound(*_: Any) -> dict[str, Any]:
    raise RunError("the run is not sound; train it again")


@pytest.mark.parametrize(
    ("write", "sentence"),
    [
        (full, "The server's disk is full; make room, and try again."),
        (denied, "The file cannot be made (Permission denied); make the folder writable, or copy it to one that is."),
        (too_large, "There is not enough memory for it on this machine; close something, and try again."),
        (unsound, "the run is not sound; train it again"),
    ],
)
def test_what_goes_wrong_is_said_in_one_sentence(
    run: Path, folder: Path, register: Callable[..., None], write: Write, sentence: str
) -> None:
    def after_half(run: Run, kind: str, file: Path, progress: Progress) -> dict[str, Any]:
        file.write_bytes(b"half")
        return write(run, kind, file, progress)

    register(after_half)
    status = make(run, folder)
    assert (status.state, status.message) == ("failed", sentence)
    assert left(folder) == []


def test_a_run_that_is_deleted_meanwhile_is_said(run: Path, folder: Path, register: Callable[..., None]) -> None:
    def write(run: Run, kind: str, file: Path, progress: Progress) -> dict[str, Any]:
        shutil.rmtree(run.path)
        return {"bytes": (run.path / "history.jsonl").read_bytes()}

    register(write)
    sentence = "The run “one” was renamed or deleted meanwhile; nothing was made."
    assert make(run, folder).message == sentence
    assert make(run, folder).message == sentence  # and when it is gone before


def test_what_cannot_be_had_is_refused_with_its_reason(run: Path, folder: Path, register: Callable[..., None]) -> None:
    register(full, why_not=lambda run, kind: "it kept no moments")
    assert make(run, folder).message == "it kept no moments"
    assert "expected html" in make(run, folder, "docx").message
    assert "expected codes, history" in make(run, folder, "csv", "everything").message


def test_a_save_that_came_meanwhile_is_said(run: Path, folder: Path, register: Callable[..., None]) -> None:
    def write(run: Run, kind: str, file: Path, progress: Progress) -> dict[str, Any]:
        weights = run.path / "weights.safetensors"
        data = weights.read_bytes()
        weights.write_bytes(data.replace(b'"step":"3368"', b'"step":"3369"'))
        file.write_bytes(b"x")
        return {}

    register(write)
    status = make(run, folder)
    assert status.step == 3368
    assert "3,369" in status.facts["saved meanwhile"]


def test_a_format_that_knows_its_save_and_who_made_the_run(
    run: Path, folder: Path, register: Callable[..., None]
) -> None:
    def write(run: Run, kind: str, file: Path, progress: Progress, made_by: str) -> dict[str, Any]:
        file.write_bytes(b"x")
        return {"step": 3000, "by": made_by}

    register(write, signed=True)
    ExportWork(folder, threading.Event(), "--Ada").run(run, "fake", "", folder / "one.fake")
    status = read_status(folder)
    assert (status.step, status.facts) == (3000, {"by": "--Ada"})


def test_as_a_process_it_ends_with_its_standard_input(run: Path, folder: Path, tmp_path: Path) -> None:
    script = tmp_path / "slow.py"
    script.write_text(SLOW)
    command = [sys.executable, str(script), str(run), "slow", "", str(folder / "one.slow")]
    environment = {**os.environ, "PYTHONPATH": str(DEMO.parents[1])}
    with subprocess.Popen(command, stdin=subprocess.PIPE, env=environment) as process:
        limit = time.monotonic() + 120
        while read_status(folder).fraction != 0.5:
            assert time.monotonic() < limit
            time.sleep(0.05)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(120) == 0
    assert read_status(folder).state == "stopped"


@pytest.mark.parametrize("name", ["../one-history.csv", "/etc/passwd", "", ".", "..", "status.json", "a/b", "missing"])
def test_a_status_names_no_file_outside_its_folder(folder: Path, name: str) -> None:
    (folder.parent / "one-history.csv").write_text("x")
    status = ExportStatus("finished", file=name)
    write_status(folder, status)
    assert made_file(folder, status) is None
    assert read_status(folder).state == "absent"


def test_a_link_is_no_made_file(folder: Path) -> None:
    (folder / "x.csv").symlink_to("/etc/passwd")
    assert made_file(folder, ExportStatus("finished", file="x.csv")) is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"state": "melting"}', '{"state": "working", "fraction": 2}'])
def test_a_status_that_cannot_be_read_is_a_failure(folder: Path, content: str) -> None:
    (folder / "status.json").write_text(content)
    status = read_status(folder)
    assert status.state == "failed"
    assert "make it again" in status.message


def old_file(root: Path, number: int, size: int, age: float, state: str = "finished") -> Path:
    folder = folder_of(root, f"{number:032x}")
    prepare(folder)
    (folder / "x.bin").write_bytes(bytes(size))
    write_status(folder, ExportStatus(state, file="x.bin"))
    then = time.time() - age
    os.utime(folder / "status.json", (then, then))
    return folder


def test_files_that_are_old_or_too_many_go_the_oldest_first(tmp_path: Path) -> None:
    new, middle, first = (old_file(tmp_path, i, 100_000, 10.0 * i) for i in (1, 2, 3))
    old = old_file(tmp_path, 4, 1, 1000.0)
    at_work = old_file(tmp_path, 5, 1, 2000.0, "working")
    another_servers = old_file(tmp_path, 6, 1, 5.0, "working")
    make_room(tmp_path, keep=[at_work], most=250_000, old=500.0)
    assert sorted((tmp_path / FOLDER).iterdir()) == sorted([new, middle, at_work, another_servers])
    make_room(tmp_path, old=0.0)
    assert list((tmp_path / FOLDER).iterdir()) == [another_servers]
    make_room(tmp_path / "nowhere")
    assert not first.exists()
    assert not old.exists()
