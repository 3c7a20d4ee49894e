"""What a diagnosis leaves with its run: whole, partial, stopped, killed, damaged, refused."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from tests.vae.diagnosis.made import DEMOS
from vae import runs
from vae.diagnosis import process, results
from vae.diagnosis.case import Case
from vae.diagnosis.finding import Advice, Finding, Found
from vae.diagnosis.findings import FINDINGS
from vae.diagnosis.process import diagnose, diagnose_run, open_case
from vae.diagnosis.results import (
    KEPT,
    Result,
    folder_of,
    read_diagnosis,
    read_result,
    read_result_arrays,
    request_diagnosis,
    stop_diagnosis,
    write_result,
)
from vae.errors import RunBusy, RunDamaged, RunError

SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9" role="img"><path d="M0 0h9"/></svg>'
TOLD = Found(
    True, "Holes <b>", "2.0 ± 0.1 nats", "It has 2.0 nats.", 2.0, "nats", 0.1, 1.0, "us", 2.0, 9.8, 100,
    (Advice("Show", "map", {"colour": "holes"}),), SVG, {"k": 3, "each": [1.5, None], "of": {"a": "b"}},
    {"score": np.arange(6.0), "count": np.arange(3)},
)  # fmt: skip


pytestmark = pytest.mark.usefixtures("the_quick_ones")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return shutil.copytree(DEMOS / "demo-digits-2d", tmp_path / "digits")


@pytest.fixture
def folder(run: Path) -> Path:
    return request_diagnosis(run, process.weights_of(run))


class Slow(Finding):
    """Takes until it is stopped; looks every few milliseconds."""

    name, question, seconds = "slow", "Is it slow?", 1000.0

    def find(self, case: Case) -> Found:
        began = time.monotonic()
        while time.monotonic() - began < 300:
            case.progress(0.5, "being slow")
            time.sleep(0.005)
        raise AssertionError("nobody stopped it")


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FINDINGS, "slow", Slow())


def test_a_result_comes_back_as_it_was(folder: Path) -> None:
    for result in (Result("holes", "Any?", TOLD, seconds=1.5), Result("bits", "Bits?", why_not="No bits."),
                   Result("knows", "What?", failed="No labels.")):  # fmt: skip
        write_result(folder, result)
        kept = read_result(folder, result.name)
        told = kept.answer and Found(**vars(kept.answer) | {"arrays": result.answer.arrays})  # type: ignore[union-attr]
        assert Result(**vars(kept) | {"answer": told}) == result
    arrays = read_result_arrays(folder, "holes")
    np.testing.assert_array_equal(arrays["score"], TOLD.arrays["score"])
    assert arrays["count"].dtype == TOLD.arrays["count"].dtype
    assert read_result_arrays(folder, "bits") == {}
    diagnosis = read_diagnosis(folder)
    assert [result.name for result in diagnosis.sorted()] == ["holes", "bits", "knows"]
    assert diagnosis.nats == 2.0


def test_a_number_that_is_not_finite_is_not_kept(folder: Path) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        write_result(folder, Result("holes", "Any?", Found(True, "t", "1", "1.", nats=float("nan"))))
    assert not (folder / "holes.json").exists()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"found": "yes"}, "answer.found: expected true or false"),
        ({"nats": -1.0}, "answer.nats"),
        ({"title": 7}, "answer.title: expected text"),
        ({"advice": [{"words": "x", "page": "../../etc"}]}, "expected the name of a page"),
        ({"advice": [{"words": "x", "page": "map", "query": {"a": 1}}]}, "answer.advice"),
        ({"numbers": {"deep": [[object]]}}, ""),
        ({"picture": "<svg"}, "answer.picture: expected a picture"),
        ({"picture": '<svg xmlns="http://www.w3.org/2000/svg"><script>1</script></svg>'}, "plain shapes"),
        ({"picture": '<svg xmlns="http://www.w3.org/2000/svg" onload="x()"/>'}, "plain shapes"),
        ({"picture": '<svg xmlns="http://www.w3.org/2000/svg"><image href="http://x.y/z.png"/></svg>'}, "'href'"),
        ({"picture": '<svg xmlns="http://www.w3.org/2000/svg"><path style="fill:url(//x)"/></svg>'}, "'style'"),
        ({"picture": '<svg xmlns="http://www.w3.org/2000/svg"><path fill="url(//x.y)"/></svg>'}, "'fill'"),
        ({"picture": '<svg xmlns="http://www.w3.org/2000/svg"><a><path/></a></svg>'}, "got <a>"),
        ({"picture": '<!DOCTYPE a [<!ENTITY b "c">]><svg xmlns="http://www.w3.org/2000/svg"/>'}, "declarations"),
        ({"picture": '<html xmlns="http://www.w3.org/1999/xhtml"/>'}, "plain shapes"),
    ],
)  # fmt: skip
def test_a_strangers_result_is_held_to_what_ours_are(change: dict, why: str, folder: Path) -> None:
    write_result(folder, Result("holes", "Any?", TOLD))
    values = json.loads((folder / "holes.json").read_text())
    values["answer"] |= json.loads(json.dumps(change, default=str))
    (folder / "holes.json").write_text(json.dumps(values))
    kept = read_result(folder, "holes")
    assert (kept.answer is None) == bool(why)
    assert why in kept.failed


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff\xfe", b"null", b'{"question": NaN}', b"9" * 100])
def test_damaged_files_are_sentences(data: bytes, folder: Path) -> None:
    for name in ("holes.json", "holes.npz", "status.json"):
        (folder / name).write_bytes(data)
    diagnosis = read_diagnosis(folder)
    assert diagnosis.status.state == "failed"
    assert "ask for the diagnosis again" in diagnosis.status.message
    assert "holes.json cannot be read" in diagnosis.results["holes"].failed
    with pytest.raises(RunDamaged, match=r"holes\.npz cannot be read"):
        read_result_arrays(folder, "holes")


def test_the_whole_work_and_what_is_kept_is_not_done_again(run: Path, folder: Path) -> None:
    case, sha = open_case(run)
    seen: list[tuple[str, int, float]] = []

    def watch(finding: Finding, share: float, words: str) -> None:
        status = read_diagnosis(folder).status
        seen.append((status.state, status.done, status.fraction))

    diagnose(folder, case, sha, notify=watch)
    diagnosis = read_diagnosis(folder)
    assert set(diagnosis.results) == set(FINDINGS)
    status = diagnosis.status
    assert (status.state, status.done, status.total, status.fraction) == ("finished", len(FINDINGS), len(FINDINGS), 1.0)
    assert (status.weights, status.source) == (sha, "360 held-out images of digits")
    assert {state for state, _, _ in seen} == {"working"}
    assert [done for _, done, _ in seen] == sorted(done for _, done, _ in seen)
    assert [share for _, _, share in seen] == sorted(share for _, _, share in seen)
    (folder / "bits.json").unlink()
    before = {file: file.stat().st_mtime_ns for file in folder.glob("*.json") if file.stem != "status"}
    diagnose(request_diagnosis(run, sha), case, sha)
    assert (folder / "bits.json").exists()
    assert all(file.stat().st_mtime_ns == then for file, then in before.items())
    request_diagnosis(run, sha, again=True)
    assert read_diagnosis(folder).results == {}


@pytest.mark.parametrize("told", [results.VERSION - 1, results.VERSION + 1, None])
def test_what_another_version_of_the_findings_left_is_computed_anew(told: int | None, run: Path, folder: Path) -> None:
    case, sha = open_case(run)
    diagnose(folder, case, sha)
    values = json.loads((folder / "status.json").read_text())
    assert values.pop("version") == results.VERSION
    (folder / "status.json").write_text(json.dumps(values | ({} if told is None else {"version": told})))
    diagnosis = read_diagnosis(folder)
    assert (diagnosis.status.state, diagnosis.results) == ("absent", {})
    assert request_diagnosis(run, sha) == folder
    assert not (folder / "collapsed.json").exists()
    assert read_diagnosis(folder).status.state == "starting"


def test_a_result_that_failed_is_tried_again(run: Path, folder: Path) -> None:
    (folder / "collapsed.json").write_text("{")
    case, sha = open_case(run)
    diagnose(folder, case, sha)
    assert read_result(folder, "collapsed").answer is not None


def test_stop_keeps_what_is_there(run: Path, folder: Path, slow: None) -> None:
    case, sha = open_case(run)

    def stop_it(finding: Finding, share: float, words: str) -> None:
        if finding.name == "slow":
            stop_diagnosis(folder)

    diagnose(folder, case, sha, notify=stop_it)
    diagnosis = read_diagnosis(folder)
    assert (diagnosis.status.state, diagnosis.status.done) == ("stopped", len(FINDINGS) - 1)
    assert set(diagnosis.results) == set(FINDINGS) - {"slow"}
    assert 0 < diagnosis.status.fraction < 1
    assert not (request_diagnosis(run, sha) / "stop").exists()


def test_who_started_it_has_gone(run: Path, folder: Path, slow: None) -> None:
    case, sha = open_case(run)
    gone = threading.Event()
    gone.set()
    diagnose(folder, case, sha, gone)
    assert read_diagnosis(folder).status.state == "stopped"


def test_two_do_not_work_in_one_folder(run: Path, folder: Path) -> None:
    lock = results.acquire(folder)
    try:
        with pytest.raises(RunBusy, match="'digits' is being diagnosed already"):
            request_diagnosis(run, process.weights_of(run))
    finally:
        lock.release()


WORKS = """
import sys, threading, time
from pathlib import Path
from tests.vae.diagnosis.test_results import Slow
from vae.diagnosis.findings import FINDINGS
from tests.vae.diagnosis.made import keep_the_quick_ones
keep_the_quick_ones(FINDINGS)
FINDINGS["slow"] = Slow()
from vae.diagnosis.process import main
sys.exit(main(sys.argv[1:]))
"""


def started(*arguments: object) -> subprocess.Popen[bytes]:
    """The process with one finding that never ends; its standard input is held open."""
    command = [sys.executable, "-c", WORKS, *map(str, arguments)]
    root = Path(__file__).resolve().parents[3]
    return subprocess.Popen(command, stdin=subprocess.PIPE, cwd=root, env={**os.environ, "OMP_NUM_THREADS": "1"})


def until(true: object) -> None:
    end = time.monotonic() + 120
    while not true():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.1)


def test_a_killed_process_is_told_and_one_whose_starter_goes_stops(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = folder_of(run, process.weights_of(run))
    with started(run) as worker:
        until(lambda: read_diagnosis(folder).status.finding == "slow")
        assert set(read_diagnosis(folder).results) == set(FINDINGS)  # those that are done are there already
        worker.kill()
    monkeypatch.setitem(results.PATIENCE, "working", 0.0)
    status = read_diagnosis(folder).status
    assert (status.state, status.done) == ("stopped", len(FINDINGS))
    assert "ended unexpectedly" in status.message
    with started(run) as worker:
        until(lambda: read_diagnosis(folder).status.state == "working" and runs.is_locked(folder))
        assert worker.stdin is not None
        worker.stdin.close()
        assert worker.wait(120) == 0
    status = read_diagnosis(folder).status
    assert (status.state, status.message) == ("stopped", "")


def test_older_weights_are_forgotten_but_for_a_few(run: Path) -> None:
    for number in range(KEPT + 3):
        old = request_diagnosis(run, f"{number:08d}" + 56 * "0")
        os.utime(old / "status.json", (number, number))
    request_diagnosis(run, "f" * 64)
    left = sorted(old.name for old in (run / "diagnosis").iterdir())
    assert left == [f"{number:08d}" for number in range(3, KEPT + 3)] + ["ffffffff"]


def test_a_folder_that_takes_nothing_is_one_sentence(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refused)
    with pytest.raises(RunError, match=r"'digits': the diagnosis cannot be kept .*Permission denied"):
        request_diagnosis(run, process.weights_of(run))


def test_weights_that_a_training_has_replaced_meanwhile_are_diagnosed_as_they_are_now(run: Path) -> None:
    waited = request_diagnosis(run, "0" * 64)
    diagnose_run(run, "0" * 64, False, threading.Event())
    assert read_diagnosis(waited).status.state == "stopped"
    now = read_diagnosis(folder_of(run, process.weights_of(run)))
    assert (now.status.state, set(now.results)) == ("finished", set(FINDINGS))


def test_a_damaged_run_is_told_where_somebody_waits(run: Path) -> None:
    sha = process.weights_of(run)
    folder = request_diagnosis(run, sha)
    (run / runs.WEIGHTS).write_bytes(b"no weights")
    with pytest.raises(RunDamaged):
        diagnose_run(run, sha, False, threading.Event())
    assert "damaged" in read_diagnosis(folder).status.message


def test_what_is_prepared_and_not_begun_is_starting_for_a_while(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_diagnosis(folder).status.state == "starting"
    monkeypatch.setitem(results.PATIENCE, "starting", 0.0)
    assert read_diagnosis(folder).status.state == "stopped"
    assert read_diagnosis(folder.with_name("none")).status.state == "absent"
