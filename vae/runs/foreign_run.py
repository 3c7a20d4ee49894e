"""A run whose model is somebody else's: how the model lies in its directory, and how it comes back.

weights.safetensors holds the bytes of two ONNX files, `encoder.onnx` and `decoder.onnx`, and in its metadata what they
mean: one file, replaced as a whole, so that an encoder never meets another step's decoder, and with one SHA-256 by
which everything that is computed from it is kept.
"""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor

from vae import runs
from vae.checked_json import Misfit, fields, one_of, parse, text
from vae.config import Config
from vae.errors import ConfigError, ModelUnreadable, RunDamaged
from vae.exchange.foreign_model import GIVES, ForeignModel, Gives, Meaning, build, latent_dims
from vae.exchange.onnx_file import MOST_BYTES, onnx_bytes, read_onnx
from vae.exchange.torch_export import export_decoder, export_encoder
from vae.model.networks import Shape

TRIED = 64  # codes from the prior by which it is found what a decoder gives
MOST_HEADER = 1 << 16
HALVES = ("encoder.onnx", "decoder.onnx")
_word = text(40)
METADATA = fields(
    ("step", "gives", "low", "high"), step=_word, gives=one_of(*GIVES), low=_word, high=_word, C=_word,
)  # fmt: skip
HEADER = fields(("__metadata__",), __metadata__=METADATA)
Half = (
    str | Path | bytes | Callable[..., Any]
)  # a network: an ONNX file, its bytes, a torch module or a function of one


def save_model(
    path: Path,
    encoder: Half,
    decoder: Half,
    gives: Gives | None = None,
    pixels: tuple[float, float] = (0.0, 1.0),
    C: float | None = None,
    step: int = 0,
) -> ForeignModel:
    """Writes a model into the run of that directory, in the place of the one that was there; returns it.

    gives, pixels, C: as `vae.wrap` has them; pixels are (0, 1) where the run keeps images as the model sees them. step:
    how far it is trained. Raises ConfigError and ModelUnreadable, and then the run is as it was.
    """
    config, data = runs.read_config(path)
    front, back = halves_of(encoder, decoder, tuple(data["shape"]), config.latent)
    config = config if C is None else dataclasses.replace(config, C=C)
    model, meaning = understood(front, back, tuple(data["shape"]), config, pixels, gives)
    if model.k != config.latent_dim:
        raise ConfigError(f"encoder: expected {config.latent_dim} latent dimensions, as the run has, got {model.k}")
    write_model(path, front, back, meaning, step)
    return model


def halves_of(encoder: Half, decoder: Half, shape: Shape, latent: str) -> tuple[bytes, bytes]:
    """Returns the ONNX files of both networks. Raises ConfigError, ModelUnreadable."""
    front = onnx_of(encoder, "encoder", lambda network: export_encoder(network, shape))
    k = latent_dims(front, shape, latent)
    return front, onnx_of(decoder, "decoder", lambda network: export_decoder(network, k))


def told_apart(files: dict[str, bytes]) -> tuple[bytes, bytes]:
    """Returns encoder and decoder of two files by their names, or by what they take: the encoder takes more numbers.
    Raises ConfigError where neither says it, ModelUnreadable."""
    read = {name: read_onnx(data, name[-60:]) for name, data in files.items()}  # what is none is refused by its name
    if len(files) != 2:
        raise ConfigError(f"model: expected two ONNX files, an encoder and a decoder, got {len(files)}")
    for word, place in (("enc", 0), ("dec", 1)):
        named = [name for name in files if word in name.rsplit("/", 1)[-1].lower()]
        if len(named) == 1:
            (other,) = set(files) - set(named)
            pair = (files[named[0]], files[other])
            return pair if place == 0 else pair[::-1]
    sizes = {
        name: max((math.prod(size or 1 for size in (end.shape or ())[1:]) for end in file.inputs), default=0)
        for name, file in read.items()
    }
    small, large = sorted(sizes, key=sizes.__getitem__)
    if sizes[small] == sizes[large]:
        raise ConfigError("model: the two files cannot be told apart; call them encoder.onnx and decoder.onnx")
    return files[large], files[small]


