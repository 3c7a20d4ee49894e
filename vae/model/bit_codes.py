"""All codes of k bits, for sums that leave nothing out."""

from __future__ import annotations

import torch
from torch import Tensor

from vae.errors import ConfigError

MOST_BITS = 14  # 16,384 codes


def all_codes(k: int, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32) -> Tensor:
    """Every code of k bits, (2^k, k) of 0 and 1: row n is n in binary, its first bit the most significant.

    Raises ConfigError above MOST_BITS bits.
    """
    check_bits(k)
    n = torch.arange(2**k, device=device)
    places = torch.arange(k - 1, -1, -1, device=device)
    return (n.unsqueeze(-1) >> places & 1).to(dtype)


def index_of(codes: Tensor) -> Tensor:
    """The row of `all_codes` for each code: (..., k) of 0 and 1 -> (...), int64."""
    k = codes.shape[-1]
    check_bits(k)
    places = 2 ** torch.arange(k - 1, -1, -1, device=codes.device)
    return (codes.long() * places).sum(-1)


def check_bits(k: int) -> None:
    """Raise ConfigError where the codes of k bits are too many to go through."""
    if k > MOST_BITS:
        raise ConfigError(
            f"latent_dim: all codes of k bits can be gone through for k = {MOST_BITS} at most, got {k} "
            f"({2**k:,} codes); use an importance bound or a sampling estimator"
        )
