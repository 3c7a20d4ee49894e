"""The model in the bytes of a weights file: the newest ones, or those of a moment. Nothing in them is trusted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError
from safetensors.torch import load

from vae import runs
from vae.errors import ConfigError, RunDamaged
from vae.model.vae import IDENTITY, Model, lay_out
from vae.runs.checkpoints import told

if TYPE_CHECKING:
    from torch import Tensor


def model_with(path: Path, content: bytes, file: str) -> Model:
    """Returns the run's model with the weights in `content`, the bytes of its `file`, in evaluation mode, on the CPU.
    float16, as moments have it, becomes what the model computes with.

    Raises RunDamaged where the weights are not finite, or do not fit the config; names the key.
    """
    config, data = runs.read_config(path)
    if config.is_yours:
        from vae.runs.foreign_run import model_of_files

        return model_of_files(path, content, file)
    try:
        weights = IDENTITY | load(content)
    except SafetensorError as error:
        raise RunDamaged(f"run {path.name!r}: {file} is no safetensors file ({told(error)})") from None
    runs.check_known(path, config)
    try:
        model = lay_out(config, tuple(data["shape"]))  # of any size: the file's own bounds the memory
    except ConfigError as error:
        raise RunDamaged(f"run {path.name!r}: its model cannot be built by this version ({error})") from None
    expected = model.state_dict()
    if file != runs.WEIGHTS:
        weights = {name: _widened(tensor, expected.get(name)) for name, tensor in weights.items()}
    _check(weights, expected, f"run {path.name!r}: {file}")
    own = {name: tensor.clone() for name, tensor in weights.items()}
    model.load_state_dict(own, assign=True)  # after `to_empty`, which imports sympy, it would take half a second
    return model.eval().requires_grad_(False)


def _widened(tensor: Tensor, wanted: Tensor | None) -> Tensor:
    if wanted is None or tensor.dtype != torch.float16 or not wanted.is_floating_point():
        return tensor
    return tensor.to(wanted.dtype)


def _check(weights: dict[str, Tensor], expected: dict[str, Tensor], whose: str) -> None:
    """Raises RunDamaged for the first key that is not what the model has."""
    for key in sorted({*expected, *weights}):
        if key not in weights or key not in expected:
            raise RunDamaged(f"{whose} {'lacks' if key in expected else 'has unexpected'} {key!r}")
        if weights[key].shape != expected[key].shape:
            shapes = f"{tuple(expected[key].shape)}, got {tuple(weights[key].shape)}"
            raise RunDamaged(f"{whose} {key!r} should have shape {shapes}")
        if weights[key].dtype != expected[key].dtype:
            kinds = f"{expected[key].dtype}, got {weights[key].dtype}".replace("torch.", "")
            raise RunDamaged(f"{whose} {key!r} should be {kinds}")
        if not weights[key].isfinite().all():
            raise RunDamaged(f"{whose} {key!r} holds values that are not finite numbers")
    log_C = weights.get("likelihood.log_C")
    if log_C is not None and not (log_C.exp() > 0 and log_C.exp().isfinite()):
        raise RunDamaged(f"{whose} 'likelihood.log_C' is {log_C:.3g}: its C is no number")
