"""The decoders of 34 public VAEs, rebuilt from their layer lists with random weights: `PUBLIC[name].build()`.

pytorch/examples, 1Konny's beta-VAE, PyTorch-VAE, disentangling-vae and pythae, at the sizes at which their code is
used: 28x28 digits, CIFAR's 32x32 and 64x64 faces, latent widths as there. Decoders of vector-quantised models take a
grid of codes, flattened. `ops` counts a decoder's layers as an ONNX file names them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from vae.model.networks import Residual

Layers = list[nn.Module]
OPS: dict[type[nn.Module], str] = {
    nn.Linear: "Gemm", nn.Conv2d: "Conv", nn.ConvTranspose2d: "ConvTranspose", nn.BatchNorm2d: "BatchNormalization",
    nn.ReLU: "Relu", nn.LeakyReLU: "LeakyRelu", nn.Tanh: "Tanh", nn.Sigmoid: "Sigmoid", Residual: "Add",
}  # fmt: skip


@dataclass(frozen=True)
class Public:
    """A decoder of k numbers to an image of this shape. `layers` makes it anew."""

    k: int
    shape: tuple[int, int, int]
    layers: Callable[[], Layers]

    def build(self) -> nn.Sequential:
        """Returns the decoder much as it is once trained: z decides what comes out, where torch's first weights give
        next to nothing of it, and kept statistics are other than 0 and 1."""
        torch.manual_seed(0)
        decoder = nn.Sequential(*self.layers())
        for layer in decoder.modules():
            if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
                nn.init.kaiming_normal_(layer.weight)
        for block in (layer for layer in decoder.modules() if isinstance(layer, Residual)):
            block.body[-1].get_parameter("weight").data.mul_(0.3)  # so that six in a row leave the numbers' size
        for norm in (layer for layer in decoder.modules() if isinstance(layer, nn.BatchNorm2d)):
            for tensor, low, high in ((norm.running_mean, -0.2, 0.2), (norm.running_var, 0.5, 2.0)):
                assert tensor is not None
                tensor.uniform_(low, high)
        return decoder.eval().requires_grad_(False)

    def ops(self) -> Counter[str]:
        """Returns how many layers of each kind there are."""
        return Counter(OPS[type(layer)] for layer in self.build().modules() if type(layer) in OPS)


def examples() -> Layers:
    return [nn.Linear(20, 400), nn.ReLU(), nn.Linear(400, 784), nn.Sigmoid()]


def beta_h() -> Layers:
    up = [(64, 64), (64, 32), (32, 32)]
    layers: Layers = [
        nn.Linear(10, 256),
        nn.Unflatten(1, (256, 1, 1)),
        nn.ReLU(),
        nn.ConvTranspose2d(256, 64, 4),
        nn.ReLU(),
    ]
    for before, after in up:
        layers += [nn.ConvTranspose2d(before, after, 4, 2, 1), nn.ReLU()]
    return [*layers, nn.ConvTranspose2d(32, 3, 4, 2, 1)]


def burgess(channels: int, last: int, *end: nn.Module) -> Layers:
    """Three dense layers, then 4x4 transposed convolutions of 32 channels up to 64x64."""
    layers: Layers = []
    for before, after in ((10, 256), (256, 256), (256, last)):
        layers += [nn.Linear(before, after), nn.ReLU()]
    layers.append(nn.Unflatten(1, (32, 4, 4)))
    for _ in range(3):
        layers += [nn.ConvTranspose2d(32, 32, 4, 2, 1), nn.ReLU()]
    return [*layers, nn.ConvTranspose2d(32, channels, 4, 2, 1), *end]


def vanilla(k: int, end: type[nn.Module] = nn.Tanh) -> Layers:
    """PyTorch-VAE: 512 channels of 2x2 up to 32 of 64x64, BatchNorm and LeakyReLU after each, then a convolution."""
    layers: Layers = [nn.Linear(k, 2048), nn.Unflatten(1, (512, 2, 2))]
    for before, after in ((512, 256), (256, 128), (128, 64), (64, 32), (32, 32)):
        up = nn.ConvTranspose2d(before, after, 3, stride=2, padding=1, output_padding=1)
        layers += [up, nn.BatchNorm2d(after), nn.LeakyReLU()]
    return [*layers, nn.Conv2d(32, 3, 3, padding=1), end()]


def beta_tc() -> Layers:
    layers: Layers = [nn.Linear(10, 512), nn.Unflatten(1, (32, 4, 4))]
    for _ in range(4):
        layers += [nn.ConvTranspose2d(32, 32, 3, stride=2, padding=1, output_padding=1), nn.LeakyReLU()]
    return [*layers, nn.Conv2d(32, 3, 3, padding=1), nn.Tanh()]


def vq_vae() -> Layers:
    """PyTorch-VAE's, of a grid of 64 x 16 x 16."""
    layers: Layers = [nn.Unflatten(1, (64, 16, 16)), nn.Conv2d(64, 256, 3, padding=1), nn.LeakyReLU()]
    for _ in range(6):
        three = nn.Conv2d(256, 256, 3, padding=1, bias=False)
        layers.append(Residual(three, nn.ReLU(), nn.Conv2d(256, 256, 1, bias=False)))
    layers += [nn.LeakyReLU(), nn.ConvTranspose2d(256, 128, 4, 2, 1), nn.LeakyReLU()]
    return [*layers, nn.ConvTranspose2d(128, 3, 4, 2, 1), nn.Tanh()]


def block() -> Residual:
    """pythae's."""
    return Residual(nn.ReLU(), nn.Conv2d(128, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 128, 1))


def dense(k: int, channels: int, side: int) -> Layers:
    return [nn.Linear(k, channels * side * side), nn.Unflatten(1, (channels, side, side))]


