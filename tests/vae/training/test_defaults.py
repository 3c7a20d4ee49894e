"""Completing a config: defaults that work for the data, and combinations that are refused in a sentence."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch

from vae.config import Config, parse_lr_schedule
from vae.datasets import DataInfo, describe
from vae.errors import ConfigError
from vae.model.likelihoods import LIKELIHOODS
from vae.training.defaults import complete, images_per_second, total_steps

GREY = DataInfo("grey", (1, 28, 28), "unit", 255, 60_000, 10_000)
BINARY = dataclasses.replace(GREY, name="ink", support="binary", scale=1)
REAL = dataclasses.replace(GREY, name="waves", support="real", scale=1)
VIEWS = (None, "none", "threshold", "fixed", "epoch")


@pytest.mark.parametrize(
    ("info", "given", "likelihood", "binarize", "C"),
    [
        (GREY, {}, "gaussian", "none", "fit"),
        (BINARY, {}, "bernoulli", "none", 1.0),
        (REAL, {}, "gaussian", "none", "fit"),
        (GREY, {"likelihood": "bernoulli"}, "bernoulli", "epoch", 1.0),
        (GREY, {"binarize": "threshold"}, "bernoulli", "threshold", 1.0),
        (GREY, {"binarize": "fixed", "likelihood": "gaussian", "C": 3.0}, "gaussian", "fixed", 3.0),
        (GREY, {"likelihood": "continuous-bernoulli", "C": 0.5}, "continuous-bernoulli", "none", 0.5),
        (BINARY, {"likelihood": "continuous-bernoulli"}, "continuous-bernoulli", "none", 1.0),
        (BINARY, {"likelihood": "gaussian"}, "gaussian", "none", "fit"),
    ],
)
def test_defaults_that_work(info: DataInfo, given: dict, likelihood: str, binarize: str, C: object) -> None:
    config, notes = complete(Config(**given), info)
    assert (config.likelihood, config.binarize, config.C) == (likelihood, binarize, C)
    assert bool(notes) == (given == {"likelihood": "bernoulli"})  # only what a person would not expect is said


@pytest.mark.parametrize(
    ("info", "given", "sentence"),
    [
        (GREY, {"likelihood": "bernoulli", "binarize": "none"}, "cross-entropy on grey pixels is no likelihood"),
        (REAL, {"likelihood": "bernoulli"}, "bernoulli has support binary, the pixels of waves are real"),
        (REAL, {"likelihood": "continuous-bernoulli"}, "choose one of gaussian"),
        (REAL, {"binarize": "threshold"}, "real numbers, which cannot be binarised"),
        (GREY, {"likelihood": "poisson"}, "likelihood: expected one of bernoulli, gaussian"),
        (GREY, {"network": "transformer"}, "network: expected one of linear, mlp, conv"),
        (GREY, {"latent": "x"}, "latent: expected one of normal"),
        (GREY, {"objective": "x"}, "objective: expected one of elbo, iwae"),
        (GREY, {"activation": "x"}, "activation: expected one of relu, tanh"),
        (BINARY, {"C": "fit"}, "only a gaussian likelihood can fit C"),
        (BINARY, {"C": 2.0, "objective": "iwae"}, "only at C = 1, got 2"),
        (GREY, {"network": "linear", "hidden": (5,)}, "linear network has no hidden layers"),
        (GREY, {"network": "mlp", "hidden": ()}, "at least one width"),
        (dataclasses.replace(GREY, shape=(1, 3, 27)), {"network": "conv"}, "got 3x27"),
        (GREY, {"device": "abacus"}, "device: 'abacus' cannot be used here"),
    ],
)
def test_what_is_no_model_of_the_data_is_refused(info: DataInfo, given: dict, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        complete(Config(**given), info)


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
@pytest.mark.parametrize("view", VIEWS)
def test_a_completed_config_is_complete_and_stays_as_it_is(likelihood: str, view: str | None) -> None:
    given = Config(likelihood=likelihood, binarize=view)
    if likelihood == "bernoulli" and view == "none":
        return
    config, _ = complete(given, GREY)
    open_still = {field.name for field in dataclasses.fields(Config) if getattr(config, field.name) is None}
    assert open_still == {"without"}  # None leaves no row out
    assert complete(config, GREY) == (config, [])
    assert complete(config, GREY.binarized(config.binarize or "none")) == (config, [])  # the run's own view


@pytest.mark.parametrize(
    ("settings", "images", "lr"),
    [
        ({}, 60_000, 2e-3),
        ({}, 10_000, 2e-3),
        ({}, 9_999, 1e-3),
        ({"batch_size": 32}, 60_000, 1e-3),
        ({"batch_size": 512}, 60_000, 4e-3),
        ({"batch_size": 100}, 60_000, 1.8e-3),
        ({"network": "linear"}, 60_000, 3e-3),
        ({"network": "linear"}, 1_000, 3e-3),
        ({"lr": 5e-4, "batch_size": 512}, 60_000, 5e-4),
    ],
)
def test_the_learning_rate_is_the_networks_and_grows_as_the_root_of_the_batch(
    settings: dict, images: int, lr: float
) -> None:
    config, _ = complete(Config(**settings), dataclasses.replace(GREY, train=images))
    assert config.lr == lr


@pytest.mark.parametrize(
    ("shape", "settings", "batch_size", "lr"),
    [
        ((1, 28, 28), {}, 128, 2e-3),
        ((1, 28, 28), {"network": "conv"}, 64, 1.1e-3),
        ((1, 64, 64), {"network": "conv"}, 32, 7.5e-4),
        ((1, 64, 64), {"network": "conv", "batch_size": 128}, 128, 1.5e-3),
        ((1, 28, 28), {"objective": "iwae", "samples": 50}, 32, 1e-3),
    ],
)
def test_a_long_step_is_cut_on_a_cpu(shape: tuple[int, int, int], settings: dict, batch_size: int, lr: float) -> None:
    config, _ = complete(Config(device="cpu", **settings), dataclasses.replace(GREY, shape=shape))
    assert (config.batch_size, config.lr) == (batch_size, lr)


@pytest.mark.parametrize(
    ("capabilities", "settings", "precision"),
    [
        ({"avx512_bf16": True}, {}, "bfloat16"),
        ({"amx_bf16": True}, {"network": "conv"}, "bfloat16"),
        ({"avx512_bf16": False, "avx512_f": True}, {}, "float32"),
        ({}, {"network": "conv"}, "float32"),
        ({}, {"precision": "bfloat16"}, "bfloat16"),  # asked for
        ({"avx512_bf16": True}, {"precision": "float32"}, "float32"),
        ({"avx512_bf16": True}, {"hidden": (100,)}, "float32"),  # too small a step
        ({"avx512_bf16": True}, {"network": "linear", "latent_dim": 500}, "float32"),  # held against closed forms
    ],
)
def test_bfloat16_where_the_processor_has_it_and_a_step_is_large(
    capabilities: dict, settings: dict, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    config, _ = complete(Config(device="cpu", **settings), GREY)
    assert config.precision == precision


def test_a_default_run_in_bfloat16_is_planned_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    plain, _ = complete(Config(device="cpu", precision="float32"), GREY)
    faster, _ = complete(Config(device="cpu"), GREY)
    assert plain.epochs is not None
    assert faster.epochs is not None
    assert 1.2 < faster.epochs / plain.epochs < 1.5  # the products alone would give 1.5


def test_iwae_takes_C_of_a_gaussian_because_there_it_belongs_to_the_model() -> None:
    config, _ = complete(Config(objective="iwae", samples=5, C=20.0), GREY)
    assert config.C == 20.0


def test_lengths_and_batches() -> None:
    config, _ = complete(Config(epochs=20), describe("digits"))
    assert (config.batch_size, config.hidden) == (128, (400,))
    assert total_steps(config, 1437) == math.ceil(20 * 1437 / 128) == 225
    assert config.record_every == 1
    long, _ = complete(Config(epochs=500, batch_size=50), GREY)
    assert total_steps(long, 60_000) == 600_000
    assert long.record_every == 100
    medium, _ = complete(Config(epochs=10, batch_size=200), GREY)
    assert medium.record_every == 3000 // 300
    tiny, _ = complete(Config(batch_size=1000), dataclasses.replace(GREY, train=30, test=10))
    assert tiny.batch_size == 30


def test_the_default_length_is_about_a_minute_whatever_the_data() -> None:
    small, _ = complete(Config(), describe("digits"))
    large, _ = complete(Config(), GREY)
    heavy, _ = complete(Config(network="conv"), dataclasses.replace(GREY, shape=(1, 64, 64)))
    assert small.epochs is not None
    assert large.epochs is not None
    assert heavy.epochs is not None
    assert 1000 >= small.epochs > large.epochs > heavy.epochs >= 1


@pytest.mark.parametrize(
    ("shape", "images", "settings", "minutes"),
    [
        ((1, 28, 28), 60_000, {}, 1),  # thousands of steps in a minute
        ((3, 64, 64), 4_000, {}, 2),  # a minute is 2,900 steps, at which it ended in its plunge
        ((3, 64, 64), 4_000, {"batch_size": 8}, 1),
        ((1, 64, 64), 20_000, {"network": "conv"}, 2),
    ],
)
def test_the_default_length_doubles_where_a_minute_is_not_enough(
    shape: tuple[int, int, int], images: int, settings: dict, minutes: float
) -> None:
    info = dataclasses.replace(GREY, shape=shape, train=images)
    config, _ = complete(Config(device="cpu", **settings), info)
    assert config.epochs is not None
    assert config.epochs * images / images_per_second(config, info) / 60 == pytest.approx(minutes, rel=0.2)
    assert minutes == 2 or total_steps(config, images) > 6000


# what a config may hold


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("latent_dim", [0, -1, 2.0, True, "3"]),
        ("samples", [0, 1.5]),
        ("epochs", [0, 2.5]),
        ("batch_size", [0, -5]),
        ("threads", [0]),
        ("record_every", [0]),
        ("seed", [-1, 2**63, 1.0]),
        ("lr", [0, -1e-3, math.nan, math.inf, "fast"]),
        ("C", [0, -1.0, math.nan, math.inf, "fitted", True]),
        ("hidden", [(0,), (400, -1), (4.5,)]),
        ("binarize", ["yes"]),
        ("precision", ["float16"]),
        ("lr_schedule", ["", "linear", "steps:", "steps:5", "steps:a=1", "steps:5=0", "steps:-1=0.5", "steps:5=nan"]),
    ],
)
def test_a_setting_that_cannot_be_is_named_with_its_value(name: str, values: list) -> None:
    for value in values:
        with pytest.raises(ConfigError, match=f"^{name}: .*got") as caught:
            Config(**{name: value})
        assert repr(value) in str(caught.value)


def test_learning_rate_schedules_are_read() -> None:
    assert parse_lr_schedule("steps:200=0.63,350.5=0.5") == [(200.0, 0.63), (350.5, 0.5)]
    assert (parse_lr_schedule("constant"), parse_lr_schedule("cosine")) == ("constant", "cosine")


def test_a_config_of_unknown_settings_is_refused_by_name() -> None:
    assert Config.from_json(Config(hidden=(3, 4)).to_json()) == Config(hidden=(3, 4))
    with pytest.raises(ConfigError, match="unknown setting 'colour'"):
        Config.from_json({"colour": "red"})
    with pytest.raises(ConfigError, match="expected an object of settings, got list"):
        Config.from_json([])  # type: ignore[arg-type]
