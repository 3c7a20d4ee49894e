"""Two ONNX files as a Model: what an encoder and a decoder of somebody else's give, as ours do."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from vae.config import C_LIMITS, Config
from vae.errors import ConfigError, ModelUnreadable
from vae.exchange.encoder_outputs import joined, parameters_of
from vae.exchange.onnx_file import End, OnnxFile, read_onnx
from vae.exchange.onnx_network import Network
from vae.exchange.onnx_operation import Unreadable
from vae.model.graph import Affine, Logit, Permute, Reshape
from vae.model.latents import LATENTS
from vae.model.likelihood import Likelihood
from vae.model.likelihoods import LIKELIHOODS
from vae.model.networks import Shape
from vae.model.vae import IDENTITY, Model

Gives = Literal["mean", "probabilities", "logits"]
GIVES: tuple[Gives, ...] = ("mean", "probabilities", "logits")


@dataclass(frozen=True)
class Meaning:
    """What the numbers of two networks mean.

    gives: what the decoder's outputs are. pixels: the encoder takes x in [0, 1] as low + (high − low) x, and a mean
    comes back so; (0, 1) where x is what it takes. C: of a Gaussian in units of x; None: 1.
    """

    gives: Gives = "mean"
    pixels: tuple[float, float] = (0.0, 1.0)
    C: float | None = None


class ForeignModel(Model):
    """A Model of networks that somebody else made. Without a told likelihood it answers with a Gaussian of its C, whose
    nats are no likelihood's."""

    def __init__(
        self, config: Config, shape: Shape, halves: tuple[nn.Sequential, nn.Sequential], low: float, width: float
    ):
        nn.Module.__init__(self)
        self.shape, self.k = shape, config.latent_dim
        self.latent = LATENTS[config.latent]
        self.likelihood: Likelihood = LIKELIHOODS[config.likelihood or "gaussian"]()
        self.encoder, self.decoder = halves
        location, spread = (-low / width, 1 / width) if self.likelihood.gives_pixels else (0.0, 1.0)
        for name, value in (("location", location), ("spread", spread)):
            self.register_buffer(name, torch.full_like(IDENTITY[name], value))
        self.in_bfloat16 = False


def build(
    encoder: bytes, decoder: bytes, shape: Shape, config: Config, meaning: Meaning, k: int | None = None
) -> ForeignModel:
    """Returns the model of two files for images of this shape. k: how many latent dimensions it has to have; None lets
    the files say it. Raises ModelUnreadable for files that cannot be read, ConfigError for what does not fit."""
    files = [read_onnx(encoder, "encoder"), read_onnx(decoder, "decoder")]
    likelihood = LIKELIHOODS[config.likelihood or "gaussian"]
    check_meaning(config.likelihood, meaning)
    low, width = meaning.pixels[0], meaning.pixels[1] - meaning.pixels[0]
    try:
        front, numbers = _encoder(files[0], shape, config.latent, None if likelihood.gives_pixels else (low, width))
        dims = _dims(numbers, config.latent)
        if k is not None and k != dims:
            raise ConfigError(f"encoder: expected {k} latent dimensions as the run has, got {dims}")
        back = _decoder(files[1], shape, dims, config.latent, likelihood.gives_pixels, meaning.gives)
    except Unreadable as reason:
        raise ModelUnreadable(f"a layer at an end of the model {reason}") from None
    model = ForeignModel(dataclasses.replace(config, latent_dim=dims), shape, (front, back), low, width)
    if next(model.decoder.parameters(), None) is None:
        raise ModelUnreadable("decoder: expected a network with weights, got one without")
    if likelihood.owns_C:
        model.likelihood.set_C(meaning.C or 1.0)
    return model.eval().requires_grad_(False)


def latent_dims(encoder: bytes, shape: Shape, latent: str) -> int:
    """Returns how many latent dimensions an encoder of images of this shape has. Raises what `build` raises."""
    try:
        return _dims(_encoder(read_onnx(encoder, "encoder"), shape, latent, None)[1], latent)
    except Unreadable as reason:
        raise ModelUnreadable(f"encoder: a layer at its end {reason}") from None


def check_meaning(likelihood: str | None, meaning: Meaning) -> None:
    """Raises ConfigError where that is nothing a decoder can give with that likelihood."""
    if meaning.gives not in GIVES:
        raise ConfigError(f"gives: expected one of {', '.join(GIVES)}, got {meaning.gives!r}")
    low, high = meaning.pixels
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ConfigError(
            f"pixels: expected the lowest and the highest value, such as (0, 1), got {low:g} and {high:g}"
        )
    if meaning.gives == "mean" and likelihood not in (None, "gaussian"):
        raise ConfigError(
            f"gives: with a {likelihood} likelihood a decoder gives probabilities or logits, not a mean; say which"
        )
    if meaning.gives != "mean" and likelihood in (None, "gaussian") and (low, high) != (0, 1):
        raise ConfigError(f"pixels: {meaning.gives} lie in (0, 1), got pixels from {low:g} to {high:g}; say mean")
    if meaning.C is not None and not C_LIMITS[0] <= meaning.C <= C_LIMITS[1]:
        raise ConfigError(f"C: expected a number from {C_LIMITS[0]:g} to {C_LIMITS[1]:g}, got {meaning.C!r}")


