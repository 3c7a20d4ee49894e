"""Random numbers: drawn with one generator, or with several that share the rows of a batch.

Models that train in one step put their batches one after the other. Each draws for its own rows with its own
generator, the same numbers in the same order as if it trained alone. A compiler cannot trace a generator: for it a
step's numbers are drawn beforehand (`Noted` tells which, `Drawn` gives them out).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from vae.errors import ConfigError

Generators = Generator | Sequence[Generator] | None  # None: torch's global generator


@dataclass(frozen=True)
class Request:
    """Numbers that were asked for once, and will be again in the next step."""

    kind: Callable[..., Tensor]  # torch.randn or torch.rand
    shape: tuple[int, ...]
    axis: int
    device: torch.device
    dtype: torch.dtype

    def draw(self, noise: Generators) -> Tensor:
        own = {"device": self.device, "dtype": self.dtype}
        if noise is None or isinstance(noise, Generator):
            return self.kind(self.shape, generator=noise, **own)
        if not (isinstance(noise, Sequence) and noise and all(isinstance(one, Generator) for one in noise)):
            made = "torch.Generator().manual_seed(0) makes one"
            raise ConfigError(f"generator: expected a torch.Generator, or a list of them, got {_kind(noise)}; {made}")
        share = list(self.shape)
        if share[self.axis] % len(noise):
            rows = f"{share[self.axis]:,} rows"
            raise ConfigError(f"generator: expected as many as share the {rows} evenly, got {len(noise):,}")
        share[self.axis] //= len(noise)
        return torch.cat([self.kind(share, generator=one, **own) for one in noise], self.axis)


class Noted:
    """Draws from `noise`, and keeps the requests in their order."""

    def __init__(self, noise: Generators) -> None:
        self.noise, self.requests = noise, list[Request]()


class Drawn:
    """Numbers that were drawn beforehand, each for the request whose turn it is."""

    def __init__(self, numbers: Sequence[Tensor]) -> None:
        self.numbers = list(numbers)


Noise = Generators | Noted | Drawn


def standard_normal(shape: Sequence[int], noise: Noise, like: Tensor, axis: int = -2) -> Tensor:
    """ε ~ N(0, I) of `shape`, with the device and the type of `like`; `axis` is the one of the batch."""
    return _draw(torch.randn, shape, noise, like, axis)


def uniform(shape: Sequence[int], noise: Noise, like: Tensor, axis: int = -2) -> Tensor:
    """u ~ U[0, 1), in the same way."""
    return _draw(torch.rand, shape, noise, like, axis)


def _draw(kind: Callable[..., Tensor], shape: Sequence[int], noise: Noise, like: Tensor, axis: int) -> Tensor:
    if isinstance(noise, Drawn):
        return noise.numbers.pop(0)
    request = Request(kind, tuple(shape), axis, like.device, like.dtype)
    if isinstance(noise, Noted):
        noise.requests.append(request)
        noise = noise.noise
    return request.draw(noise)


def _kind(noise: object) -> str:
    """What was given for a generator, in words."""
    kind = type(noise).__name__
    if not isinstance(noise, (list, tuple)):
        return kind
    wrong = [type(one).__name__ for one in noise if not isinstance(one, Generator)]
    return f"a {kind} with {wrong[0]}" if wrong else f"an empty {kind}"
