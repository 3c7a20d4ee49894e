"""Every layer that the page runs, alone and in random graphs: node, the second reader and torch agree on the pixels."""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import nn

from tests.oracles.decoder_numpy import mean_pixels, read_header
from tests.vae.browser.in_page import run_in_page
from vae.browser.decoder_export import export_decoder
from vae.browser.decoder_layers import FORMS
from vae.config import Config
from vae.model import graph
from vae.model.networks import Residual
from vae.model.vae import Model, build_model

SHA = "ab" * 32
K, C, H, W = 4, 6, 5, 7
RANDOM_GRAPHS = 60

LAYERS: dict[str, nn.Module] = {  # each behind a dense layer's images (C, H, W)
    "identity": nn.Identity(),
    "conv 3": nn.Conv2d(C, 5, 3, padding=1),
    "conv 1": nn.Conv2d(C, 8, 1),
    "conv inside": nn.Conv2d(C, 3, 3),
    "conv stride": nn.Conv2d(C, 9, 3, stride=2, padding=2),
    "conv oblong": nn.Conv2d(C, 4, (1, 4), stride=(2, 1), padding=(0, 3), bias=False),
    "conv dilation": nn.Conv2d(C, 4, 3, padding=3, dilation=(2, 3)),
    "conv groups": nn.Conv2d(C, 12, 3, padding=1, groups=3),
    "conv depthwise": nn.Conv2d(C, C, 3, padding=1, groups=C),
    "conv same": nn.Conv2d(C, 4, (3, 5), padding="same", dilation=2),
    "up 4": nn.ConvTranspose2d(C, 5, 4, stride=2, padding=1),
    "up oblong": nn.ConvTranspose2d(C, 3, (2, 5), stride=(3, 1), padding=(1, 2), output_padding=(1, 0)),
    "up groups": nn.ConvTranspose2d(C, 4, 3, stride=2, groups=2, bias=False),
    "up dilation": nn.ConvTranspose2d(C, 4, 3, dilation=2),
    "batch norm": nn.BatchNorm2d(C),
    "conv batch norm": nn.Sequential(nn.Conv2d(C, 5, 3), nn.BatchNorm2d(5), nn.LeakyReLU()),
    "up groups batch norm": nn.Sequential(nn.ConvTranspose2d(C, 4, 2, groups=2), nn.BatchNorm2d(4, affine=False)),
    "flat batch norm": nn.Sequential(nn.Flatten(1), nn.Linear(C * H * W, 12), nn.BatchNorm1d(12), nn.Tanh()),
    "group norm": nn.GroupNorm(2, C),
    "group norm 4": nn.Sequential(nn.Conv2d(C, 16, 1), nn.GroupNorm(4, 16)),
    "instance norm": nn.InstanceNorm2d(C),
    "instance norm affine": nn.InstanceNorm2d(C, affine=True),
    "layer norm": nn.LayerNorm((C, H, W)),
    "flat layer norm": nn.Sequential(nn.Flatten(1), nn.LayerNorm(C * H * W)),
    "as groups": nn.Sequential(
        graph.Reshape((3, 2 * H * W)), nn.InstanceNorm1d(3, affine=True), graph.Reshape((C, H, W))
    ),
    "affine": graph.Affine(torch.linspace(0.5, 2, C).reshape(-1, 1, 1), torch.tensor(0.25)),
    "affine everywhere": graph.Affine(torch.linspace(0.5, 2, C * H * W).reshape(C, H, W), torch.linspace(0, 1, W)),
    "nearest": nn.Upsample(scale_factor=2),
    "nearest odd": nn.Upsample(size=(8, 9)),
    "nearest down": nn.Upsample(size=(2, 3)),
    "bilinear": nn.Upsample(scale_factor=2, mode="bilinear"),
    "bilinear corners": nn.UpsamplingBilinear2d(size=(9, 13)),
    "bilinear down": nn.Upsample(size=(3, 4), mode="bilinear"),
    "pad": nn.ZeroPad2d((1, 2, 0, 3)),
    "crop": nn.ZeroPad2d((-1, -2, 0, -1)),
    "shuffle": nn.Sequential(nn.Conv2d(C, 8, 1), nn.PixelShuffle(2)),
    "permute": graph.Permute((0, 2, 3, 1)),
    "part": graph.Part(1, 1, 4),
    "part of the rows": graph.Part(-2, 2, 5),
    "flatten": nn.Sequential(nn.Flatten(1), nn.Linear(C * H * W, 10)),
    "reshape": graph.Reshape((2, 3 * H, W)),
    "clamp": graph.Clamp(-0.5, 0.7),
    "clamp above": graph.Clamp(None, 0.2),
    "residual": Residual(nn.Conv2d(C, C, 3, padding=1), nn.ReLU(), nn.Conv2d(C, C, 1)),
    "twice": graph.Graph([nn.Sigmoid(), graph.Add(), graph.Multiply()], [(0,), (1, 1), (2, 0)]),
    "minus": graph.Graph([nn.Tanh(), graph.Subtract()], [(0,), (0, 1)]),
    **{
        type(layer).__name__ + (f" {number}" if number else ""): layer
        for number, layer in enumerate([nn.ReLU(), nn.Tanh(), nn.Sigmoid(), nn.SiLU(), nn.GELU(), nn.GELU("tanh"),
            nn.ELU(0.7), nn.LeakyReLU(0.2), nn.PReLU(), nn.Softplus(), nn.Mish(), nn.SELU(), nn.Hardswish()])
    },
    **{name: graph.Pointwise(name) for name in ("erf", "exp", "neg", "abs")},
    "log and root": nn.Sequential(nn.Softplus(), graph.Pointwise("sqrt"), graph.Pointwise("log")),
    "logit": nn.Sequential(nn.Sigmoid(), graph.Logit()),
}  # fmt: skip


