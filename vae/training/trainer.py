"""The trainer: a generator of records, steered by knobs.

The whole training set lies on the device as stored (uint8). A step gathers a batch, takes the loss and updates the
weights, and adds its terms to sums on the device; nothing is fetched until a record is due, so that no step waits.
On a GPU steps are captured once and replayed (`cuda_graphs`); several trainers' may be one (`batched_runs`).
"""

from __future__ import annotations

import dataclasses
import functools
import math
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Generator, Tensor

from vae.bound.estimators import ESTIMATORS, choices
from vae.bound.objectives import OBJECTIVES
from vae.config import Config, Knobs, check_C, parse_lr_schedule
from vae.datasets import Dataset
from vae.errors import ConfigError
from vae.machine import keep_large_arrays, usable_device
from vae.model.vae import IDENTITY, Model, build_model
from vae.training.adam import Moments, adam_step, schedule_factor
from vae.training.batches import Batches
from vae.training.cuda_graphs import CudaGraphs, Graphs, Replays, sent
from vae.training.defaults import images_per_second, total_steps
from vae.training.divergence import diverged
from vae.training.held_out import HeldOut
from vae.training.records import KnobChange, MeanTerms, Record, mean_terms
from vae.training.start import best_C, start
from vae.training.step import StepLoss

if TYPE_CHECKING:
    from vae.training.batched_runs import BatchedRuns

FAR_C = 2.0  # a factor from its best value at which a fitted C is set there
ENOUGH_FOR_C = 32  # images from which the best value is known well enough for that
STEPS_A_REPLAY = 8  # where one step is short
SHORT_STEP = 0.1  # seconds on two cores; a GPU takes a twentieth and less
STATE_VALUES = ("step", "steps_summed", "lr_factor", "record_due", "single", "_C_knob", "squared_error")


