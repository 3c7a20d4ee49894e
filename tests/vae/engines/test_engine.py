"""The local engine, with a worker that trains nothing: the queue, crashes, hangs, stops and ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vae import runs
from vae.config import Config
from vae.engines.base import Engine
from vae.engines.local import LocalEngine
from vae.engines.process import gpus
from vae.engines.states import recover
from vae.engines.turns import Job, default_slots, fair_order
from vae.engines.workers import Workers
from vae.errors import ConfigError, RunBusy, RunError

FAKE = (sys.executable, str(Path(__file__).with_name("fake_worker.py")))
REPOSITORY = Path(__file__).parents[3]
PATIENCE = 180.0  # seconds that anything may take: a process starved of its core is no fault
LONG = 100_000  # steps of a run that does not end before it is told to
MakeEngine = Callable[..., LocalEngine]


@pytest.fixture
def make_engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeEngine]:
    monkeypatch.setattr("vae.engines.local.TICK", 0.03)
    made: list[LocalEngine] = []

    def make(slots: int = 1, spare: bool = False, **options: object) -> LocalEngine:
        patient = {"heartbeat_limit": PATIENCE, "stop_limit": PATIENCE, **options}
        made.append(LocalEngine(slots, spare, command=FAKE, **patient))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for engine in made:
        engine.close()


def new_run(root: Path, mode: str = "train", steps: int = 4, seconds: float = 0.01, name: str = "run") -> Path:
    fake = {"shape": [1, 8, 8], "fake": {"mode": mode, "steps": steps, "seconds": seconds}}
    return runs.create_run(Config(), fake, name=name, root=root)


def replan(path: Path, **changes: object) -> None:
    """What the next worker of this run is to do."""
    content = json.loads((path / "config.json").read_text())
    content["data"]["fake"] |= changes
    runs.save_checked(path, {"config.json": json.dumps(content).encode()})


def attempts(path: Path) -> list[list[str]]:
    """[process id, how it was started, its GPU] per start of a worker."""
    file = path / "attempts.txt"
    return [line.split() for line in file.read_text().splitlines()] if file.exists() else []


def pid(path: Path) -> int:
    return int(attempts(path)[-1][0])


def alive(process: int) -> bool:
    """Running in whatever way; a zombie that nobody reaped is dead."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def until(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def state(path: Path) -> str:
    return runs.read_status(path).state


def wait_for_state(path: Path, wanted: str) -> None:
    until(lambda: state(path) == wanted)


def steps_of(path: Path) -> list[int]:
    return [line["step"] for line in runs.read_history(path)]


# ---- the queue


def test_thirty_submissions_on_two_slots(tmp_path: Path, make_engine: MakeEngine) -> None:
    engine = make_engine(slots=2, spare=True)
    blockers = [new_run(tmp_path, steps=LONG, name="blocker") for _ in range(2)]
    for path in blockers:
        engine.submit(path, "greedy")
    for path in blockers:
        wait_for_state(path, "running")
    owners = ["greedy"] * 18 + ["ada"] * 5 + ["bob"] * 5
    waiting = [(new_run(tmp_path, steps=2, name=f"{owner}-{i}"), owner) for i, owner in enumerate(owners)]
    for path, owner in waiting:
        engine.submit(path, owner)

    assert set(engine.active()) == set(blockers)
    assert [engine.state(path).position for path in blockers] == [0, 0]
    queue = engine.queued()
    assert [engine.state(path).position for path in queue] == list(range(1, 29))
    turns = [path.name.split("-")[0] for path in queue]
    assert sorted(turns[:3]) == ["ada", "bob", "greedy"]
    assert turns[:3] == turns[3:6] == turns[12:15]
    assert turns[15:] == ["greedy"] * 13
    for owner in ("greedy", "ada", "bob"):
        own = [path for path in queue if path.name.startswith(owner)]
        assert own == [path for path, name in waiting if name == owner], "first come, first served within an owner"

    for path in blockers:
        engine.stop(path)
    assert engine.wait(PATIENCE)
    spans = [json.loads((path / "span.json").read_text()) for path in queue + blockers]
    begun = sorted((began, path.name) for (began, _), path in zip(spans, queue, strict=False))
    assert sum(name.startswith("greedy") for _, name in begun[:15]) in (4, 5, 6), "fair while others wait"
    at_once = [sum(began <= moment < ended for began, ended in spans) for moment, _ in spans]
    assert max(at_once) == 2
    assert {state(path) for path in queue} == {"finished"}
    assert {state(path) for path in blockers} == {"stopped"}


