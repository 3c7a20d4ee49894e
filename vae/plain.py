"""Settings as people have them in Python: numbers of NumPy and torch become Python's own, anything else is refused."""

from __future__ import annotations

import os
from typing import Any

from vae.errors import ConfigError


def plain(name: str, value: Any) -> Any:
    """One value: a number or text of NumPy, or a torch tensor of one number, as Python's own; a path as its text.
    ConfigError for an array, and for what only looks like one."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, int) and abs(value) >= 2**1023:
        raise ConfigError(f"{name}: expected a number below 2^1023, got one of {value.bit_length():,} bits")
    shape = getattr(value, "shape", None)
    if shape is None:
        return value
    if len(shape):
        raise ConfigError(f"{name}: expected one value, got an array of shape {tuple(shape)}")
    try:
        return value.tolist()
    except (AttributeError, RuntimeError):  # torch's meta tensors have no number
        raise ConfigError(f"{name}: expected one value, got a {type(value).__name__} without a number in it") from None


def plain_row(name: str, value: Any) -> Any:
    """Several values in a tuple, list or one-dimensional array, as a tuple of Python's own; others as they are."""
    if isinstance(value, (list, tuple)) or len(getattr(value, "shape", ())) == 1:
        return tuple(plain(name, one) for one in value)
    return plain(name, value)


def check_text(name: str, value: Any, open_choice: bool) -> None:
    """Raise ConfigError unless `value` is a text, or None where the choice may be left open."""
    if not (isinstance(value, str) or (open_choice and value is None)):
        raise ConfigError(f"{name}: expected a text{', or None for the default' * open_choice}, got {value!r}")


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