class Trainer:
    """One model, one dataset, one optimiser. `run(knobs)` drives it; `state` / `load_state` continue it exactly."""

    def __init__(
        self, config: Config, dataset: Dataset, images: Tensor | None = None, graphs: Graphs | None = None
    ) -> None:
        """`images`: dataset.train on the device, where another trainer has put it already. `graphs`: what captures
        steps; CUDA's own on a GPU if left out."""
        config = dataclasses.replace(config, device=usable_device(config.device))
        self.config, self.dataset = config, dataset
        self.device = torch.device(config.device)
        if self.device.type == "cpu" and config.threads:
            torch.set_num_threads(config.threads)
        if self.device.type == "cuda" and self.device.index is not None:
            torch.cuda.set_device(self.device)  # streams and graphs are the current device's
        keep_large_arrays()
        self.images = dataset.train.to(self.device) if images is None else images
        self.N, self.B = len(self.images), min(config.batch_size or 1, len(self.images))
        self.model: Model = build_model(config, dataset.info.shape).to(self.device)
        self.model.to(memory_format=torch.channels_last)  # of convolutions: a fifth faster at 64x64
        estimator = config.estimator or choices(config.latent, config.objective)[0]
        self.estimator = ESTIMATORS[estimator](OBJECTIVES[config.objective]).to(self.device)
        named = sorted(self.model.named_parameters(), key=lambda named: _speed(named[0]))
        self.moments = [Moments.of(parameter, name, _speed(name)) for name, parameter in named]
        self.schedule = parse_lr_schedule(config.lr_schedule)
        self.total_steps = total_steps(config, self.N)
        self.step_loss = StepLoss(config, self.estimator, self.total_steps)
        self.held_out = HeldOut(config, dataset, self.model, self.estimator.objective)

        self.step, self.lr_factor, self.part = 0, 1.0, "both"
        self.weight = torch.ones((), device=self.device)  # C of the likelihoods that C weights
        self.noise = Generator(self.device).manual_seed(config.seed)
        self.batches = Batches(self.N, self.B, config.seed, self.device)
        self.sums = torch.zeros(5 + config.latent_dim, device=self.device)
        self.steps_summed = 0
        self.record_due = self.single = False  # single: the last step was asked for on its own
        self.fuse = torch.zeros((), device=self.device)
        self.good_steps = torch.zeros((), dtype=torch.int64, device=self.device)  # `step`, while all losses are finite
        self.together: BatchedRuns | None = None  # what computes its steps with those of others
        self.wait = time.sleep
        self._capture(CudaGraphs() if graphs is None and self.device.type == "cuda" else graphs)
        self.started = time.perf_counter()
        if not self.model.likelihood.owns_C:
            self.weight.fill_(check_C(config.C))
        self._C_knob: float | Literal["fit"] = config.C if config.C is not None else 1.0
        self.squared_error: float | None = None  # of the last record: where a new fit of C starts
        start(self)
        self._set_part("both")

    # ---- steps

    def take_steps(self, count: int = 1) -> None:
        """Takes `count` updates on the next batches; no host synchronisation."""
        rows, lrs = self.batches.next(count), [self._lr_at(self.step + ahead) for ahead in range(count)]
        if self.together is not None:
            self.together.join(self, rows, lrs)
        elif self.replays is None:
            for batch, lr in zip(rows, lrs, strict=True):
                self.update(batch, lr)
        else:
            self._replay(self.replays, rows, lrs)
        self.step += count
        self.steps_summed += count

    def update(self, rows: Tensor, lr: float | Tensor) -> None:
        """Computes a step on the device, on the images at `rows` (B,). It may be captured and replayed: what changes
        from step to step is in tensors that stay."""
        x = self.dataset.to_float(self.images.index_select(0, rows), self.noise)
        for moments in self.moments:
            moments.parameter.grad = None
        with self.step_loss.precision(self.model):
            mean_loss, step_sums = self.step_loss(self.model, x, self.weight, self.noise)
            mean_loss.backward()
        learned = [m for m in self.moments if m.parameter.grad is not None]
        adam_step(learned, [m.parameter.grad for m in learned if m.parameter.grad is not None], lr)
        self.model.project()
        with torch.no_grad():
            self.fuse.add_(mean_loss[0], alpha=0)  # NaN for ever after a loss that is NaN or infinite
            self.good_steps += self.fuse == 0
            self.sums += step_sums[0]

    def _capture(self, graphs: Graphs | None) -> None:
        self.replays = Replays(graphs) if graphs is not None else None
        if self.replays is not None:
            self._rows = torch.zeros(STEPS_A_REPLAY, self.B, dtype=torch.int64, device=self.device)
            self._lrs = torch.zeros(STEPS_A_REPLAY, device=self.device)
            self._lrs_filled: list[float] = []

    def _replay(self, replays: Replays, rows: Tensor, lrs: list[float]) -> None:
        self._rows[: len(rows)].copy_(rows)
        if lrs != self._lrs_filled[: len(lrs)]:
            self._lrs[: len(lrs)].copy_(sent(torch.tensor(lrs), self.device))
            self._lrs_filled = lrs

        def steps() -> None:
            for batch, lr in zip(self._rows[: len(rows)], self._lrs, strict=False):
                self.update(batch, lr)

        replays.run((len(rows), *self.branches()), steps, [self])

    @property
    def slower_because(self) -> str:
        """A sentence where a step could not be captured or compiled: the numbers are the same, the speed is not."""
        reason = self.step_loss.refused or (self.replays.refused if self.replays is not None else "")
        if self.together is not None:
            reason = self.together.refused
        return f"Steps run one operation at a time, which is slower: {reason}." if reason else ""

    def branches(self) -> tuple[object, ...]:
        """What Python decides within a step."""
        return self.part, self.model.likelihood.fit

    def _steps_at_once(self, to_record: int) -> int:
        """Several steps where they are replayed and short, but none beyond the `to_record` until the next record."""
        return STEPS_A_REPLAY if to_record >= STEPS_A_REPLAY and self._short else 1

    @functools.cached_property
    def _short(self) -> bool:
        replayed = self.replays is not None or (self.together is not None and self.together.replays is not None)
        return replayed and self.B / images_per_second(self.config, self.dataset.info) < SHORT_STEP

    @property
    def epoch(self) -> float:
        """Passes over the training set so far."""
        return self.step * self.B / self.N

    @property
    def lr(self) -> float:
        """The learning rate of the next step."""
        return self._lr_at(self.step)

    def _lr_at(self, step: int) -> float:
        factor = schedule_factor(self.schedule, step / self.total_steps, step * self.B / self.N)
        return (self.config.lr or 1e-3) * factor * self.lr_factor

    # ---- knobs

    def check_C(self, C: float | str) -> None:
        """Raises ConfigError where this run cannot take that C."""
        if C == "fit":
            if not self.model.likelihood.owns_C:
                raise ConfigError(f"C: only a gaussian likelihood can fit C; this run's is {self.config.likelihood}")
        elif check_C(C) != 1 and not (self.model.likelihood.owns_C or self.estimator.objective.takes_weight):
            raise ConfigError(f"C: the {self.config.objective} objective is a bound on log p(x) only at C = 1")

    def apply(self, knob: str, value: Any) -> None:
        """Makes a change of C, lr_factor or part take effect at the next step."""
        if knob == "C":
            self.check_C(value)
            self._C_knob = value
            if self.model.likelihood.owns_C:
                if value == "fit" and self.squared_error:  # from a far C, learning alone would take thousands of steps
                    self.model.likelihood.set_C(best_C(self.dataset.info.pixels, self.squared_error))
                self.model.likelihood.set_C(value)
                self._set_part(self.part)
            else:
                self.weight.fill_(float(value))
        elif knob == "lr_factor":
            self.lr_factor = float(value)
        elif knob == "part":
            self._set_part(str(value))

    def _set_part(self, part: str) -> None:
        """Trains both halves or one; the other keeps its weights and its optimiser state."""
        self.part = part
        for name in ("encoder", "decoder"):
            for parameter in self.model.parameters_of(name):
                parameter.requires_grad_(part in ("both", name))
        if self.model.likelihood.log_C is not None:
            self.model.likelihood.log_C.requires_grad_(self.model.likelihood.fit and part in ("both", "decoder"))

    @property
    def C(self) -> float:
        likelihood = self.model.likelihood
        return likelihood.C if likelihood.owns_C else float(self.weight)

    @property
    def C_knob(self) -> float | Literal["fit"]:
        """The value that a person set: "fit" while C is learned. Kept on the host: the device is not asked."""
        return self._C_knob

    # ---- records

    def record(self, knobs: Knobs | None = None, whole: bool = False, evaluate: bool = True) -> Record | None:
        """Fetches the means since the last record and, if asked, those of held-out images. Returns None if `knobs.stop`
        came meanwhile: the record stays due.

        Raises TrainingDiverged if any step so far had a loss that is not a finite number.
        """
        self.check_finite()
        test = self.evaluate(knobs, whole) if evaluate else None
        if evaluate and test is None:
            return None
        images = self.steps_summed * self.B
        train = mean_terms((self.sums / images).tolist(), images, self.model.latent.factorises)
        self.sums.zero_()
        self.steps_summed = 0
        self.record_due = self.single = False
        self.squared_error = train.squared_error if math.isfinite(train.squared_error) else None
        record = Record(self.step, self.epoch, self.C, self.lr, train, test, time.perf_counter() - self.started)
        self._catch_up(images)
        return record

    def _catch_up(self, images: int) -> None:
        """Lets a fitted C that the last record found far from its best value start anew there: its learning rate moves
        it by a hundredth a step, and an error may fall faster."""
        likelihood = self.model.likelihood
        if likelihood.log_C is None or not likelihood.log_C.requires_grad or not self.squared_error:
            return
        best = best_C(self.dataset.info.pixels, self.squared_error)
        if images >= ENOUGH_FOR_C and not 1 / FAR_C < likelihood.C / best < FAR_C:
            likelihood.log_C.data.fill_(math.log(best))
            self.model.project()

    def check_finite(self) -> None:
        """Raises TrainingDiverged if a loss was not finite, or if a gradient has left weights that are not."""
        bad = int(self.good_steps) + 1 if bool(self.fuse != 0) else None
        if bad is None and not self._weights_are_finite():
            bad = self.step
        if bad is not None:
            C = self.config.C if isinstance(self.config.C, str) else format(self.C, ".3g")
            raise diverged(bad, self.images, self.dataset.scale, C)

    @torch.no_grad()
    def _weights_are_finite(self) -> bool:
        """Least and largest of each are NaN where a weight is, in one pass: `isfinite` takes twenty times as long."""
        return bool(torch.stack([end for p in self.model.parameters() for end in p.aminmax()]).isfinite().all())

    def evaluate(self, knobs: Knobs | None = None, whole: bool = False) -> MeanTerms | None:
        """Returns the means over the first held-out images, or over all; None if `knobs.stop` came meanwhile."""
        return self.held_out.evaluate(self.weight, knobs, whole)

    # ---- the loop

    def run(self, knobs: Knobs | None = None) -> Iterator[Record | KnobChange | None]:
        """Trains to the end or until `knobs.stop`. Yields records and knob changes, and None between steps and while
        waiting, so that a caller can do other things. Raises TrainingDiverged as `record` does."""
        knobs = knobs if knobs is not None else Knobs()
        every = self.config.record_every or 1
        steps_taken, due = knobs.steps_requested, time.perf_counter()
        while self.step < self.total_steps or self.record_due:
            if self.record_due:
                record = self._due_record(knobs)
                if record is None:
                    return
                yield record
                continue
            knobs.refresh()
            yield from self._apply(knobs)
            if self.record_due:
                continue
            if knobs.stop:
                return
            single = knobs.paused and knobs.steps_requested > steps_taken
            if not single and (knobs.paused or (knobs.pace and time.perf_counter() < due)):
                self.wait(0.01 if knobs.paused else min(0.01, max(0.0, due - time.perf_counter())))
                yield None
                continue
            steps_taken = steps_taken + 1 if single else knobs.steps_requested
            due = max(due, time.perf_counter() - 0.1) + 1 / knobs.pace if knobs.pace else time.perf_counter()
            to_record = min(every - self.step % every, self.total_steps - self.step)
            self.take_steps(1 if single or knobs.pace else self._steps_at_once(to_record))
            self.single = single
            self.record_due = single or self.step == self.total_steps or self.step % every == 0
            yield KnobChange(self.step, "step", 1) if single else None

    def _due_record(self, knobs: Knobs) -> Record | None:
        number = -(-self.step // (self.config.record_every or 1))
        last = self.step == self.total_steps
        return self.record(knobs, last, self.single or last or number % self.held_out.every == 0 or number == 1)

    def _apply(self, knobs: Knobs) -> Iterator[Record | KnobChange]:
        """Lets new values take effect. A new C ends the record before it: a record's numbers belong to one C."""
        now: dict[str, Any] = {"C": self.C_knob, "lr_factor": self.lr_factor, "part": self.part}
        for knob, old in now.items():
            new = getattr(knobs, knob)
            if new is None or new == old:
                continue
            if knob == "C" and self.steps_summed:
                self.record_due = True
                record = self._due_record(knobs)
                if record is None:
                    return
                yield record
            self.apply(knob, new)
            yield KnobChange(self.step, knob, new)

    # ---- the state that continuing exactly needs

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Returns tensors and JSON values; `load_state` of both continues to the last bit on the same kind of CPU."""
        tensors = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        for index, moments in enumerate(self.moments):
            tensors |= {f"optimiser.{index}.{name}": value for name, value in moments.tensors().items()}
        tensors |= {f"estimator.{name}": value for name, value in self.estimator.state_dict().items()}
        tensors |= self.batches.state()
        tensors |= {"noise": self.noise.get_state(), "sums": self.sums, "weight": self.weight}
        values = {"step": self.step, "cursor": 0} | {name: getattr(self, name) for name in (*STATE_VALUES, "part")}
        return {n: t.detach().cpu().clone().contiguous() for n, t in tensors.items()}, values

    def load_state(self, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
        """Continues where `state` was taken; states of older versions are read too."""
        self.model.load_state_dict(IDENTITY | {n[6:]: t for n, t in tensors.items() if n.startswith("model.")})
        self.estimator.load_state_dict({n[10:]: t for n, t in tensors.items() if n.startswith("estimator.")})
        for index, moments in enumerate(self.moments):
            for name, value in moments.tensors().items():  # older states leave out what never had a gradient
                value.copy_(tensors.get(f"optimiser.{index}.{name}", torch.zeros_like(value)))
        self.batches.load_state(tensors, values["cursor"])
        if tensors["noise"].shape == self.noise.get_state().shape:
            self.noise.set_state(tensors["noise"])
        else:  # another kind of device drew it: other noise from here on
            self.noise.manual_seed(self.config.seed + int(values["step"]))
        self.sums.copy_(tensors["sums"])
        self.weight.copy_(tensors["weight"])
        for name in STATE_VALUES:
            setattr(self, name, values[name])
        self.good_steps.fill_(self.step)
        self.fuse.zero_()
        self.model.likelihood.fit = self._C_knob == "fit"
        self._set_part(values["part"])


def _speed(name: str) -> float:
    """A likelihood's own parameter, log C, moves ten times as fast: its optimum moves as the decoder learns."""
    return 10.0 if name.startswith("likelihood.") else 1.0
