"""The worker: what a run leaves behind, and what it says when something is wrong."""

from __future__ import annotations

import dataclasses
import json
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load

from tests.vae.engines.scripted_runs import (
    KNOBS,
    REPOSITORY,
    STEPS,
    assert_same_run,
    knob_lines,
    largest_file,
    make_quick,
    new_run,
    records,
    scripted_run,
    start,
    step_of,
    wait_until,
    weights,
)
from tests.vae.train_run import train_run
from vae import load_run, runs
from vae.datasets import load_dataset
from vae.engines import worker
from vae.engines.parent import Parent
from vae.errors import RunBusy
from vae.runs import live_knobs
from vae.runs.preview import unpack
from vae.training.trainer import Trainer


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    make_quick(monkeypatch)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return scripted_run(tmp_path_factory.mktemp("undisturbed"))


# what a run leaves


def test_a_finished_run_holds_what_its_readers_expect(undisturbed: Path) -> None:
    status = runs.read_status(undisturbed)
    assert (status.state, status.step, status.total_steps, status.message) == ("finished", STEPS, STEPS, "")
    assert status.epoch == pytest.approx(STEPS * 64 / 1437)
    assert status.knobs_revision == len(KNOBS)
    line = next(line for line in runs.read_history(undisturbed) if "train" in line)
    assert set(line) == {"step", "epoch", "C", "lr", "train", "test", "seconds"}
    assert set(line["train"]) == {
        "distortion",
        "rate",
        "elbo",
        "squared_error",
        "normaliser",
        "loss",
        "active",
        "rate_per_dim",
        "marginal_rate_per_dim",
        "images",
        "elbo_error",
        "distortion_error",
        "rate_error",
        "squared_error_error",
    }
    step, originals, reconstructions = unpack((undisturbed / "preview/live.bin").read_bytes())
    assert step == STEPS
    assert originals.shape == reconstructions.shape == (8, 8, 8, 1)
    assert not list(undisturbed.rglob("*.tmp"))
    assert not runs.is_locked(undisturbed)
    run = load_run(undisturbed)
    final = load(weights(undisturbed))
    assert all(torch.equal(final[name], value) for name, value in run.model.state_dict().items())
    assert not run.model.training
    assert run.dataset().info.to_json()["train"] == 1437


def test_the_saved_model_has_the_held_out_values_of_the_last_record(undisturbed: Path) -> None:
    run = load_run(undisturbed)
    dataset = run.dataset()
    trainer = Trainer(run.config, dataset)
    trainer.model.load_state_dict(run.model.state_dict())
    means = trainer.evaluate(whole=True)
    assert means is not None
    assert dataclasses.asdict(means) == records(undisturbed)[-1]["test"]


# when something is wrong


def test_a_run_in_training_refuses_a_second_trainer(tmp_path: Path) -> None:
    path = new_run(tmp_path)
    lock = runs.acquire(path)
    with pytest.raises(RunBusy, match="another process"):
        train_run(path)
    lock.release()
    assert runs.read_status(path).state == "queued"  # untouched


