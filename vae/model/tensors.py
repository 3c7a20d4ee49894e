"""Tensors from a person's own code, checked before a model computes with them."""

from __future__ import annotations

from typing import Any

from vae.errors import ConfigError


def check_tensor(name: str, value: Any, floats: str, dtype: Any = None) -> None:
    """Raise ConfigError unless `value` is a torch tensor of floats; `floats` says where such come from. `dtype`: the
    one that a model computes in, and takes; None takes any."""
    if not hasattr(value, "is_floating_point"):
        kind = type(value).__name__
        made = f"torch.as_tensor({name}, dtype={dtype or 'torch.float32'}) makes one"
        raise ConfigError(f"{name}: expected a torch tensor of floats, got {kind}; {made}")
    if not value.is_floating_point():
        raise ConfigError(f"{name}: expected floats, got {value.dtype}; {floats}")
    if dtype is not None and value.dtype != dtype:
        raise ConfigError(
            f"{name}: expected {dtype} as the model's own numbers are, got {value.dtype}; {name}.to({dtype}) makes them"
        )
