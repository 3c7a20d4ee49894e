"""Many models in one step: runs that differ only in C, seed and learning rate.

Their weights lie behind one another on a leading model axis, M × (...), and each trainer's own parameters are views of
its row. A step takes the batches of those that want one, computes all losses and gradients at once, and updates each
row with its own learning rate. Everything else (order, noise, knobs, records, state) stays each trainer's own: who
pauses, stops or diverges just is not asked for a step, and the others do not notice.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor
from torch.func import functional_call, vmap

from vae.bound.estimators import ESTIMATORS, choices
from vae.config import Config
from vae.datasets import DataInfo
from vae.errors import ConfigError
from vae.machine import usable_device
from vae.model.latent import LatentDistribution
from vae.model.likelihood import PixelDistribution
from vae.model.vae import IDENTITY, in_data_units, standardised
from vae.training.adam import adam_step
from vae.training.cuda_graphs import Replays, sent
from vae.training.defaults import images_per_second
from vae.training.trainer import STEPS_A_REPLAY

if TYPE_CHECKING:
    from vae.model.vae import Model
    from vae.training.trainer import Trainer

SMALL_STEP = 1.6e-3  # seconds on two cores
SEVERAL = 4  # fewer models do not pay for the model axis on a CPU
ALONE = ("resconv",)  # rounding in another order grows through its layers and norms, by per cents within 45 steps
OWN = ("C", "seed", "lr")  # what each run of a group chooses for itself


Joined = tuple[int, Tensor, tuple[float, ...]]  # which trainer, its rows (count, B), its learning rates


class StackedModel:
    """M models of B images each, asked as one model of M·B images: what an objective wants of a `Model`."""

    def __init__(self, template: Model, stacks: dict[str, Tensor], scales: Sequence[Tensor], B: int) -> None:
        """stacks: the parameters by their names in the model, each (M, ...); scales: the models' location and spread,
        (M,) each."""
        self.template, self.B, self.in_bfloat16 = template, B, False
        self.latent, self.k, self.shape = template.latent, template.k, template.shape
        self.modules: dict[str, dict[str, Tensor]] = {}
        for name, stack in stacks.items():
            module, own_name = name.split(".", 1)
            self.modules.setdefault(module, {})[own_name] = stack
        self.M = len(next(iter(stacks.values())))
        self.location, self.spread = (scale.repeat_interleave(B).view(-1, 1, 1, 1) for scale in scales)

    def encode(self, x: Tensor) -> LatentDistribution:
        """Returns q(z|x) of x (M·B, channels, height, width)."""
        seen = standardised(self.template.likelihood, x, self.location, self.spread)
        parameters = self._networks("encoder", seen.unflatten(0, (self.M, self.B)))
        return self.template.latent.posterior(parameters.flatten(0, 1))

    def decode(self, z: Tensor) -> PixelDistribution:
        """Returns p(x|z) of z (..., M·B, k)."""
        fed = self.latent.decoder_input(z).unflatten(-2, (self.M, self.B)).movedim(-3, 0)  # (M, ..., B, k)
        out = self._networks("decoder", fed.flatten(1, -2)).unflatten(1, fed.shape[1:-1])
        out = out.movedim(0, -5).flatten(-5, -4)  # (..., M·B, P·channels, height, width)
        out = in_data_units(self.template.likelihood, out, self.location, self.spread)
        out = out.unflatten(-3, (self.template.likelihood.parameters_per_pixel, self.shape[0]))
        own = {name: stack.repeat_interleave(self.B) for name, stack in self.modules.get("likelihood", {}).items()}
        px_z: PixelDistribution = functional_call(self.template.likelihood, own, (out,))
        return px_z

    @property
    def log_C(self) -> Tensor | None:
        """log C of each model, (M,), or None."""
        stack = self.modules.get("likelihood", {}).get("log_C")
        return None if stack is None else stack.detach()

    def prior(self) -> LatentDistribution:
        """Returns p(z), of batch shape ()."""
        return self.template.prior()

    def _networks(self, half: str, x: Tensor) -> Tensor:
        """Runs each model's network on its own rows, x (M, n, ...)."""
        network = getattr(self.template, half)

        def one(parameters: dict[str, Tensor], rows: Tensor) -> Tensor:
            out: Tensor = functional_call(network, parameters, (rows,))
            return out

        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.in_bfloat16):
            out: Tensor = vmap(one)(self.modules[half], x)
        return out.to(x.dtype)


