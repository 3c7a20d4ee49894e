"""The trainer: a generator of records, steered by knobs.

The whole training set lies on the device as stored (uint8). A step gathers a batch, takes the loss and updates the
weights, and adds its terms to sums on the device; nothing is fetched until a record is due, so that no step waits.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Generator, Tensor

from vae.completion import complete, images_per_second, total_steps
from vae.config import Config, Knobs, check_C, parse_lr_schedule
from vae.datasets import Dataset, load_dataset
from vae.errors import ConfigError, TrainingDiverged
from vae.estimators import ESTIMATORS, choices
from vae.likelihoods import Gaussian
from vae.model import Model, build_model
from vae.objectives import OBJECTIVES, ElboTerms

EVALUATED_IMAGES = 2000  # held-out images looked at during training, at most; the last record looks at all
EVALUATION_SECONDS = 0.15  # about what one look may take, so that a knob is not kept waiting
EVALUATION_ROWS = 250  # images a chunk; the knobs are looked at between chunks
EVALUATION_SHARE = 0.05  # of the training time, about, that held-out records may cost
NEVER = 2**62
STATE_VALUES = ("step", "cursor", "steps_summed", "lr_factor", "record_due", "single", "_C_knob", "squared_error")


@dataclass(frozen=True)
class Means:
    """Means over `images` observations: nats, and pixel² for the squared error. ELBO at weight 1 always."""

    distortion: float
    rate: float
    elbo: float
    squared_error: float
    normaliser: float | None  # Gaussian: mean of (D/2) log(2πc), which distortion − C·‖x − f(z)‖² leaves; else None
    loss: float
    rate_per_dim: list[float] | None
    images: int
    marginal_rate_per_dim: list[float] | None = None  # KL(q(z_i|x) ‖ p(z_i)), where q does not factorise


@dataclass(frozen=True)
class Record:
    """What happened up to `step`. Two records are equal when their numbers are; the wall time does not count."""

    step: int
    epoch: float
    C: float
    lr: float
    train: Means
    test: Means | None
    seconds: float = field(compare=False)


@dataclass(frozen=True)
class KnobChange:
    """A knob took effect after `step` steps: C, lr_factor, part, or step (a single step that forces a record)."""

    step: int
    knob: str
    value: float | str


class Trainer:
    """One model, one dataset, one optimiser. `run(knobs)` drives it; `state` / `load_state` continue it exactly."""

    def __init__(self, config: Config, dataset: Dataset) -> None:
        self.config, self.dataset = config, dataset
        self.device = torch.device(config.device)
        if self.device.type == "cpu" and config.threads:
            torch.set_num_threads(config.threads)
        self.images = dataset.train.to(self.device)
        self.N, self.B = len(self.images), min(config.batch_size or 1, len(self.images))
        self.model: Model = build_model(config, dataset.info.shape).to(self.device)
        estimator = config.estimator or choices(config.latent, config.objective)[0]
        self.estimator = ESTIMATORS[estimator](OBJECTIVES[config.objective]).to(self.device)
        self.optimiser = self._optimiser()
        self.parameters = list(self.model.parameters())
        self.schedule = parse_lr_schedule(config.lr_schedule)
        self.total_steps = total_steps(config, self.N)

        self.step, self.lr_factor, self.part = 0, 1.0, "both"
        self.weight = torch.ones((), device=self.device)  # C of the likelihoods that C weights
        self.noise = Generator(self.device).manual_seed(config.seed)
        self.order_generator = Generator().manual_seed(config.seed)
        self.order, self.cursor = self._permutation(), 0
        self.sums = torch.zeros(5 + config.latent_dim, device=self.device)
        self.steps_summed = 0
        self.record_due = self.single = False  # single: the last step was asked for on its own
        self.first_bad_step = torch.full((), NEVER, dtype=torch.int64, device=self.device)
        self.started = time.perf_counter()
        if not self.model.likelihood.learns_C:
            self.weight.fill_(check_C(config.C))
        self._C_knob: float | Literal["fit"] = config.C if config.C is not None else 1.0
        self.squared_error: float | None = None  # of the last record: where a new fit of C starts
        self._start_C()
        self._set_part("both")

    # ---- one step

    def take_step(self) -> None:
        """One update on the next batch; no host synchronisation."""
        x = self.dataset.to_float(self.images.index_select(0, self._next_batch()), self.noise)
        loss, terms = self.estimator.loss(self.model, x, self.config.samples, self.weight, self.noise)
        mean_loss, log_C = loss.mean(), self._log_C()
        self._set_lr()
        for parameter in self.parameters:  # optimiser.zero_grad costs small networks 4 % of a step
            parameter.grad = None
        mean_loss.backward()
        self.optimiser.step()
        if isinstance(self.model.likelihood, Gaussian) and self.model.likelihood.fit:
            self.model.likelihood.project()
        self.step += 1
        with torch.no_grad():
            bad = torch.where(mean_loss.isfinite(), NEVER, self.step)
            torch.minimum(self.first_bad_step, bad, out=self.first_bad_step)
            self.sums += self._sums(loss.detach(), terms, log_C)
        self.steps_summed += 1

    def _next_batch(self) -> Tensor:
        """The next B places of an endless row of permutations, so that every batch is full."""
        rows = self.order[self.cursor : self.cursor + self.B]
        self.cursor += self.B
        if self.cursor >= self.N:
            self.order, self.cursor = self._permutation(), self.cursor - self.N
            rows = torch.cat([rows, self.order[: self.cursor]]) if self.cursor else rows
        return rows

    def _optimiser(self) -> torch.optim.Adam:
        """Adam on all weights; a fitted log C moves ten times as fast, for its optimum moves as the decoder learns."""
        networks = [*self.model.encoder.parameters(), *self.model.decoder.parameters()]
        groups: list[dict[str, Any]] = [{"params": networks, "speed": 1.0}]
        if own := list(self.model.likelihood.parameters()):
            groups.append({"params": own, "speed": 10.0})
        return torch.optim.Adam(groups, lr=self.config.lr, fused=True)

    def _start_C(self) -> None:
        """A fitted C starts at the best one for a decoder that knows nothing but the mean image."""
        if isinstance(self.model.likelihood, Gaussian) and self.config.C == "fit":
            some = self.images[:: max(1, self.N // 10_000)]
            x = self.dataset.to_float(some, Generator(self.device).manual_seed(self.config.seed))
            variance = x.var(0, correction=0).sum().item()
            self.model.likelihood.set_C(best_C(self.dataset.info.pixels, max(variance, 1e-6)))
            self.model.likelihood.set_C("fit")

    def _permutation(self) -> Tensor:
        return torch.randperm(self.N, generator=self.order_generator).to(self.device)

    def _set_lr(self) -> None:
        lr = self.lr
        for group in self.optimiser.param_groups:
            group["lr"] = lr * group["speed"]

    @property
    def epoch(self) -> float:
        return self.step * self.B / self.N

    @property
    def lr(self) -> float:
        """The learning rate of the next step."""
        factor = 1.0
        if self.schedule == "cosine":
            factor = 0.5 * (1 + math.cos(math.pi * min(1.0, self.step / self.total_steps)))
        elif isinstance(self.schedule, list):
            factor = math.prod(f for start, f in self.schedule if self.epoch >= start)
        return self.config.lr * factor * self.lr_factor

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
        sums = (self.sums / (self.steps_summed * self.B)).tolist()
        train = self._means(sums, self.steps_summed * self.B)
        self.sums.zero_()
        self.steps_summed = 0
        self.record_due = self.single = False
        self.squared_error = train.squared_error if math.isfinite(train.squared_error) else None
        return Record(self.step, self.epoch, self.C, self.lr, train, test, time.perf_counter() - self.started)

    def check_finite(self) -> None:
        """Raise TrainingDiverged if a loss was not finite, or if a gradient has left weights that are not."""
        bad = int(self.first_bad_step)
        if bad == NEVER and not all(bool(p.isfinite().all()) for p in self.model.parameters()):
            bad = self.step
        if bad != NEVER:
            raise TrainingDiverged(
                f"Training diverged at step {bad:,}: the loss is no longer a finite number. The last good checkpoint "
                "is kept; continue from it with a smaller learning rate, or with C closer to its optimum.",
                bad,
            )

    @torch.no_grad()
    def evaluate(self, knobs: Knobs | None = None, whole: bool = False) -> Means | None:
        """Means over the first held-out images, or all, always with the same noise; None if `knobs.stop` came."""
        images = self.dataset.test if whole else self.dataset.test[: self.evaluated_images]
        generator = Generator(self.device).manual_seed(self.config.seed + 1)
        sums = torch.zeros_like(self.sums)
        for start in range(0, len(images), EVALUATION_ROWS):
            x = self.dataset.to_float(images[start : start + EVALUATION_ROWS].to(self.device), generator)
            loss, terms = self.estimator.objective.loss(self.model, x, self.config.samples, self.weight, generator)
            sums += self._sums(loss, terms, self._log_C())
            if knobs is not None:
                knobs.refresh()
                if knobs.stop:
                    return None
        return self._means((sums / len(images)).tolist(), len(images))

    def _log_C(self) -> Tensor | None:
        """A Gaussian's log C at this step."""
        likelihood = self.model.likelihood
        return likelihood.log_C.detach().clone() if isinstance(likelihood, Gaussian) else None

    def _sums(self, loss: Tensor, terms: ElboTerms, log_C: Tensor | None) -> Tensor:
        """(5 + k,): distortion, rate, squared error, loss, (D/2) log(2πc) and the rate per dimension (of
        the marginals), summed over the batch; NaN where the model has no such term."""
        D, B = self.dataset.info.pixels, len(loss)
        columns = torch.stack([terms.distortion.detach(), terms.rate.detach(), terms.squared_error, loss]).sum(1)
        unknown = columns.new_full((1,), math.nan)
        normaliser = unknown if log_C is None else (0.5 * D * B * (math.log(math.pi) - log_C)).reshape(1)
        return torch.cat([columns, normaliser, terms.marginal_rate_per_dim.detach().sum(0)])

    def _means(self, values: list[float], images: int) -> Means:
        """From what `_sums` sums, divided by the images."""
        distortion, rate, squared_error, loss, normaliser, *per_dim = values
        factorises = self.model.latent.factorises
        return Means(
            distortion=distortion,
            rate=rate,
            elbo=-(distortion + rate),
            squared_error=squared_error,
            normaliser=None if math.isnan(normaliser) else normaliser,
            loss=loss,
            rate_per_dim=per_dim if factorises else None,
            images=images,
            marginal_rate_per_dim=None if factorises else per_dim,
        )

    @property
    def evaluate_every(self) -> int:
        """Records between two held-out evaluations: every record where that is cheap. A forward pass is a third of
        a step's work."""
        every = self.config.record_every or 1
        return max(1, round(self.evaluated_images / 3 / (EVALUATION_SHARE * every * self.B)))

    @functools.cached_property
    def evaluated_images(self) -> int:
        """Fewer for a slow network. Decided by the config, never by the clock: histories repeat."""
        affordable = int(3 * EVALUATION_SECONDS * images_per_second(self.config, self.dataset.info))
        return min(max(EVALUATION_ROWS, affordable), EVALUATED_IMAGES, len(self.dataset.test))

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
                time.sleep(0.01 if knobs.paused else min(0.01, max(0.0, due - time.perf_counter())))
                yield None
                continue
            steps_taken = steps_taken + 1 if single else knobs.steps_requested
            due = max(due, time.perf_counter() - 0.1) + 1 / knobs.pace if knobs.pace else time.perf_counter()
            self.take_step()
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
        for index, values in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{index}.{name}": torch.as_tensor(value) for name, value in values.items()}
        tensors |= {f"estimator.{name}": value for name, value in self.estimator.state_dict().items()}
        tensors |= {
            "order": self.order,
            "order_generator": self.order_generator.get_state(),
            "noise": self.noise.get_state(),
            "sums": self.sums,
            "weight": self.weight,
        }
        values = {name: getattr(self, name) for name in (*STATE_VALUES, "part")}
        return {n: t.detach().cpu().clone().contiguous() for n, t in tensors.items()}, values

    def load_state(self, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
        self.model.load_state_dict({n[6:]: t for n, t in tensors.items() if n.startswith("model.")})
        self.estimator.load_state_dict({n[10:]: t for n, t in tensors.items() if n.startswith("estimator.")})
        optimiser: dict[int, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            if name.startswith("optimiser."):
                _, index, key = name.split(".", 2)
                optimiser.setdefault(int(index), {})[key] = value
        self.optimiser.load_state_dict({**self.optimiser.state_dict(), "state": optimiser})
        self.order = tensors["order"].to(self.device)
        self.order_generator.set_state(tensors["order_generator"])
        self.noise.set_state(tensors["noise"])
        self.sums.copy_(tensors["sums"])
        self.weight.copy_(tensors["weight"])
        for name in STATE_VALUES:
            setattr(self, name, values[name])
        if isinstance(self.model.likelihood, Gaussian):
            self.model.likelihood.fit = self._C_knob == "fit"
        self._set_part(values["part"])


def best_C(pixels: int, squared_error: float) -> float:
    """The C that minimises C·e + (D/2) log(π/C): D / (2e), with e the mean squared error per image."""
    return pixels / (2 * squared_error)


def train(config: Config, knobs: Knobs | None = None, dataset: Dataset | None = None) -> Iterator[Record]:
    """Train a VAE and yield a record every few steps; change `knobs` between records to steer it.

    >>> for record in train(Config(dataset="digits", epochs=20)): print(record.step, record.test.elbo)

    Raises ConfigError for settings that cannot be, TrainingDiverged when the loss stops being a number.
    """
    dataset = dataset or load_dataset(config.dataset, binarize=config.binarize or "none")
    completed, _ = complete(config, dataset.info)
    if completed.binarize != (config.binarize or "none"):
        dataset = dataset.binarized(completed.binarize or "none")
    for event in Trainer(completed, dataset).run(knobs):
        if isinstance(event, Record):
            yield event
