"""Captured steps: the numbers of the eager ones, steered between two of them, without capturing anew."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Generator, Tensor

import vae.training.batched_runs
import vae.training.batches
import vae.training.trainer
from tests.vae.training.tape import FailingTape, Tape
from vae.bound.estimators import ESTIMATORS, choices
from vae.config import Config, Knobs
from vae.datasets import load_dataset
from vae.model.latents import LATENTS
from vae.model.likelihoods import LIKELIHOODS
from vae.model.networks import NETWORKS
from vae.model.random_draws import Request
from vae.training import cuda_graphs
from vae.training.batched_runs import BatchedRuns
from vae.training.cuda_graphs import CudaGraphs
from vae.training.defaults import complete
from vae.training.held_out import MOST_IMAGES
from vae.training.records import KnobChange, Record
from vae.training.trainer import STEPS_A_REPLAY, Trainer


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
def test_captured_steps_are_the_eager_ones(settings: dict[str, Any]) -> None:
    # through convolutions a rounding error that Adam's first steps make large grows: at 1e-3 by per cents in resconv
    lr = {"conv": 1e-4, "resconv": 1e-6}.get(settings.get("network", ""), 1e-3)
    tape, settings = Tape(), {"lr": lr, **settings, "batch_size": 72}
    eager, replayed = trainer(**settings), trainer(tape, **settings)
    assert_alike(events(replayed), events(eager))
    assert replayed.step == eager.step == 60
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
    for _ in range(cuda_graphs.WARM_UP + 1):
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


@pytest.mark.parametrize("good", [0, 1])
@pytest.mark.parametrize("likelihood", ["gaussian", "bernoulli"])
def test_steps_that_cannot_be_captured_go_on_eagerly(
    good: int, likelihood: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a generator that stands where the failed capture began; those that were captured before go on so too."""
    tape = FailingTape(good)
    eager, refused = trainer(likelihood=likelihood), trainer(tape, likelihood=likelihood)
    monkeypatch.setattr(Request, "draw", lambda request, noise: tape.draw(request, noise))
    old = refused.noise
    assert_alike(events(refused), events(eager))
    assert (tape.captures, tape.failures) == (good, 1)
    assert (tape.replays > 0) == bool(good)
    assert refused.noise is not old
    assert torch.equal(refused.noise.get_state(), eager.noise.get_state())
    assert eager.slower_because == ""
    assert refused.slower_because.endswith("slower: CUDA error: operation not permitted when stream is capturing.")


def test_a_failed_capture_leaves_the_device_as_it_was(cuda: FakeCuda) -> None:
    graphs = CudaGraphs()
    before, generator = cuda.stream, Generator()
    with pytest.raises(RuntimeError, match="previous error during capture") as caught:
        graphs.capture(lambda: cuda.fail(), [generator])
    assert str(caught.value.__context__) == "not permitted when stream is capturing"
    assert cuda.stream is before
    assert cuda.ended == [graphs.pool]
    assert cuda.log[-2:] == ["synchronize failed", "synchronize"]
    assert cuda.modes == ["thread_local"]
    assert cuda.registered == [generator]


def test_a_capture_is_replayed_with_a_few_in_flight(cuda: FakeCuda) -> None:
    replay = CudaGraphs().capture(lambda: None, [])
    for number in range(5):
        replay()
        assert cuda.log.count("replay") == number + 1
        assert cuda.log.count("event waited for") == max(0, number + 1 - cuda_graphs.IN_FLIGHT)
    assert cuda.blocking == [True] * 5
    assert cuda.ended == []


