"""A decoder as a list of steps, each one of torch's layers: `steps_of(module)`, what a page can run in this order.

Sequences, residual blocks and graphs are taken apart; normalisation by kept statistics goes into the layer before it.
Nothing is traced and no code is looked at: a module that is not known by its own type stays as it is, one step.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vae.model import graph
from vae.model.networks import Residual

NOTHING: tuple[type[nn.Module], ...] = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d)  # once trained
BATCH_NORMS: tuple[type[nn.Module], ...] = (nn.BatchNorm1d, nn.BatchNorm2d)
SCALED: dict[type[nn.Module], int] = {nn.Linear: 0, nn.Conv2d: 0, nn.ConvTranspose2d: 1}  # the outputs' axis


@dataclass
class Step:
    """A layer and what it is fed with: 0 is z, j + 1 what step j gives. `path`: where it stands in the decoder."""

    module: nn.Module
    fed: tuple[int, ...]
    path: str = ""


@dataclass
class Steps:
    """Steps in the order in which they are computed; what the last one gives is the output."""

    steps: list[Step]

    def uses(self) -> Counter[int]:
        """Returns how often each value is used, once more where it is the output."""
        return Counter([len(self.steps), *(value for step in self.steps for value in step.fed)])

    @torch.no_grad()
    def values(self, z: Tensor) -> list[Tensor]:
        """Returns z (n, k) and what each step gives."""
        values = [z]
        for step in self.steps:
            values.append(step.module(*(values[value] for value in step.fed)))
        return values


def steps_of(decoder: nn.Module) -> Steps:
    """Returns the steps of a copy of `decoder`: in float32, on the CPU, as it is once trained."""
    whole = copy.deepcopy(decoder).cpu().float().eval().requires_grad_(False)
    steps: list[Step] = []
    out = _take_apart(whole, (0,), "", steps)
    if out != len(steps) or not steps:  # ends in a layer that does nothing, or in one that others use as well
        steps.append(Step(nn.Identity(), (out,), "end"))
    return Steps(_without_batch_norms(Steps(steps)))


def _take_apart(module: nn.Module, fed: Sequence[int], path: str, steps: list[Step]) -> int:
    """Adds what `module` does to values `fed`; returns the value that it gives."""
    inner = f"{path}." if path else ""
    if type(module) in NOTHING:
        return fed[0]
    if type(module) is nn.Sequential:
        value = fed[0]
        for name, layer in module.named_children():
            value = _take_apart(layer, (value,), f"{inner}{name}", steps)
        return value
    if type(module) is Residual:
        branch = _take_apart(module.body, fed, f"{inner}body", steps)
        steps.append(Step(graph.Add(), (fed[0], branch), path))
    elif type(module) is graph.Graph:
        known = [fed[0]]
        for i, (layer, places) in enumerate(zip(module.layers, module.fed, strict=True)):
            known.append(_take_apart(layer, [known[place] for place in places], f"{inner}{i}", steps))
        return known[-1]
    else:
        steps.append(Step(module, tuple(fed), path))
    return len(steps)


def _without_batch_norms(network: Steps) -> list[Step]:
    """A BatchNorm's running mean and variance make it a scale and a shift for each channel: part of the layer before
    where that gives to nobody else."""
    uses, steps, at = network.uses(), list[Step](), [0]
    used = Counter(id(step.module) for step in network.steps)  # a layer may stand in several places
    for step in network.steps:
        fed = tuple(at[value] for value in step.fed)
        module = step.module
        if type(module) in BATCH_NORMS and module.running_mean is not None:
            scale, shift = _scale_and_shift(module)
            before = steps[fed[0] - 1] if fed[0] else None
            alone = before is not None and used[id(before.module)] == 1 and uses[step.fed[0]] == 1
            if before is not None and alone and type(before.module) in SCALED:
                _scale_outputs(before.module, scale, shift)
                at.append(fed[0])
                continue
            sides = (1,) * (2 if type(module) is nn.BatchNorm2d else 0)
            module = graph.Affine(scale.reshape(-1, *sides), shift.reshape(-1, *sides))
        steps.append(Step(module, fed, step.path))
        at.append(len(steps))
    if at[-1] != len(steps):
        steps.append(Step(nn.Identity(), (at[-1],), "end"))
    return steps


def _scale_and_shift(norm: nn.Module) -> tuple[Tensor, Tensor]:
    mean, variance = norm.get_buffer("running_mean").double(), norm.get_buffer("running_var").double()
    scale = 1 / (variance + float(norm.eps)).sqrt()  # type: ignore[arg-type]
    if norm.affine:
        scale = scale * norm.get_parameter("weight")
    shift = -mean * scale
    return scale.float(), (shift + norm.get_parameter("bias") if norm.affine else shift).float()


def _scale_outputs(layer: nn.Module, scale: Tensor, shift: Tensor) -> None:
    """Lets a layer of SCALED give its outputs ⊙ scale + shift, one of each for an output."""
    weight, bias = layer.get_parameter("weight"), dict(layer.named_parameters()).get("bias")
    axis, groups = SCALED[type(layer)], int(getattr(layer, "groups", 1))
    sizes = [1] * weight.ndim
    sizes[axis] = -1
    if axis == 1 and groups > 1:  # (inputs, outputs / groups, ...), the inputs group after group
        each = scale.reshape(groups, 1, -1).expand(-1, weight.shape[0] // groups, -1)
        weight.mul_(each.reshape(weight.shape[0], -1, *[1] * (weight.ndim - 2)))
    else:
        weight.mul_(scale.reshape(sizes))
    moved = shift if bias is None else bias * scale + shift
    layer.bias = nn.Parameter(moved, requires_grad=False)
