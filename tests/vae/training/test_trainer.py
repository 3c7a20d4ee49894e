"""The trainer: what a step does, what a record says, and what each knob changes, when."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from vae import Config, Knobs, train
from vae.bound.metrics import active_units
from vae.bound.objective import ElboTerms
from vae.bound.objectives import OBJECTIVES
from vae.datasets import Dataset
from vae.errors import ConfigError, TrainingDiverged
from vae.training.defaults import complete
from vae.training.records import KnobChange, Record
from vae.training.trainer import Trainer, best_C

SMALL = Config(latent_dim=2, hidden=(8,), epochs=6, batch_size=16, lr=3e-3, record_every=5, threads=1, device="cpu")
Make = Callable[..., Trainer]


@pytest.fixture
def make(make_dataset: Callable[..., Dataset]) -> Make:
    """make(support, **config) -> a trainer on 50 small images, 6 epochs of 3.125 steps: 19 steps."""

    def trainer(support: str = "unit", **changes: Any) -> Trainer:
        dataset = make_dataset(support)
        config, _ = complete(dataclasses.replace(SMALL, **changes), dataset.info)
        return Trainer(config, dataset.binarized(config.binarize or "none"))

    return trainer


@dataclasses.dataclass
class Spy:
    """Notes the terms of every training step that the trainer's objective computes."""

    trainer: Trainer
    steps: list[tuple[Tensor, ElboTerms]] = dataclasses.field(default_factory=list)

    def __post_init__(self) -> None:
        estimator = self.trainer.estimator
        self.objective, estimator.objective = estimator.objective, self  # type: ignore[assignment]
        self.takes_weight = self.objective.takes_weight

    def loss(self, *arguments: Any) -> tuple[Tensor, ElboTerms]:
        loss, terms = self.objective.loss(*arguments)
        if torch.is_grad_enabled():
            self.steps.append((loss.detach().clone(), terms))
        return loss, terms


def records(trainer: Trainer, knobs: Knobs | None = None) -> list[Record]:
    return [event for event in trainer.run(knobs) if isinstance(event, Record)]


def weights(trainer: Trainer, part: str) -> list[Tensor]:
    return [p.detach().clone() for p in trainer.model.parameters_of(part)]


def same(a: list[Tensor], b: list[Tensor]) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


@dataclasses.dataclass
class Scripted(Knobs):
    """Knobs that change by themselves: script[step] is set when that many steps were taken."""

    trainer: Any = None
    script: dict[int, dict[str, Any]] = dataclasses.field(default_factory=dict)

    def refresh(self) -> None:
        for name, value in self.script.get(self.trainer.step, {}).items():
            setattr(self, name, value)


# determinism


@pytest.mark.parametrize(
    "setting",
    [
        {},
        {"likelihood": "bernoulli"},
        {"likelihood": "gaussian", "binarize": "epoch", "C": "fit"},
        {"likelihood": "continuous-bernoulli", "objective": "iwae", "samples": 3},
    ],
)
def test_one_config_and_one_seed_give_one_history(make: Make, setting: dict[str, Any]) -> None:
    torch.manual_seed(1)
    state = torch.get_rng_state()
    one = make(**setting)
    first = records(one)
    assert torch.equal(torch.get_rng_state(), state)  # a run draws from generators of its own
    torch.manual_seed(2)
    two = make(**setting)
    assert first == records(two)
    assert same(weights(one, "encoder"), weights(two, "encoder"))
    assert same(weights(one, "decoder"), weights(two, "decoder"))
    other = records(make(**setting, seed=1))
    assert all(a.train != b.train for a, b in zip(first, other, strict=True))


def test_wall_time_is_left_out_of_equality(make: Make) -> None:
    record = records(make())[0]
    assert record == dataclasses.replace(record, seconds=record.seconds + 1)
    assert record != dataclasses.replace(record, C=record.C * 1.0001)