class BatchedRuns:
    """Computes the steps of several trainers as one. Each goes on being driven by its own `run`:

    >>> together, runs = BatchedRuns(trainers), [trainer.run() for trainer in trainers]
    >>> while runs:
    ...     runs = [run for run in runs if next(run, "ended") != "ended"]
    ...     together.flush()

    Raises ConfigError for trainers that cannot share a step.
    """

    def __init__(self, trainers: Sequence[Trainer]) -> None:
        check_alike([trainer.config for trainer in trainers])
        self.trainers = list(trainers)
        first = self.first = trainers[0]
        if any(True for network in (first.model.encoder, first.model.decoder) for _ in network.buffers()):
            raise ConfigError(f"network: {first.config.network} keeps buffers; such runs train one by one")
        self.replays = Replays(first.replays.graphs) if first.replays is not None else None
        self.stacks = {name: self._stack(name) for name, _ in first.model.named_parameters()}
        self.scales = [torch.stack([getattr(t.model, name) for t in trainers]) for name in IDENTITY]
        for name in ("sums", "weight", "fuse", "good_steps"):
            stacked = torch.stack([getattr(t, name) for t in trainers])
            setattr(self, f"_{name}", stacked)
            for trainer, row in zip(trainers, stacked, strict=True):
                setattr(trainer, name, row)
        self._sums: Tensor
        self._weight: Tensor
        self._fuse: Tensor
        self._good_steps: Tensor
        M = len(self.trainers)
        self._rows = torch.zeros(STEPS_A_REPLAY, M, first.B, dtype=torch.int64, device=first.device)
        self._lrs = torch.zeros(M, STEPS_A_REPLAY, device=first.device)
        self._lrs_filled: list[tuple[float, ...]] = []
        self._indices: dict[tuple[int, ...], Tensor] = {}
        self._joined: list[Joined] = []
        for trainer in trainers:
            trainer.together, trainer.replays, trainer.images = self, None, first.images
            trainer.wait = lambda _: None  # who waits holds nobody up

    def _stack(self, name: str) -> Tensor:
        """Stacks all trainers' parameters of that name, (M, ...). A matrix lies transposed, as the backward pass's
        products leave its gradient: copying that into another order took a third of a step."""
        own = [moments for trainer in self.trainers for moments in trainer.moments if moments.name == name]
        transposed = own[0].parameter.ndim == 2

        def laid(tensors: list[Tensor]) -> Tensor:
            return torch.stack([t.T for t in tensors]).mT if transposed else torch.stack(tensors)

        stack = laid([moments.parameter.detach() for moments in own])
        for moments, row, mean, square in zip(
            own, stack, laid([m.exp_avg for m in own]), laid([m.exp_avg_sq for m in own]), strict=True
        ):
            moments.parameter.data, moments.exp_avg, moments.exp_avg_sq = row, mean, square
        return stack.requires_grad_()

    @property
    def refused(self) -> str:
        """Why steps could not be captured or compiled; empty where they could."""
        return self.first.step_loss.refused or (self.replays.refused if self.replays is not None else "")

    def join(self, trainer: Trainer, rows: Tensor, lrs: list[float]) -> None:
        """Records that `trainer` wants its next steps, on the images at rows (count, B), with these learning rates."""
        self._joined.append((self.trainers.index(trainer), rows, tuple(lrs)))

    def flush(self) -> bool:
        """Computes the steps that were asked for since the last call; returns whether there were any."""
        joined, self._joined = self._joined, []
        for count in dict.fromkeys(len(rows) for _, rows, _ in joined):
            self._take([one for one in joined if len(one[1]) == count])
        return bool(joined)

    def _take(self, joined: list[Joined]) -> None:
        members, M, count = tuple(member for member, *_ in joined), len(joined), len(joined[0][1])
        self._rows[:count, :M].copy_(torch.stack([rows for _, rows, _ in joined], 1))
        rates = list(dict.fromkeys(lrs for *_, lrs in joined))
        if self._lrs_filled != rates:
            self._lrs[: len(rates), :count].copy_(sent(torch.tensor(rates), self.first.device))
            self._lrs_filled = rates
        shared = tuple(rates.index(lrs) for *_, lrs in joined)  # which of the rates are whose
        if members not in self._indices:
            self._indices[members] = sent(torch.tensor(members), self.first.device)

        def steps() -> None:
            for step, rows in enumerate(self._rows[:count, :M]):
                self._update(members, rows, shared, self._lrs[:, step])

        if self.replays is None:
            steps()
            return
        branches = tuple(self.trainers[member].branches() for member in members)
        self.replays.run((count, members, shared, branches), steps, [self.trainers[m] for m in members])

    def _update(self, members: tuple[int, ...], rows: Tensor, shared: tuple[int, ...], lrs: Tensor) -> None:
        """Takes one step of the `members`, on the images at rows (M, B); member i has the learning rate
        lrs[shared[i]]."""
        first, (M, B) = self.first, rows.shape
        trainers, everybody = [self.trainers[member] for member in members], len(members) == len(self.trainers)
        index = self._indices[members]
        stacks = self.stacks if everybody else {name: stack[index] for name, stack in self.stacks.items()}
        scales = self.scales if everybody else [scale[index] for scale in self.scales]
        noise = [trainer.noise for trainer in trainers]
        x = first.dataset.to_float(first.images.index_select(0, rows.flatten()), noise)
        weight = self._weight[index].repeat_interleave(B)
        model = cast("Model", StackedModel(first.model, stacks, scales, B))
        for stack in self.stacks.values():
            stack.grad = None
        with first.step_loss.precision(model):
            mean_loss, step_sums = first.step_loss(model, x, weight, noise, M)
            mean_loss.sum().backward()  # a model's gradient is that of its own mean: the others do not occur in it
        self._learn(members, shared, lrs)
        with torch.no_grad():
            self._fuse.index_add_(0, index, mean_loss.detach(), alpha=0)
            self._good_steps.index_add_(0, index, (self._fuse[index] == 0).long())
            self._sums.index_add_(0, index, step_sums)

    def _learn(self, members: tuple[int, ...], shared: tuple[int, ...], lrs: Tensor) -> None:
        """Calls Adam once for all members that have one learning rate."""
        for rate in dict.fromkeys(shared):
            learned, gradients = [], []
            for member in (m for m, its in zip(members, shared, strict=True) if its == rate):
                for moments in self.trainers[member].moments:
                    gradient = self.stacks[moments.name].grad
                    if moments.parameter.requires_grad and gradient is not None:
                        learned.append(moments)
                        gradients.append(gradient[member])
            adam_step(learned, gradients, lrs[rate])
        for member in members:
            self.trainers[member].model.project()


