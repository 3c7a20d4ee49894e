"""What a run takes, before it is built: parameters, multiply-adds, memory and disk.

The network is laid out on torch's meta device, which knows shapes and holds no numbers: sizes that no machine has are
counted in milliseconds. What its layers put out follows from their shapes; to run them there would import for seconds.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import torch
from torch import nn

from vae.config import Config
from vae.datasets import DataInfo
from vae.errors import ConfigError
from vae.machine import memory
from vae.model.networks import Residual, Shape
from vae.model.vae import lay_out
from vae.training.moment_steps import quotas

NUMBER = 4  # bytes of a float32
TRAINED = 4  # arrays as large as the parameters while training: weights, gradients, Adam's two moments
SAVED = 10  # the same while saving: copies of three of them, their bytes, and the bytes of both files
KEPT, NEXT = 4, 3  # on disk: weights, and a state of three; beside it the next state, before it takes its place
PIXEL_ARRAYS = 6  # as large as the decoded pixels, that log p(x|z) and its gradient hold at once


@dataclass(frozen=True)
class Size:
    """The size of a network, for one image (encoder) and one code (decoder)."""

    parameters: int
    encoder_multiply_adds: int
    encoder_numbers: int  # that its layers put out
    decoder_multiply_adds: int
    decoder_numbers: int


@dataclass(frozen=True)
class Needs:
    """Bytes that training takes."""

    weights: int
    saving: int  # in the machine's memory, whatever the device
    batch: int
    images: int
    checkpoints: int
    moments: int

    @property
    def disk(self) -> int:
        """Bytes of the disk that a run comes to take."""
        return self.checkpoints + self.moments

    @property
    def device(self) -> int:
        """Bytes of the device's memory that are needed while training."""
        return self.weights + self.batch + self.images

    def memory(self, on_gpu: bool = False) -> int:
        """Returns the bytes of the machine's memory that are needed, at most."""
        return self.images + self.saving + (0 if on_gpu else self.weights + self.batch)


def size_of(config: Config, shape: Shape) -> Size:
    """Returns the size of a config's network. Raises ConfigError for what is no network of these images."""
    hidden = None if config.hidden is None else tuple(config.hidden)
    return _size(
        config.network, hidden, config.activation, config.latent, config.latent_dim, str(config.likelihood), shape
    )


@functools.lru_cache(maxsize=256)
def _size(
    network: str, hidden: tuple[int, ...] | None, activation: str, latent: str, k: int, likelihood: str, shape: Shape
) -> Size:
    config = Config(
        network=network, hidden=hidden, activation=activation, latent=latent, latent_dim=k, likelihood=likelihood
    )
    model = lay_out(config, shape)
    return Size(
        sum(parameter.numel() for parameter in model.parameters()),
        *count(model.encoder, shape),
        *count(model.decoder, (k,)),
    )


def count(layers: nn.Sequential, shape: tuple[int, ...]) -> tuple[int, int]:
    """Returns the multiply-adds of one forward pass of one row of this shape, and the count of the numbers that all
    layers put out."""
    multiply_adds = numbers = 0
    for layer in layers:
        if isinstance(layer, Residual):
            inside = count(layer.body, shape)
            multiply_adds, numbers = multiply_adds + inside[0], numbers + inside[1]
        before, shape = shape, _after(layer, shape)
        numbers += math.prod(shape)
        if isinstance(layer, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
            places = before if isinstance(layer, nn.ConvTranspose2d) else shape
            multiply_adds += layer.weight.numel() * math.prod(places[1:])
    return multiply_adds, numbers


def _after(layer: nn.Module, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that a layer puts out."""
    if isinstance(layer, nn.Linear):
        return (layer.out_features,)
    if isinstance(layer, nn.Flatten):
        return (math.prod(shape),)
    if isinstance(layer, nn.Unflatten):
        return tuple(layer.unflattened_size)
    if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
        kernel, stride, padding = ([int(size) for size in s] for s in (layer.kernel_size, layer.stride, layer.padding))
        grows, more = isinstance(layer, nn.ConvTranspose2d), layer.output_padding
        sides = [
            (side - 1) * s - 2 * p + k + m if grows else (side + 2 * p - k) // s + 1
            for side, k, s, p, m in zip(shape[1:], kernel, stride, padding, more, strict=True)
        ]
        return (layer.out_channels, *sides)
    return shape


def needs(config: Config, info: DataInfo, decoded: int) -> Needs:
    """Returns what training a completed config takes, in bytes; `decoded` codes an image. Twice a batch's numbers:
    their gradients."""
    size, B = size_of(config, info.shape), config.batch_size or 1
    numbers = 2 * (size.encoder_numbers + decoded * size.decoder_numbers) + PIXEL_ARRAYS * decoded * info.pixels
    stored = NUMBER if info.support == "real" else 1
    weights = NUMBER * size.parameters
    return Needs(
        TRAINED * weights,
        SAVED * weights,
        NUMBER * B * numbers,
        (info.train + info.test) * info.pixels * stored,
        (KEPT + NEXT) * weights,
        sum(quotas(weights // 2).values()) * weights // 2,
    )


def check_memory(config: Config, info: DataInfo, decoded: int, device: str) -> None:
    """Raises ConfigError, with the numbers, for a run that takes more memory than there is."""
    needed, on_gpu = needs(config, info, decoded), torch.device(device).type == "cuda"
    asked = [("this machine", needed.memory(on_gpu), memory())]
    if on_gpu:
        asked.append((device, needed.device, memory(device)))
    for who, wanted, there in asked:
        if there is not None and wanted > there:
            P, H, W = size_of(config, info.shape).parameters, *info.shape[1:]
            raise ConfigError(
                f"memory: training needs about {in_words(wanted)} ({P:,} parameters: "
                f"{in_words(needed.weights + needed.saving)}; a batch of {config.batch_size} images of {H} x {W}: "
                f"{in_words(needed.batch)}; all images: {in_words(needed.images)}), {who} has {in_words(there)}; "
                "use smaller hidden widths, --network conv, a smaller batch size, or smaller images"
            )


def in_words(size: float) -> str:
    """Returns a number of bytes in words: `1.5 MB`, `350 MB`, `1.2 GB`, `3,170 GB`."""
    number, unit = (size / 1e9, "GB") if size >= 0.9995e9 else (size / 1e6, "MB")
    return f"{number:,.0f} {unit}" if number >= 9.95 or number == round(number) else f"{number:.1f} {unit}"
