"""What a run takes, counted before it is built, and sizes from outside that no machine has."""

from __future__ import annotations

import dataclasses
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from torch import nn

from vae import machine
from vae.config import MOST_LAYERS, Config
from vae.datasets import DataInfo, describe, load_dataset
from vae.errors import ConfigError, RunError, is_out_of_memory
from vae.machine import most_threads, on_this_machine
from vae.model.latents import LATENTS
from vae.model.likelihoods import LIKELIHOODS
from vae.model.networks import NETWORKS, multiply_adds
from vae.model.vae import build_model
from vae.runs.start import check_room
from vae.training import size
from vae.training.defaults import complete, likelihoods_for, needs_of
from vae.training.size import size_of
from vae.training.trainer import Trainer

ROOT = Path(__file__).parents[3]
GREY = DataInfo("grey", (1, 28, 28), "unit", 255, 60_000, 10_000)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("latent", LATENTS)
@pytest.mark.parametrize("likelihood", LIKELIHOODS)
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 64, 64)])
def test_what_is_counted_is_what_the_built_network_has(
    network: str, latent: str, likelihood: str, shape: tuple[int, int, int]
) -> None:
    hidden = () if network == "linear" else (30, 20)
    config = Config(network=network, latent=latent, likelihood=likelihood, latent_dim=5, hidden=hidden)
    counted, model = size_of(config, shape), build_model(config, shape)
    assert counted.parameters == sum(parameter.numel() for parameter in model.parameters())
    for layers, start, told in (
        (model.encoder, torch.zeros(1, *shape), (counted.encoder_multiply_adds, counted.encoder_numbers)),
        (model.decoder, torch.zeros(1, 5), (counted.decoder_multiply_adds, counted.decoder_numbers)),
    ):
        put_out: list[int] = []
        for layer in layers.modules():
            if not isinstance(layer, nn.Sequential):  # which puts out what its last layer does
                layer.register_forward_hook(lambda _, __, output, put_out=put_out: put_out.append(output.numel()))
        products = multiply_adds(layers, start)
        assert told == (products, sum(put_out))


PEAK = """
import sys
from vae import Config, runs
from vae.datasets import describe
from vae.engines import worker
from vae.training.defaults import complete
from pathlib import Path
def peak(hidden):
    config, _ = complete(Config(hidden=(hidden, hidden), epochs=1, batch_size=720, threads=1), describe("digits"))
    path = runs.create_run(config, describe("digits").to_json(), root=Path(sys.argv[1]))
    (status,) = worker.train_runs([path])
    assert status.state == "finished", status
    (line,) = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]  # of this program alone
    return 1024 * int(line.split()[1])
small = peak(8)
print(peak(1600) - small)
"""


