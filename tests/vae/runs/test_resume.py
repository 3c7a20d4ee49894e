"""Resume: a run that is cut short anywhere and continued is the run that was not."""

from __future__ import annotations

import dataclasses
import itertools
import random
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load

from tests.vae.engines.scripted_runs import (
    KNOBS,
    SAVES,
    STEPS,
    Killer,
    Repeated,
    Turn,
    assert_same_run,
    knob_lines,
    make_quick,
    new_run,
    process,
    records,
    scripted_run,
    start,
    step_of,
    wait_until,
    weights,
)
from tests.vae.train_run import train_run
from vae import runs
from vae.datasets import load_dataset
from vae.runs.start import Request
from vae.training.records import Record
from vae.training.trainer import Trainer


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    make_quick(monkeypatch)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return scripted_run(tmp_path_factory.mktemp("undisturbed"))


@pytest.fixture
def killer(monkeypatch: pytest.MonkeyPatch) -> Killer:
    return Killer(monkeypatch)


def test_the_scripted_run_did_what_the_script_says(undisturbed: Path) -> None:
    assert knob_lines(undisturbed) == [line for *_, line in KNOBS if line]
    steps = [record["step"] for record in records(undisturbed)]
    assert steps == sorted([*range(5, 68, 5), 7, 24, 26, 27, 28, 68])  # 7, 24, 26: a new C
    assert records(undisturbed)[-1]["test"]["images"] == 360


def test_the_reference_is_the_trainer_alone(undisturbed: Path) -> None:
    """What the worker writes is what the trainer yields under the same knobs."""
    config, _ = runs.read_config(undisturbed)
    changes = runs.read_history(undisturbed)
    trainer = Trainer(config, load_dataset("digits"))
    told = [e for e in trainer.run(Repeated(trainer, changes)) if isinstance(e, Record)]
    assert [r["train"] for r in records(undisturbed)] == [dataclasses.asdict(r.train) for r in told]
    assert [r["C"] for r in records(undisturbed)] == [r.C for r in told]
    final = load(weights(undisturbed))
    assert all(torch.equal(final[name], value) for name, value in trainer.model.state_dict().items())


# killed anywhere


