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
from typing import Any, Literal, Protocol

import torch
from torch import Generator, Tensor

from vae.bound.chunks import keep_freed_memory, rows_at_once
from vae.bound.estimators import ESTIMATORS, choices
from vae.bound.objectives import OBJECTIVES, elbo_terms
from vae.config import FIRST_STEPS, Config, Knobs, check_C, parse_lr_schedule
from vae.datasets import Dataset
from vae.datasets.scale import location_and_spread
from vae.errors import ConfigError, TrainingDiverged
from vae.machine import usable_device
from vae.model.likelihoods import Gaussian
from vae.model.vae import IDENTITY, Model, build_model
from vae.training.adam import Moments, adam_step
from vae.training.cuda_graphs import CudaGraphs, Graphs, Replays, sent
from vae.training.defaults import images_per_second, total_steps
from vae.training.records import KnobChange, Means, Record, means, sums
from vae.training.step import StepLoss

EVALUATED_IMAGES = 2000  # held-out images looked at during training, at most; the last record looks at all
EVALUATION_SECONDS = 0.1  # about what one look may take, so that a knob is not kept waiting
EVALUATION_ROWS = 250  # images a chunk at most, on a CPU; the knobs are looked at between chunks
EVALUATION_SHARE = 0.03  # of the training time, about, that held-out records may cost
FAR_C = 2.0  # a factor from its best value at which a fitted C is set there
ENOUGH_FOR_C = 32  # images from which the best value is known well enough for that
STARTING_DRAWS = 1000  # of z, from which the untrained decoder's error is measured, at most
STEPS_A_REPLAY = 8  # where one step is short
SHORT_STEP = 0.1  # seconds on two cores; a GPU takes a twentieth and less
STATE_VALUES = ("step", "cursor", "steps_summed", "lr_factor", "record_due", "single", "_C_knob", "squared_error")


