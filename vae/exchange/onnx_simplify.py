"""Several steps of a file as the one layer that they are: normalisation folded into the weights before it, x · σ(x) as
SiLU, a reshaped instance normalisation as GroupNorm. Each leaves the function as it is, to the last digits of float32.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from vae.model import graph

SCALED: dict[type[nn.Module], int] = {  # layers that a scale for each output can be folded into: its axis in the weight
    nn.Linear: 0, nn.Conv2d: 0, nn.ConvTranspose2d: 1, nn.GroupNorm: 0, nn.InstanceNorm1d: 0, nn.InstanceNorm2d: 0,
}  # fmt: skip
RESHAPES = (graph.Reshape, nn.Flatten, nn.Unflatten)


@dataclass
class Step:
    """A layer, the names of what it is fed with, the name of what it makes, and the shape of the first of what it is
    fed with, of one image."""

    layer: nn.Module
    fed: list[str]
    made: str
    given: tuple[int, ...]


def simplify(steps: list[Step], output: str) -> list[Step]:
    """Returns the same network in fewer steps, all of them on the way to `output`."""
    steps, output = _without_identities(steps, output)
    for rule in (_softplus, _silu, _gelu, _group_norm, _folded):
        changed = True
        while changed:
            changed = _apply(rule, steps, output)
    return steps


class Wiring:
    """Who makes what, and how often it is used: once more where it is the output."""

    def __init__(self, steps: list[Step], output: str) -> None:
        self.uses = Counter([output, *(name for step in steps for name in step.fed)])
        self.maker = {step.made: step for step in steps}

    def before(self, step: Step, place: int = 0, kinds: type | tuple[type, ...] = nn.Module) -> Step | None:
        """Returns who makes what `step` is fed with, where that is one of these kinds and nobody else uses it."""
        made = self.maker.get(step.fed[place]) if place < len(step.fed) else None
        return made if made is not None and self.uses[made.made] == 1 and isinstance(made.layer, kinds) else None


Rule = Callable[[Step, Wiring], list[Step] | None]  # the steps that `step` takes the place of; it is changed itself


def _apply(rule: Rule, steps: list[Step], output: str) -> bool:
    """Goes through the steps once; returns whether anything has changed."""
    wiring, gone = Wiring(steps, output), set[int]()
    for step in steps:
        for replaced in rule(step, wiring) or ():
            gone.add(id(replaced))
            del wiring.maker[replaced.made]
    steps[:] = [step for step in steps if id(step) not in gone]
    return bool(gone)


def _without_identities(steps: list[Step], output: str) -> tuple[list[Step], str]:
    names: dict[str, str] = {}
    kept: list[Step] = []
    for step in steps:
        step.fed = [names.get(name, name) for name in step.fed]
        if isinstance(step.layer, nn.Identity):
            names[step.made] = step.fed[0]
        else:
            kept.append(step)
    return kept, names.get(output, output)


def _silu(step: Step, wiring: Wiring) -> list[Step] | None:
    if not isinstance(step.layer, graph.Multiply):
        return None
    for place in (0, 1):
        sigmoid = wiring.before(step, place, nn.Sigmoid)
        if sigmoid is not None and sigmoid.fed[0] == step.fed[1 - place]:
            step.layer, step.fed, step.given = nn.SiLU(), sigmoid.fed, sigmoid.given
            return [sigmoid]
    return None


def _softplus(step: Step, wiring: Wiring) -> list[Step] | None:
    """x itself where it is large, as torch computes it."""
    if not isinstance(step.layer, graph.Choose):
        return None
    above, soft = wiring.before(step, 0, graph.Above), wiring.before(step, 2, nn.Softplus)
    if above is None or soft is None or not above.fed == soft.fed == [step.fed[1]]:
        return None
    if not isinstance(above.layer, graph.Above) or above.layer.limit < 20:
        return None
    step.layer, step.fed, step.given = nn.Softplus(), soft.fed, soft.given
    return [above, soft]


def _gelu(step: Step, wiring: Wiring) -> list[Step] | None:
    """½ x (1 + erf(x / √2)), the half before the product or after it."""
    after = not isinstance(step.layer, graph.Multiply)
    product = wiring.before(step, 0, graph.Multiply) if after else step
    if product is None or (after and not _is(step, 0.5, 0)):
        return None
    for place in (0, 1):
        more = wiring.before(product, place, graph.Affine)
        erf = None if more is None else wiring.before(more, 0, graph.Pointwise)
        root = None if erf is None else wiring.before(erf, 0, graph.Affine)
        if more is None or erf is None or root is None or getattr(erf.layer, "name", "") != "erf":
            continue
        half = wiring.before(product, 1 - place, graph.Affine)
        x = product.fed[1 - place] if after else half.fed[0] if half is not None and _is(half, 0.5, 0) else None
        if _is(more, 1, 1) and _is(root, math.sqrt(0.5), 0) and x == root.fed[0]:
            step.layer, step.fed, step.given = nn.GELU(), root.fed, root.given
            return [more, erf, root, product if after else half]  # type: ignore[list-item]  # half: as x is not None
    return None


def _is(step: Step, scale: float, shift: float) -> bool:
    layer = step.layer
    if not isinstance(layer, graph.Affine) or layer.scale.numel() != 1 or layer.shift.numel() != 1:
        return False
    return abs(float(layer.scale) - scale) < 1e-6 and abs(float(layer.shift) - shift) < 1e-6


def _group_norm(step: Step, wiring: Wiring) -> list[Step] | None:
    """(B, C, …) as (B, groups, rest), normalised, and back."""
    if not isinstance(step.layer, RESHAPES):
        return None
    norm = wiring.before(step, 0, nn.InstanceNorm1d)
    first = None if norm is None else wiring.before(norm, 0, RESHAPES)
    if norm is None or first is None or not isinstance(norm.layer, nn.InstanceNorm1d):
        return None
    sizes = _sizes(step.layer)
    groups = norm.layer.num_features
    if len(sizes) < 2 or sizes != first.given or sizes[0] % groups or _sizes(first.layer)[:1] != (groups,):
        return None
    channels = sizes[0]
    layer = nn.GroupNorm(groups, channels, norm.layer.eps)
    layer.weight = nn.Parameter(norm.layer.weight.repeat_interleave(channels // groups), requires_grad=False)
    layer.bias = nn.Parameter(norm.layer.bias.repeat_interleave(channels // groups), requires_grad=False)
    step.layer, step.fed, step.given = layer, first.fed, first.given
    return [norm, first]


def _sizes(layer: nn.Module) -> tuple[int, ...]:
    """What a reshaping gives for one image; () of a Flatten, whose numbers stand in a row."""
    if isinstance(layer, graph.Reshape):
        return layer.sizes
    return tuple(layer.unflattened_size) if isinstance(layer, nn.Unflatten) else ()


def _folded(step: Step, wiring: Wiring) -> list[Step] | None:
    """A scale and a shift go into the weights before them, or into another scale and shift."""
    if not isinstance(step.layer, graph.Affine):
        return None
    before = wiring.before(step)
    if before is None:
        return None
    scale, shift = step.layer.scale.double(), step.layer.shift.double()
    if isinstance(before.layer, graph.Affine):
        layer: nn.Module = graph.Affine(
            (before.layer.scale.double() * scale).float(), (before.layer.shift.double() * scale + shift).float()
        )
    elif type(before.layer) in SCALED:
        pair = [_one_each(value, before.layer, len(step.given)) for value in (scale, shift)]
        if pair[0] is None or pair[1] is None:
            return None
        layer = _scaled(before.layer, pair[0], pair[1])
    elif isinstance(before.layer, RESHAPES):
        return _moved(step, before, wiring)
    else:
        return None
    step.layer, step.fed, step.given = layer, before.fed, before.given
    return [before]


def _moved(step: Step, reshape: Step, wiring: Wiring) -> list[Step] | None:
    """Into a dense layer through the reshaping behind it."""
    dense = wiring.before(reshape, 0, nn.Linear)
    if dense is None or len(reshape.given) != 1 or not isinstance(step.layer, graph.Affine):
        return None
    pair = [value.double().expand(step.given).reshape(-1) for value in (step.layer.scale, step.layer.shift)]
    dense.layer = _scaled(dense.layer, pair[0], pair[1])
    step.layer, step.fed, step.given = reshape.layer, reshape.fed, reshape.given
    return [reshape]


def _one_each(value: Tensor, layer: nn.Module, axes: int) -> Tensor | None:
    """One number for each output channel of the layer, whose outputs have so many axes for one image; None where there
    are others."""
    outputs = len(layer.get_parameter("bias"))
    if value.numel() == 1:
        return value.reshape(1).expand(outputs)
    shape = (*[1] * (axes - value.ndim), *value.shape)
    channels = shape[-1] if isinstance(layer, nn.Linear) else shape[0]
    return value.reshape(-1) if value.numel() == channels == outputs else None


def _scaled(layer: nn.Module, scale: Tensor, shift: Tensor) -> nn.Module:
    axis = SCALED[type(layer)]
    weight, bias = layer.get_parameter("weight").double(), layer.get_parameter("bias").double()
    if isinstance(layer, nn.ConvTranspose2d) and layer.groups > 1:
        grouped = scale.reshape(layer.groups, 1, -1)  # weight (inputs, outputs / groups, …)
        rows = weight.reshape(layer.groups, -1, *weight.shape[1:])
        weight = (rows * grouped.reshape(layer.groups, 1, -1, 1, 1)).reshape(weight.shape)
    else:
        weight = weight * scale.reshape(*[1] * axis, -1, *[1] * (weight.ndim - axis - 1))
    layer.weight = nn.Parameter(weight.float(), requires_grad=False)
    layer.bias = nn.Parameter((bias * scale + shift).float(), requires_grad=False)
    return layer
