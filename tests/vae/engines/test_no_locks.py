"""Folders whose locks do nothing, and machines that a lock does not reach: signs of life decide who trains a run."""

from __future__ import annotations

import dataclasses
import os
import platform
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.vae.engines.scripted_runs import REPOSITORY, assert_same_run, held, let_go, new_run, slow_run, wait_until
from tests.vae.train_run import train_run
from vae import runs
from vae.errors import RunBusy
from vae.files import write_json
from vae.runs import beats

NO_LOCKS = """
import os, pathlib, sys, time
import filelock
def acquire(self, *_, **__):
    return filelock.AcquireReturnProxy(lock=self)
filelock.FileLock.acquire = acquire
filelock.FileLock.release = lambda self, force=False: None
from vae.engines import worker
mark = worker.mark_waiting
def together(*given):  # both have seen that nobody trains the run before either says that it does
    folder = pathlib.Path(sys.argv[1]).parent
    (folder / f"ready-{os.getpid()}").touch()
    while len(list(folder.glob("ready-*"))) < 2:
        time.sleep(0.01)
    return mark(*given)
worker.mark_waiting = together
sys.exit(worker.main(sys.argv[1:]))
"""


@pytest.fixture
def no_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    import filelock

    monkeypatch.setattr(filelock.FileLock, "acquire", lambda self, *_, **__: filelock.AcquireReturnProxy(lock=self))
    monkeypatch.setattr(filelock.FileLock, "release", lambda self, force=False: None)


def start_worker(path: Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    return subprocess.Popen([sys.executable, "-c", NO_LOCKS, str(path)], stdin=subprocess.PIPE, env=environment)


def write(path: Path, **changes: object) -> runs.Status:
    """A status as a process leaves it, with a heartbeat of its own choice."""
    status = dataclasses.replace(runs.Status(state="running", step=7, heartbeat=time.time()), **changes)
    write_json(path / "status.json", dataclasses.asdict(status))
    return status


@pytest.mark.slow
def test_of_two_workers_one_trains_and_a_killed_one_is_noticed(
    tmp_path: Path, no_locks: None, one_thread: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vae.runs.status.HEARTBEAT_LIMIT", 180.0)  # a starved worker is alive
    path = slow_run(tmp_path)
    two = [start_worker(path), start_worker(path)]  # in one moment
    try:
        wait_until(lambda: held([path]) and any(one.poll() == 1 for one in two), 180)
        (left,) = [one for one in two if one.poll() is None]
        assert runs.read_status(path).pid == left.pid
        with pytest.raises(RunBusy, match="sign of life"):
            runs.acquire(path)
        left.send_signal(signal.SIGKILL)
        left.wait()
        assert runs.read_status(path).state == "interrupted"  # its process is not there any more
        let_go(path)
        train_run(path)  # a third, here
    finally:
        for one in two:
            one.kill()
            one.wait()
            assert one.stdin is not None
            one.stdin.close()
    assert runs.read_status(path).state == "finished"
    alone = new_run(tmp_path, "alone")
    train_run(alone)
    assert_same_run(path, alone)


def test_a_free_lock_proves_nothing_of_another_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beats, "WATCH", 0.2)
    path = new_run(tmp_path)
    write(path, host="elsewhere", pid=os.getpid())
    assert runs.read_status(path).state == "running"
    with pytest.raises(RunBusy, match="on elsewhere"):
        runs.acquire(path)
    write(path, host="elsewhere", pid=os.getpid(), heartbeat=time.time() - runs.HEARTBEAT_LIMIT - 1)
    beats._seen.clear()
    assert runs.read_status(path).state == "interrupted"
    runs.acquire(path).release()
    write(path, host=platform.node(), pid=os.getpid())  # here the lock tells: nobody trains it
    assert runs.read_status(path).state == "interrupted"


def test_clocks_that_differ_by_an_hour_hide_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    beats._seen.clear()
    path = new_run(tmp_path)
    for hours in (1, -1):
        then = time.time() + 3600 * hours
        write(path, host="elsewhere", pid=1, heartbeat=then)
        runs.read_status(path)
        write(path, host="elsewhere", pid=1, heartbeat=then + 0.3)
        assert runs.read_status(path).state == "running"  # it beat under our eyes


def test_who_was_silent_too_long_writes_nothing_more(tmp_path: Path) -> None:
    path = new_run(tmp_path)
    write(path, host=platform.node(), pid=os.getpid())
    runs.insist_on_ours(path)
    write(path, host="elsewhere", pid=os.getpid())
    with pytest.raises(SystemExit):
        runs.insist_on_ours(path)