def test_fair_order_serves_the_owner_whose_turn_is_longest_ago() -> None:
    def job(name: str) -> Job:
        return Job(Path(name), Path(name), owner=name[0], lock=None)

    jobs = [job(name) for name in ("a1", "a2", "a3", "b1", "c1", "c2")]
    assert [str(j.key) for j in fair_order(jobs, {})] == ["a1", "b1", "c1", "a2", "c2", "a3"]
    assert [str(j.key) for j in fair_order(jobs, {"a": 7, "b": 6})] == ["c1", "b1", "a1", "c2", "a2", "a3"]
    assert fair_order([], {"a": 1}) == []


def test_submitting_twice_is_refused(tmp_path: Path, make_engine: MakeEngine) -> None:
    engine, path = make_engine(), new_run(tmp_path, steps=LONG)
    outcomes: list[str] = []

    def submit() -> None:
        try:
            engine.submit(path)
            outcomes.append("taken")
        except RunBusy:
            outcomes.append("busy")

    threads = [threading.Thread(target=submit) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["busy"] * 4 + ["taken"]
    wait_for_state(path, "running")
    with pytest.raises(RunBusy, match="'run' is training already"):
        engine.submit(path)
    with pytest.raises(RunBusy, match="another process"):
        make_engine().submit(path)
    assert len(attempts(path)) == 1
    assert state(path) == "running"


def test_several_are_taken_together_or_none(tmp_path: Path, make_engine: MakeEngine) -> None:
    engine = make_engine(slots=1)
    blocker, first, second = (new_run(tmp_path, steps=steps, name="x") for steps in (LONG, 1, 1))
    engine.submit(blocker)
    wait_for_state(blocker, "running")  # it has left the queue
    with pytest.raises(RunBusy):
        engine.submit([first, blocker, second])
    assert engine.queued() == []
    assert [state(path) for path in (first, second)] == ["stopped", "queued"]  # the second as it was made
    engine.submit([first, second])
    assert engine.queued() == [first, second]
    engine.stop(blocker)
    assert engine.wait(PATIENCE)
    assert [state(path) for path in (first, second)] == ["finished"] * 2


def test_a_refused_submission_changes_nothing(tmp_path: Path, make_engine: MakeEngine) -> None:
    engine, path = make_engine(), new_run(tmp_path)
    runs.write_status(path, runs.Status(state="finished", step=7, message="as it was"))
    (path / "knobs.json").write_text("{")
    with pytest.raises(RunError, match=r"knobs\.json"):
        engine.submit(path)
    status = runs.read_status(path)
    assert (status.state, status.step, status.message) == ("finished", 7, "as it was")
    assert not runs.is_locked(path)
    assert engine.queued() == []
    assert engine.active() == []


def test_two_runs_of_one_name_and_names_from_everywhere(tmp_path: Path, make_engine: MakeEngine) -> None:
    engine = make_engine(slots=2, spare=True)
    names = ["Ångström 変分", "Ångström 変分", "-rf", "../../x"]
    paths = [new_run(tmp_path, name=name) for name in names]
    assert len(set(paths)) == 4
    assert all(path.parent == tmp_path for path in paths)
    for path in paths:
        engine.submit(path)
    assert engine.wait(PATIENCE)
    assert [state(path) for path in paths] == ["finished"] * 4


# ---- crashes and hangs


def test_a_crash_is_resumed_once_from_the_saved_state(tmp_path: Path, make_engine: MakeEngine) -> None:
    engine, path = make_engine(), new_run(tmp_path, "crash once", steps=8)
    engine.submit(path)
    assert engine.wait(PATIENCE)
    assert state(path) == "finished"
    assert len(attempts(path)) == 2
    assert steps_of(path) == list(range(1, 9))


def test_a_run_that_crashes_twice_has_failed(tmp_path: Path, make_engine: MakeEngine) -> None:
    engine, path, other = make_engine(), new_run(tmp_path, "crash always"), new_run(tmp_path)
    engine.submit(path)
    engine.submit(other)
    assert engine.wait(PATIENCE)
    status = runs.read_status(path)
    assert status.state == "failed"
    assert len(attempts(path)) == 2
    assert "twice" in status.message
    assert "exit status 3" in status.message
    assert status.message.endswith("attempt 2\nthe flux capacitor is empty")
    assert state(other) == "finished", "the slot is free again"

    engine.submit(path)  # asked for by a person: two new tries
    assert engine.wait(PATIENCE)
    assert state(path) == "failed"
    assert len(attempts(path)) == 4


def test_a_killed_worker_is_resumed_and_its_neighbour_left_alone(tmp_path: Path, make_engine: MakeEngine) -> None:
    engine = make_engine(slots=2)
    path, neighbour = (new_run(tmp_path, steps=LONG) for _ in range(2))
    for run in (path, neighbour):
        engine.submit(run)
        wait_for_state(run, "running")
    until(lambda: len(steps_of(path)) >= 5)
    os.kill(pid(path), signal.SIGKILL)
    killed_at = max(steps_of(path))
    until(lambda: len(attempts(path)) == 2 and max(steps_of(path)) > killed_at + 5)
    for run in (path, neighbour):
        engine.stop(run)
    assert engine.wait(PATIENCE)
    assert [state(path), state(neighbour)] == ["stopped", "stopped"]
    assert [len(attempts(path)), len(attempts(neighbour))] == [2, 1]
    steps = steps_of(path)
    assert sorted(set(steps)) == list(range(1, max(steps) + 1))
    assert len(steps) <= max(steps) + 1


def test_a_suspended_worker_is_noticed(tmp_path: Path, make_engine: MakeEngine) -> None:
    engine, path = make_engine(heartbeat_limit=PATIENCE), new_run(tmp_path, steps=LONG)
    engine.submit(path)
    wait_for_state(path, "running")
    first = pid(path)
    os.kill(first, signal.SIGSTOP)
    engine._heartbeat_limit = 0.5  # only now: a worker that is merely slow must not be taken for one that hangs
    until(lambda: not alive(first))
    engine._heartbeat_limit = PATIENCE
    until(lambda: len(attempts(path)) == 2)
    engine.stop(path)
    assert engine.wait(PATIENCE)
    assert state(path) == "stopped"
    assert len(attempts(path)) == 2


def test_a_worker_that_never_speaks_is_noticed(tmp_path: Path, make_engine: MakeEngine) -> None:
    engine, path = make_engine(heartbeat_limit=0.2, start_limit=0.5), new_run(tmp_path, "mute")
    engine.submit(path)
    assert engine.wait(PATIENCE)
    assert state(path) == "failed"
    assert "no sign of life for 0.5 s" in runs.read_status(path).message


def test_a_worker_that_cannot_be_started(tmp_path: Path) -> None:
    path = new_run(tmp_path)
    with LocalEngine(1, True, command=[str(tmp_path / "nothing-here")]) as engine:
        engine.submit(path)
        assert engine.wait(PATIENCE)
    assert state(path) == "failed"
    assert "could not be started: No such file" in runs.read_status(path).message


# ---- stop


def test_stop_while_training_and_again_and_continue(tmp_path: Path, make_engine: MakeEngine) -> None:
    engine, path = make_engine(), new_run(tmp_path, steps=LONG)
    engine.submit(path)
    wait_for_state(path, "running")
    for _ in range(2):
        engine.stop(path)
    assert engine.wait(PATIENCE)
    assert state(path) == "stopped"
    assert runs.read_knobs(path).revision == 1  # a start that needs no change of them makes none
    stopped_at = runs.read_status(path).step
    assert stopped_at > 0
    before = runs.read_status(path)
    engine.stop(path)
    assert runs.read_status(path) == before
    assert runs.read_knobs(path).revision == 1

    runs.change_knobs(path, paused=True)
    replan(path, steps=stopped_at + 20)
    engine.submit(path)
    assert engine.wait(PATIENCE)
    assert state(path) == "finished"
    assert not runs.read_knobs(path).paused
    assert steps_of(path) == list(range(1, stopped_at + 21)), "continued where it stopped"


def test_stop_in_the_queue(tmp_path: Path, make_engine: MakeEngine) -> None:
    engine, blocker = make_engine(), new_run(tmp_path, steps=LONG)
    paths = [new_run(tmp_path) for _ in range(3)]
    for path in (blocker, *paths):
        engine.submit(path)
    until(lambda: engine.active() == [blocker])
    engine.stop(paths[0])
    assert state(paths[0]) == "stopped"
    assert engine.queued() == paths[1:]
    assert engine.state(paths[1]).position == 1
    engine.stop(paths[0])
    engine.stop(blocker)
    assert engine.wait(PATIENCE)
    assert [state(path) for path in paths] == ["stopped", "finished", "finished"]
    assert attempts(paths[0]) == []


def test_a_worker_that_ignores_stop_is_killed(tmp_path: Path, make_engine: MakeEngine) -> None:
    engine, path = make_engine(stop_limit=0.4), new_run(tmp_path, "deaf", steps=LONG)
    engine.submit(path)
    wait_for_state(path, "running")
    engine.stop(path)
    assert engine.wait(PATIENCE)
    assert state(path) == "stopped"
    assert "did not react to stop for 0.4 s" in runs.read_status(path).message
    assert len(attempts(path)) == 1
    assert not alive(pid(path))


# ---- the end of the server


def test_close_leaves_no_process(tmp_path: Path, make_engine: MakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vae.engines.workers.SPARE_DELAY", 0.0)
    engine = make_engine(slots=4, spare=True, close_limit=2.0, heartbeat_limit=10 * PATIENCE)
    good, deaf, suspended = (new_run(tmp_path, mode, steps=LONG) for mode in ("train", "deaf", "train"))
    working = [good, deaf, suspended]
    for path in working:
        engine.submit(path)
    for path in working:
        wait_for_state(path, "running")
    os.kill(pid(suspended), signal.SIGSTOP)
    until(lambda: engine._workers.spare is not None)  # a slot is free
    spare = engine._workers.spare
    fill = [new_run(tmp_path, steps=LONG) for _ in range(3)]
    for path in fill:
        engine.submit(path)
    until(lambda: len(engine.active()) == 4 and attempts(fill[0]))

    began = time.monotonic()
    engine.close()
    assert time.monotonic() - began < PATIENCE, "the deaf one would take a quarter of an hour"
    until(lambda: not any(alive(pid(path)) for path in [*working, fill[0]]))
    assert spare
    until(lambda: spare.exit_code() is not None)
    assert {state(path) for path in working + fill} == {"interrupted"}
    assert "did not save in time" in runs.read_status(deaf).message
    assert all("before its turn" in runs.read_status(path).message and attempts(path) == [] for path in fill[1:])
    engine.close()
    with pytest.raises(RunError, match="the server is ending"):
        engine.submit(good)
    assert engine.wait(0)
    assert engine.active() == engine.queued() == []


SERVER = """
import sys, time
from pathlib import Path
from vae.engines import local, workers
workers.SPARE_DELAY = 0.0
engine = local.LocalEngine(3, command=sys.argv[1:3])
for name in sys.argv[3:]:
    engine.submit(Path(name))
while engine._workers.spare is None:
    time.sleep(0.01)
print(engine._workers.spare._process.pid, flush=True)
sys.stdin.read()
"""


def test_workers_end_when_the_server_is_killed(tmp_path: Path, make_engine: MakeEngine) -> None:
    paths = [new_run(tmp_path, steps=LONG) for _ in range(2)]
    arguments = [sys.executable, "-c", SERVER, *FAKE, *map(str, paths)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=REPOSITORY) as server:
        assert server.stdout is not None
        spare = int(server.stdout.readline())
        for path in paths:
            wait_for_state(path, "running")
        server.kill()
    until(lambda: not any(alive(process) for process in [spare, *map(pid, paths)]))
    assert [json.loads((path / "status.json").read_text())["state"] for path in paths] == ["interrupted"] * 2


def test_a_stale_status_is_detected(tmp_path: Path, make_engine: MakeEngine) -> None:
    waiting, training, blocker, elsewhere = (new_run(tmp_path) for _ in range(4))
    foreign = os.getppid()  # alive, and not training anything
    runs.write_status(waiting, runs.Status(state="queued", pid=foreign))
    runs.write_status(training, runs.Status(state="running", step=12, pid=foreign))
    other_server = make_engine(close_limit=0.2)
    replan(blocker, seconds=600)
    other_server.submit(blocker)
    other_server.submit(elsewhere)
    until(lambda: other_server.active() == [blocker] and attempts(blocker))

    assert recover(tmp_path) == [waiting]
    assert state(waiting) == "interrupted"
    assert runs.read_status(waiting).pid is None
    assert state(training) == "interrupted"
    assert "at step 12" in runs.read_status(training).message
    assert state(elsewhere) == "queued", "it waits in another server"
    assert runs.is_locked(elsewhere)
    engine = make_engine(slots=2)
    for path in (waiting, training):
        engine.submit(path)
    assert engine.wait(PATIENCE)
    assert [state(waiting), state(training)] == ["finished", "finished"]


def test_stop_reaches_a_run_that_nobody_has(tmp_path: Path, make_engine: MakeEngine) -> None:
    path = new_run(tmp_path)
    make_engine().stop(path)
    assert state(path) == "stopped"


# ---- the spare worker and the slots


def test_no_spare_is_kept_where_none_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELBO_ROOM_SPARES", "0")
    assert Workers(FAKE, spare=True).spares_left == 0
    for wrong in ("no", "2"):
        monkeypatch.setenv("ELBO_ROOM_SPARES", wrong)
        with pytest.raises(ConfigError, match="ELBO_ROOM_SPARES"):
            Workers(FAKE, spare=True)


def test_the_spare_worker_is_used_and_replaced(
    tmp_path: Path, make_engine: MakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vae.engines.workers.SPARE_DELAY", 0.1)
    engine, paths = make_engine(spare=True), [new_run(tmp_path) for _ in range(2)]
    engine.start()
    for path in paths:
        until(lambda: engine._workers.spare is not None)
        engine.submit(path)
        assert engine.wait(PATIENCE)
    assert [attempts(path)[0][1] for path in paths] == ["spare", "spare"]
    assert (paths[0] / "log.txt").read_text() == "attempt 1\n"


def test_a_spare_that_dies_is_not_made_for_ever(
    tmp_path: Path, make_engine: MakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    diary = tmp_path / "diary"
    monkeypatch.setenv("FAKE_SPARE_CRASHES", str(diary))
    monkeypatch.setattr("vae.engines.workers.SPARE_DELAY", 0.0)
    engine, path = make_engine(slots=2, spare=True), new_run(tmp_path / "runs", steps=80)
    monkeypatch.setattr("vae.engines.local.IDLE_TICK", 0.1)
    engine.start()
    until(lambda: engine._workers.spares_left == 0)
    engine.submit(path)
    assert engine.wait(PATIENCE)
    assert state(path) == "finished"
    assert attempts(path)[0][1] == "direct"
    assert diary.read_text().splitlines() == ["tried", "tried"]


def test_each_gpu_gets_its_worker(tmp_path: Path, make_engine: MakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    engine, paths = make_engine(slots=2, spare=True), [new_run(tmp_path, steps=LONG) for _ in range(2)]
    for path in paths:
        engine.submit(path)
    until(lambda: all(attempts(path) for path in paths))
    for path in paths:
        engine.stop(path)
    assert engine.wait(PATIENCE)
    assert sorted(attempts(path)[0][2] for path in paths) == ["2", "5"]


def test_slots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ELBO_ROOM_SLOTS", raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,3")
    assert gpus() == ["0", "3"]
    assert LocalEngine().slots == 2
    for nothing in ("", "-1"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", nothing)
        assert gpus() == []
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(6), raising=False)
    assert default_slots(0) == 3
    assert default_slots(4) == 4
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(1), raising=False)
    assert default_slots(0) == 1
    monkeypatch.setenv("ELBO_ROOM_SLOTS", "5")
    assert default_slots(0) == 5
    for wrong in ("0", "many", "-2", "1.5"):
        monkeypatch.setenv("ELBO_ROOM_SLOTS", wrong)
        with pytest.raises(ConfigError, match="ELBO_ROOM_SLOTS"):
            default_slots(0)
    with pytest.raises(ConfigError, match="slots"):
        LocalEngine(slots=0)


# ---- its cost


def test_a_new_engine_has_nothing_to_do() -> None:
    engine: Engine = LocalEngine(slots=1, spare=False)
    assert engine.queued() == engine.active() == []
    assert engine.wait(0)
    engine.close()


def test_an_engine_costs_the_server_no_torch() -> None:
    check = "import sys; from vae.engines.local import LocalEngine; LocalEngine();"
    check += "assert not {'torch', 'numpy', 'multiprocessing', 'streamlit'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", check], check=True, cwd=REPOSITORY)
