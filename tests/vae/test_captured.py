"""Captured steps: the numbers of the eager ones, steered between two of them, without capturing anew."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Generator, Tensor

from tests.vae.tape import Tape
from vae import captured
from vae.completion import complete
from vae.config import Config, Knobs
from vae.datasets import load_dataset
from vae.estimators import ESTIMATORS, choices
from vae.latents import LATENTS
from vae.likelihoods import LIKELIHOODS
from vae.networks import NETWORKS
from vae.records import KnobChange, Record
from vae.training import STEPS_A_REPLAY, Trainer


def trainer(graphs: Any = None, **settings: Any) -> Trainer:
    binary = settings.get("likelihood") == "bernoulli"
    settings = {"hidden": (8,), "batch_size": 32, "record_every": 20, "epochs": 3, "threads": 1, "lr": 1e-3} | settings
    config = Config(dataset="digits", binarize="epoch" if binary else "none", device="cpu", **settings)
    dataset = load_dataset("digits").binarized("epoch" if binary else "none")
    return Trainer(complete(config, dataset.info)[0], dataset, graphs=graphs)


def events(trained: Trainer, knobs: Knobs | None = None) -> list[Any]:
    return [event for event in trained.run(knobs) if event is not None]


def numbers(event: Any) -> list[float]:
    if isinstance(event, KnobChange):
        return [event.step]
    assert isinstance(event, Record)
    test = [event.test.elbo, event.test.squared_error] if event.test else []
    return [event.step, event.C, event.lr, event.train.elbo, event.train.rate, event.train.loss, *test]


def assert_alike(one: Sequence[Any], other: Sequence[Any]) -> None:
    assert len(one) == len(other) > 0
    for mine, theirs in zip(one, other, strict=True):
        assert numbers(mine) == pytest.approx(numbers(theirs), rel=2e-4, abs=1e-4)


def state_of(trained: Trainer) -> dict[str, Tensor]:
    return trained.state()[0]


MODELS = [
    {"network": network, "likelihood": likelihood, "latent": latent, "hidden": () if network == "linear" else (8,)}
    for network, likelihood, latent in itertools.product(NETWORKS, LIKELIHOODS, LATENTS)
]
ESTIMATES = [
    {"latent": latent, "objective": objective, "estimator": name, "C": 1.0}
    | ({"samples": 2} if objective == "iwae" else {})
    for latent, objective in itertools.product(LATENTS, ("elbo", "iwae"))
    for name in choices(latent, objective)
]


@pytest.mark.parametrize(
    "settings",
    [*MODELS, *ESTIMATES, {"lr_schedule": "cosine"}, {"lr_schedule": "steps:1=0.1"}, {"precision": "bfloat16"}],
)
def test_a_hundred_captured_steps_are_the_eager_ones(settings: dict[str, Any]) -> None:
    tape = Tape()
    eager, replayed = trainer(**settings), trainer(tape, **settings)
    assert_alike(events(replayed), events(eager))
    assert replayed.step == eager.step == 135
    assert 1 <= tape.captures <= 2  # single steps, and several at once
    assert tape.replays >= 10
    for name, value in state_of(eager).items():
        other = state_of(replayed)[name].float()
        torch.testing.assert_close(other, value.float(), rtol=5e-3, atol=5e-4, msg=lambda m, n=name: f"{n}: {m}")


def test_estimators_are_all_tried() -> None:
    assert {e["estimator"] for e in ESTIMATES} == {name for name, kind in ESTIMATORS.items() if kind.trains}


class Scripted(Knobs):
    """Knobs that change by themselves when so many steps were taken."""

    def __init__(self, trained: Trainer, script: dict[int, dict[str, Any]]) -> None:
        super().__init__()
        self.trained, self.script = trained, dict(script)

    def refresh(self) -> None:
        for step in [step for step in self.script if step <= self.trained.step]:
            for name, value in self.script.pop(step).items():
                setattr(self, name, value)


@pytest.mark.parametrize(
    ("likelihood", "script", "captures"),
    [
        ("gaussian", {40: {"C": 20.0}, 60: {"C": 2.0}, 80: {"lr_factor": 0.1}}, 2),  # nothing is captured anew
        ("bernoulli", {40: {"C": 4.0}, 60: {"C": 0.5}, 80: {"lr_factor": 0.1}}, 2),
        ("gaussian", {40: {"C": "fit"}, 80: {"C": 5.0}}, 4),
        ("bernoulli", {40: {"part": "encoder"}, 80: {"part": "decoder"}}, 6),
    ],
)
def test_knobs_turned_between_captured_steps(likelihood: str, script: dict[int, dict[str, Any]], captures: int) -> None:
    settings: dict[str, Any] = {"likelihood": likelihood, "C": 1.0, "epochs": 4}
    eager, tape = trainer(**settings), Tape()
    replayed = trainer(tape, **settings)
    told = events(replayed, Scripted(replayed, script))
    assert_alike(told, events(eager, Scripted(eager, script)))
    assert [event.step for event in told if isinstance(event, KnobChange)] == list(script)
    assert tape.captures == captures


def test_a_new_C_is_in_the_very_next_replayed_step() -> None:
    tape = Tape()
    trained = trainer(tape, likelihood="bernoulli", C=1.0, lr=1e-9)
    for _ in range(captured.WARM_UP + 1):
        trained.take_steps()
    trained.sums.zero_()
    trained.take_steps()
    before = trained.sums.clone()
    trained.apply("C", 3.0)
    trained.sums.zero_()
    trained.take_steps()
    distortion, rate, _, loss = trained.sums[:4].tolist()
    assert tape.captures == 1
    assert loss == pytest.approx(3 * distortion + rate, rel=1e-5)
    assert float(before[3]) == pytest.approx(float(before[0] + before[1]), rel=1e-5)


def test_a_captured_state_goes_on_eagerly_and_captured() -> None:
    settings = {"likelihood": "bernoulli", "epochs": 3}
    whole = [event for event in events(trainer(**settings)) if event.step > 60]
    half = trainer(Tape(), **settings)
    for event in half.run():
        if isinstance(event, Record) and event.step == 60:
            break
    for graphs in (None, Tape()):
        rest = trainer(graphs, **settings)
        for _ in range(3):
            rest.take_steps()  # a graph that was there before the state is loaded stays good
        rest.load_state(*half.state())
        assert_alike(events(rest), whole)


def test_one_step_at_a_time_where_a_record_is_near() -> None:
    trained = trainer(Tape())
    assert trained._steps_at_once(STEPS_A_REPLAY) == STEPS_A_REPLAY
    assert trained._steps_at_once(STEPS_A_REPLAY - 1) == 1
    assert trainer(None)._steps_at_once(20) == 1
    assert trainer(Tape(), hidden=(6_000, 6_000))._steps_at_once(20) == 1  # long steps would keep a knob waiting


class Refusing(Tape):
    def capture(self, function: Callable[[], None], generators: Sequence[Generator]) -> Callable[[], None]:
        raise RuntimeError("CUDA error: operation not permitted when stream is capturing\nmore of it")


def test_steps_that_cannot_be_captured_go_on_eagerly() -> None:
    eager, refused = trainer(), trainer(Refusing())
    assert_alike(events(refused), events(eager))
    assert eager.slower_because == ""
    assert refused.slower_because.endswith("slower: CUDA error: operation not permitted when stream is capturing.")


def test_the_tape_can_fail() -> None:
    """What reads a Python number in a step is noticed: the tape repeats the number that it saw."""
    total, number = torch.zeros(()), [1.0]
    replay = Tape().capture(lambda: total.add_(number[0]) and None, [])
    assert float(total) == 0  # a capture computes nothing
    number[0] = 5.0
    replay()
    assert float(total) == 1