def settle(decoder: nn.Module, seed: int) -> nn.Module:
    """Numbers in every weight, bias and kept statistic, none of them as they begin."""
    generator = torch.Generator().manual_seed(seed)
    for module in decoder.modules():
        for name, tensor in (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)):
            if name == "running_var":
                tensor.uniform_(0.5, 2, generator=generator)
            elif name in ("bias", "running_mean") or (name == "weight" and tensor.ndim == 1):
                tensor.uniform_(0.3, 0.9, generator=generator)
    return decoder


@torch.no_grad()
def model_of(layers: list[nn.Module], seed: int = 0) -> Model:
    """A model whose decoder is z -> images (C, H, W) -> `layers` -> an image of one channel."""
    torch.manual_seed(seed)
    decoder = nn.Sequential(nn.Linear(K, C * H * W), nn.Unflatten(1, (C, H, W)), *layers)
    model = build_model(Config(network="mlp", likelihood="gaussian", latent_dim=K), (1, 4, 4))
    settle(decoder.eval(), seed)[0].weight.mul_(2)
    count = decoder(torch.zeros(1, K)).numel()
    model.decoder, model.shape = decoder, (1, 1, count)
    return model.requires_grad_(False)


def random_layers(rng: random.Random) -> Iterator[nn.Module]:
    """A few layers of an image of C channels, each ending in C channels, blocks within blocks."""
    for _ in range(rng.randint(2, 5)):
        size, act = rng.choice([1, 3]), rng.choice([nn.ReLU, nn.SiLU, nn.ELU, nn.GELU, nn.Tanh, nn.LeakyReLU])
        norm = rng.choice(
            [nn.BatchNorm2d(C), nn.GroupNorm(rng.choice([1, 2, 3]), C), nn.InstanceNorm2d(C, affine=True)]
        )
        body = [nn.Conv2d(C, C, size, padding=size // 2, bias=rng.random() < 0.5), norm, act()]
        rng.shuffle(body)
        kind = rng.choice(["chain", "residual", "nested", "graph", "up", "resize", "down"])
        if kind == "chain":
            yield from body
        elif kind == "residual":
            yield Residual(*body)
        elif kind == "nested":
            yield Residual(Residual(*body), nn.Dropout(0.5), nn.Conv2d(C, C, 1))
        elif kind == "graph":  # a value that three use, the first long after it is made
            joins = [graph.Add(), graph.Multiply(), graph.Subtract()]
            rng.shuffle(joins)
            yield graph.Graph([*body, *joins], [(0,), (1,), (1,), (3, 0), (2, 4), (rng.choice([0, 1, 3]), 5)])
        elif kind == "up":
            yield nn.ConvTranspose2d(C, C, rng.choice([2, 3, 4]), stride=2, padding=rng.choice([0, 1]))
        elif kind == "resize":
            yield nn.Upsample(scale_factor=2, mode=rng.choice(["nearest", "bilinear"]))
        else:
            yield nn.Conv2d(C, C, 3, stride=2, padding=1)


def models() -> dict[str, Model]:
    alone = {name: model_of([layer]) for name, layer in LAYERS.items()}
    return alone | {
        f"random {seed}": model_of(list(random_layers(random.Random(seed))), seed) for seed in range(RANDOM_GRAPHS)
    }


MODELS = models()
Z = torch.randn(5, K, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def packed() -> dict[str, bytes]:
    return {name: export_decoder(model, SHA, "float32", limits=(-30.0, 30.0)) for name, model in MODELS.items()}


@pytest.fixture(scope="module")
def in_page(packed: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> dict:
    return run_in_page({name: (file, Z) for name, file in packed.items()}, tmp_path_factory.mktemp("graphs"))


@pytest.mark.parametrize("name", MODELS)
def test_the_page_the_second_reader_and_torch_agree(name: str, packed: dict[str, bytes], in_page: dict) -> None:
    expected = MODELS[name].decode(Z).mean.flatten().numpy()
    assert not isinstance(in_page[name], str), in_page[name]
    scale = max(1.0, np.abs(expected).max())
    assert np.ptp(expected.reshape(5, -1), axis=0).max() > 1e-3  # what z decides
    np.testing.assert_allclose(in_page[name], expected, rtol=0, atol=1e-5 * scale)
    np.testing.assert_allclose(mean_pixels(packed[name], Z.numpy()).ravel(), expected, rtol=0, atol=1e-5 * scale)


def test_every_form_is_tried() -> None:
    tried = {type(module) for layer in LAYERS.values() for module in layer.modules()} | {nn.Linear, nn.Unflatten}
    assert set(FORMS) - tried <= {nn.UpsamplingNearest2d, nn.ConstantPad2d}, "give the new layer an entry in LAYERS"


def test_a_norm_of_kept_statistics_costs_nothing_and_nothing_is_moved_twice(packed: dict[str, bytes]) -> None:
    kinds = {name: [layer["kind"] for layer in read_header(packed[name])["layers"]] for name in MODELS}
    assert kinds["conv batch norm"] == ["dense", "conv", "leaky_relu", "view"]  # the view: to (1, 1, count)
    assert kinds["residual"] == ["dense", "conv", "relu", "conv", "add", "view"]
    assert kinds["batch norm"] == ["dense", "affine", "view"]
