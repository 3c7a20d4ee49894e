"""Runs on a real Slurm of one node: the weights are those of this process, whatever happens to jobs and daemons."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.vae.engines.scripted_runs import assert_same_run, held, let_go, new_run, records, slow_run
from tests.vae.engines.slurm_cluster import Cluster, cluster, until, why_not
from tests.vae.train_run import train_run
from vae import runs
from vae.__main__ import main
from vae.engines import batches
from vae.engines.doctor import examine
from vae.engines.scheduled import ScheduledEngine
from vae.engines.slurm import Slurm
from vae.errors import EngineError, RunBusy

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(why_not()), reason=why_not() or "it is here")]


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster(tmp_path_factory.mktemp("slurm")) as made, pytest.MonkeyPatch.context() as patch:
        for name, value in made.environment.items():
            patch.setenv(name, value)
        yield made


@pytest.fixture
def engine(slurm: Cluster, tmp_path: Path) -> Iterator[ScheduledEngine]:
    with ScheduledEngine(Slurm({"signal": 60}), tmp_path / "runs", look_every=0.2) as made:
        yield made


def job_of(path: Path) -> str:
    """The id of the job that has a run."""
    (job,) = [
        batch.jobs[index]
        for batch in batches.read_all(path.parent)
        for index, group in enumerate(batch.groups)
        if path.name in group and index not in batch.done
    ]
    return job


def same_here(path: Path, tmp_path: Path, **changes: object) -> None:
    """Trains the same in this process, undisturbed, and compares to the last bit."""
    alone = new_run(tmp_path / "alone", path.name, **changes)
    assert train_run(alone).state == "finished"
    assert_same_run(path, alone)
    steps = [line["step"] for line in records(path)]
    assert steps == sorted(set(steps))  # nothing counted twice


def test_a_sweep_gives_the_weights_of_this_process(
    engine: ScheduledEngine, slurm: Cluster, tmp_path: Path, one_thread: None
) -> None:
    tries = [{"C": 4.0}, {"C": 16.0}, {"C": 4.0, "seed": 1}]
    paths = [new_run(tmp_path / "runs", f"run-{i}", **one) for i, one in enumerate(tries)]
    with slurm.nothing_starts():
        engine.submit(paths)
        assert [runs.read_status(path).state for path in paths] == ["queued"] * 3
        (batch,) = batches.read_all(tmp_path / "runs")
        assert batch.groups == (("run-0",), ("run-1",), ("run-2",))
        assert len({job.split("_")[0] for job in batch.jobs}) == 1  # one array
        with pytest.raises(RunBusy, match="waits for its turn on slurm"):
            engine.submit(paths[1])
    assert engine.wait(600)
    assert [runs.read_status(path).state for path in paths] == ["finished"] * 3
    assert batches.read_all(tmp_path / "runs") == []
    for path, one in zip(paths, tries, strict=True):
        same_here(path, tmp_path, **one)


def test_whatever_happens_the_weights_are_the_same(
    engine: ScheduledEngine, slurm: Cluster, tmp_path: Path, one_thread: None
) -> None:
    root = tmp_path / "runs"
    names = ("killed", "preempted", "cancelled", "left-alone")
    killed, preempted, cancelled, alone = paths = [slow_run(root, name, seed=i) for i, name in enumerate(names)]
    engine.submit(paths)
    until(lambda: held(paths))
    pids = {path: runs.read_status(path).pid for path in paths}
    os.kill(pids[killed] or 0, signal.SIGKILL)
    slurm.call("scancel", "--signal=USR1", "--batch", job_of(preempted))
    slurm.call("scancel", job_of(cancelled))
    engine.close()  # the server goes
    slurm.stop_controller()
    with ScheduledEngine(Slurm({}), root, look_every=0.2) as again:
        until(lambda: "cannot be reached" in again.state(alone).words)
        for path in paths:
            let_go(path)
        until(lambda: runs.read_status(alone).state == "finished")  # it goes on without the controller
        with pytest.raises(EngineError, match="reached"):
            again.submit(new_run(root, "unheard"))
        assert "not handed over" in runs.read_status(root / "unheard").message
        slurm.start_controller()
        until(lambda: runs.read_status(preempted).state == "queued")
        assert "goes on when its turn comes" in runs.read_status(preempted).message
        until(lambda: "has it" not in again.state(preempted).words)
        until(lambda: "CANCELLED" in runs.read_status(cancelled).message)
        assert runs.read_status(cancelled).state == "interrupted"
        again.submit(cancelled)
        slurm.hurry()
        until(lambda: (slurm.hurry(), again.wait(0))[1])
    for path in paths:
        assert runs.read_status(path).state == "finished", runs.read_status(path).message
        same_here(path, tmp_path, seed=names.index(path.name))
    assert slurm.jobs() == {}
    until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids.values()))
    assert "resumed" in (root / "killed" / "log.txt").read_text() or runs.read_status(killed).pid != pids[killed]


def test_one_that_is_stopped_ends_with_its_state_saved_or_never_starts(
    engine: ScheduledEngine, slurm: Cluster, tmp_path: Path, one_thread: None
) -> None:
    root = tmp_path / "runs"
    with ScheduledEngine(Slurm({"at_once": 1}), root, look_every=0.2) as narrow:
        working, waiting = paths = [slow_run(root, name) for name in ("working", "waiting")]
        narrow.submit(paths)
        until(lambda: held([working]))
        until(lambda: "waits" in narrow.state(waiting).words)
        assert narrow.queued() == [waiting]
        assert narrow.active() == [working]
        narrow.stop(waiting)
        narrow.stop(working)
        assert narrow.wait(600)
        assert [runs.read_status(path).state for path in paths] == ["stopped"] * 2
        assert (working / runs.STATE).is_file()
        assert not (waiting / runs.STATE).exists()
        let_go(working)
        narrow.submit(working)  # and on, exactly
        assert narrow.wait(600)
        same_here(working, tmp_path)
    assert slurm.jobs() == {}


def test_what_a_job_prints_before_its_run_begins_is_its_log(slurm: Cluster, tmp_path: Path) -> None:
    root = tmp_path / "a b'c\"d $(touch hit) %j\\n"  # a folder may be called so
    path = new_run(root)
    with ScheduledEngine(Slurm({"setup": "echo no module of that name; exit 7"}), root, look_every=0.2) as engine:
        engine.submit(path)
        assert engine.wait(600)
        assert "no module of that name" in engine.log_tail(path)
    assert list(tmp_path.iterdir()) == [root]
    status = runs.read_status(path)
    assert status.state == "interrupted"
    assert "FAILED, exit status 7" in status.message


def test_sbatch_refuses_in_a_sentence_and_nothing_has_changed(slurm: Cluster, tmp_path: Path) -> None:
    path = new_run(tmp_path / "runs")
    with ScheduledEngine(Slurm({"partition": "nowhere"}), tmp_path / "runs", look_every=0.2) as engine:
        with pytest.raises(EngineError, match=r"sbatch: .*invalid partition"):
            engine.submit(path)
        assert batches.read_all(tmp_path / "runs") == []
    assert runs.read_status(path).state == "interrupted"


def test_the_doctor_looks_through_a_job_and_says_what_to_do(slurm: Cluster, tmp_path: Path) -> None:
    settings = tmp_path / "engines.json"
    settings.write_text('{"engine": "slurm", "slurm": {"at_once": 2}}')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ELBO_ROOM_ENGINES", str(settings))
        checks = list(examine("slurm", tmp_path / "runs"))
        names = ["settings", "reached", "shared folder", "versions", "locks", "clocks", "a run"]
        assert [check.name for check in checks] == names
        assert all(check.well and not check.remedy for check in checks), checks
        assert "slurm" in checks[1].found
        assert runs.list_runs(tmp_path / "runs") == []
        assert batches.read_all(tmp_path / "runs") == []
        settings.write_text('{"slurm": {"setup": "echo the modules are gone; exit 3"}}')
        last = list(examine("slurm", tmp_path / "runs"))[-1]
    assert (last.name, last.well) == ("a job", False)
    assert "the modules are gone" in last.found
    assert "`setup`" in last.remedy


def test_a_sweep_from_the_command_line_is_followed_to_its_end(
    slurm: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    words = ["--dataset", "digits", "--C", "4,16", "--hidden", "8", "--epochs", "1", "--threads", "1"]
    words += ["--runs", str(tmp_path / "runs"), "--name", "there", "--json", "--engine", "slurm"]
    assert main(["sweep", *words]) == 0
    printed, said = capfd.readouterr()
    assert [Path(run["run"]).name for run in json.loads(printed)["runs"]] == ["there-C-4", "there-C-16"]
    assert all(run["state"] == "finished" and run["elbo"] < 0 for run in json.loads(printed)["runs"])
    assert "slurm has 2 runs; Ctrl-C leaves them there." in said