def _encoder(
    file: OnnxFile, shape: Shape, latent: str, mapped: tuple[float, float] | None
) -> tuple[nn.Sequential, int]:
    """From (B, channels, height, width) to (B, parameters), and how many these are."""
    taken = _only(file.inputs, "encoder", "input")
    sizes, first = _image_as(taken, shape)
    network = Network(file, "encoder", sizes)
    network.read()
    output = joined(network, [network.made(name) for name in parameters_of(network, latent)], latent)
    module = network.module(output)
    low, width = mapped or (0.0, 1.0)
    scaled = [Affine(torch.tensor(width), torch.tensor(low))] if (low, width) != (0, 1) else []
    return nn.Sequential(*scaled, *first, *module), network.shapes[output][1]


def _image_as(taken: End, shape: Shape) -> tuple[tuple[int, ...], list[nn.Module]]:
    """The shape in which a network takes an image, and the layer that brings it there."""
    count, (channels, height, width) = math.prod(shape), shape
    wanted = taken.shape
    if wanted is None or (len(wanted) == 4 and _fits(wanted[1:], shape)):
        return shape, []
    if len(wanted) == 4 and _fits(wanted[1:], (height, width, channels)):
        return (height, width, channels), [Permute((0, 2, 3, 1))]
    if len(wanted) == 2 and _fits(wanted[1:], (count,)):
        return (count,), [nn.Flatten(1)]
    if len(wanted) == 3 and channels == 1 and _fits(wanted[1:], (height, width)):
        return (height, width), [Reshape((height, width))]
    raise ConfigError(
        f"encoder: expected it to take the images' shape (N, {channels}, {height}, {width}), or (N, {count}), got "
        f"({', '.join('N' if size is None else str(size) for size in wanted)}); is it the encoder of these images?"
    )


def _fits(sizes: tuple[int | None, ...], given: tuple[int, ...]) -> bool:
    return len(sizes) == len(given) and all(size in (None, own) for size, own in zip(sizes, given, strict=True))


def _only(ends: list[End], name: str, what: str) -> End:
    if len(ends) != 1:
        named = ", ".join(repr(end.name[:40]) for end in ends[:5]) or "none"
        raise ModelUnreadable(f"{name}: expected one {what}, got {len(ends)} ({named}); export a network with one")
    return ends[0]


def _dims(numbers: int, latent: str) -> int:
    """How many latent dimensions so many numbers are for."""
    for k in range(1, numbers + 1):
        if LATENTS[latent].parameters(k) == numbers:
            return k
    raise ConfigError(f"encoder: expected mean and log-variance of each dimension, got {numbers} numbers")


def _decoder(file: OnnxFile, shape: Shape, k: int, latent: str, pixels: bool, gives: Gives) -> nn.Sequential:
    """From (B, k) to (B, channels, height, width): pixels, or logits."""
    taken, made = _only(file.inputs, "decoder", "input"), _only(file.outputs, "decoder", "output")
    sizes = (k,) if taken.shape is None or len(taken.shape) <= 2 else (k, *[1] * (len(taken.shape) - 2))
    if taken.shape is not None and not _fits(taken.shape[1:], sizes):
        got = ", ".join("N" if size is None else str(size) for size in taken.shape)
        raise ConfigError(f"decoder: expected it to take codes (N, {k}), as many as the encoder's means, got ({got})")
    network = Network(file, "decoder", sizes)
    network.read()
    output = network.made(made.name)
    to_logits = not pixels and gives == "probabilities" and not network.without_sigmoid(output)
    module = network.module(_to_image(network, output, shape))
    layers: list[nn.Module] = [nn.Unflatten(1, sizes)] if len(sizes) > 1 else []
    if latent == "bernoulli":  # fed ±1 here, bits 0 and 1 by those who made it
        layers.append(Affine(torch.tensor(0.5), torch.tensor(0.5)))
    layers += module
    if pixels and gives == "logits":
        layers.append(nn.Sigmoid())
    if to_logits:
        layers.append(Logit())
    return nn.Sequential(*layers)


def _to_image(network: Network, name: str, shape: Shape) -> str:
    channels, height, width = shape
    got = network.shapes[name][1:]
    if got == shape:
        return name
    if math.prod(got) != math.prod(shape):
        raise ConfigError(
            f"decoder: expected images of shape {shape}, as those of the data, got {got}; is it the decoder, and are "
            "these its images?"
        )
    if got == (height, width, channels):
        return network.add(Permute((0, 3, 1, 2)), [name])
    return network.add(nn.Unflatten(1, shape) if len(got) == 1 else Reshape(shape), [name])
