"""Files being made: two at a time, one for each visitor, in turn; however a process ends, that is said."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ui.take import work as module
from ui.take.work import Job, Work
from vae.errors import RunBusy
from vae.exports.work_folder import ExportStatus, folder_of, read_status
from vae.files import DISK_FULL

# A process without the application's imports: it says that it works, then does as told.
PROCESS = """
import json, os, sys, time
folder, what = sys.argv[1:]
def say(state, **more):
    with open(folder + "/new", "w") as file:
        json.dump({"state": state, **more}, file)
    os.replace(folder + "/new", folder + "/status.json")
with open(folder + "/half", "w") as file:
    file.write(str(os.getpid()))
say("working", fraction=0.5, words="half")
if what == "crash":
    raise ValueError("a bug")
if what == "full":
    sys.exit(28)
while what != "deaf" and not os.path.exists(folder + "/stop") and not os.path.exists(folder + "/go"):
    time.sleep(0.02)
if what == "deaf":
    time.sleep(600)
if os.path.exists(folder + "/go"):
    os.replace(folder + "/half", folder + "/one.bin")
    say("finished", file="one.bin", bytes=1)
else:
    say("stopped")
if what == "lingers":
    time.sleep(600)
"""


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Work]:
    monkeypatch.setenv("ELBO_ROOM_RUNS", str(tmp_path))
    monkeypatch.setattr(module, "PATIENCE", 0.2)
    made = Work()
    yield made
    made.stop_all()


@pytest.fixture
def job(tmp_path: Path) -> Callable[..., Job]:
    script = tmp_path / "process.py"
    script.write_text(PROCESS)

    def make(number: int, what: str = "waits", owner: str = "") -> Job:
        folder = folder_of(tmp_path, f"{number:032x}")
        return Job(folder, (sys.executable, str(script), str(folder), what), owner or f"visitor {number}")

    return make


def until(condition: Callable[[], object]) -> None:
    limit = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < limit, "it did not happen in time"
        time.sleep(0.02)


def at_work(work: Work, job: Job) -> None:
    until(lambda: work.status(job.folder).words == "half")


def test_two_are_made_at_a_time_and_the_others_in_turn(work: Work, job: Callable[..., Job]) -> None:
    jobs = [job(number) for number in range(4)]
    for one in jobs:
        work.order(one)
    for one in jobs[:2]:
        at_work(work, one)
    waiting = [work.status(one.folder) for one in jobs[2:]]
    assert [one.state for one in waiting] == ["queued", "queued"]
    assert waiting[0].words == "waiting: 2 other files are being made, this one is next"
    assert waiting[1].words == "waiting: 2 other files are being made, 1 more are before it"
    (jobs[1].folder / "go").touch()
    at_work(work, jobs[2])
    until(lambda: work.status(jobs[1].folder).state == "finished")
    assert work.status(jobs[3].folder).words.endswith("next")


def test_what_was_asked_to_stop_says_so_until_it_has(work: Work, job: Callable[..., Job]) -> None:
    one = job(1, "deaf")
    work.order(one)
    at_work(work, one)
    (one.folder / "stop").touch()
    assert (work.status(one.folder).state, work.status(one.folder).words) == ("working", "stopping")
    work.stop(one.folder)
    until(lambda: work.status(one.folder).state == "stopped")


def test_a_visitor_has_one_in_the_making(work: Work, job: Callable[..., Job]) -> None:
    first, second = job(1, owner="me"), job(2, owner="me")
    work.order(first)
    with pytest.raises(RunBusy, match="already: wait until it is done, or stop it"):
        work.order(second)
    assert not second.folder.exists()
    assert work.may_stop(first.folder, "me")
    assert not work.may_stop(first.folder, "you")
    at_work(work, first)
    (first.folder / "go").touch()
    until(lambda: work.status(first.folder).state == "finished")
    work.order(second)


def test_a_process_that_has_made_its_file_and_lingers_holds_nobody_up(work: Work, job: Callable[..., Job]) -> None:
    first = job(1, "lingers", owner="me")
    work.order(first)
    at_work(work, first)
    (first.folder / "go").touch()
    until(lambda: work.status(first.folder).state == "finished")
    work.order(job(2, owner="me"))


def test_whoever_asks_for_the_same_file_finds_it_being_made(work: Work, job: Callable[..., Job]) -> None:
    work.order(job(1, owner="me"))
    at_work(work, job(1))
    pid = (job(1).folder / "half").read_text()
    work.order(job(1, owner="you"))
    assert (job(1).folder / "half").read_text() == pid
    assert not work.may_stop(job(1).folder, "you")


def test_stop_ends_what_works_and_what_waits(work: Work, job: Callable[..., Job]) -> None:
    jobs = [job(number) for number in range(3)]
    for one in jobs:
        work.order(one)
    work.stop(jobs[2].folder)
    assert work.status(jobs[2].folder) == ExportStatus("stopped")
    at_work(work, jobs[0])
    work.stop(jobs[0].folder)
    until(lambda: work.status(jobs[0].folder).state == "stopped")


def test_a_process_that_does_not_listen_is_killed(work: Work, job: Callable[..., Job]) -> None:
    deaf = job(1, "deaf")
    work.order(deaf)
    at_work(work, deaf)
    work.stop(deaf.folder)
    until(lambda: work.status(deaf.folder).state == "stopped")
    assert not (deaf.folder / "half").exists()


@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        ("crash", "The process that made it ended unexpectedly (exit status 1); try again."),
        ("full", "The server's disk is full; make room, and try again."),
    ],
)
def test_a_process_that_ends_without_a_word_is_said(
    work: Work, job: Callable[..., Job], what: str, sentence: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert DISK_FULL == 28
    one = job(1, what)
    work.order(one)
    until(lambda: work.status(one.folder).state == "failed")
    assert work.status(one.folder).message == sentence
    assert not (one.folder / "half").exists()
    assert ("ValueError: a bug" in caplog.text) == (what == "crash")
    work.order(job(1))  # once more: what was is forgotten
    at_work(work, one)


def test_a_killed_process_is_said(work: Work, job: Callable[..., Job]) -> None:
    one = job(1)
    work.order(one)
    at_work(work, one)
    os.kill(int((one.folder / "half").read_text()), signal.SIGKILL)
    until(lambda: work.status(one.folder).state == "failed")
    assert "signal SIGKILL; often the memory was full" in work.status(one.folder).message


def test_nothing_is_left_when_the_server_ends(work: Work, job: Callable[..., Job], tmp_path: Path) -> None:
    jobs = [job(number, "deaf") for number in range(3)]
    for one in jobs:
        work.order(one)
    at_work(work, jobs[0])
    pid = int((jobs[0].folder / "half").read_text())
    work.stop_all()
    assert list((tmp_path / ".exports").iterdir()) == []
    until(lambda: not Path(f"/proc/{pid}/cmdline").exists() or not Path(f"/proc/{pid}/cmdline").read_bytes())
    work.order(job(9))
    assert read_status(job(9).folder).state == "absent"
