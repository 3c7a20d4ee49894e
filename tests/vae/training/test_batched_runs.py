"""Many models in one step: each has the numbers that it has alone, whatever the others do."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any

import pytest

from tests.vae.training.tape import FailingTape, Tape
from tests.vae.training.test_cuda_graphs import ESTIMATES, MODELS, Scripted, events, numbers, trainer
from vae.bound.estimators import ESTIMATORS
from vae.config import Knobs
from vae.errors import ConfigError, TrainingDiverged
from vae.model.random_draws import Request
from vae.training.batched_runs import ALONE, SEVERAL, BatchedRuns, worth_it
from vae.training.records import KnobChange
from vae.training.trainer import Trainer


def assert_alike(one: Sequence[Any], other: Sequence[Any]) -> None:
    assert len(one) == len(other) > 0
    for mine, theirs in zip(one, other, strict=True):
        assert numbers(mine) == pytest.approx(numbers(theirs), rel=1e-3, abs=1e-3)


OWN: list[dict[str, Any]] = [{"seed": 0, "lr": 1e-3}, {"seed": 1, "lr": 1e-3}, {"seed": 1, "lr": 3e-3}]
FEW_FLIPS = 10  # added to the seeds of runs with bits: no flip on the processors tried


def told_together(trainers: Sequence[Trainer], knobs: Sequence[Knobs | None]) -> list[list[Any]]:
    """What each trainer yields while they train as one; a divergence is told as its last event."""
    together = BatchedRuns(trainers)
    runs = {number: trained.run(k) for number, (trained, k) in enumerate(zip(trainers, knobs, strict=True))}
    told: list[list[Any]] = [[] for _ in trainers]
    while runs:
        for number, run in list(runs.items()):
            try:
                told[number].append(next(run))
            except (StopIteration, TrainingDiverged) as end:
                del runs[number]
                if isinstance(end, TrainingDiverged):
                    told[number].append(end)
        together.flush()
    return [[event for event in events if event is not None] for events in told]


def assert_states_alike(one: Trainer, other: Trainer) -> None:
    """Tensor by tensor, in norm: Adam moves a weight without a gradient by the sign of its rounding error."""
    others = other.state()[0]
    for name, value in one.state()[0].items():
        difference = float((others[name].double() - value.double()).norm())
        assert difference <= 0.01 * float(value.double().norm()) + 1e-5, f"{name}: {difference:.3g}"


TOGETHER = [settings for settings in MODELS if settings["network"] not in ALONE]
ALIKE = [settings for settings in ESTIMATES if ESTIMATORS[settings["estimator"]].rowwise]


@pytest.mark.parametrize("settings", [*TOGETHER, *ALIKE, {"lr_schedule": "cosine"}, {"samples": 3}])
def test_three_at_once_are_three_alone(settings: dict[str, Any]) -> None:
    C = [1.0, 4.0, 1.0] if settings.get("objective") != "iwae" else [1.0] * 3
    epochs = 1 if "conv" in settings.get("network", "") or "estimator" in settings else 2  # its end is the same for all
    own = [settings | {"C": c, "batch_size": 96, "epochs": epochs} | mine for c, mine in zip(C, OWN, strict=True)]
    if settings.get("latent") == "bernoulli":  # a draw within rounding of its probability flips a bit on some processor
        own = [mine | {"seed": mine["seed"] + FEW_FLIPS} for mine in own]  # and what follows is another run
    alone = [trainer(**mine) for mine in own]
    joined = [trainer(**mine) for mine in own]
    told = told_together(joined, [None] * 3)
    for one, other, events_of_one in zip(alone, joined, told, strict=True):
        assert_alike(events_of_one, events(one))
        assert_states_alike(one, other)
    assert told[0][-1] != told[1][-1]


def test_bfloat16_too() -> None:
    own = [{"precision": "bfloat16", "epochs": 1, "hidden": (16,)} | mine for mine in OWN]
    joined = [trainer(**mine) for mine in own]
    for one, mine in zip(told_together(joined, [None] * 3), own, strict=True):
        alone = events(trainer(**mine))
        assert [e.step for e in one] == [e.step for e in alone]
        assert one[-1].test.elbo == pytest.approx(alone[-1].test.elbo, rel=0.02)


@pytest.mark.parametrize("graphs", [False, True])
def test_knobs_of_one_leave_the_others_alone(graphs: bool) -> None:
    """One turns C, one pauses for a while and takes a single step, one trains a half, one is stopped."""
    scripts: list[dict[int, dict[str, Any]]] = [
        {40: {"C": 20.0}, 80: {"lr_factor": 0.5}},
        {},
        {20: {"part": "decoder"}, 80: {"part": "both"}},
        {60: {"stop": True}},
    ]
    own = [{"C": 2.0, "seed": seed} for seed in range(4)]
    tape = Tape()
    joined = [trainer(tape if graphs else None, **mine) for mine in own]
    knobs: list[Knobs] = [Scripted(t, script) for t, script in zip(joined, scripts, strict=True)]
    knobs[1] = Paused(joined, joined[1])
    told = told_together(joined, knobs)
    for number, (mine, script) in enumerate(zip(own, scripts, strict=True)):
        alone = trainer(**mine)
        expected = events(alone, Paused([alone], alone) if number == 1 else Scripted(alone, script))
        assert_alike(told[number], expected)
        assert_states_alike(alone, joined[number])
    assert joined[3].step == 60
    assert joined[1].step == joined[0].step == 135
    assert KnobChange(41, "step", 1) in told[1]
    assert (tape.captures > 1) == graphs


class Paused(Knobs):
    """Waits after 40 steps until another has taken 100 (or for many looks, where there is none); takes a single step
    meanwhile."""

    def __init__(self, everybody: Sequence[Trainer], mine: Trainer) -> None:
        super().__init__()
        self.everybody, self.mine, self.looks = everybody, mine, 0
        mine.wait = lambda _: None

    def refresh(self) -> None:
        self.looks += 1
        others = max((t.step for t in self.everybody if t is not self.mine), default=100 * (self.looks > 200))
        self.paused = self.mine.step in (40, 41) and others < 100
        if self.paused and self.mine.step == 40:
            self.steps_requested = 1


def test_a_shared_step_that_cannot_be_captured_goes_on_eagerly(monkeypatch: pytest.MonkeyPatch) -> None:
    tape = FailingTape(good=1)
    joined = [trainer(tape, **mine) for mine in OWN]
    monkeypatch.setattr(Request, "draw", lambda request, noise: tape.draw(request, noise))
    told = told_together(joined, [None] * 3)
    assert (tape.captures, tape.failures) == (1, 1)
    for one, mine in zip(told, OWN, strict=True):
        assert_alike(one, events(trainer(**mine)))
    assert "not permitted when stream is capturing" in joined[1].slower_because


def test_one_that_diverges_leaves_the_others_alone() -> None:
    own = [{"lr": 1e-3}, {"lr": 1e30}, {"lr": 2e-3}]
    joined = [trainer(C=1.0, **mine) for mine in own]
    told = told_together(joined, [None] * 3)
    assert isinstance(told[1][-1], TrainingDiverged)
    alone = trainer(C=1.0, **own[1])
    with pytest.raises(TrainingDiverged) as caught:
        events(alone)
    assert told[1][-1].step == caught.value.step
    for number in (0, 2):
        assert_alike(told[number], events(trainer(C=1.0, **own[number])))


def test_members_may_stand_at_different_steps_and_go_on_from_a_state() -> None:
    half = trainer(seed=1)
    for event in half.run():
        if event is not None and event.step == 60:
            break
    joined = [trainer(seed=0), trainer(seed=1)]
    joined[1].load_state(*half.state())
    told = told_together(joined, [None] * 2)
    assert_alike(told[0], events(trainer(seed=0)))
    assert_alike(told[1], [event for event in events(trainer(seed=1)) if event.step > 60])


def test_what_cannot_share_a_step_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"hidden: .* differ only in C, seed, lr; got \(8,\) and \(9,\)"):
        BatchedRuns([trainer(), trainer(hidden=(9,))])
    for name in ("running-mean", "exact"):
        with pytest.raises(ConfigError, match="train one by one"):
            BatchedRuns([trainer(latent="bernoulli", estimator=name, seed=seed) for seed in range(2)])


def test_sharing_pays_for_many_small_models() -> None:
    info = trainer().dataset.info
    configs = [trainer(seed=seed, C=2.0).config for seed in range(SEVERAL)]
    assert worth_it(configs, info)
    assert worth_it([*configs, trainer(C="fit", lr=0.1).config], info)
    assert not worth_it(configs[1:], info)
    assert not worth_it([*configs, trainer(hidden=(9,)).config], info)
    assert not worth_it([dataclasses.replace(config, hidden=(4000, 4000)) for config in configs], info)
    assert worth_it([dataclasses.replace(config, hidden=(4000, 4000), device="cuda") for config in configs[:2]], info)


def test_a_group_shares_one_copy_of_the_images() -> None:
    joined = [trainer(seed=seed) for seed in range(3)]
    BatchedRuns(joined)
    assert len({t.images.data_ptr() for t in joined}) == 1
    for one, other in itertools.combinations(joined, 2):
        assert (
            one.model.get_parameter("encoder.1.weight").data_ptr()
            != other.model.get_parameter("encoder.1.weight").data_ptr()
        )


@pytest.mark.parametrize("network", ALONE)
def test_a_network_whose_rounding_grows_trains_alone(network: str) -> None:
    with pytest.raises(ConfigError, match=f"network: {network} would have other numbers than alone"):
        BatchedRuns([trainer(network=network, seed=seed) for seed in (0, 1)])
