"""Output in any encoding and into a pipe that nobody reads; input without `select`."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.vae.command import command
from vae.engines import streams

ROOT = Path(__file__).parents[3]
DEMO = str(ROOT / "checkpoints" / "demo-digits-2d")


def run(*command: str, encoding: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    settings = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run([sys.executable, *command], capture_output=True, env=settings, timeout=120)


@pytest.mark.parametrize(
    ("encoding", "minus", "error"), [("cp1252", "-", " ± "), ("ascii", "-", " +/- "), ("utf-8", "−", " ± ")]
)
def test_results_are_told_in_any_encoding(encoding: str, minus: str, error: str) -> None:
    done = command("evaluate", DEMO, "--samples", "4", "--limit", "100", encoding=encoding)
    assert done.returncode == 0, done.stderr
    text = done.stdout.decode(encoding)
    assert f"  = {minus}(distortion " in text
    assert error in text


def test_a_character_without_a_plain_one_is_named() -> None:
    code = "from vae.engines.streams import write_plainly\nwrite_plainly()\nprint('−3 ≤ ß ≤ \\N{SNOWMAN} \\udcff')"
    done = run("-c", code, encoding="ascii")
    assert done.stdout.split() == rb"-3 <= \xdf <= \u2603 \udcff".split()


def test_the_log_is_utf8_whatever_the_console_is(tmp_path: Path) -> None:
    code = (
        "import pathlib, sys\nfrom vae.engines.streams import write_to_log\nwrite_to_log(pathlib.Path(sys.argv[1]))\n"
    )
    done = run("-c", code + "print('−3 ≤ x')\nraise ValueError('‖x‖')", str(tmp_path / "log.txt"), encoding="cp1252")
    assert (done.returncode, done.stdout, done.stderr) == (1, b"", b"")
    log = (tmp_path / "log.txt").read_text(encoding="utf-8")
    assert "−3 ≤ x" in log
    assert "ValueError: ‖x‖" in log


@pytest.mark.parametrize("arguments", [["list"], ["evaluate", DEMO, "--samples", "4", "--limit", "100"]])
def test_a_reader_who_goes_ends_the_command_quietly(arguments: list[str], tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    settings = {**os.environ, "PYTHONPATH": str(ROOT), "ELBO_ROOM_RUNS": str(tmp_path), "PYTHONUNBUFFERED": ""}
    words = [sys.executable, "-m", "vae", *arguments]
    done = subprocess.run(words, stdout=write, stderr=subprocess.PIPE, env=settings, timeout=120)
    os.close(write)
    assert (done.returncode, done.stderr) == (streams.BROKEN_PIPE, b"")


@pytest.fixture
def standard_input(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A pipe as standard input; its other end."""

    def only_sockets(*_: Any) -> None:
        raise OSError(10038, "not a socket")

    monkeypatch.setattr(select, "select", only_sockets)  # as on Windows
    read, write = os.pipe()
    before = os.dup(0)
    os.dup2(read, 0)
    os.close(read)
    with os.fdopen(write, "wb", buffering=0) as end:
        yield end
    os.dup2(before, 0)
    os.close(before)


def test_a_line_then_the_end_of_input(standard_input: Any) -> None:
    standard_input.write("runs/ß\nmore".encode())
    assert streams.read_line(60.0) == "runs/ß"
    ended = threading.Event()
    streams.watch_input(ended)
    assert not ended.wait(0.1)
    standard_input.close()
    assert ended.wait(60.0)


def test_patience_ends(standard_input: Any) -> None:
    began = time.monotonic()
    assert streams.read_line(0.1) == ""
    assert time.monotonic() - began > 0.05
    standard_input.write(b"\n")  # lets the thread end