def onnx_of(half: Half, name: str, export: Callable[[Callable[..., Any]], bytes]) -> bytes:
    """Returns the ONNX file of a network, which `export` writes where it is none yet."""
    if isinstance(half, bytes):
        return half
    if isinstance(half, (str, os.PathLike)):
        return onnx_bytes(Path(half), name)
    return export(half)


def understood(
    front: bytes, back: bytes, shape: Shape, config: Config, pixels: tuple[float, float], gives: Gives | None
) -> tuple[ForeignModel, Meaning]:
    """The model, and what its numbers mean: C in the data's units, and what the decoder gives where it is not said."""
    width = pixels[1] - pixels[0]
    owned = config.likelihood in (None, "gaussian")
    C = float(config.C or 1.0) * width**2 if owned else None  # C ‖x − f‖² is the same number in either unit
    found = gives or ("mean" if owned else "logits")
    meaning = Meaning(found, pixels, C)
    model = build(front, back, shape, config, meaning)
    if gives is None and not owned:
        logits = model.decode(model.prior().sample((TRIED,), Generator().manual_seed(0)))
        outputs = logits.logits if hasattr(logits, "logits") else logits.mean
        if float(outputs.min()) >= 0 and float(outputs.max()) <= 1:
            meaning = dataclasses.replace(meaning, gives="probabilities")
            model = build(front, back, shape, config, meaning)
    return model, meaning


def write_model(path: Path, front: bytes, back: bytes, meaning: Meaning, step: int = 0) -> None:
    """Writes two files that have been understood into the run's directory."""
    from safetensors.torch import save

    halves = zip(HALVES, (front, back), strict=True)
    bytes_of = {name: torch.frombuffer(bytearray(half), dtype=torch.uint8) for name, half in halves}
    low, high = meaning.pixels
    told = {"step": str(step), "gives": meaning.gives, "low": repr(float(low)), "high": repr(float(high))}
    told |= {} if meaning.C is None else {"C": repr(float(meaning.C))}
    runs.save_checked(path, {runs.WEIGHTS: save(bytes_of, metadata=told)})


def model_of_files(path: Path, content: bytes, file: str) -> ForeignModel:
    """Returns the model of a run of somebody else's, from the bytes of its `file`, in evaluation mode, on the CPU.
    Raises RunDamaged where it cannot be read any more."""
    config, data = runs.read_config(path)
    runs.check_known(path, config)
    try:
        halves, meaning = _unpacked(content)
        return build(halves[0], halves[1], tuple(data["shape"]), config, meaning, config.latent_dim)
    except (Misfit, ModelUnreadable, ConfigError) as error:
        raise RunDamaged(f"run {path.name!r}: {file} cannot be read ({error})") from None


def _unpacked(content: bytes) -> tuple[list[bytes], Meaning]:
    from safetensors import SafetensorError
    from safetensors.torch import load

    length = int.from_bytes(content[:8], "little")
    told: dict[str, Any] = HEADER(parse(content[8 : 8 + min(length, MOST_HEADER)], MOST_HEADER))["__metadata__"]
    try:
        tensors = load(content)
        halves = [_one_half(tensors.get(name), name) for name in HALVES]
        C = float(told["C"]) if "C" in told else None
        return halves, Meaning(told["gives"], (float(told["low"]), float(told["high"])), C)
    except (SafetensorError, ValueError) as error:
        raise Misfit(str(error)) from None


def _one_half(tensor: Tensor | None, name: str) -> bytes:
    if tensor is None or tensor.dtype != torch.uint8 or tensor.ndim != 1 or tensor.numel() > MOST_BYTES:
        raise Misfit("expected the bytes of an ONNX file", name)
    return tensor.numpy().tobytes()