def check_alike(configs: Sequence[Config]) -> None:
    """Raises ConfigError unless runs of these completed configs can share their steps."""
    first = configs[0]
    for config in configs:
        for name, value in dataclasses.asdict(first).items():
            if name not in OWN and getattr(config, name) != value:
                raise ConfigError(
                    f"{name}: runs that train together differ only in {', '.join(OWN)}; "
                    f"got {value!r} and {getattr(config, name)!r}"
                )
    if not ESTIMATORS[first.estimator or choices(first.latent, first.objective)[0]].rowwise:
        raise ConfigError(f"estimator: {first.estimator} takes a whole batch together; such runs train one by one")
    if first.network in ALONE:
        raise ConfigError(f"network: {first.network} would have other numbers than alone; such runs train one by one")


def worth_it(configs: Sequence[Config], info: DataInfo) -> bool:
    """Returns whether these runs can share their steps and end sooner if they do: on a GPU, which one small model
    leaves idle; on a CPU where Python, not arithmetic, takes the time."""
    try:
        check_alike(configs)
    except ConfigError:
        return False
    first = configs[0]
    on_gpu = torch.device(usable_device("auto") if first.device == "auto" else first.device).type == "cuda"
    small = (first.batch_size or 1) / images_per_second(first, info) < SMALL_STEP
    return len(configs) > 1 and (on_gpu or (small and len(configs) >= SEVERAL))
