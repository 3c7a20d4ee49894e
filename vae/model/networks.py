"""Networks: the encoder x -> parameters of q(z|x), the decoder z -> parameters of p(x|z).

A new network is one class here and one line in NETWORKS. Both halves are plain `nn.Sequential`s of standard layers,
and of `Residual` blocks of them, so that they can be walked, exported and run elsewhere. `shape` is (channels, height,
width).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import ClassVar, Protocol

import torch
from torch import Tensor, nn

from vae.errors import ConfigError

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "tanh": nn.Tanh}
Shape = tuple[int, int, int]


class Network(Protocol):
    name: ClassVar[str]
    default_hidden: ClassVar[tuple[int, ...]]
    default_lr: ClassVar[float]  # Adam's at batches of 128, from tens of thousands of images on

    @staticmethod
    def check(shape: Shape, hidden: Sequence[int]) -> None:
        """Raises ConfigError where the network cannot take images of this shape, or these widths."""

    @staticmethod
    def encoder(shape: Shape, outputs: int, hidden: Sequence[int], activation: str) -> nn.Sequential:
        """Returns the layers from (B, channels, height, width) to (B, outputs)."""

    @staticmethod
    def decoder(k: int, shape: Shape, planes: int, hidden: Sequence[int], activation: str) -> nn.Sequential:
        """Returns the layers from (B, k) to (B, planes, height, width); planes = parameters per pixel x channels."""


class LinearNetwork(Network):
    """One matrix each way: with a Gaussian likelihood this is probabilistic PCA."""

    name = "linear"
    default_hidden: ClassVar[tuple[int, ...]] = ()
    default_lr = 3e-3

    @staticmethod
    def check(shape: Shape, hidden: Sequence[int]) -> None:
        if hidden:
            raise ConfigError(f"hidden: a linear network has no hidden layers, got {tuple(hidden)}; use --network mlp")

    @staticmethod
    def encoder(shape: Shape, outputs: int, hidden: Sequence[int], activation: str) -> nn.Sequential:
        return MLPNetwork.encoder(shape, outputs, (), activation)

    @staticmethod
    def decoder(k: int, shape: Shape, planes: int, hidden: Sequence[int], activation: str) -> nn.Sequential:
        return MLPNetwork.decoder(k, shape, planes, (), activation)


class MLPNetwork(Network):
    """Fully connected layers; the decoder mirrors the encoder's widths."""

    name = "mlp"
    default_hidden: ClassVar[tuple[int, ...]] = (400,)
    default_lr = 2e-3

    @staticmethod
    def check(shape: Shape, hidden: Sequence[int]) -> None:
        if not hidden:
            raise ConfigError("hidden: an mlp needs at least one width such as 400; use --network linear for none")

    @staticmethod
    def encoder(shape: Shape, outputs: int, hidden: Sequence[int], activation: str) -> nn.Sequential:
        channels, height, width = shape
        return nn.Sequential(nn.Flatten(1), *_dense([channels * height * width, *hidden, outputs], activation))

    @staticmethod
    def decoder(k: int, shape: Shape, planes: int, hidden: Sequence[int], activation: str) -> nn.Sequential:
        _, height, width = shape
        widths = [k, *reversed(hidden), planes * height * width]
        return nn.Sequential(*_dense(widths, activation), nn.Unflatten(1, (planes, height, width)))


class ConvNetwork(Network):
    """4x4 convolutions of stride 2 down to 4x4 ... 7x7, then dense layers of the hidden widths; mirrored back.

    28x28: 32 and 64 channels; 64x64: four times 32 (Burgess et al. 2018). A side need not be even: n becomes
    (n − n mod 2)/2, its last row read by the last window, and on the way back 2 (n // 2) + n mod 2, by output_padding.
    """

    name = "conv"
    default_hidden: ClassVar[tuple[int, ...]] = (256,)
    default_lr = 1.5e-3

    @staticmethod
    def check(shape: Shape, hidden: Sequence[int]) -> None:
        _, height, width = shape
        if min(height, width) < 4:
            raise ConfigError(
                f"network: conv needs images of 4 pixels or more a side, got {height}x{width}; use --network mlp"
            )

    @staticmethod
    def channels(shape: Shape) -> list[int]:
        """Returns the channels after each halving: until the longer side has 7 pixels or less, or the shorter one 1."""
        stages, sides = 1, shape[1:]
        while max(sides) / 2**stages > 7 and min(sides) >> (stages + 1):
            stages += 1
        return [32] * stages if stages > 2 else [32, 64][:stages]

    @staticmethod
    def sizes(shape: Shape) -> list[tuple[int, int]]:
        """Returns the (height, width) before the first halving and after each."""
        return [(shape[1] >> stage, shape[2] >> stage) for stage in range(len(ConvNetwork.channels(shape)) + 1)]

    @staticmethod
    def encoder(shape: Shape, outputs: int, hidden: Sequence[int], activation: str) -> nn.Sequential:
        layers: list[nn.Module] = []
        before = shape[0]
        for after in ConvNetwork.channels(shape):
            layers += [nn.Conv2d(before, after, 4, stride=2, padding=1), ACTIVATIONS[activation]()]
            before = after
        height, width = ConvNetwork.sizes(shape)[-1]
        return nn.Sequential(*layers, nn.Flatten(1), *_dense([before * height * width, *hidden, outputs], activation))

    @staticmethod
    def decoder(k: int, shape: Shape, planes: int, hidden: Sequence[int], activation: str) -> nn.Sequential:
        channels, sizes = ConvNetwork.channels(shape), ConvNetwork.sizes(shape)
        height, width = sizes[-1]
        layers: list[nn.Module] = _dense([k, *reversed(hidden), channels[-1] * height * width], activation)
        layers += [ACTIVATIONS[activation](), nn.Unflatten(1, (channels[-1], height, width))]
        steps = zip(reversed(channels), [*reversed(channels[:-1]), planes], reversed(sizes[:-1]), strict=True)
        for before, after, (high, wide) in steps:
            odd = (high % 2, wide % 2)
            layers += [
                nn.ConvTranspose2d(before, after, 4, stride=2, padding=1, output_padding=odd),
                ACTIVATIONS[activation](),
            ]
        return nn.Sequential(*layers[:-1])


