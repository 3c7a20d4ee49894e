"""One process that trains several runs as one batched step: each run is as if it had been alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load

from tests.vae.engines.scripted_runs import REPOSITORY, STEPS, make_quick, new_run, records, wait_until, weights
from tests.vae.train_run import train_run
from vae import runs
from vae.engines import worker
from vae.errors import RunBusy
from vae.runs import live_knobs
from vae.runs.moments import list_moments
from vae.training import batched_runs
from vae.training.batched_runs import BatchedRuns

OWN: list[dict[str, Any]] = [{"C": 2.0, "seed": 0}, {"C": 2.0, "seed": 1}, {"C": 20.0, "lr": 1e-3}, {"C": "fit"}]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    make_quick(monkeypatch)


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many trainers each joint step computed."""
    steps: list[int] = []
    take = BatchedRuns._take

    def note(self: BatchedRuns, joined: list[Any]) -> None:
        steps.append(len(joined))
        take(self, joined)

    monkeypatch.setattr(BatchedRuns, "_take", note)
    return steps


def several(root: Path) -> list[Path]:
    return [new_run(root, f"run-{number}", **own) for number, own in enumerate(OWN)]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    root = tmp_path_factory.mktemp("alone")
    with pytest.MonkeyPatch.context() as patch:
        make_quick(patch)
        paths = several(root)
        for path in paths:
            assert train_run(path).state == "finished"
    return paths


def assert_like(path: Path, other: Path) -> None:
    for mine, theirs in zip(records(path), records(other), strict=True):
        assert (mine["step"], mine["epoch"]) == (theirs["step"], theirs["epoch"])
        assert mine["C"] == pytest.approx(theirs["C"], rel=1e-4)
        for part in ("train", "test"):
            if mine[part] or theirs[part]:
                assert mine[part]["elbo"] == pytest.approx(theirs[part]["elbo"], rel=1e-4, abs=1e-3)
                assert mine[part]["rate_per_dim"] == pytest.approx(theirs[part]["rate_per_dim"], rel=1e-3, abs=1e-4)
    kept = [[(moment.step, moment.why) for moment in list_moments(run)] for run in (path, other)]
    assert kept[0] == kept[1] != []
    one, two = load(weights(path)), load(weights(other))
    assert all(one[name].sub(two[name]).abs().max() < 1e-3 for name in one)


def test_each_run_is_as_if_alone(tmp_path: Path, alone: list[Path], shared: list[int]) -> None:
    paths = several(tmp_path)
    for status in worker.train_runs(paths):
        assert (status.state, status.step, status.message) == ("finished", STEPS, "")
    assert shared == [4] * STEPS
    for path, other in zip(paths, alone, strict=True):
        assert_like(path, other)
        assert not runs.is_locked(path)


def test_stopped_one_by_one_and_continued_together(
    tmp_path: Path, alone: list[Path], shared: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    paths, refresh = several(tmp_path), live_knobs.LiveKnobs.refresh
    stops = {paths[0]: 10, paths[1]: 25, paths[2]: 25, paths[3]: 40}

    def stopping(knobs: live_knobs.LiveKnobs) -> None:
        if knobs.trainer.step == stops[knobs.path] and not knobs._requested.stop:
            runs.change_knobs(knobs.path, stop=True)
        refresh(knobs)

    with monkeypatch.context() as patch:
        patch.setattr(live_knobs.LiveKnobs, "refresh", stopping)
        told = worker.train_runs(paths)
    assert [(status.state, status.step) for status in told] == [("stopped", step) for step in stops.values()]
    assert shared == [4] * 10 + [3] * 15 + [1] * 15
    for path in paths:
        runs.change_knobs(path, stop=False)
    assert {status.state for status in worker.train_runs(paths)} == {"finished"}
    for path, other in zip(paths, alone, strict=True):
        assert_like(path, other)


def test_what_is_saved_on_the_way_goes_on_as_if_alone(
    tmp_path: Path, alone: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each save holds whole steps, also while a step is shared."""
    paths, save, write_what_is_due = several(tmp_path), worker.Worker.save, worker.Worker._write_what_is_due
    kept: list[int] = []

    def saving(self: worker.Worker, recorded: bool) -> None:
        if self.trainer.step == 23:
            save(self)
            kept.append(self.trainer.step)
        write_what_is_due(self, recorded)

    with monkeypatch.context() as patch:
        patch.setattr(worker.Worker, "_write_what_is_due", saving)
        patch.setattr(worker.Worker, "save", lambda self: save(self) if self.trainer.step == 0 else None)
        worker.train_runs(paths)
    assert len(kept) == len(paths)
    assert {status.state for status in worker.train_runs(paths)} == {"finished"}
    for path, other in zip(paths, alone, strict=True):
        assert_like(path, other)


def test_one_that_diverges_and_one_that_is_damaged_leave_the_others_alone(tmp_path: Path, alone: list[Path]) -> None:
    paths = several(tmp_path)
    settings = json.loads((paths[1] / "config.json").read_text())
    settings["config"]["lr"] = 1e30
    runs.save_checked(paths[1], {"config.json": json.dumps(settings).encode()})
    (paths[3] / "resume").mkdir()
    (paths[3] / "resume/state.safetensors").write_bytes(b"nothing")
    told = worker.train_runs(paths)
    assert [status.state for status in told] == ["finished", "diverged", "finished", "failed"]
    assert "is damaged" in told[3].message
    assert "diverged at step" in told[1].message
    for number in (0, 2):
        assert_like(paths[number], alone[number])


def test_a_joint_step_that_needs_too_much_memory_is_told_to_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: BatchedRuns, joined: list[Any]) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(BatchedRuns, "_take", full)
    told = worker.train_runs(several(tmp_path))
    assert {status.state for status in told} == {"failed"}
    assert all("Out of memory" in status.message for status in told)


def test_those_that_cannot_share_train_one_after_the_other(tmp_path: Path, shared: list[int]) -> None:
    paths = [new_run(tmp_path, "small"), new_run(tmp_path, "smaller", hidden=(4,))]
    assert [status.state for status in worker.train_runs(paths)] == ["finished"] * 2
    assert shared == []


def test_a_run_that_another_process_trains_refuses_the_whole(tmp_path: Path) -> None:
    paths = several(tmp_path)
    lock = runs.acquire(paths[2])
    with pytest.raises(RunBusy, match="run-2"):
        worker.train_runs(paths)
    lock.release()
    assert not any(runs.is_locked(path) for path in paths)


def test_a_process_of_its_own_trains_them_and_ends_with_its_parent(tmp_path: Path) -> None:
    paths = [new_run(tmp_path, f"run-{n}", seed=n, epochs=2000) for n in range(batched_runs.SEVERAL)]
    command = [sys.executable, "-m", "vae.engines.worker", *map(str, paths)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, cwd=REPOSITORY) as process:
        assert process.stdin is not None
        wait_until(lambda: process.poll() is not None or all(runs.read_history(path) for path in paths))
        assert process.poll() is None
        process.stdin.close()
        assert process.wait(120) == 0
    assert {runs.read_status(path).state for path in paths} == {"interrupted"}
    assert all((path / runs.STATE).is_file() for path in paths)
