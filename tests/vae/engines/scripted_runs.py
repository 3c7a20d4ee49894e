"""Runs that follow a script: knobs turned at given steps, checkpoints at given steps, kills at given writes."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load

from tests.vae.train_run import train_run
from vae import Config, Knobs, files, runs
from vae.datasets import describe
from vae.engines import worker
from vae.runs import live_knobs
from vae.runs.moments import list_moments
from vae.training.defaults import complete
from vae.training.trainer import Trainer

SMALL = Config(latent_dim=2, hidden=(8,), epochs=3, batch_size=64, record_every=5, lr=3e-3, threads=1, device="cpu")
STEPS = 68  # 3 epochs of 1437 images in batches of 64
REPOSITORY = Path(__file__).parents[3]


def make_quick(patch: pytest.MonkeyPatch) -> None:
    """Knobs are looked at before every step, checkpoints come when a test asks, and nothing waits for the disk."""
    patch.setattr(live_knobs, "KNOBS_EVERY", 0.0)
    patch.setattr(worker, "SAVE_EVERY", math.inf)
    patch.setattr(files.os, "fsync", lambda _: None)


def new_run(root: Path, name: str = "run", **changes: Any) -> Path:
    config, _ = complete(dataclasses.replace(SMALL, **changes), describe("digits"))
    info = describe("digits", binarize=config.binarize or "none")
    return runs.create_run(config, info.to_json(), name=name, root=root)


def slow_run(root: Path, name: str = "run", **changes: Any) -> Path:
    """A run whose 68 steps take a quarter of a minute: it cannot end before `held` sees it."""
    path = new_run(root, name, **changes)
    runs.change_knobs(path, pace=4.0)
    return path


def held(paths: Sequence[Path]) -> bool:
    """Whether all these slow runs stand still after their first record, to be disturbed there; to be asked until they
    do. Each is held when it comes there, so that none ends while another one starts."""
    for path in paths:
        if runs.read_status(path).step > (SMALL.record_every or 0) and not runs.read_knobs(path).paused:
            runs.change_knobs(path, paused=True)
    return all(runs.read_status(path).state == "paused" for path in paths)


def let_go(path: Path) -> None:
    runs.change_knobs(path, paused=False, pace=None)


def records(path: Path) -> list[dict[str, Any]]:
    """The measured lines, without the wall time."""
    return [{k: v for k, v in line.items() if k != "seconds"} for line in runs.read_history(path) if "train" in line]


def knob_lines(path: Path) -> list[tuple[int, str, Any]]:
    return [(line["step"], line["knob"], line["value"]) for line in runs.read_history(path) if "knob" in line]


def weights(path: Path) -> bytes:
    return runs.read_checked(path, runs.WEIGHTS)


def saved_state(path: Path) -> dict[str, torch.Tensor]:
    return load(runs.read_checked(path, runs.STATE))


def assert_same_run(a: Path, b: Path) -> None:
    """Records, weights, moments and everything that continuing needs, to the last bit."""
    assert records(a) == records(b)
    assert list_moments(a) == list_moments(b)
    assert weights(a) == weights(b)
    one, two = saved_state(a), saved_state(b)
    assert one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)


@dataclasses.dataclass
class Script:
    """Turns knobs.json when the trainer stands at a step (each entry once, one a look), saves at given steps."""

    path: Path
    knobs: list[Turn]
    saves: list[int]
    done: list[Turn] = dataclasses.field(default_factory=list)
    seen: set[tuple[int, str, Any]] = dataclasses.field(default_factory=set)  # every line there ever was

    def install(self, patch: pytest.MonkeyPatch) -> None:
        refresh, write_what_is_due = live_knobs.LiveKnobs.refresh, worker.Worker._write_what_is_due
        saves, looks = set(self.saves), [0, 0]

        def turned(knobs: live_knobs.LiveKnobs) -> None:
            if self.knobs and knobs.trainer.step == self.knobs[0][0]:
                self.done.append(self.knobs.pop(0))
                runs.change_knobs(self.path, **self.done[-1][1])
            looks[:] = [looks[0] + 1 if looks[1] == knobs.trainer.step else 0, knobs.trainer.step]
            assert looks[0] < 300, f"paused for ever at step {looks[1]}, {self.knobs[:1]} to come"
            refresh(knobs)

        def saving(self: worker.Worker, recorded: bool) -> None:
            self.save_at = -math.inf if self.trainer.step in saves else math.inf
            saves.discard(self.trainer.step)
            write_what_is_due(self, recorded)

        patch.setattr(live_knobs.LiveKnobs, "refresh", turned)
        patch.setattr(worker.Worker, "_write_what_is_due", saving)

    def take_back(self) -> None:
        """After a kill: what was asked for and never recorded is asked for again when its step comes."""
        self.seen |= set(knob_lines(self.path))
        changes: dict[str, Any] = {"C": None, "lr_factor": 1.0, "part": "both", "paused": False}
        turns = self.done + self.knobs
        count = max((number for number, turn in enumerate(turns, 1) if turn[2] in self.seen), default=0)
        self.done, self.knobs = turns[:count], turns[count:]
        for _, change, _ in self.done:
            changes |= {name: value for name, value in change.items() if name != "single_step"}
        runs.change_knobs(self.path, **changes)


Turn = tuple[int, dict[str, Any], tuple[int, str, Any] | None]  # step, change of the knobs, line of the history
KNOBS: list[Turn] = [
    (7, {"C": 4.0}, (7, "C", 4.0)),
    (12, {"lr_factor": 0.5}, (12, "lr_factor", 0.5)),
    (20, {"part": "encoder"}, (20, "part", "encoder")),
    (24, {"C": "fit"}, (24, "C", "fit")),
    (26, {"paused": True}, None),
    (26, {"C": 9.0}, (26, "C", 9.0)),
    (26, {"C": "fit"}, (26, "C", "fit")),  # there and back at one step
    (26, {"single_step": True}, (27, "step", 1)),
    (27, {"single_step": True}, (28, "step", 1)),
    (28, {"part": "both", "paused": False}, (28, "part", "both")),
    (45, {"C": 30.0}, (45, "C", 30.0)),
    (51, {"lr_factor": 2.0}, (51, "lr_factor", 2.0)),
]
SAVES = [13, 26, 43]


def start(path: Path, knobs: list[Turn] | None = None, saves: list[int] | None = None) -> Script:
    return Script(path, list(KNOBS if knobs is None else knobs), SAVES if saves is None else saves)


def scripted_run(root: Path) -> Path:
    """The scripted run from its beginning to its end, undisturbed."""
    path = new_run(root)
    with pytest.MonkeyPatch.context() as patch:
        make_quick(patch)
        start(path).install(patch)
        assert train_run(path).state == "finished"
    return path


class Repeated(Knobs):
    """Knobs that follow the knob lines of a history."""

    def __init__(self, trainer: Trainer, history: list[dict[str, Any]]) -> None:
        super().__init__()
        self.trainer, self.lines = trainer, [line for line in history if "knob" in line]

    def refresh(self) -> None:
        if self.trainer.record_due:
            return
        step = self.trainer.step
        self.paused = False
        if self.lines and self.lines[0]["knob"] != "step" and self.lines[0]["step"] == step:
            line = self.lines.pop(0)
            setattr(self, line["knob"], line["value"])
            self.paused = True  # another look before the step
        elif self.lines and self.lines[0]["knob"] == "step" and self.lines[0]["step"] == step + 1:
            self.lines.pop(0)
            self.paused = True
            self.steps_requested += 1


class Killed(BaseException):
    """As if the process ended there."""


class Killer:
    """Ends the process at its n-th write: before a line of the history or in the middle of it; before a checkpoint
    file or the manifest is replaced."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.at, self.torn = math.inf, False
        self.writes: list[str] = []  # of the last training: the files' names, without numbers
        append, replace = runs.append_history, files.os.replace

        def appending(path: Path, line: dict[str, Any]) -> None:
            if self.now("history.jsonl"):
                if self.torn:
                    data = json.dumps(line).encode()
                    with open(path / "history.jsonl", "ab") as file:
                        file.write(data[: len(data) // 2])
                raise Killed
            append(path, line)

        def replacing(source: Path, target: Path) -> None:
            if target.name not in ("status.json", "knobs.json", "live.bin") and self.now(target.name):
                raise Killed
            replace(source, target)

        patch.setattr(runs, "append_history", appending)
        patch.setattr(files.os, "replace", replacing)

    def now(self, name: str) -> bool:
        self.writes.append(name.lstrip("0123456789"))
        return len(self.writes) == self.at

    def train(self, path: Path, at: float = math.inf, torn: bool = False) -> runs.Status | None:
        """Train to the end, or None where the kill came first."""
        self.writes, self.at, self.torn = [], at, torn
        try:
            return train_run(path)
        except Killed:
            return None


DRIVER = (
    "import sys; from vae.engines import worker; from vae.runs import live_knobs;"
    "live_knobs.KNOBS_EVERY = 0.005; worker.SAVE_EVERY = float(sys.argv[2]);"
    "sys.exit(worker.main(sys.argv[1:2]))"
)


@contextlib.contextmanager
def process(path: Path, save_every: float = 0.3) -> Iterator[subprocess.Popen]:
    child = subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(path), str(save_every)],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield child
    finally:
        if child.poll() is None:
            child.kill()
        child.wait()
        assert child.stdin is not None
        child.stdin.close()


def wait_until(true: Callable[[], Any], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def step_of(path: Path) -> int:
    return max((line["step"] for line in runs.read_history(path)), default=0)


@contextlib.contextmanager
def largest_file(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
