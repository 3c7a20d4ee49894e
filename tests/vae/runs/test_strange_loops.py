"""Somebody else's loop that hangs, tells nothing that is a number, writes without end, or is of another version: its
run is shown for what it is, and the page stays."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import vae
from ui.live.run_watcher import CHUNK, HistoryFile
from ui.runs.gallery import read_card
from vae import runs
from vae.errors import RunBusy, RunDamaged, RunError

REPOSITORY = Path(__file__).resolve().parents[3]
TERMS = {"distortion": np.full(4, 7.0), "rate": np.ones((4, 2))}
SCRIPT = """
import numpy as np, time, vae
log = vae.log("hangs")
log.step(distortion=np.ones(4), rate=np.ones((4, 2)))
print("begun", flush=True)
time.sleep(600)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ELBO_ROOM_RUNS", str(tmp_path))
    return tmp_path


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="nothing can be suspended here")
def test_a_loop_that_hangs_keeps_its_run_until_it_ends(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    process = subprocess.Popen([sys.executable, "-c", SCRIPT], cwd=REPOSITORY, stdout=subprocess.PIPE)
    path = folder / "hangs"
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        process.send_signal(signal.SIGSTOP)
        late = json.loads((path / "status.json").read_bytes())
        (path / "status.json").write_text(json.dumps({**late, "heartbeat": late["heartbeat"] - 3600}))
        assert runs.read_status(path).state == "running"  # its lock says that it is there, however silent
        assert read_card(path).state == "running"
        with pytest.raises(RunBusy, match="being trained by another process"):
            runs.acquire(path)
        for change in (runs.delete_run, lambda run: runs.rename_run(run, "other")):
            with pytest.raises(RunError):
                change(path)
        runs.change_knobs(path, stop=True)  # what is asked of it waits
        assert runs.read_status(path).state == "running"
    finally:
        process.kill()
        process.communicate()
    status = runs.read_status(path)
    assert (status.state, status.message) == ("interrupted", "The training process ended unexpectedly at step 1.")
    assert runs.delete_run(path).is_dir()


def test_a_loop_that_tells_nothing_but_nan_is_shown(folder: Path) -> None:
    with vae.log("nothing", record_every=1) as log:
        log.step(**TERMS)
        for value in (np.nan, np.inf, -np.inf):
            log.step(distortion=np.full(4, value), rate=np.full((4, 2), value))
            log.test(distortion=np.full(4, value), rate=np.full((4, 2), value))
    path = folder / "nothing"
    assert b"NaN" not in (path / "history.jsonl").read_bytes()
    assert b"Infinity" not in (path / "history.jsonl").read_bytes()
    lines = [line for line in runs.read_history(path) if line.get("train")]
    assert {line["train"]["distortion"] for line in lines[1:]} == {None}
    card = read_card(path)
    assert (card.state, card.problem, card.distortion, card.elbo) == ("finished", "", None, None)


def test_a_million_lines_are_shown_from_their_end(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with vae.log("long", record_every=1) as log:
        log.step(**TERMS)
    path = folder / "long"
    last = json.loads((path / "history.jsonl").read_bytes().splitlines()[-1])
    last["train"]["distortion"] = 3.25
    line = b'{"step":1,"C":1.0,"train":null,"test":null}\n'
    with open(path / "history.jsonl", "ab") as file:
        file.write(line * 1_000_000 + json.dumps(last).encode() + b"\n")
    read: list[int] = []
    monkeypatch.setattr(runs, "read_history", lambda *_: pytest.fail("a card reads the whole history"))
    assert read_card(path).distortion == 3.25
    follower = HistoryFile(path / "history.jsonl")
    for _ in range(3):  # a tab that comes gets it piece by piece
        lines, more = follower.look()
        assert lines is not None
        assert more
        assert len(lines.json) <= 2 * CHUNK
        read.append(lines.end - lines.start)
    assert sum(read) < 4 * CHUNK


def test_lines_of_a_later_version_are_read_and_a_later_format_is_said_so(folder: Path) -> None:
    with vae.log("later", record_every=1) as log:
        log.step(**TERMS)
    path = folder / "later"
    record = {
        "step": 2,
        "C": 1.0,
        "train": {"distortion": 1.0, "images": 4, "entropy": [1, {"of": "x"}]},
        "mood": "good",
    }
    with open(path / "history.jsonl", "ab") as file:
        file.write(json.dumps(record).encode() + b'\n{"step":3,"knob":"warmth","value":1}\n{"event":"no step"}\n')
    lines = runs.read_history(path)
    assert lines[-1] == record  # what is not known stays as it is; a knob that is not known is left out, and told
    assert "2 more" not in runs.history_fault(path)
    assert "knob: expected one of" in runs.history_fault(path)
    assert read_card(path).distortion == 1.0
    status = json.loads((path / "status.json").read_bytes())
    (path / "status.json").write_text(json.dumps({**status, "temperature": 37}))
    assert runs.read_status(path).state == "finished"
    content = json.loads((path / "config.json").read_bytes())
    (path / "config.json").write_text(json.dumps({**content, "format": 2}))
    with pytest.raises(RunDamaged, match=r"was written by a newer version \(format 2, here 1\); update"):
        runs.read_config(path)
    assert read_card(path).state == "damaged"
    assert "newer version" in read_card(path).problem
