"""Random numbers: drawn with one generator, or with several that share the rows of a batch.

Models that train in one step put their batches one after the other. Each draws for its own rows with its own
generator, the same numbers in the same order as if it trained alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Generator, Tensor

Noise = Generator | Sequence[Generator] | None  # None: torch's global generator


def standard_normal(shape: Sequence[int], noise: Noise, like: Tensor, axis: int = -2) -> Tensor:
    """ε ~ N(0, I) of `shape`, with the device and the type of `like`; `axis` is the one of the batch."""
    return _draw(torch.randn, shape, noise, like.device, like.dtype, axis)


def uniform(shape: Sequence[int], noise: Noise, like: Tensor, axis: int = -2) -> Tensor:
    """u ~ U[0, 1), in the same way."""
    return _draw(torch.rand, shape, noise, like.device, like.dtype, axis)


def _draw(
    draw: Callable[..., Tensor], shape: Sequence[int], noise: Noise, device: torch.device, dtype: torch.dtype, axis: int
) -> Tensor:
    if noise is None or isinstance(noise, Generator):
        return draw(tuple(shape), generator=noise, device=device, dtype=dtype)
    share = list(shape)
    share[axis] //= len(noise)
    return torch.cat([draw(share, generator=one, device=device, dtype=dtype) for one in noise], axis)