def test_killed_once_anywhere(
    undisturbed: Path, tmp_path: Path, killer: Killer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a write of each kind, which is what is written and what was written before it; lines also torn."""
    path = new_run(tmp_path, "whole")
    with monkeypatch.context() as patch:
        start(path).install(patch)
        assert killer.train(path) is not None
    assert_same_run(path, undisturbed)
    kinds: dict[tuple[str, str], list[int]] = {}
    for number, kind in enumerate(itertools.pairwise(["", *killer.writes]), 1):
        kinds.setdefault(kind, []).append(number)
    assert number > 80  # 16 records, 11 changes, 5 saves of 4 files, 15 moments of 2
    assert {name for _, name in kinds} == {
        "history.jsonl", "config.json", "manifest.json", "weights.safetensors", "state.safetensors", ".safetensors",
        "index.json",
    }  # fmt: skip
    choose = random.Random(0)
    for (_, name), places in kinds.items():
        for torn in (False, True) if name == "history.jsonl" else (False,):
            at = choose.choice(places)
            path = new_run(tmp_path, f"run-{at}-{torn}")
            with monkeypatch.context() as patch:
                script = start(path)
                script.install(patch)
                assert killer.train(path, at, torn) is None
                assert runs.read_status(path).state == "interrupted"
                script.take_back()
                status = killer.train(path)
            assert status is not None
            assert status.state == "finished"
            assert status.step == STEPS
            assert_same_run(path, undisturbed)


def test_killed_again_and_again_also_while_old_steps_are_repeated(
    undisturbed: Path, tmp_path: Path, killer: Killer, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose = random.Random(0)
    for number in range(12):
        path = new_run(tmp_path, f"run-{number}")
        with monkeypatch.context() as patch:
            script = start(path, saves=choose.choice([SAVES, [], [26], [13]]))
            script.install(patch)
            kills = [choose.randrange(20, 36), *(choose.randrange(1, 16) for _ in range(choose.randrange(1, 4)))]
            for at in kills:
                killer.train(path, at, torn=choose.random() < 0.5)
                script.take_back()
            status = killer.train(path)
        assert status is not None
        assert status.state == "finished"
        assert_same_run(path, undisturbed)


@pytest.mark.parametrize("at", [1, 9, 26, 27, 44, 60])
def test_stopped_and_continued(undisturbed: Path, tmp_path: Path, at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    path = new_run(tmp_path)
    script = start(path)
    script.knobs.insert(sum(step < at for step, *_ in KNOBS), (at, {"stop": True}, None))
    with monkeypatch.context() as patch:
        script.install(patch)
        status = train_run(path)
    assert (status.state, status.step) == ("stopped", at)
    assert "Stopped at step" in status.message
    assert train_run(path).state == "stopped"  # nobody asked it to go on
    runs.change_knobs(path, stop=False)
    with monkeypatch.context() as patch:
        script.install(patch)
        assert train_run(path).state == "finished"
    assert_same_run(path, undisturbed)


@pytest.mark.parametrize(
    "setting",
    [
        {"likelihood": "bernoulli", "binarize": "epoch"},
        {"likelihood": "continuous-bernoulli", "objective": "iwae", "samples": 3, "lr_schedule": "cosine"},
        {"network": "conv", "likelihood": "bernoulli", "binarize": "threshold", "epochs": 1, "precision": "bfloat16"},
        {"lr_schedule": "steps:1=0.5"},
    ],
)
def test_other_models_continue_exactly_too(
    setting: dict[str, Any], tmp_path: Path, killer: Killer, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, cut = new_run(tmp_path, "whole", **setting), new_run(tmp_path, "cut", **setting)
    for path, kills in ((whole, []), (cut, [8, 5])):
        with monkeypatch.context() as patch:
            turns: list[Turn] = [
                (3, {"lr_factor": 3.0}, (3, "lr_factor", 3.0)),
                (8, {"part": "decoder"}, (8, "part", "decoder")),
            ]
            script = start(path, turns, saves=[7, 13])
            script.install(patch)
            for at in kills:
                assert killer.train(path, at) is None
                script.take_back()
            status = killer.train(path)
        assert status is not None
        assert status.state == "finished"
    assert_same_run(cut, whole)


def test_one_config_and_seed_give_one_history_whoever_watches(tmp_path: Path) -> None:
    first, second, other = new_run(tmp_path, "a"), new_run(tmp_path, "b"), new_run(tmp_path, "c", seed=1)
    for path in (first, second, other):
        train_run(path)
    assert_same_run(first, second)
    assert records(other) != records(first)
    assert weights(other) != weights(first)


def test_a_longer_run_begins_like_a_shorter_one(tmp_path: Path) -> None:
    short, long = new_run(tmp_path, "short", epochs=2), new_run(tmp_path, "long")
    train_run(short)
    assert train_run(short, request=Request(epochs=3)).state == "finished"
    train_run(long)
    assert weights(short) == weights(long)
    finished = (short / "history.jsonl").read_bytes()
    assert train_run(short).state == "finished"  # a finished run is left as it is
    assert (short / "history.jsonl").read_bytes() == finished
    assert weights(short) == weights(long)


@pytest.mark.slow
def test_killed_twice_for_real_then_orphaned_then_continued_is_the_undisturbed_run(tmp_path: Path) -> None:
    path = new_run(tmp_path, epochs=2400, batch_size=48, record_every=4)  # no end before the last kill
    runs.change_knobs(path, pace=75.0)
    with process(path) as child:
        for step, change in ((60, {"C": 5.0}), (110, {"part": "encoder"}), (150, {"lr_factor": 0.3})):
            wait_until(lambda step=step: step_of(path) >= step)
            runs.change_knobs(path, **change)
        wait_until(lambda: step_of(path) >= 190)
        child.send_signal(signal.SIGKILL)
    assert runs.read_status(path).state == "interrupted"
    assert "ended unexpectedly" in runs.read_status(path).message
    killed_at = step_of(path)
    with process(path, save_every=1000) as child:  # no new checkpoint: the next one repeats these steps again
        wait_until(lambda: runs.is_locked(path) and runs.read_status(path).step > killed_at + 20)
        runs.change_knobs(path, C="fit", part="both")
        wait_until(lambda: any(line[1:] == ("part", "both") for line in knob_lines(path)))
        runs.change_knobs(path, paused=True)
        wait_until(lambda: runs.read_status(path).state == "paused")
        for _ in range(2):
            before = step_of(path)
            runs.change_knobs(path, single_step=True)
            wait_until(lambda before=before: step_of(path) > before)
        runs.change_knobs(path, paused=False)
        steps = [line["step"] for line in runs.read_history(path) if line.get("knob") == "step"]
        assert len(steps) == 2
        wait_until(lambda: step_of(path) >= steps[-1] + 10)
        child.send_signal(signal.SIGKILL)
    with process(path) as child:
        wait_until(lambda: runs.is_locked(path) and runs.read_status(path).step >= steps[-1] + 30)
        assert child.stdin is not None
        child.stdin.close()  # the server died
        assert child.wait(120) == 0
    status = runs.read_status(path)
    assert status.state == "interrupted"
    assert "server ended" in status.message
    assert load(runs.read_checked(path, runs.STATE)).keys()
    runs.change_knobs(path, pace=None)
    config = dataclasses.replace(runs.read_config(path)[0], epochs=int(status.epoch) + 12)
    runs.replace_config(path, config)
    assert train_run(path).state == "finished"

    trainer = Trainer(config, load_dataset("digits"))
    told = [e for e in trainer.run(Repeated(trainer, runs.read_history(path))) if isinstance(e, Record)]
    written = records(path)
    assert [r["step"] for r in written] == [r.step for r in told]
    assert {"C", "part", "lr_factor", "step"} == {k for _, k, _ in knob_lines(path)}
    for one, two in zip(written, told, strict=True):
        assert one["train"] == dataclasses.asdict(two.train)
        assert (one["C"], one["lr"]) == (two.C, two.lr)
        assert one["test"] == (two.test and dataclasses.asdict(two.test))
    final = load(weights(path))
    assert all(torch.equal(final[name], value) for name, value in trainer.model.state_dict().items())


# a run that came without its state


def test_a_shipped_run_goes_on_from_its_weights_and_can_be_killed(
    tmp_path: Path, killer: Killer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def shipped(name: str) -> Path:
        path = new_run(tmp_path, name, epochs=1)
        train_run(path)
        (path / runs.STATE).unlink()
        runs.mark_as_shipped(path)
        runs.replace_config(path, dataclasses.replace(runs.read_config(path)[0], epochs=3))
        return path

    whole, cut = shipped("whole"), shipped("cut")
    start_weights, lines = load(weights(whole)), records(whole)
    assert killer.train(whole) is not None
    assert records(whole)[: len(lines)] == lines
    assert records(whole)[-1]["step"] == STEPS
    assert any(not torch.equal(start_weights[name], value) for name, value in load(weights(whole)).items())
    assert records(whole)[len(lines)]["train"]["elbo"] > lines[0]["train"]["elbo"]  # it did not start afresh
    assert killer.train(cut, 12) is None
    assert killer.train(cut) is not None
    assert_same_run(cut, whole)
