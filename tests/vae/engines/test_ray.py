"""Runs on a real Ray cluster of two machines: the weights are those of this process, also when a machine is lost."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.vae.engines.ray_cluster import Cluster, cluster, why_not
from tests.vae.engines.scripted_runs import assert_same_run, held, let_go, new_run, records, slow_run
from tests.vae.engines.slurm_cluster import until
from tests.vae.train_run import train_run
from vae import runs
from vae.engines import batches, worker
from vae.engines.doctor import examine
from vae.engines.ray import Ray
from vae.engines.scheduled import ScheduledEngine
from vae.errors import EngineError

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(why_not()), reason=why_not() or "it is here")]


@pytest.fixture(scope="module")
def ray(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster(tmp_path_factory.mktemp("r") / "y") as made, pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_TOKEN", made.token)
        yield made


def on(cluster: Cluster, root: Path, **values: object) -> ScheduledEngine:
    return ScheduledEngine(Ray({"address": cluster.address, **values}), root, look_every=0.3)


def same_here(path: Path, tmp_path: Path, **changes: object) -> None:
    alone = new_run(tmp_path / "alone", path.name, **changes)
    assert train_run(alone).state == "finished"
    assert_same_run(path, alone)
    steps = [line["step"] for line in records(path)]
    assert steps == sorted(set(steps))


def test_a_sweep_gives_the_weights_of_this_process(ray: Cluster, tmp_path: Path, one_thread: None) -> None:
    root, tries = tmp_path / "runs", [{"C": 4.0}, {"C": 16.0}, {"C": 4.0, "seed": 1}]
    paths = [new_run(root, f"run-{i}", **one) for i, one in enumerate(tries)]
    with on(ray, root) as engine:
        engine.submit(paths)
        assert engine.wait(600)
    assert [runs.read_status(path).state for path in paths] == ["finished"] * 3
    for path, one in zip(paths, tries, strict=True):
        same_here(path, tmp_path, **one)


def test_several_runs_of_a_job_are_one_worker(ray: Cluster, tmp_path: Path, one_thread: None) -> None:
    names = ("one", "two")
    there, here = ([new_run(tmp_path / root, name, C=4.0 + i) for i, name in enumerate(names)] for root in ("a", "b"))
    with on(ray, tmp_path / "a", runs_per_job=2) as engine:
        engine.submit(there)
        (batch,) = batches.read_all(tmp_path / "a")
        assert batch.groups == (names,)
        assert engine.wait(600)
    worker.train_runs(here)
    pids = {line.split()[-1] for path in there for line in [str(runs.read_status(path).pid)]}
    assert len(pids) == 1
    for one, other in zip(there, here, strict=True):
        assert_same_run(one, other)


def test_a_lost_machine_and_a_stop(ray: Cluster, tmp_path: Path, one_thread: None) -> None:
    root = tmp_path / "runs"
    paths = [slow_run(root, f"run-{i}", seed=i) for i in range(2)]
    with on(ray, root, cpus=2) as engine:  # one to a machine
        engine.submit(paths)
        until(lambda: held(paths))
        pids = [runs.read_status(path).pid for path in paths]
        ray.lose_machine(0)
        (batch,) = batches.read_all(root)
        first = set(batch.jobs)
        until(lambda: any(set(batch.jobs) != first for batch in batches.read_all(root)))
        waiting = new_run(root, "stopped")
        engine.submit(waiting)
        until(lambda: "pending" in engine.state(waiting).words)
        engine.stop(waiting)
        for path in paths:
            let_go(path)
        assert engine.wait(600)
    until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids))
    assert runs.read_status(waiting).state == "stopped"
    assert not (waiting / runs.STATE).exists()
    for i, path in enumerate(paths):
        assert runs.read_status(path).state == "finished", runs.read_status(path).message
        same_here(path, tmp_path, seed=i)


def test_the_doctor_and_the_log(ray: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = tmp_path / "engines.json"
    settings.write_text(f'{{"ray": {{"address": "{ray.address}"}}}}')
    monkeypatch.setenv("ELBO_ROOM_ENGINES", str(settings))
    checks = list(examine("ray", tmp_path / "runs"))
    assert all(check.well for check in checks), checks
    assert "by token" in checks[1].found
    path = new_run(tmp_path / "runs")
    with on(ray, tmp_path / "runs", setup="echo the modules are gone; exit 3", tries=1) as engine:
        engine.submit(path)
        assert engine.wait(600)
        assert "modules are gone" in engine.log_tail(path)
    assert runs.read_status(path).state == "interrupted"
    assert "FAILED" in runs.read_status(path).message
    monkeypatch.setenv("RAY_AUTH_TOKEN", "0" * 64)
    with pytest.raises(EngineError, match="refuses"):
        Ray({"address": ray.address}).look()