def up(before: int, after: int, size: int, stride: int, padding: int, more: int = 0) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(before, after, size, stride, padding, output_padding=more)


def normed(before: int, after: int, size: int, stride: int, padding: int, more: int = 0) -> Layers:
    return [up(before, after, size, stride, padding, more), nn.BatchNorm2d(after), nn.ReLU()]


def pythae_mlp() -> Layers:
    return [nn.Linear(10, 512), nn.ReLU(), nn.Linear(512, 784), nn.Sigmoid()]


def conv_mnist() -> Layers:
    ups = [*normed(1024, 512, 3, 2, 1), *normed(512, 256, 3, 2, 1, 1)]
    return [*dense(16, 1024, 4), *ups, up(256, 1, 3, 2, 1, 1), nn.Sigmoid()]


def resnet_mnist(start: Layers) -> Layers:
    ups = [up(128, 64, 3, 2, 1, 1), nn.ReLU(), up(64, 1, 3, 2, 1, 1), nn.Sigmoid()]
    return [*start, up(128, 128, 3, 2, 1), block(), block(), nn.ReLU(), *ups]


def conv_cifar() -> Layers:
    ups = [*normed(1024, 512, 4, 2, 1), *normed(512, 256, 4, 2, 1, 1)]
    return [*dense(128, 1024, 8), *ups, up(256, 3, 4, 1, 2), nn.Sigmoid()]


def resnet_cifar(start: Layers) -> Layers:
    return [*start, block(), block(), up(128, 64, 4, 2, 1), up(64, 3, 4, 2, 1), nn.Sigmoid()]


def conv_celeba() -> Layers:
    ups = [*normed(1024, 512, 5, 2, 2), *normed(512, 256, 5, 2, 1), *normed(256, 128, 5, 2, 2, 1)]
    return [*dense(64, 1024, 8), *ups, up(128, 3, 5, 1, 1), nn.Sigmoid()]


def resnet_celeba(start: Layers, *middle: nn.Module) -> Layers:
    ups = [up(128, 128, 5, 2, 1), *middle, up(128, 64, 5, 2, 1, 1), up(64, 3, 4, 2, 1), nn.Sigmoid()]
    return [*start, up(128, 128, 3, 2, 1), block(), block(), *ups]


def grid(channels: int, side: int, layer: type[nn.Module] = nn.ConvTranspose2d) -> Layers:
    """Where vector-quantised models begin: a grid of codes, each to 128 channels."""
    return [nn.Unflatten(1, (channels, side, side)), layer(channels, 128, 1, 1)]


FACES, DIGITS, CIFAR = (3, 64, 64), (1, 28, 28), (3, 32, 32)
VANILLA = {  # latent numbers, with the classes' where a decoder is fed with them too
    "BetaVAE": 128, "CategoricalVAE": 512 * 40, "ConditionalVAE": 128 + 40, "DFCVAE": 128, "DIPVAE": 128,
    "FactorVAE": 128, "IWAE": 128, "InfoVAE": 128, "JointVAE": 512 + 40, "LogCoshVAE": 128, "MIWAE": 128,
    "MSSIMVAE": 128, "SWAE": 128, "VampVAE": 128, "VanillaVAE": 128, "WAE_MMD": 128,
}  # fmt: skip
PUBLIC: dict[str, Public] = {
    "pytorch/examples vae": Public(20, DIGITS, examples),
    "1Konny BetaVAE_H": Public(10, FACES, beta_h),
    "1Konny BetaVAE_B": Public(10, (1, 64, 64), lambda: burgess(1, 512)),
    "disentangling-vae Burgess 64": Public(10, FACES, lambda: burgess(3, 512, nn.Sigmoid())),
    **{f"PyTorch-VAE {name}": Public(k, FACES, lambda k=k: vanilla(k)) for name, k in VANILLA.items()},  # type: ignore[misc]
    "PyTorch-VAE GammaVAE": Public(128, FACES, lambda: vanilla(128, nn.Sigmoid)),
    "PyTorch-VAE BetaTCVAE": Public(10, FACES, beta_tc),
    "PyTorch-VAE VQVAE": Public(64 * 16 * 16, FACES, vq_vae),
    "pythae mlp": Public(10, DIGITS, pythae_mlp),
    "pythae mnist Decoder_Conv_AE_MNIST": Public(16, DIGITS, conv_mnist),
    "pythae mnist Decoder_ResNet_AE_MNIST": Public(16, DIGITS, lambda: resnet_mnist(dense(16, 128, 4))),
    "pythae mnist Decoder_ResNet_VQVAE_MNIST": Public(16 * 16, DIGITS, lambda: resnet_mnist(grid(16, 4))),
    "pythae mnist Decoder_ResNet_HRQVAE_MNIST": Public(16 * 16, DIGITS, lambda: resnet_mnist(grid(16, 4))),
    "pythae cifar Decoder_Conv_AE_CIFAR": Public(128, CIFAR, conv_cifar),
    "pythae cifar Decoder_ResNet_AE_CIFAR": Public(128, CIFAR, lambda: resnet_cifar(dense(128, 128, 8))),
    "pythae cifar Decoder_ResNet_VQVAE_CIFAR": Public(16 * 64, CIFAR, lambda: resnet_cifar(grid(16, 8, nn.Conv2d))),
    "pythae celeba Decoder_Conv_AE_CELEBA": Public(64, FACES, conv_celeba),
    "pythae celeba Decoder_ResNet_AE_CELEBA": Public(64, FACES, lambda: resnet_celeba(dense(64, 128, 4), nn.Sigmoid())),
    "pythae celeba Decoder_ResNet_VQVAE_CELEBA": Public(64 * 16, FACES, lambda: resnet_celeba(grid(64, 4))),
}