def test_evaluation_does_not_touch_the_training_numbers(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    looking = make(likelihood="bernoulli")
    with_evaluation = records(looking)
    assert [record.step for record in with_evaluation if record.test] == [5, 15, 19]  # the 1st, each 3rd, the last
    blind = make(likelihood="bernoulli")
    monkeypatch.setattr(blind, "evaluate", lambda *_: with_evaluation[0].test)
    assert [r.train for r in records(blind)] == [r.train for r in with_evaluation]
    assert same(weights(looking, "encoder"), weights(blind, "encoder"))


def test_held_out_values_use_the_same_noise_every_time(make: Make) -> None:
    trainer = make()
    assert trainer.evaluate() == trainer.evaluate()
    assert trainer.evaluate(whole=True).images == 20


@pytest.mark.parametrize("latent", ["normal", "full-normal", "bernoulli"])
def test_the_last_record_counts_active_units_as_evaluate_does(make: Make, latent: str) -> None:
    trainer = make(latent=latent, latent_dim=3)
    assert trainer.evaluate().active is None
    last = records(trainer)[-1]
    assert last.test.active == active_units(trainer.model, trainer.dataset)


# what a record says


@pytest.mark.parametrize("setting", [{}, {"likelihood": "bernoulli", "C": 0.7}, {"objective": "iwae", "samples": 4}])
def test_a_record_holds_the_means_over_its_steps(make: Make, setting: dict[str, Any]) -> None:
    trainer = make(**setting)
    spy = Spy(trainer)
    told = records(trainer)
    assert [record.step for record in told] == [5, 10, 15, 19]  # every 5 and the last
    before = 0
    for record in told:
        steps = spy.steps[before : record.step]
        before = record.step

        def mean(name: str, steps: list = steps) -> float:
            return torch.cat([getattr(terms, name).detach() for _, terms in steps]).double().mean().item()

        means = record.train
        assert means.images == 16 * len(steps)
        for name in ("distortion", "rate", "squared_error"):
            assert getattr(means, name) == pytest.approx(mean(name), rel=1e-5)
        assert means.elbo == pytest.approx(-(mean("distortion") + mean("rate")), rel=1e-5, abs=1e-4)
        assert means.loss == pytest.approx(torch.cat([loss for loss, _ in steps]).double().mean().item(), rel=1e-5)
        per_dim = torch.cat([terms.rate_per_dim.detach() for _, terms in steps]).double().mean(0)
        assert means.rate_per_dim == pytest.approx(per_dim.tolist(), rel=1e-4, abs=1e-7)
        assert record.epoch == pytest.approx(record.step * 16 / 50)


def test_held_out_means_are_those_of_the_held_out_images(make: Make) -> None:
    trainer = make(likelihood="bernoulli", C=0.7, binarize="threshold")
    last = records(trainer)[-1]
    x = trainer.dataset.to_float(trainer.dataset.test)
    generator = torch.Generator().manual_seed(trainer.config.seed + 1)
    with torch.no_grad():
        loss, terms = OBJECTIVES["elbo"].loss(trainer.model, x, 1, torch.tensor(0.7), generator)
    assert last.test is not None
    assert last.test.images == 20
    assert last.test.elbo == pytest.approx(terms.elbo.mean().item(), rel=1e-5)  # at weight 1
    assert last.test.loss == pytest.approx(loss.mean().item(), rel=1e-5)  # at weight C
    assert last.test.loss == pytest.approx(0.7 * last.test.distortion + last.test.rate, rel=1e-5)


def test_a_gaussian_record_can_be_taken_apart(make: Make) -> None:
    record = records(make(C=12.5))[-1]
    for means in (record.train, record.test):
        assert means is not None
        constant = 12 / 2 * math.log(math.pi / 12.5)  # (D/2) log(2πc), D = 12 pixels
        assert means.distortion == pytest.approx(12.5 * means.squared_error + constant, rel=1e-5, abs=1e-4)
        assert means.loss == pytest.approx(means.distortion + means.rate, rel=1e-5, abs=1e-4)
    assert pytest.approx(12.5) == record.C


@pytest.mark.parametrize("batch_size", [1, 7, 16, 25, 49, 50])
def test_every_image_is_seen_once_per_permutation(make: Make, batch_size: int) -> None:
    trainer = make(batch_size=batch_size)
    seen: list[int] = []
    update = trainer.update

    def note(rows: Tensor, lr: float | Tensor) -> None:
        assert len(rows) == batch_size  # every batch is full
        seen.extend(rows.tolist())
        update(rows, lr)

    trainer.update = note  # type: ignore[method-assign]
    records(trainer)
    passes = [seen[start : start + 50] for start in range(0, len(seen) - 49, 50)]
    assert len(passes) == 6
    assert len({tuple(rows) for rows in passes}) == 6
    assert all(sorted(rows) == list(range(50)) for rows in passes)
    assert 300 <= len(seen) < 300 + batch_size


def test_a_redrawn_view_is_redrawn_at_every_use(make: Make) -> None:
    trainer = make(likelihood="bernoulli")
    assert trainer.dataset.binarize == "epoch"
    rows = trainer.images[:10]
    one, two = (trainer.dataset.to_float(rows, trainer.noise) for _ in range(2))
    assert not torch.equal(one, two)
    assert set(one.unique().tolist()) == {0.0, 1.0}


@pytest.mark.parametrize(
    ("schedule", "factor"),
    [
        ("constant", lambda step, epoch: 1.0),
        ("cosine", lambda step, epoch: 0.5 * (1 + math.cos(math.pi * step / 19))),
        ("steps:2=0.5,4=0.1", lambda step, epoch: (0.5 if epoch >= 2 else 1) * (0.1 if epoch >= 4 else 1)),
    ],
)
def test_learning_rate_schedules(make: Make, schedule: str, factor: Callable[[int, float], float]) -> None:
    trainer = make(lr_schedule=schedule, record_every=1)
    used: list[float] = []
    update = trainer.update
    trainer.update = lambda rows, lr: (used.append(lr), update(rows, lr))[1]  # type: ignore[method-assign, func-returns-value]
    told = records(trainer)
    assert used == pytest.approx([3e-3 * factor(step, step * 16 / 50) for step in range(19)], rel=1e-12)
    assert [record.lr for record in told] == pytest.approx([*used[1:], 3e-3 * factor(19, 19 * 16 / 50)], abs=1e-15)


# knobs


def test_C_takes_effect_at_the_next_step_and_is_recorded_with_it(make: Make) -> None:
    trainer = make(likelihood="bernoulli")
    spy = Spy(trainer)
    knobs = Scripted(trainer=trainer, script={7: {"C": 4.0}})
    events = [event for event in trainer.run(knobs) if event is not None]
    assert [event for event in events if isinstance(event, KnobChange)] == [KnobChange(7, "C", 4.0)]
    told = [event for event in events if isinstance(event, Record)]
    assert [(r.step, r.C) for r in told] == [
        (5, 1.0),
        (7, 1.0),
        (10, 4.0),
        (15, 4.0),
        (19, 4.0),
    ]  # 7: one record, one C
    for record in told:
        assert record.train.loss == pytest.approx(record.C * record.train.distortion + record.train.rate, rel=1e-5)
    for step, (loss, terms) in enumerate(spy.steps):
        C = 4.0 if step >= 7 else 1.0
        torch.testing.assert_close(loss, C * terms.distortion + terms.rate)
        assert (loss - (5 - C) * terms.distortion - terms.rate).abs().min() > 1


def test_C_of_a_gaussian_is_its_noise_and_the_loss_stays_minus_elbo(make: Make) -> None:
    trainer = make(C=2.0)
    spy = Spy(trainer)
    knobs = Scripted(trainer=trainer, script={7: {"C": 30.0}, 12: {"C": "fit"}, 15: {"C": 5.0}})
    changes = [event for event in trainer.run(knobs) if isinstance(event, KnobChange)]
    assert changes == [KnobChange(7, "C", 30.0), KnobChange(12, "C", "fit"), KnobChange(15, "C", 5.0)]
    for step, (loss, terms) in enumerate(spy.steps):
        torch.testing.assert_close(loss, terms.distortion.detach() + terms.rate.detach())
        if not 12 <= step < 15:
            C = 2.0 if step < 7 else 30.0 if step < 12 else 5.0
            constant = 6 * math.log(math.pi / C)
            torch.testing.assert_close(
                terms.distortion.detach(), C * terms.squared_error + constant, rtol=1e-5, atol=1e-4
            )
    assert pytest.approx(5.0) == trainer.C


def test_a_fit_starts_at_the_best_C_of_the_last_record_and_ends_with_a_number(make: Make) -> None:
    trainer = make(C=1e6)  # far from any optimum: learning alone would need hundreds of steps to come back
    knobs = Scripted(trainer=trainer, script={4: {"C": "fit"}, 9: {"C": 3.0}})
    by_step, told = {}, []
    for event in trainer.run(knobs):
        by_step.setdefault(trainer.step, trainer.C)
        told += [event] if isinstance(event, Record) else []
    values = list(by_step.values())
    assert values[:4] == pytest.approx([1e6] * 4)
    assert told[0].step == 4
    assert values[4] == pytest.approx(best_C(12, told[0].train.squared_error), rel=0.05)  # and one Adam step
    assert len(set(values[4:9])) == 5
    assert values[9:] == pytest.approx([3.0] * len(values[9:]))


def test_the_parts_of_a_gaussian_distortion_add_up_while_C_is_fitted(make: Make) -> None:
    trainer = make(C="fit", lr=1e-2)
    spy = Spy(trainer)
    told = records(trainer)
    for record in told:
        assert record.train.normaliser is not None
        first = told[told.index(record) - 1].step if record is not told[0] else 0
        errors = [float((terms.distortion).detach().mean()) for _, terms in spy.steps[first : record.step]]
        weighted = record.train.distortion - record.train.normaliser
        assert weighted > 0
        assert record.train.distortion == pytest.approx(sum(errors) / len(errors), rel=1e-4, abs=1e-4)
        assert record.test is None or record.test.distortion - record.test.normaliser == pytest.approx(
            record.C * record.test.squared_error, rel=1e-4
        )


def test_a_fitted_C_reaches_its_optimum(make: Make) -> None:
    trainer = make(C="fit", epochs=400, batch_size=50, lr_schedule="cosine", lr=1e-2, record_every=20)
    start = trainer.C
    x = trainer.dataset.to_float(trainer.images)
    with torch.no_grad():  # of the untrained decoder, over many draws of z
        errors = [trainer.model.decode(trainer.model.encode(x).sample()).squared_error(x) for _ in range(200)]
    assert start == pytest.approx(best_C(12, torch.stack(errors).mean().item()), rel=0.1)
    *_, last = records(trainer)
    assert 2 * start < last.C
    assert pytest.approx(best_C(12, last.train.squared_error), rel=0.03) == last.C


@pytest.mark.parametrize(("part", "other"), [("encoder", "decoder"), ("decoder", "encoder")])
@pytest.mark.parametrize("C", [5.0, "fit"])
def test_training_one_half_leaves_the_other_as_it_was_to_the_bit(make: Make, part: str, other: str, C: Any) -> None:
    trainer = make(C=C)
    knobs = Scripted(trainer=trainer, script={5: {"part": part}, 12: {"part": "both"}})
    states: dict[int, tuple[list[Tensor], list[Tensor], float]] = {}
    events = []
    for event in trainer.run(knobs):
        events.append(event)
        states[trainer.step] = (weights(trainer, part), weights(trainer, other), trainer.C)
    assert [e for e in events if isinstance(e, KnobChange)] == [
        KnobChange(5, "part", part),
        KnobChange(12, "part", "both"),
    ]
    assert all(same(states[5][1], states[step][1]) for step in range(6, 13))  # although its optimiser has momentum
    assert not same(states[4][1], states[5][1])
    assert not same(states[12][1], states[13][1])
    assert all(not same(states[step][0], states[step + 1][0]) for step in range(5, 12))
    if C == "fit":  # the noise level belongs to the decoder
        assert (states[5][2] == states[12][2]) == (part == "encoder")


def test_lr_factor_scales_the_next_update(make: Make) -> None:
    moves = []
    for factor in (1.0, 0.25):
        trainer = make(C=5.0)
        knobs = Scripted(trainer=trainer, script={6: {"lr_factor": factor}})
        states = {}
        for _ in trainer.run(knobs):
            states[trainer.step] = torch.cat([w.flatten() for w in weights(trainer, "decoder")]).double()
        moves.append(states[7] - states[6])
    torch.testing.assert_close(moves[1], 0.25 * moves[0], rtol=0.01, atol=2e-7)
    trainer = make()
    told = records(trainer, Scripted(trainer=trainer, script={6: {"lr_factor": 0.5}}))
    assert [r.lr for r in told] == pytest.approx([3e-3, 1.5e-3, 1.5e-3, 1.5e-3])


def test_a_pause_takes_no_step_and_a_single_step_forces_a_record(make: Make) -> None:
    trainer, knobs = make(), Knobs()
    events = trainer.run(knobs)
    while trainer.step < 7:
        next(events)
    knobs.paused = True
    assert [next(events) for _ in range(5)] == [None] * 5
    assert trainer.step == 7
    for step in (8, 9):
        knobs.steps_requested += 1
        assert next(events) == KnobChange(step, "step", 1)
        record = next(events)
        assert isinstance(record, Record)
        assert record.step == step
        assert record.test is not None
        assert record.train.images == 16 * (3 if step == 8 else 1)  # 6, 7 and 8 since the record at 5; then 9 alone
        assert [next(events) for _ in range(3)] == [None] * 3
        assert trainer.step == step
    knobs.steps_requested += 2
    assert [type(e) for e in (next(events) for _ in range(4))] == [KnobChange, Record] * 2
    assert trainer.step == 11
    knobs.paused = False
    rest = [e for e in events if e is not None]
    assert [e.step for e in rest if isinstance(e, Record)] == [15, 19]
    assert not [e for e in rest if isinstance(e, KnobChange)]


def test_single_steps_change_the_records_but_not_the_training(make: Make) -> None:
    plain = make()
    records(plain)
    trainer, knobs = make(), Knobs(paused=True)
    events: Iterator[Any] = trainer.run(knobs)
    assert next(events) is None  # it waits
    for _ in range(6):
        knobs.steps_requested += 1
        assert isinstance(next(events), KnobChange)
        assert isinstance(next(events), Record)
    knobs.paused = False
    list(events)
    assert same(weights(plain, "encoder"), weights(trainer, "encoder"))


def test_steps_asked_for_while_running_are_not_saved_up_for_a_pause(make: Make) -> None:
    trainer, knobs = make(), Knobs()
    events = trainer.run(knobs)
    knobs.steps_requested = 3
    while trainer.step < 4:
        next(events)
    knobs.paused = True
    assert [next(events) for _ in range(3)] == [None] * 3
    assert trainer.step == 4


def test_stop_ends_at_once_and_run_goes_on_from_there(make: Make) -> None:
    trainer, knobs = make(), Knobs()
    for _ in trainer.run(knobs):
        knobs.stop = trainer.step >= 8
    assert trainer.step == 8
    assert [r.step for r in records(trainer)] == [10, 15, 19]


def test_pace_is_in_steps_a_second(make: Make) -> None:
    trainer, began = make(), time.perf_counter()
    records(trainer, Knobs(pace=40.0))
    took = time.perf_counter() - began
    assert took >= 18 / 40 - 0.11  # a burst of up to 0.1 s is allowed after a wait
    trainer, waited = make(epochs=60), list[float]()
    trainer.wait = lambda seconds: (waited.append(seconds), time.sleep(seconds))
    knobs = Scripted(trainer=trainer, script={0: {"pace": 5.0}, 1: {"pace": None}})
    records(trainer, knobs)  # the wait for a slow pace ends with it
    assert sum(waited) < 1  # at that pace it would be 76


@pytest.mark.parametrize(
    ("setting", "C"), [({"likelihood": "bernoulli"}, "fit"), ({"likelihood": "bernoulli", "objective": "iwae"}, 2.0)]
)
def test_a_C_that_this_run_cannot_take_is_refused(make: Make, setting: dict[str, Any], C: Any) -> None:
    with pytest.raises(ConfigError, match=r"^C: "):
        records(make(**setting), Knobs(C=C))


@pytest.mark.parametrize("C", [1e-12, 3e-7, 1e9, 1e12])
@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
def test_a_knob_is_applied_once_however_it_is_rounded(make: Make, likelihood: str, C: float) -> None:
    trainer = make(likelihood=likelihood, lr=1e-9)
    changes = [e for e in trainer.run(Knobs(C=C)) if isinstance(e, KnobChange)]
    assert changes == [KnobChange(0, "C", C)]


# when it goes wrong


def test_divergence_names_the_first_bad_step(make: Make) -> None:
    trainer = make(lr=1e18)
    spy = Spy(trainer)
    with pytest.raises(TrainingDiverged, match="step") as caught:
        records(trainer)
    first = next(i for i, (loss, _) in enumerate(spy.steps, 1) if not loss.mean().isfinite())
    assert caught.value.step == first
    assert f"step {first:,}" in str(caught.value)
    assert first < len(spy.steps) or first % 5 == 0  # noticed with the next record, not before


def test_a_gradient_that_is_no_number_is_noticed_before_anything_is_saved(make: Make) -> None:
    """The loss of that step is finite, the weights after it are not."""
    trainer = make()
    spy = Spy(trainer)
    plain = spy.loss

    def poisoned(*arguments: Any) -> tuple[Tensor, ElboTerms]:
        loss, terms = plain(*arguments)
        if trainer.step == 18 and torch.is_grad_enabled():  # the last one
            loss = loss + (trainer.model.encoder[-1].bias * 0).sum().sqrt()  # the slope of √ at 0 is infinite
        return loss, terms

    spy.loss = poisoned  # type: ignore[method-assign]
    with pytest.raises(TrainingDiverged) as caught:
        records(trainer)
    assert caught.value.step == 19
    assert all(loss.isfinite().all() for loss, _ in spy.steps)


# train()


def test_train_yields_records_of_the_dataset_it_is_given(make_dataset: Callable[..., Dataset]) -> None:
    dataset = make_dataset("unit")
    told = list(train(dataclasses.replace(SMALL, likelihood="bernoulli"), dataset=dataset))
    assert [r.step for r in told] == [5, 10, 15, 19]
    assert told[-1].test is not None
    assert told[-1].test.images == 20
    assert told[-1].test.distortion < 12