def test_the_memory_told_is_about_what_training_and_saving_take(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", PEAK, str(tmp_path)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    config, _ = complete(Config(hidden=(1600, 1600), batch_size=720), describe("digits"))
    assert needs_of(config, describe("digits")).memory() == pytest.approx(float(done.stdout), rel=0.25)


def test_the_disk_told_is_what_the_checkpoints_take(tmp_path: Path) -> None:
    config, _ = complete(Config(hidden=(300,)), describe("digits"))
    trainer = Trainer(config, load_dataset("digits"))
    tensors, _ = trainer.state()
    state = sum(
        t.numel() * t.element_size() for name, t in tensors.items() if name.startswith(("model.", "optimiser."))
    )
    weights = sum(p.numel() * 4 for p in trainer.model.parameters())
    needed = needs_of(config, describe("digits"))
    assert needed.checkpoints == pytest.approx(weights + 2 * state, rel=0.01)
    assert needed.moments == pytest.approx(32 * weights / 2, rel=0.01)  # twenty by log steps, twelve turns of C
    assert needed.disk == needed.checkpoints + needed.moments


@pytest.mark.parametrize(
    ("given", "shape", "words"),
    [
        ({"hidden": (60_000, 60_000)}, (1, 28, 28), "7,294,680,789 parameters: 409 GB"),
        ({"hidden": (16_384,) * 12}, (1, 28, 28), "5,931,762,453 parameters"),
        ({"hidden": (2**20,) * 16}, (1, 28, 28), "parameters"),
        ({}, (1, 3000, 3000), "images of 3000 x 3000"),
        ({"samples": 10**6}, (1, 28, 28), "a batch of"),
    ],
)
def test_more_than_the_machine_has_is_refused_at_once_with_the_numbers(
    given: dict, shape: tuple[int, int, int], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(size, "memory", lambda device="cpu": 8 * 10**9)
    began = time.process_time()
    with pytest.raises(ConfigError, match=r"^memory: training needs about .* has 8 GB; use smaller") as refused:
        complete(Config(**given), dataclasses.replace(GREY, shape=shape))
    assert words in str(refused.value)
    assert time.process_time() - began < 2.0  # building the first would take half a minute and 30 GB


def test_a_gpus_memory_counts_too(monkeypatch: pytest.MonkeyPatch) -> None:
    there = {"cpu": 10**12, "cuda": 10**8}
    monkeypatch.setattr(size, "memory", lambda device="cpu": there[device])
    config, _ = complete(Config(), GREY)
    size.check_memory(config, GREY, 1, "cuda")
    wide = dataclasses.replace(config, hidden=(6000,))
    with pytest.raises(ConfigError, match=r"cuda has 100 MB"):
        size.check_memory(wide, GREY, 1, "cuda")
    monkeypatch.setattr(size, "memory", lambda device="cpu": None)  # a system that does not tell
    size.check_memory(dataclasses.replace(config, hidden=(2**20,) * 3), GREY, 1, "cpu")


def test_the_memory_of_this_machine_is_the_least_of_its_limits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    told = machine.memory()
    assert told is not None
    assert 0 < told <= whole
    (tmp_path / "max").write_text("1000000\n")
    (tmp_path / "none").write_text("max\n")
    monkeypatch.setattr(machine, "CGROUP_LIMITS", [str(tmp_path / name) for name in ("none", "max", "gone")])
    assert machine.memory() == 1_000_000
    monkeypatch.setattr(resource, "getrlimit", lambda _: (500_000, 10**9))
    assert machine.memory() == 500_000


def test_no_room_on_the_disk_is_said_before_a_folder_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config, _ = complete(Config(), describe("digits"))
    check_room(config, describe("digits"), tmp_path / "not" / "there" / "yet")
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage._replace(free=1_000_000))
    with pytest.raises(RunError, match="a new run: 1 MB of disk are free, it needs 55 MB"):
        check_room(config, describe("digits"), tmp_path)


def test_as_many_threads_as_help_and_no_more() -> None:
    assert complete(Config(threads=most_threads()), GREY)[0].threads == most_threads()
    with pytest.raises(ConfigError, match=f"threads: expected at most {most_threads()}, four for each core"):
        complete(Config(threads=most_threads() + 1), GREY)


def test_a_run_of_another_machine_gets_what_this_one_has() -> None:
    plain = Config(device="cpu", precision="float32", threads=1)
    assert on_this_machine(plain) == (plain, "")
    assert on_this_machine(dataclasses.replace(plain, device="auto"))[1] == ""
    here, note = on_this_machine(Config(device="mps", precision="tf32", threads=4096))
    assert (here.precision, here.threads) == ("float32", most_threads())
    assert note.startswith(f"Continues on {here.device} in float32, {most_threads()} threads, not bit for bit: ")
    for missing in ("mps is not here", "tf32 is a GPU's", "4,096 threads are more than four to a core"):
        assert missing in note
    assert on_this_machine(dataclasses.replace(plain, precision="bfloat16"))[1] == ""  # any processor can


@pytest.mark.parametrize(
    "values",
    [
        {"hidden": 5}, {"hidden": [1] * (MOST_LAYERS + 1)}, {"hidden": [1] * 5001}, {"hidden": [2**21]},
        {"hidden": [True]}, {"hidden": {}}, {"latent": []}, {"latent": None}, {"dataset": 7}, {"device": ["cpu"]},
        {"C": 10**400}, {"C": []}, {"lr": 10**400}, {"lr": True}, {"seed": 10**400}, {"seed": True},
        {"epochs": 10**400}, {"latent_dim": 513}, {"latent_dim": 10**9}, {"threads": 10**6}, {"samples": 10**10},
        {"lr_schedule": []}, {"lr_schedule": "x" * 10_000}, {"binarize": []}, {"precision": {}}, {"estimator": 3},
    ],
)  # fmt: skip
def test_settings_of_any_type_and_size_are_a_sentence(values: dict) -> None:
    with pytest.raises(ConfigError, match=f"^{next(iter(values))}: expected ") as refused:
        Config.from_json(values)
    assert len(str(refused.value)) < 300


CASES = {
    "wide": (("--hidden", "60000,60000"), "memory: training needs about"),
    "many layers": (("--hidden", ",".join(["1"] * 5001)), "hidden: expected at most 16 layers, got 5,001"),
    "many dimensions": (("--latent-dim", "1000000000"), "latent_dim: expected a whole number from 1 to 512"),
    "threads": (("--threads", "1000000"), "threads: expected"),
    "deep": (("--config", "deep.json"), "config: deep.json is not a JSON file of settings"),
    "no object": (("--config", "list.json"), "config: list.json is not a JSON file of settings"),
    "digits": (("--config", "long.json"), "config: long.json is not a JSON file of settings"),
}


def test_the_command_line_answers_each_in_one_sentence_within_little_memory(tmp_path: Path) -> None:
    (tmp_path / "deep.json").write_text("[" * 100_000)
    (tmp_path / "list.json").write_text("[1]")
    (tmp_path / "long.json").write_text(json.dumps({"C": 10**400}))
    script = (
        "import resource, sys; from vae.__main__ import main\n"
        "resource.setrlimit(resource.RLIMIT_AS, (12 * 2**30, resource.RLIM_INFINITY))\n"
        "for case in sys.argv[1:]: print(main(['train', '--runs', 'runs', *case.split()]))"
    )
    cases = [" ".join(given) for given, _ in CASES.values()]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", script, *cases], cwd=tmp_path, capture_output=True, text=True, env=environment
    )
    assert done.stdout.split() == ["2"] * len(CASES), done.stderr
    for line, (_, sentence) in zip(done.stderr.splitlines(), CASES.values(), strict=True):
        assert line.startswith(sentence)
    assert not (tmp_path / "runs").exists()


def test_the_likelihoods_of_data_of_any_size_are_known_without_a_network() -> None:
    huge = dataclasses.replace(GREY, shape=(3, 3000, 3000))
    assert likelihoods_for(huge) == list(LIKELIHOODS)
    real = [name for name, likelihood in LIKELIHOODS.items() if likelihood.support == "real"]
    assert likelihoods_for(dataclasses.replace(huge, support="real", scale=1)) == real


def test_what_torch_says_when_memory_is_out_is_understood() -> None:
    with pytest.raises(RuntimeError) as error:
        torch.empty(2**50)
    assert is_out_of_memory(error.value)
    assert is_out_of_memory(MemoryError())
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
