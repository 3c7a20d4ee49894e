"""The memory that opening a run takes is bounded by the size of its files, whatever its config asks for."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load, save

from ui.binary import laboratory
from vae import runs
from vae.errors import RunDamaged
from vae.model.vae import IDENTITY, build_model, lay_out

DEMOS = Path(__file__).resolve().parents[3] / "checkpoints"
HUGE = {"hidden": (2**20, 2**20)}  # 4 TiB of weights


@pytest.fixture
def asks_for_more(tmp_path: Path) -> Path:
    """A signed config of a network that no machine holds, beside the weights of a small one."""
    path = Path(shutil.copytree(DEMOS / "demo-digits-8bits", tmp_path / "run"))
    runs.replace_config(path, dataclasses.replace(runs.read_config(path)[0], **HUGE))
    return path


def test_a_config_of_any_size_is_held_against_the_weights_first(asks_for_more: Path) -> None:
    with pytest.raises(RunDamaged, match=r"run 'run': weights\.safetensors"):
        _ = runs.load_run(asks_for_more).model


def test_untrained_weights_are_drawn_only_where_the_trained_ones_fit(asks_for_more: Path) -> None:
    sha = runs.content_hash(asks_for_more, runs.WEIGHTS) or ""
    with pytest.raises(RunDamaged, match=r"weights\.safetensors"):
        next(iter(laboratory.measure(asks_for_more, sha, "first", 2, 10, 0, 1.0)))


@pytest.mark.parametrize("name", ["demo-digits-2d", "demo-digits-8bits", "demo-mnist-10d"])
def test_what_is_opened_is_what_was_built_and_loaded(name: str) -> None:
    run = runs.load_run(DEMOS / name)
    shape = tuple(run.data["shape"])
    built = build_model(run.config, shape)
    built.load_state_dict(IDENTITY | load((DEMOS / name / runs.WEIGHTS).read_bytes()))
    opened, expected = run.model.state_dict(), built.state_dict()
    assert opened.keys() == expected.keys()
    assert all(torch.equal(opened[key], expected[key]) for key in expected)
    assert getattr(run.model.likelihood, "fit", None) == getattr(built.likelihood, "fit", None)
    assert {tensor.device.type for tensor in opened.values()} == {"cpu"}
    z = torch.linspace(-1, 1, 3 * run.model.k).reshape(3, run.model.k)
    assert torch.equal(run.model.decode(z).mean, built.decode(z).mean)
    assert {one.device.type for one in lay_out(run.config, shape).parameters()} == {"meta"}


def test_an_older_run_does_not_share_the_identity_that_it_lacks(tmp_path: Path) -> None:
    path = Path(shutil.copytree(DEMOS / "demo-digits-2d", tmp_path / "run"))
    tensors = {key: value for key, value in load((path / runs.WEIGHTS).read_bytes()).items() if key not in IDENTITY}
    runs.save_checked(path, {runs.WEIGHTS: save(tensors)})
    runs.load_run(path).model.standardise(3.0, 7.0)
    assert (float(IDENTITY["location"]), float(IDENTITY["spread"])) == (0.0, 1.0)
