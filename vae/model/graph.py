"""A network that is no chain: named steps of layers, each fed with earlier ones, as files of other people's models have
them.

Where torch has a layer, it is that; what is here besides takes the place of what others write as a line of code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn


class Graph(nn.Module):
    """Layers in the order in which they are computed. fed[i]: what layer i is fed with, 0 the graph's input, j + 1 the
    output of layer j. The last layer's output is the graph's."""

    def __init__(self, layers: Sequence[nn.Module], fed: Sequence[tuple[int, ...]]) -> None:
        super().__init__()
        if not layers or any(not 0 <= place <= i for i, places in enumerate(fed) for place in places):
            raise ValueError("a layer may be fed only with the input and what is computed before it")
        self.layers = nn.ModuleList(layers)
        self.fed = [tuple(places) for places in fed]
        last = {place: i for i, places in enumerate(self.fed) for place in places}
        self._done = [[place for place in set(places) if last[place] == i] for i, places in enumerate(self.fed)]

    def forward(self, x: Tensor) -> Tensor:
        *_, last = self.outputs(x)
        return last

    def outputs(self, x: Tensor) -> Iterator[Tensor]:
        """Yields each layer's output, the graph's last."""
        known = {0: x}
        for i, (layer, places) in enumerate(zip(self.layers, self.fed, strict=True)):
            known[i + 1] = layer(*(known[place] for place in places))
            for place in self._done[i]:
                del known[place]  # memory for what is still needed only
            yield known[i + 1]


def outputs(chain: nn.Sequential, x: Tensor) -> Iterator[Tensor]:
    """Yields the output of every layer of a chain, those inside a Graph too."""
    for layer in chain:
        inner = layer.outputs(x) if isinstance(layer, Graph) else iter([layer(x)])
        for made in inner:
            yield made
            x = made


def as_chain(layers: Sequence[nn.Module], fed: Sequence[tuple[int, ...]]) -> nn.Sequential:
    """Returns the layers as a chain, or where they are none, a chain of one Graph."""
    if all(places == (i,) for i, places in enumerate(fed)):
        return nn.Sequential(*layers)
    return nn.Sequential(Graph(layers, fed))


class Add(nn.Module):
    """a + b."""

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return a + b


class Subtract(nn.Module):
    """a − b."""

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return a - b


class Multiply(nn.Module):
    """a ⊙ b."""

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return a * b


class Divide(nn.Module):
    """a / b."""

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return a / b


class Affine(nn.Module):
    """x ⊙ scale + shift, each a number, or one a channel, or any that broadcasts to one image."""

    scale: Tensor
    shift: Tensor

    def __init__(self, scale: Tensor, shift: Tensor) -> None:
        super().__init__()
        self.register_buffer("scale", scale)
        self.register_buffer("shift", shift)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale + self.shift


class Join(nn.Module):
    """Several arrays one after another along an axis, which is not that of the images."""

    def __init__(self, axis: int) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, *parts: Tensor) -> Tensor:
        return torch.cat(parts, self.axis)


class Part(nn.Module):
    """x[start:end] along an axis, which is not that of the images."""

    def __init__(self, axis: int, start: int, end: int) -> None:
        super().__init__()
        self.axis, self.start, self.end = axis, start, end

    def forward(self, x: Tensor) -> Tensor:
        return x.narrow(self.axis, self.start, self.end - self.start)


class Select(nn.Module):
    """The numbers at these places along an axis, which is not that of the images."""

    places: Tensor

    def __init__(self, axis: int, places: Tensor) -> None:
        super().__init__()
        self.axis = axis
        self.register_buffer("places", places)

    def forward(self, x: Tensor) -> Tensor:
        return x.index_select(self.axis, self.places)


class Reshape(nn.Module):
    """Each image's numbers in another shape, in the same order."""

    def __init__(self, sizes: Sequence[int]) -> None:
        super().__init__()
        self.sizes = tuple(sizes)

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(-1, *self.sizes)


class Permute(nn.Module):
    """The axes in another order; the first, that of the images, stays."""

    def __init__(self, order: Sequence[int]) -> None:
        super().__init__()
        self.order = tuple(order)

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(self.order)


class Mean(nn.Module):
    """The mean along axes that are not that of the images."""

    def __init__(self, axes: Sequence[int], keep: bool) -> None:
        super().__init__()
        self.axes, self.keep = tuple(axes), keep

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(self.axes, keepdim=self.keep)


class Above(nn.Module):
    """Whether each number is larger than `limit`."""

    def __init__(self, limit: float) -> None:
        super().__init__()
        self.limit = limit

    def forward(self, x: Tensor) -> Tensor:
        return x > self.limit


class Choose(nn.Module):
    """a where a condition holds, else b."""

    def forward(self, condition: Tensor, a: Tensor, b: Tensor) -> Tensor:
        return torch.where(condition.bool(), a, b)


class Power(nn.Module):
    """x to the power of a number."""

    def __init__(self, exponent: float) -> None:
        super().__init__()
        self.exponent = exponent

    def forward(self, x: Tensor) -> Tensor:
        return x**self.exponent


class Clamp(nn.Module):
    """x, no less than `low` and no more than `high`; None: without that bound."""

    def __init__(self, low: float | None, high: float | None) -> None:
        super().__init__()
        self.low, self.high = low, high

    def forward(self, x: Tensor) -> Tensor:
        return x.clamp(self.low, self.high) if (self.low, self.high) != (None, None) else x


class Pointwise(nn.Module):
    """One of the functions of a number that torch has no layer for."""

    FUNCTIONS: ClassVar[dict[str, Callable[[Tensor], Tensor]]] = {
        "erf": torch.erf,
        "exp": torch.exp,
        "log": torch.log,
        "neg": torch.neg,
        "abs": torch.abs,
        "sqrt": torch.sqrt,
    }

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def forward(self, x: Tensor) -> Tensor:
        return self.FUNCTIONS[self.name](x)


class Logit(nn.Module):
    """log p − log(1 − p) of probabilities in [0, 1]: finite also where float32 rounded p to 0 or 1, ±16 about."""

    LEAST = 2.0**-24

    def forward(self, p: Tensor) -> Tensor:
        return torch.logit(p, self.LEAST)
