"""Places that all servers on one folder share, and paused runs that give theirs up; with fake workers."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.vae.engines.test_engine import (
    FAKE,
    LONG,
    PATIENCE,
    REPOSITORY,
    MakeEngine,
    alive,
    attempts,
    new_run,
    pid,
    replan,
    state,
    steps_of,
    until,
    wait_for_state,
)
from tests.vae.engines.test_engine import make_engine as make_engine  # the fixture
from vae import runs
from vae.engines import foreground, places
from vae.engines.local import LocalEngine
from vae.engines.states import recover
from vae.errors import RunBusy


@pytest.fixture(autouse=True)
def look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vae.engines.places.READ_EVERY", 0.05)


def spans(*paths: Path) -> list[tuple[float, float]]:
    """When each run's last process worked, by the machine's monotonic clock, in the order of their starts."""
    return sorted(tuple(json.loads((path / "span.json").read_text())) for path in paths)


def test_a_paused_run_gives_its_place_to_the_next_and_goes_on_where_it_stood(
    tmp_path: Path, make_engine: MakeEngine
) -> None:
    engine = make_engine(pause_limit=0.2)
    first, second = new_run(tmp_path, steps=LONG, name="first"), new_run(tmp_path, steps=LONG, name="second")
    engine.submit(first, "ada")
    wait_for_state(first, "running")
    until(lambda: len(steps_of(first)) >= 3)
    runs.change_knobs(first, paused=True)
    wait_for_state(first, "paused")
    time.sleep(0.5)
    assert state(first) == "paused", "nobody waits"

    engine.submit(second, "bob")
    wait_for_state(second, "running")
    assert state(first) == "resting"
    assert engine.active() == [second]
    assert engine.queued() == []
    assert engine.state(first).position == 0
    assert not alive(pid(first))
    with pytest.raises(RunBusy):
        engine.submit(first)
    rested_at = runs.read_status(first).step

    runs.change_knobs(first, paused=False, C=7.0)
    until(lambda: engine.state(first).position == 1)
    assert state(first) == "queued"
    engine.stop(second)
    wait_for_state(first, "running")
    until(lambda: max(steps_of(first)) > rested_at + 3)
    engine.stop(first)
    assert engine.wait(PATIENCE)
    assert steps_of(first) == list(range(1, max(steps_of(first)) + 1)), "no step is lost and none repeated"
    assert (state(first), state(second)) == ("stopped", "stopped")
    assert [len(attempts(first)), len(attempts(second))] == [2, 1]


def test_a_short_pause_keeps_its_place(tmp_path: Path, make_engine: MakeEngine) -> None:
    engine = make_engine(pause_limit=PATIENCE)
    first, second = new_run(tmp_path, steps=LONG), new_run(tmp_path)
    engine.submit(first)
    wait_for_state(first, "running")
    engine.submit(second)
    runs.change_knobs(first, paused=True)
    wait_for_state(first, "paused")
    time.sleep(0.5)
    assert (state(first), state(second)) == ("paused", "queued")
    engine.stop(first)
    assert engine.wait(PATIENCE)
    assert state(second) == "finished"


def test_whoever_steps_or_turns_a_paused_run_keeps_its_place(tmp_path: Path, make_engine: MakeEngine) -> None:
    engine = make_engine(pause_limit=10 * PATIENCE)
    first, second = new_run(tmp_path, steps=LONG), new_run(tmp_path)
    engine.submit(first)
    wait_for_state(first, "running")
    engine.submit(second)
    job, paused_since = engine._jobs[first.resolve()], 0.0

    def pause_begins_anew() -> bool:
        heard = job.touched[1] == runs.read_knobs(first).revision
        return heard and job.paused_since is not None and job.paused_since > paused_since

    runs.change_knobs(first, paused=True)
    for C in range(1, 4):
        until(pause_begins_anew)
        paused_since = job.paused_since or 0.0
        runs.change_knobs(first, C=float(C))
    until(pause_begins_anew)
    assert (state(first), state(second)) == ("paused", "queued")
    engine._pause_limit = 0.2  # only now: however slow everything is, each turn came before the limit
    until(lambda: state(second) == "finished")
    assert state(first) == "resting"


def test_no_more_runs_rest_than_wait_and_the_longest_paused_first(tmp_path: Path, make_engine: MakeEngine) -> None:
    engine = make_engine(slots=2, pause_limit=0.3)
    paused = [new_run(tmp_path, steps=LONG) for _ in range(2)]
    for path in paused:
        engine.submit(path)
        wait_for_state(path, "running")
    for path in reversed(paused):
        runs.change_knobs(path, paused=True)
        job = engine._jobs[path.resolve()]
        until(lambda job=job: job.paused_since is not None)  # the engine has seen it, before the other
    third = new_run(tmp_path, steps=LONG)
    engine.submit(third)
    wait_for_state(third, "running")
    time.sleep(0.5)
    assert [state(path) for path in paused] == ["paused", "resting"]
    for path in (*paused, third):
        engine.stop(path)
    assert engine.wait(PATIENCE)
    assert {state(path) for path in (*paused, third)} == {"stopped"}


def resting_run(root: Path, make_engine: MakeEngine) -> tuple[LocalEngine, Path, Path]:
    """An engine, a run that rests, and the one that has its place."""
    engine = make_engine(pause_limit=0.0, close_limit=2.0)
    resting, other = new_run(root, steps=LONG), new_run(root, steps=LONG)
    engine.submit(resting)
    wait_for_state(resting, "running")
    until(lambda: steps_of(resting))
    runs.change_knobs(resting, paused=True)
    engine.submit(other)
    wait_for_state(other, "running")
    return engine, resting, other


def test_a_resting_run_can_be_stopped_and_continued(tmp_path: Path, make_engine: MakeEngine) -> None:
    engine, resting, other = resting_run(tmp_path, make_engine)
    step = runs.read_status(resting).step
    (resting / "knobs.json").rename(resting / "kept.json")
    (resting / "knobs.json").write_text("{")  # damaged: it neither wakes nor is it lost
    time.sleep(0.3)
    assert state(resting) == "resting"
    (resting / "kept.json").replace(resting / "knobs.json")
    engine.stop(resting)
    assert (state(resting), runs.read_status(resting).step) == ("stopped", step)
    assert runs.read_status(resting).message == f"Stopped at step {step:,} of {LONG:,}."
    assert not runs.is_locked(resting)
    engine.stop(other)
    replan(resting, steps=step + 5)
    engine.submit(resting)
    assert engine.wait(PATIENCE)
    assert state(resting) == "finished"
    assert steps_of(resting) == list(range(1, step + 6))


def test_a_resting_run_survives_the_end_of_its_server(tmp_path: Path, make_engine: MakeEngine) -> None:
    engine, resting, other = resting_run(tmp_path, make_engine)
    assert recover(tmp_path) == []
    assert state(resting) == "resting", "it belongs to a server that lives"
    engine.close()
    assert [state(resting), state(other)] == ["interrupted", "interrupted"]
    assert "while it was paused" in runs.read_status(resting).message
    runs.write_status(resting, runs.Status(state="resting", step=3))  # as a kill leaves it
    assert recover(tmp_path) == [resting]
    assert (state(resting), runs.read_status(resting).step) == ("interrupted", 3)


def test_two_servers_on_one_folder_share_its_places(tmp_path: Path, make_engine: MakeEngine) -> None:
    engines = [make_engine(slots=2) for _ in range(2)]
    both = [new_run(tmp_path, steps=LONG) for _ in range(2)]  # one of each server
    paths = [new_run(tmp_path, steps=6, seconds=0.05) for _ in range(6)]
    for engine, path in zip(engines, both, strict=True):
        engine.submit(path)
        wait_for_state(path, "running")
    for i, path in enumerate(paths):
        engines[i % 2].submit(path)
    assert [len(engine.queued()) for engine in engines] == [3, 3]
    for engine, path in zip(engines, both, strict=True):
        engine.stop(path)
    assert all(engine.wait(PATIENCE) for engine in engines)
    assert {state(path) for path in paths} == {"finished"}
    worked = spans(*both, *paths)
    assert max(sum(began <= moment < ended for began, ended in worked) for moment, _ in worked) == 2
    assert places.at_work(tmp_path) == []
    elsewhere = new_run(tmp_path / "other", steps=LONG)
    engines[0].submit(elsewhere)
    wait_for_state(elsewhere, "running")
    assert places.at_work(tmp_path / "other") == [elsewhere]
    engines[0].stop(elsewhere)
    assert engines[0].wait(PATIENCE)


def test_a_paused_run_gives_its_place_to_a_run_of_another_server(tmp_path: Path, make_engine: MakeEngine) -> None:
    one, other = make_engine(pause_limit=0.1), make_engine()
    paused, waiting = new_run(tmp_path, steps=LONG), new_run(tmp_path, steps=3)
    one.submit(paused)
    wait_for_state(paused, "running")
    other.submit(waiting)
    runs.change_knobs(paused, paused=True)
    assert other.wait(PATIENCE)
    assert (state(waiting), state(paused)) == ("finished", "resting")
    runs.change_knobs(paused, paused=False)
    wait_for_state(paused, "running")
    one.stop(paused)
    assert one.wait(PATIENCE)


SERVER = """
import sys
from pathlib import Path
from vae.engines import local
engine = local.LocalEngine(1, False, command=sys.argv[1:3])
engine.submit(Path(sys.argv[3]))
sys.stdin.read()
"""


def test_a_killed_servers_place_is_free_when_its_worker_has_saved(tmp_path: Path, make_engine: MakeEngine) -> None:
    orphan, waiting = new_run(tmp_path, "deaf", steps=LONG), new_run(tmp_path, steps=2)
    engine = make_engine()
    words = [sys.executable, "-c", SERVER, *FAKE, str(orphan)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, cwd=REPOSITORY) as server:
        wait_for_state(orphan, "running")
        engine.submit(waiting)
        server.kill()
    try:
        time.sleep(0.5)
        assert state(waiting) == "queued", "the worker of the killed server still has the place"
        assert places.at_work(tmp_path) == [orphan]
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid(orphan), signal.SIGKILL)
    assert engine.wait(PATIENCE)
    assert state(waiting) == "finished"
    replan(orphan, mode="train", steps=runs.read_status(orphan).step + 2)
    engine.submit(orphan)  # whose name may still stand at the place
    assert engine.wait(PATIENCE)
    assert state(orphan) == "finished"


def test_a_training_from_the_command_line_takes_a_place_and_waits_for_none(
    tmp_path: Path, make_engine: MakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:

    monkeypatch.setenv("ELBO_ROOM_SLOTS", "1")
    path, waiting = new_run(tmp_path), new_run(tmp_path)
    engine = make_engine()
    seen: list[object] = []

    def train_runs(paths: list[Path], request: object = None) -> None:
        (run,) = paths
        with runs.acquire(run):
            runs.write_status(run, runs.Status(state="running"))
            seen.append(places.at_work(tmp_path))
            engine.submit(waiting)
            time.sleep(0.3)
            seen.append([state(waiting)])

    monkeypatch.setattr("vae.engines.worker.train_runs", train_runs)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    foreground.train([path], as_json=True)
    assert seen == [[path], ["queued"]]
    assert engine.wait(PATIENCE)
    assert state(waiting) == "finished"
    held = places.take(path, 1)
    assert held is not None
    monkeypatch.setattr("vae.engines.worker.train_runs", lambda *_, **__: seen.append("went"))
    foreground.train([path], as_json=True)
    assert seen[-1] == "went", "no place was free, and it went all the same"
    held.release()