class Residual(nn.Module):
    """x + body(x)."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.body = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.body(x)
        return out


class ResidualConvNetwork(Network):
    """For colour images: 4x4 convolutions of stride 2 from 32 channels up to 128, down to 4x4 ... 7x7, each followed by
    a residual block of two 3x3 convolutions; then dense layers of the hidden widths; mirrored back.

    GroupNorm before each activation: it takes its mean and variance from the picture alone, so that an estimate of
    log p(x) never depends on what else is in a batch, and a picture decodes alone as it does among others.
    """

    name = "resconv"
    default_hidden: ClassVar[tuple[int, ...]] = (256,)
    default_lr = 1e-3
    GROUPS = 8
    CHANNELS = (32, 64, 128)

    @staticmethod
    def check(shape: Shape, hidden: Sequence[int]) -> None:
        _, height, width = shape
        if min(height, width) < 8:
            raise ConfigError(
                f"network: resconv needs images of 8 pixels or more a side, got {height}x{width}; use --network mlp"
            )

    @staticmethod
    def sizes(shape: Shape) -> list[tuple[int, int, int]]:
        """Returns (channels, height, width) of the image and after each halving: until the longer side has 7 pixels or
        less, or the shorter one 1."""
        sides, sizes = (shape[1], shape[2]), [shape]
        while len(sizes) == 1 or (max(sides) > 7 and min(sides) > 1):
            sides = (sides[0] // 2, sides[1] // 2)
            channels = ResidualConvNetwork.CHANNELS[min(len(sizes), len(ResidualConvNetwork.CHANNELS)) - 1]
            sizes.append((channels, *sides))
        return sizes

    @staticmethod
    def block(channels: int, activation: str) -> Residual:
        """Returns x + what two convolutions make of it."""
        layers: list[nn.Module] = []
        for _ in range(2):
            layers += ResidualConvNetwork.before(channels, activation)
            layers.append(nn.Conv2d(channels, channels, 3, padding=1))
        return Residual(*layers)

    @staticmethod
    def before(channels: int, activation: str) -> list[nn.Module]:
        """Returns what comes before a convolution."""
        return [nn.GroupNorm(ResidualConvNetwork.GROUPS, channels), ACTIVATIONS[activation]()]

    @staticmethod
    def encoder(shape: Shape, outputs: int, hidden: Sequence[int], activation: str) -> nn.Sequential:
        sizes, layers = ResidualConvNetwork.sizes(shape), list[nn.Module]()
        for number, ((before, *_), (after, *_)) in enumerate(itertools.pairwise(sizes)):
            layers += ResidualConvNetwork.before(before, activation) if number else []
            layers += [nn.Conv2d(before, after, 4, stride=2, padding=1), ResidualConvNetwork.block(after, activation)]
        layers += [*ResidualConvNetwork.before(sizes[-1][0], activation), nn.Flatten(1)]
        return nn.Sequential(*layers, *_dense([math.prod(sizes[-1]), *hidden, outputs], activation))

    @staticmethod
    def decoder(k: int, shape: Shape, planes: int, hidden: Sequence[int], activation: str) -> nn.Sequential:
        sizes = [(planes, *shape[1:]), *ResidualConvNetwork.sizes(shape)[1:]]
        layers: list[nn.Module] = _dense([k, *reversed(hidden), math.prod(sizes[-1])], activation)
        layers.append(nn.Unflatten(1, sizes[-1]))
        for (before, *_), (after, high, wide) in itertools.pairwise(reversed(sizes)):
            layers += [ResidualConvNetwork.block(before, activation), *ResidualConvNetwork.before(before, activation)]
            odd = (high % 2, wide % 2)
            layers.append(nn.ConvTranspose2d(before, after, 4, stride=2, padding=1, output_padding=odd))
        return nn.Sequential(*layers)


def multiply_adds(module: nn.Module, example: Tensor) -> int:
    """Returns the multiply-adds of one forward pass of `example` (one row), counted in dense and convolution layers."""
    total = 0

    def count(layer: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        nonlocal total
        weight = layer.get_parameter("weight")
        positions = inputs[0] if isinstance(layer, nn.ConvTranspose2d) else output
        total += weight.numel() * (positions.shape[-1] * positions.shape[-2] if positions.ndim == 4 else 1)

    kinds = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)
    hooks = [layer.register_forward_hook(count) for layer in module.modules() if isinstance(layer, kinds)]
    with torch.inference_mode():
        module(example)
    for hook in hooks:
        hook.remove()
    return total


def _dense(widths: Sequence[int], activation: str) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise(widths):
        layers += [nn.Linear(before, after), ACTIVATIONS[activation]()]
    return layers[:-1]


NETWORKS: dict[str, type[Network]] = {
    network.name: network for network in (LinearNetwork, MLPNetwork, ConvNetwork, ResidualConvNetwork)
}