class Joint(Protocol):
    """Who computes a trainer's steps with those of others (`vae.training.batched_runs`)."""

    replays: Replays | None

    @property
    def refused(self) -> str:
        """Why steps could not be captured or compiled; empty where they could."""

    def join(self, trainer: Trainer, rows: Tensor, lrs: list[float]) -> None:
        """The trainer wants its next steps, on the images at rows (count, B), with these learning rates."""


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
        keep_freed_memory()
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

        self.step, self.lr_factor, self.part = 0, 1.0, "both"
        self.weight = torch.ones((), device=self.device)  # C of the likelihoods that C weights
        self.noise = Generator(self.device).manual_seed(config.seed)
        self.order_generator = Generator().manual_seed(config.seed)
        self.order, self.cursor = self._permutation(), 0
        self.sums = torch.zeros(5 + config.latent_dim, device=self.device)
        self.steps_summed = 0
        self.record_due = self.single = False  # single: the last step was asked for on its own
        self.fuse = torch.zeros((), device=self.device)
        self.good_steps = torch.zeros((), dtype=torch.int64, device=self.device)  # `step`, while all losses are finite
        self.together: Joint | None = None
        self.wait = time.sleep
        self._capture(CudaGraphs() if graphs is None and self.device.type == "cuda" else graphs)
        self.started = time.perf_counter()
        if not self.model.likelihood.learns_C:
            self.weight.fill_(check_C(config.C))
        self._C_knob: float | Literal["fit"] = config.C if config.C is not None else 1.0
        self.squared_error: float | None = None  # of the last record: where a new fit of C starts
        self._start()
        self._set_part("both")

    # ---- steps

    def take_steps(self, count: int = 1) -> None:
        """`count` updates on the next batches; no host synchronisation."""
        rows, lrs = self._next_rows(count), [self._lr_at(self.step + ahead) for ahead in range(count)]
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
        """What the device does in a step, on the images at `rows` (B,). It may be captured and replayed: what changes
        from step to step is in tensors that stay."""
        x = self.dataset.to_float(self.images.index_select(0, rows), self.noise)
        for moments in self.moments:
            moments.parameter.grad = None
        with self.step_loss.precision(self.model):
            mean_loss, told = self.step_loss(self.model, x, self.weight, self.noise)
            mean_loss.backward()
        learned = [m for m in self.moments if m.parameter.grad is not None]
        adam_step(learned, [m.parameter.grad for m in learned if m.parameter.grad is not None], lr)
        self.model.project()
        with torch.no_grad():
            self.fuse.add_(mean_loss[0], alpha=0)  # NaN for ever after a loss that is NaN or infinite
            self.good_steps += self.fuse == 0
            self.sums += told[0]

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
        return self.part, isinstance(self.model.likelihood, Gaussian) and self.model.likelihood.fit

    def _steps_at_once(self, to_record: int) -> int:
        """Several where they are replayed and short, but none beyond the `to_record` until the next record."""
        return STEPS_A_REPLAY if to_record >= STEPS_A_REPLAY and self._short else 1

    @functools.cached_property
    def _short(self) -> bool:
        replayed = self.replays is not None or (self.together is not None and self.together.replays is not None)
        return replayed and self.B / images_per_second(self.config, self.dataset.info) < SHORT_STEP

    def _next_rows(self, count: int) -> Tensor:
        """(count, B): the next places of an endless row of permutations, so that every batch is full."""
        wanted = count * self.B
        while self.cursor + wanted > len(self.order):
            self.order, self.cursor = torch.cat([self.order[self.cursor :], self._permutation()]), 0
        rows = self.order[self.cursor : self.cursor + wanted].view(count, self.B)
        self.cursor += wanted
        return rows

    def _start(self) -> None:
        """The model starts on the data's scale at the mean image, and a fitted C at the best one for its decoder."""
        enough = max(1, min(10_000, 2**25 // self.dataset.info.pixels))  # images; 128 MB as floats at most
        some = self.images[:: max(1, self.N // enough)]
        noise = Generator(self.device).manual_seed(self.config.seed)
        x = self.dataset.to_float(some, noise)
        if self.model.likelihood.support != "binary":
            self.model.standardise(*location_and_spread(x, self.dataset.name))
        self.model.start_at(x.mean(0))
        if isinstance(self.model.likelihood, Gaussian) and self.config.C == "fit":
            rows = min(STARTING_DRAWS, rows_at_once(self.model))
            few = x[:: -(-len(x) // rows)]
            error = elbo_terms(self.model, few, max(1, rows // len(few)), noise).squared_error.mean().item()
            self.model.likelihood.set_C(best_C(self.dataset.info.pixels, error))
            self.model.likelihood.set_C("fit")

    def _permutation(self) -> Tensor:
        return sent(torch.randperm(self.N, generator=self.order_generator), self.device)

    @property
    def epoch(self) -> float:
        return self.step * self.B / self.N

    @property
    def lr(self) -> float:
        """The learning rate of the next step."""
        return self._lr_at(self.step)

    def _lr_at(self, step: int) -> float:
        factor = 1.0
        if self.schedule == "cosine":
            factor = 0.5 * (1 + math.cos(math.pi * min(1.0, step / self.total_steps)))
        elif isinstance(self.schedule, list):
            factor = math.prod(f for start, f in self.schedule if step * self.B / self.N >= start)
        return (self.config.lr or 1e-3) * factor * self.lr_factor

    # ---- knobs

    def check_C(self, C: float | str) -> None:
        """Raise a ConfigError where this run cannot take that C."""
        if C == "fit":
            if not self.model.likelihood.learns_C:
                raise ConfigError(f"C: only a gaussian likelihood can fit C; this run's is {self.config.likelihood}")
        elif check_C(C) != 1 and not (self.model.likelihood.learns_C or self.estimator.objective.takes_weight):
            raise ConfigError(f"C: the {self.config.objective} objective is a bound on log p(x) only at C = 1")

    def apply(self, knob: str, value: Any) -> None:
        """Make a change of C, lr_factor or part take effect at the next step."""
        if knob == "C":
            self.check_C(value)
            self._C_knob = value
            if isinstance(self.model.likelihood, Gaussian):
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
        """Train both halves or one; the other keeps its weights and its optimiser state."""
        self.part = part
        for name in ("encoder", "decoder"):
            for parameter in self.model.parameters_of(name):
                parameter.requires_grad_(part in ("both", name))
        if isinstance(self.model.likelihood, Gaussian):
            fits = self.model.likelihood.fit and part in ("both", "decoder")
            self.model.likelihood.log_C.requires_grad_(fits)

    @property
    def C(self) -> float:
        likelihood = self.model.likelihood
        return likelihood.C if isinstance(likelihood, Gaussian) else float(self.weight)

    @property
    def C_knob(self) -> float | Literal["fit"]:
        """The value that a person set: "fit" while C is learned. Kept on the host: the device is not asked."""
        return self._C_knob

    # ---- looking

    def record(self, knobs: Knobs | None = None, whole: bool = False, evaluate: bool = True) -> Record | None:
        """Fetch the means since the last record and, if asked, those of held-out images. None if `knobs.stop` came
        while these were looked at: the record stays due.

        Raises TrainingDiverged if any step so far had a loss that is not a finite number.
        """
        self.check_finite()
        test = self.evaluate(knobs, whole) if evaluate else None
        if evaluate and test is None:
            return None
        images = self.steps_summed * self.B
        train = means((self.sums / images).tolist(), images, self.model.latent.factorises)
        self.sums.zero_()
        self.steps_summed = 0
        self.record_due = self.single = False
        self.squared_error = train.squared_error if math.isfinite(train.squared_error) else None
        record = Record(self.step, self.epoch, self.C, self.lr, train, test, time.perf_counter() - self.started)
        self._catch_up(images)
        return record

    def _catch_up(self, images: int) -> None:
        """Let a fitted C that the last record found far from its best value start anew there: its learning rate moves
        it by a hundredth a step, and an error may fall faster."""
        likelihood = self.model.likelihood
        if not (isinstance(likelihood, Gaussian) and likelihood.log_C.requires_grad and self.squared_error):
            return
        best = best_C(self.dataset.info.pixels, self.squared_error)
        if images >= ENOUGH_FOR_C and not 1 / FAR_C < likelihood.C / best < FAR_C:
            likelihood.log_C.data.fill_(math.log(best))
            self.model.project()

    def check_finite(self) -> None:
        """Raise TrainingDiverged if a loss was not finite, or if a gradient has left weights that are not."""
        bad = int(self.good_steps) + 1 if bool(self.fuse != 0) else None
        if bad is None and not bool(torch.stack([p.isfinite().all() for p in self.model.parameters()]).all()):
            bad = self.step
        if bad is not None:
            raise TrainingDiverged(
                f"Training diverged at step {bad:,}: the loss is no longer a finite number. {self._what_to_try(bad)}",
                bad,
            )

    def _what_to_try(self, bad: int) -> str:
        """After a divergence at step `bad`. What breaks within the first steps seldom broke for a large step."""
        if bad > FIRST_STEPS:
            return (
                "The last good checkpoint is kept; continue from it with a smaller learning rate, or with C closer to "
                "its optimum."
            )
        low, high = (float(value) / self.dataset.scale for value in self.images.aminmax())
        return (
            f"So early it is rarely the learning rate: the images hold values from {low:g} to {high:g}, and C is "
            f"{self.config.C if isinstance(self.config.C, str) else format(self.C, '.3g')}; look for values far from "
            "all others, or start again with another C."
        )

    @torch.no_grad()
    def evaluate(self, knobs: Knobs | None = None, whole: bool = False) -> Means | None:
        """Means over the first held-out images, or all, always with the same noise; None if `knobs.stop` came."""
        images = self.dataset.test if whole else self._evaluated
        generator = Generator(self.device).manual_seed(self.config.seed + 1)
        summed, elbos = torch.zeros_like(self.sums), []
        for rows in images.split(self._evaluation_rows):
            x = self.dataset.to_float(rows.to(self.device), generator)
            loss, terms = self.estimator.objective.loss(self.model, x, self.config.samples, self.weight, generator)
            summed += sums(loss.unsqueeze(0), terms, self.model.log_C, self.dataset.info.pixels)[0]
            elbos.append(terms.elbo)
            if knobs is not None:
                knobs.refresh()
                if knobs.stop:
                    return None
        error = float(torch.cat(elbos).double().std(correction=0)) / math.sqrt(len(images))
        told = means((summed / len(images)).tolist(), len(images), self.model.latent.factorises)
        return dataclasses.replace(told, elbo_error=error)

    @property
    def evaluate_every(self) -> int:
        """Records between two held-out evaluations: every record where that is cheap. A forward pass is a third of
        a step's work."""
        every = self.config.record_every or 1
        return max(1, round(self.evaluated_images / 3 / (EVALUATION_SHARE * every * self.B)))

    @functools.cached_property
    def evaluated_images(self) -> int:
        """Fewer for a slow network. Decided by the config, never by the clock: histories repeat."""
        as_looked_at = dataclasses.replace(self.config, precision="float32")
        affordable = int(3 * EVALUATION_SECONDS * images_per_second(as_looked_at, self.dataset.info))
        return min(max(EVALUATION_ROWS, affordable), EVALUATED_IMAGES, len(self.dataset.test))

    @functools.cached_property
    def _evaluation_rows(self) -> int:
        """A constant on a GPU, whatever its memory holds, and by the network on a CPU: histories repeat. `samples`
        codes of each image are decoded at once."""
        if self.device.type != "cpu":
            return max(1, EVALUATED_IMAGES // self.config.samples)
        return min(EVALUATION_ROWS, max(1, rows_at_once(self.model) // self.config.samples))

    @functools.cached_property
    def _evaluated(self) -> Tensor:
        return self.dataset.test[: self.evaluated_images].to(self.device)

    # ---- the loop

    def run(self, knobs: Knobs | None = None) -> Iterator[Record | KnobChange | None]:
        """Train to the end or until `knobs.stop`. Yields records and knob changes, and None between steps and while
        waiting, so that a caller can look after other things."""
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
        return self.record(knobs, last, self.single or last or number % self.evaluate_every == 0 or number == 1)

    def _apply(self, knobs: Knobs) -> Iterator[Record | KnobChange]:
        """Let new values take effect. A new C ends the record before it: a record's numbers belong to one C."""
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
        """Tensors and JSON values; `load_state` of both continues to the last bit on the same kind of CPU."""
        tensors = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        for index, moments in enumerate(self.moments):
            tensors |= {f"optimiser.{index}.{name}": value for name, value in moments.tensors().items()}
        tensors |= {f"estimator.{name}": value for name, value in self.estimator.state_dict().items()}
        tensors |= {
            "order": self.order[self.cursor :],  # what is left of it
            "order_generator": self.order_generator.get_state(),
            "noise": self.noise.get_state(),
            "sums": self.sums,
            "weight": self.weight,
        }
        values = {name: getattr(self, name) for name in (*STATE_VALUES, "part")} | {"cursor": 0}
        return {n: t.detach().cpu().clone().contiguous() for n, t in tensors.items()}, values

    def load_state(self, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
        self.model.load_state_dict(IDENTITY | {n[6:]: t for n, t in tensors.items() if n.startswith("model.")})
        self.estimator.load_state_dict({n[10:]: t for n, t in tensors.items() if n.startswith("estimator.")})
        for index, moments in enumerate(self.moments):
            for name, value in moments.tensors().items():  # older states leave out what never had a gradient
                value.copy_(tensors.get(f"optimiser.{index}.{name}", torch.zeros_like(value)))
        self.order = tensors["order"].to(self.device)
        self.order_generator.set_state(tensors["order_generator"])
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
        if isinstance(self.model.likelihood, Gaussian):
            self.model.likelihood.fit = self._C_knob == "fit"
        self._set_part(values["part"])


def _speed(name: str) -> float:
    """A likelihood's own parameter, log C, moves ten times as fast: its optimum moves as the decoder learns."""
    return 10.0 if name.startswith("likelihood.") else 1.0


def best_C(pixels: int, squared_error: float) -> float:
    """The C that minimises C·e + (D/2) log(π/C): D / (2e), with e the mean squared error per image."""
    return pixels / (2 * squared_error)
