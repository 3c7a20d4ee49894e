"""What a worker hears from whoever started it, and a run that rests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.vae.engines.scripted_runs import assert_same_run, make_quick, new_run
from tests.vae.train_run import train_run
from vae import runs
from vae.engines import worker
from vae.engines.parent import REST, Parent
from vae.engines.streams import read_line


@pytest.mark.parametrize(
    ("said", "resting"), [(b"", False), (REST, True), (b"\n" + REST, True), (b"res", False), (REST + b"x", False)]
)
def test_the_end_of_standard_input_and_the_word_before_it(
    said: bytes, resting: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = bytearray("Ångström\n".encode() + said)

    def read(file: int, count: int) -> bytes:
        taken = bytes(left[:count])
        del left[:count]
        return taken

    monkeypatch.setattr(os, "read", read)
    assert read_line() == "Ångström"
    parent = Parent()
    assert not parent.is_set()
    parent.watch()
    assert (parent.is_set(), parent.resting) == (True, resting)


def test_a_run_that_rested_is_the_run_that_never_did(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_quick(monkeypatch)
    whole, path, parent = new_run(tmp_path, "whole"), new_run(tmp_path), Parent()
    train_run(whole)
    write_what_is_due = worker.Worker._write_what_is_due

    def rest(self: worker.Worker, recorded: bool) -> None:
        if self.trainer.step == 22:
            parent.resting = True
            parent.set()
        write_what_is_due(self, recorded)

    with monkeypatch.context() as patch:
        patch.setattr(worker.Worker, "_write_what_is_due", rest)
        status = train_run(path, parent)
    assert (status.state, status.step, status.message, status.seconds_left) == ("resting", 22, "", None)
    assert not runs.is_locked(path)
    assert runs.read_status(path).state == "resting", "its lock may be free: it is nobody's fault"
    assert train_run(path).state == "finished"
    assert_same_run(whole, path)