class FakeCuda:
    """What `CudaGraphs` uses of torch.cuda, as the real one does it: a capture that failed raises at its end, with the
    capture's stream still current and the allocator still in the pool, and the next synchronisation fails once."""

    def __init__(self) -> None:
        self.stream: Any = "default"
        self.log, self.modes, self.registered, self.blocking, self.ended = [], [], [], [], []  # type: ignore[var-annotated]
        self.failed = False

    def fail(self) -> None:
        self.failed = True
        raise RuntimeError("not permitted when stream is capturing")

    @contextlib.contextmanager
    def graph(self, graph: Any, pool: Any, stream: Any, capture_error_mode: str) -> Iterator[None]:
        self.modes.append(capture_error_mode)
        before, self.stream = self.stream, stream
        try:
            yield
        finally:
            if self.failed:
                raise RuntimeError("operation failed due to a previous error during capture")
            self.stream = before

    def synchronize(self) -> None:
        self.log.append("synchronize failed" if self.failed else "synchronize")
        if self.failed:
            self.failed = False
            raise RuntimeError("operation failed due to a previous error during capture")

    def event(self, blocking: bool = False) -> Any:
        self.blocking.append(blocking)
        return SimpleNamespace(record=lambda: None, synchronize=lambda: self.log.append("event waited for"))


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> FakeCuda:
    fake = FakeCuda()
    made = SimpleNamespace(register_generator_state=fake.registered.append, replay=lambda: fake.log.append("replay"))
    names: dict[str, Any] = {
        "Stream": lambda: "capturing", "graph_pool_handle": lambda: (0, 1), "CUDAGraph": lambda: made,
        "graph": fake.graph, "current_stream": lambda: fake.stream, "current_device": lambda: 0,
        "set_stream": lambda stream: setattr(fake, "stream", stream), "synchronize": fake.synchronize,
        "Event": fake.event,
    }  # fmt: skip
    for name, value in names.items():
        monkeypatch.setattr(torch.cuda, name, value)
    end = "_cuda_endAllocateToPool"
    monkeypatch.setattr(torch._C, end, lambda device, pool: fake.ended.append(pool), raising=False)
    return fake


class Sent:
    """A tensor that tells how it travels."""

    def __init__(self) -> None:
        self.way: list[Any] = []

    def pin_memory(self) -> Sent:
        self.way.append("pinned")
        return self

    def to(self, device: torch.device, non_blocking: bool = False) -> Sent:
        self.way.append((device.type, non_blocking))
        return self


def test_what_is_sent_does_not_wait_for_the_device() -> None:
    values: Any = Sent()
    assert cuda_graphs.sent(values, torch.device("cuda")) is values
    assert values.way == ["pinned", ("cuda", True)]


@pytest.mark.parametrize("together", [False, True])
def test_all_that_goes_to_the_device_between_steps_is_sent(together: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The order of the images, and learning rates, which a cosine changes at every replay."""
    went: list[torch.Size] = []

    def sent(values: Tensor, device: torch.device) -> Tensor:
        went.append(values.shape)
        return cuda_graphs.sent(values, device)

    for module in (vae.training.batches, vae.training.trainer, vae.training.batched_runs):
        monkeypatch.setattr(module, "sent", sent)
    tape = Tape()
    trained = [trainer(tape, lr_schedule="cosine", seed=seed) for seed in range(2)]
    shared = BatchedRuns(trained) if together else None
    went.clear()
    for _ in range(6):
        for one in trained:
            one.take_steps(STEPS_A_REPLAY)
        if shared is not None:
            shared.flush()
    assert sum(len(shape) == 1 and shape[0] == trained[0].N for shape in went) == 2  # 48 steps of 32: an epoch and more
    rates = torch.Size([1, STEPS_A_REPLAY]) if together else torch.Size([STEPS_A_REPLAY])
    assert went.count(rates) == (6 if together else 12)


def test_a_look_at_held_out_images_decodes_as_many_codes_whatever_the_samples() -> None:
    for samples, rows in ((1, MOST_IMAGES), (50, MOST_IMAGES // 50), (10**4, 1)):
        held_out = trainer(samples=samples).held_out
        held_out.device = torch.device("cuda")
        assert held_out.rows == rows


def test_the_tape_can_fail() -> None:
    """What reads a Python number in a step is noticed: the tape repeats the number that it saw."""
    total, number = torch.zeros(()), [1.0]
    replay = Tape().capture(lambda: total.add_(number[0]) and None, [])
    assert float(total) == 0  # a capture computes nothing
    number[0] = 5.0
    replay()
    assert float(total) == 1
