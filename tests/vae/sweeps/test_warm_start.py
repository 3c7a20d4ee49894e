"""A run that starts from its neighbour's weights: which weights, when, what is told, and that it goes on exactly."""

from __future__ import annotations

import dataclasses
import shutil
import threading
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.vae.train_run import train_run
from vae import runs
from vae.config import Config
from vae.datasets import load_dataset
from vae.engines import worker
from vae.engines.local import LocalEngine
from vae.engines.warm_start import in_order
from vae.errors import ConfigError
from vae.runs.start import Request
from vae.runs.sweep_mark import SweepMark, write_mark
from vae.sweeps.grid import Sweep, create, plan
from vae.training.start import start_from
from vae.training.trainer import Trainer

BASE = Config(dataset="digits", hidden=(8,), epochs=2, threads=1, record_every=10)


def weights(path: Path) -> dict[str, torch.Tensor]:
    return load_file(path / runs.WEIGHTS)


def by_hand(path: Path, start: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The weights after training the run's own config from these."""
    config, _ = runs.read_config(path)
    trainer = Trainer(config, load_dataset("digits"))
    start_from(trainer, start)
    for _ in trainer.run():
        pass
    return trainer.model.state_dict()


def assert_same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert torch.equal(value, other[name]), name


def test_a_chain_is_bit_for_bit_what_loading_by_hand_gives_and_its_history_says_so(tmp_path: Path) -> None:
    low, high = create(plan(Sweep(BASE, C=(3.0, 30.0), warm_start=True)), tmp_path)
    assert [status.state for status in worker.train_runs([low, high])] == ["finished", "finished"]
    assert_same(weights(low), by_hand(low, weights(high)))
    assert weights(low)["likelihood.log_C"].exp() == pytest.approx(3.0)  # its own, not the neighbour's
    told = [line for line in runs.read_history(low) if line.get("event") == "warm start"]
    assert [(line["run"], line["weights"]) for line in told] == [(high.name, runs.content_hash(high, runs.WEIGHTS))]
    cold = Trainer(runs.read_config(low)[0], load_dataset("digits"))
    assert not torch.equal(weights(low)["encoder.1.weight"], cold.model.state_dict()["encoder.1.weight"])


def test_a_run_that_was_started_warm_and_stopped_goes_on_exactly(tmp_path: Path) -> None:
    low, high = create(plan(Sweep(BASE, C=(3.0, 30.0), warm_start=True)), tmp_path)
    train_run(high)
    other = shutil.copytree(tmp_path, tmp_path.with_name(f"{tmp_path.name}-beside")) / low.name
    train_run(low)
    train_run(low, request=Request(epochs=4))
    config, _ = runs.read_config(other)
    runs.replace_config(other, dataclasses.replace(config, epochs=4))
    train_run(other)
    assert_same(weights(low), weights(other))
    assert sum(line.get("event") == "warm start" for line in runs.read_history(low)) == 1


def test_a_fitted_C_starts_at_the_best_one_for_the_neighbours_decoder(tmp_path: Path) -> None:
    (high,) = create(plan(Sweep(BASE, C=(30.0,))), tmp_path)
    train_run(high)
    (fit,) = create(plan(Sweep(BASE, C=("fit",))), tmp_path)
    trainer = Trainer(runs.read_config(fit)[0], load_dataset("digits"))
    untrained = trainer.C
    start_from(trainer, weights(high))
    error = runs.read_history(high)[-1]["test"]["squared_error"]
    assert pytest.approx(64 / (2 * error), rel=0.1) == trainer.C
    assert 1.3 * untrained < trainer.C


def test_a_neighbour_without_weights_leaves_the_seeds_own_and_says_so(tmp_path: Path) -> None:
    low, _ = create(plan(Sweep(BASE, C=(3.0, 30.0), warm_start=True)), tmp_path)
    (alone,) = create(plan(Sweep(BASE, C=(3.0,))), tmp_path)
    train_run(low)  # the other one is queued, and no process holds it
    train_run(alone)
    assert_same(weights(low), weights(alone))
    told = [line for line in runs.read_history(low) if line.get("event") == "warm start"]
    assert [line["weights"] for line in told] == [None]


def test_a_neighbour_that_is_gone_leaves_the_seeds_own_and_says_so(tmp_path: Path) -> None:
    low, high = create(plan(Sweep(BASE, C=(3.0, 30.0), warm_start=True)), tmp_path)
    shutil.rmtree(high)
    assert train_run(low).state == "finished"
    told = [line for line in runs.read_history(low) if line.get("event") == "warm start"]
    assert [(line["run"], line["weights"]) for line in told] == [(high.name, None)]
    assert_same(
        weights(low), by_hand(low, Trainer(runs.read_config(low)[0], load_dataset("digits")).model.state_dict())
    )


def test_another_networks_weights_are_refused_in_a_sentence(tmp_path: Path) -> None:
    small, large = create(plan(Sweep(BASE, latent_dim=(2, 3))), tmp_path)
    train_run(small)
    write_mark(large, SweepMark("id", "name", (), small.name))
    status = train_run(large)
    assert status.state == "failed"
    assert status.message.startswith("warm start: another network's weights (size mismatch")
    with pytest.raises(ConfigError):
        start_from(Trainer(runs.read_config(large)[0], load_dataset("digits")), weights(small))


def test_runs_are_put_in_order_a_circle_too(tmp_path: Path) -> None:
    paths = create(plan(Sweep(BASE, C=(1.0, 2.0, 3.0, 4.0), warm_start=True)), tmp_path)
    assert in_order([paths[2], paths[0], paths[3], paths[1]]) == (paths[::-1], True)
    assert in_order([paths[0], paths[3]]) == ([paths[3], paths[0]], True)
    write_mark(paths[3], SweepMark("id", "name", (), paths[0].name))
    assert set(in_order(paths)[0]) == set(paths)
    alone = create(plan(Sweep(BASE, C=(1.0, 2.0))), tmp_path)
    assert in_order(alone) == (alone, False)


def test_two_places_train_a_chain_one_by_one(tmp_path: Path) -> None:
    low, high = create(plan(Sweep(BASE, C=(3.0, 30.0), warm_start=True)), tmp_path)
    (alone,) = create(plan(Sweep(BASE, C=(3.0,))), tmp_path)
    with LocalEngine(2, spare=False, start_limit=180.0, heartbeat_limit=180.0) as engine:
        for path in (low, high, alone):
            engine.submit(path)
        assert engine.wait(300)
    assert [runs.read_status(path).state for path in (low, high, alone)] == ["finished"] * 3
    assert_same(weights(low), by_hand(low, weights(high)))


def test_a_run_waits_in_words_while_its_neighbour_is_at_work_and_can_be_stopped(tmp_path: Path) -> None:
    low, high = create(plan(Sweep(BASE, C=(3.0, 30.0), warm_start=True)), tmp_path)
    lock = runs.acquire(high)
    runs.write_status(high, runs.Status("running"))
    told: list[runs.Status] = []
    thread = threading.Thread(target=lambda: told.append(train_run(low)))
    thread.start()
    limit = time.monotonic() + 120
    while "It waits for “digits-C-30”" not in runs.read_status(low).message:
        assert time.monotonic() < limit
        time.sleep(0.05)
    runs.change_knobs(low, stop=True)
    thread.join(120)
    lock.release()
    assert [status.state for status in told] == ["stopped"]
    assert not (low / runs.WEIGHTS).exists()