def test_divergence_keeps_the_last_good_checkpoint_and_can_be_continued(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = new_run(tmp_path)
    with monkeypatch.context() as patch:
        start(path, [(23, {"lr_factor": 1e25}, None)], saves=[13]).install(patch)
        status = train_run(path)
    assert status.state == "diverged"
    bad = next(line["step"] for line in runs.read_history(path) if line.get("event") == "diverged")
    assert 24 <= bad <= 30
    assert f"diverged at step {bad}" in status.message
    assert worker.unpack_state(runs.read_checked(path, runs.STATE), "run")[1]["step"] == 13
    assert all(value.isfinite().all() for value in load_run(path).model.state_dict().values())
    runs.change_knobs(path, lr_factor=1.0)
    assert train_run(path).state == "finished"
    assert not any(line.get("event") == "diverged" or line["step"] == 23 for line in runs.read_history(path))
    calm = new_run(tmp_path, "calm")
    train_run(calm)
    assert_same_run(path, calm)


def test_a_full_disk_is_said_and_costs_nothing_that_was_there(
    undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = new_run(tmp_path)
    with monkeypatch.context() as patch:
        start(path).install(patch)
        room = 4000  # the history outgrows it at once, a checkpoint is never written
        with largest_file(room):
            status = train_run(path)
        assert status.state == "failed"
        assert "cannot be written (File too large)" in status.message
        assert not list(path.rglob("*.tmp"))
        with largest_file(40_000):  # the checkpoints fit, after a while the history does not: a torn line
            status = train_run(path)
        if status.state == "failed":
            assert (path / "history.jsonl").stat().st_size == 40_000
        assert not list(path.rglob("*.tmp"))
        runs.read_checked(path, runs.STATE)
        assert train_run(path).state == "finished"
    assert_same_run(path, undisturbed)


def test_a_history_that_fills_the_disk_is_torn_and_then_mended(
    undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = new_run(tmp_path)
    append = runs.append_history

    def full(path: Path, line: dict[str, Any]) -> None:
        if line["step"] == 30:
            with open(path / "history.jsonl", "ab") as file:
                file.write(b'{"step":30,"epo')
            raise OSError(28, "No space left on device")
        append(path, line)

    with monkeypatch.context() as patch:
        start(path).install(patch)
        with monkeypatch.context() as inner:
            inner.setattr(runs, "append_history", full)
            status = train_run(path)
        assert status.state == "failed"
        assert "No space left on device" in status.message
        assert "make room" in status.message
        assert step_of(path) == 28
        assert train_run(path).state == "finished"
    assert_same_run(path, undisturbed)


@pytest.mark.parametrize("name", [runs.STATE, "config.json", "history.jsonl"])
def test_a_damaged_run_is_refused_with_a_sentence_and_keeps_its_files_and_its_end(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = new_run(tmp_path)
    with monkeypatch.context() as patch:
        start(path, [(30, {"stop": True}, None)]).install(patch)
        train_run(path)
    runs.change_knobs(path, stop=False)
    whole = (path / name).read_bytes()
    (path / name).write_bytes(whole[: len(whole) // 2])
    kept = {
        file: file.read_bytes()
        for file in path.rglob("*")
        if file.is_file() and file.name not in ("status.json", "lock")
    }
    ended = runs.read_status(path)
    status = train_run(path)
    assert (status.state, status.step, status.message) == ("stopped", ended.step, ended.message)
    assert "run 'run'" in status.refused
    assert name.split("/")[-1] in status.refused
    assert all(file.read_bytes() == content for file, content in kept.items())
    (path / name).write_bytes(whole)
    assert train_run(path).state == "finished"


def test_a_state_that_is_no_state_is_refused(tmp_path: Path) -> None:

    path = new_run(tmp_path)
    for data in (b"", b"\x08" + bytes(7), pickle.dumps({"a": 1}), (2**62).to_bytes(8, "little") + b"{}", bytes(100)):
        runs.save_checked(path, {runs.STATE: data})
        status = train_run(path)
        assert status.state == "failed"
        assert "cannot be read" in (status.refused or status.message)


def test_a_config_that_cannot_be_built_is_a_sentence(tmp_path: Path) -> None:
    path = new_run(tmp_path)
    content = json.loads((path / "config.json").read_text())
    for setting, value in (
        ("network", "transformer"),
        ("dataset", "no-such-set"),
        ("flux", 1),
        ("dataset", "gone.npz"),
    ):
        changed = content | {"config": content["config"] | {setting: value}}
        runs.save_checked(path, {"config.json": json.dumps(changed).encode()})
        status = train_run(path)
        assert status.state == "failed"
        sentence = status.refused or status.message  # after the first refusal it is a run that has ended
        assert str(value) in sentence or setting in sentence


def test_a_C_that_a_run_cannot_take_is_said_while_it_trains_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = new_run(tmp_path, objective="iwae", likelihood="bernoulli", binarize="threshold", samples=2)
    monkeypatch.setattr(worker, "STATUS_EVERY", 0.0)
    seen: list[str] = []
    write = runs.write_status
    monkeypatch.setattr(runs, "write_status", lambda p, s: (seen.append(s.message), write(p, s)))
    start(path, [(10, {"C": 2.0}, None), (40, {"C": 1.0}, None)], saves=[]).install(monkeypatch)
    assert train_run(path).state == "finished"
    assert any("only at C = 1" in message for message in seen)
    assert seen[-1] == ""
    assert knob_lines(path) == []


def test_rubbish_in_knobs_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, plain = new_run(tmp_path, "a"), new_run(tmp_path, "b")
    train_run(plain)
    refresh = live_knobs.LiveKnobs.refresh
    rubbish = [b"", b"{", b"[]", b"null", b'{"C": -1}', b'{"pace": "x"}', b'{"new": 1}', b"\xff"]

    def spoilt(knobs: live_knobs.LiveKnobs) -> None:
        (path / "knobs.json").write_bytes(rubbish[knobs.trainer.step % len(rubbish)])
        refresh(knobs)

    monkeypatch.setattr(live_knobs.LiveKnobs, "refresh", spoilt)
    assert train_run(path).state == "finished"
    assert_same_run(path, plain)


def test_two_changes_within_a_tick_of_the_clock_are_both_seen(tmp_path: Path) -> None:

    path = new_run(tmp_path)
    trainer = Trainer(runs.read_config(path)[0], load_dataset("digits"))
    knobs = live_knobs.LiveKnobs(path, trainer, live_knobs.Replay(), lambda: None)
    for C in (2.0, 3.0):
        runs.change_knobs(path, C=C)
        os.utime(path / "knobs.json", ns=(10**18, 10**18))
        knobs.refresh()
        assert knobs.C == C


def test_out_of_memory_names_a_batch_size_to_try(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = new_run(tmp_path)

    def full(_: Trainer, count: int) -> None:
        raise RuntimeError("[enforce fail at alloc_cpu.cpp:118] DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(Trainer, "take_steps", full)
    status = train_run(path)
    assert status.state == "failed"
    assert "batch size of 32" in status.message
    assert not runs.is_locked(path)


def test_too_little_disk_is_refused_before_anything_is_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:

    path = new_run(tmp_path)
    usage = shutil.disk_usage(path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1_000_000))
    status = train_run(path)
    assert status.state == "failed"
    assert "1 MB of disk are free" in status.message
    assert runs.read_history(path) == []
    assert not (path / runs.WEIGHTS).exists()


def test_the_end_of_standard_input_ends_a_spare_and_a_worker(tmp_path: Path) -> None:
    path = new_run(tmp_path, epochs=100_000)  # without an end: standard input has to be it
    spare = subprocess.Popen(
        [sys.executable, "-m", "vae.engines.worker", "--spare"], cwd=REPOSITORY, stdin=subprocess.PIPE
    )
    unused = subprocess.Popen(
        [sys.executable, "-m", "vae.engines.worker", "--spare"], cwd=REPOSITORY, stdin=subprocess.PIPE
    )
    assert spare.stdin is not None
    assert unused.stdin is not None
    unused.stdin.close()
    assert unused.wait(120) == 0
    spare.stdin.write(f"{path}\n".encode())
    spare.stdin.flush()
    wait_until(lambda: step_of(path) >= 20)
    spare.stdin.close()
    assert spare.wait(120) == 0
    status = runs.read_status(path)
    assert status.state == "interrupted"
    assert status.step >= 20
    assert not runs.is_locked(path)
    assert unpack((path / "preview/live.bin").read_bytes())[0] == status.step
    assert worker.unpack_state(runs.read_checked(path, runs.STATE), "run")[1]["step"] == status.step


def test_stop_by_the_server_event_is_an_interruption(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, gone = new_run(tmp_path), Parent()
    write_what_is_due = worker.Worker._write_what_is_due

    def leave(self: worker.Worker, recorded: bool) -> None:
        if self.trainer.step == 22:
            gone.set()
        write_what_is_due(self, recorded)

    monkeypatch.setattr(worker.Worker, "_write_what_is_due", leave)
    status = train_run(path, gone)
    assert (status.state, status.step) == ("interrupted", 22)
    assert worker.unpack_state(runs.read_checked(path, runs.STATE), "run")[1]["step"] == 22
