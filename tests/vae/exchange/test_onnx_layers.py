"""Layers from ONNX files compute what onnxruntime computes from the same bytes, and what torch had before."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.vae.exchange import onnx_writing as wire
from vae.errors import ModelUnreadable
from vae.exchange.onnx_file import read_onnx
from vae.exchange.onnx_network import Network
from vae.model import graph

EXPORTERS = {"older": {"dynamo": False, "opset_version": 13}, "newer": {"dynamo": True, "opset_version": 20}}


def exported(module: nn.Module, example: Tensor, **how: Any) -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporters, about themselves
        torch.onnx.export(module.eval(), (example,), file, verbose=False, **how)
    return file.getvalue()


def imported(data: bytes, *sizes: int) -> nn.Sequential:
    network = Network(read_onnx(data, "decoder"), "decoder", sizes)
    network.read()
    return network.module(network.made(network.file.outputs[0].name))


def by_onnxruntime(data: bytes, x: Tensor) -> Tensor:
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    fixed = given.shape[0] if isinstance(given.shape[0], int) else len(x)
    rows = [session.run(None, {given.name: rows.numpy()})[0] for rows in x.split(fixed)]
    return torch.from_numpy(np.concatenate(rows))


def unusual(module: nn.Module) -> nn.Module:
    """Weights, running means and variances as a training leaves them, not as they begin."""
    generator = torch.Generator().manual_seed(0)
    for name, value in [*module.named_parameters(), *module.named_buffers()]:
        if value.is_floating_point():
            noise = torch.rand(value.shape, generator=generator)
            value.data = noise + 0.5 if "var" in name or value.ndim == 1 else noise - 0.5
    return module.eval()


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4))

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(x + self.body(x), 0.2)


class Shaped(nn.Module):
    """Arithmetic with shapes, as people write it."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.Linear(6, 36)

    def forward(self, x: Tensor) -> Tensor:
        h = self.dense(x).view(x.size(0), 4, 3, -1)
        h = h.permute(0, 2, 3, 1).reshape(x.shape[0], 3, 12).transpose(1, 2).contiguous()
        first, second = h.reshape(h.size(0), -1).chunk(2, 1)
        return torch.cat([first * 2 - 1, second[:, 3:9] / 3, 1 - first], dim=1).unsqueeze(1).squeeze(1)


class Mixed(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        a, b = x[:, :2], x[:, 2:]
        return torch.clamp(a * b - a.exp() / (b.abs() + 1), -2, 3) ** 2 + torch.sqrt(a.abs()) - torch.log(b.abs() + 0.5)


CASES: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "dense": (lambda: nn.Sequential(nn.Linear(6, 9), nn.ReLU(), nn.Linear(9, 5), nn.Sigmoid()), (6,)),
    "dense without a bias": (lambda: nn.Sequential(nn.Linear(6, 9, bias=False), nn.BatchNorm1d(9), nn.Tanh()), (6,)),
    "pointwise": (
        lambda: nn.Sequential(nn.LeakyReLU(0.2), nn.ELU(0.7), nn.SiLU(), nn.GELU(), nn.Softplus(), nn.SELU()), (6,)
    ),
    "more pointwise": (lambda: nn.Sequential(nn.GELU("tanh"), nn.Hardswish(), nn.Mish(), nn.PReLU(6)), (6,)),
    "hard pointwise": (lambda: nn.Sequential(nn.Hardsigmoid(), nn.ReLU6(), nn.Softsign(), nn.LogSigmoid()), (6,)),
    "convolutions": (
        lambda: nn.Sequential(
            nn.Conv2d(3, 6, 3, 2, 1), nn.BatchNorm2d(6), nn.SiLU(), nn.Conv2d(6, 6, (3, 5), 1, (1, 2), (1, 1), 3)
        ),
        (3, 9, 9),
    ),
    "transposed": (
        lambda: nn.Sequential(
            nn.ConvTranspose2d(3, 4, 3, 2, 1, output_padding=1), nn.BatchNorm2d(4), nn.LeakyReLU(),
            nn.ConvTranspose2d(4, 6, 4, 2, 1, groups=2, bias=False), nn.BatchNorm2d(6),
        ),
        (3, 4, 4),
    ),
    "group normalisation": (lambda: nn.Sequential(nn.Conv2d(3, 8, 1), nn.GroupNorm(4, 8), nn.ReLU()), (3, 5, 5)),
    "instance normalisation": (lambda: nn.Sequential(nn.InstanceNorm2d(3, affine=True), nn.ReLU()), (3, 5, 5)),
    "layer normalisation": (lambda: nn.Sequential(nn.Linear(6, 8), nn.LayerNorm(8), nn.GELU()), (6,)),
    "upsampling": (
        lambda: nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(3, 3, 3), nn.Upsample(scale_factor=3)), (3, 4, 4)
    ),
    "linear upsampling": (lambda: nn.Sequential(nn.Upsample(scale_factor=2, mode="bilinear")), (3, 4, 5)),
    "aligned corners": (
        lambda: nn.Sequential(nn.Upsample(size=(7, 9), mode="bilinear", align_corners=True)), (3, 4, 5)
    ),
    "to a size": (lambda: nn.Sequential(nn.Upsample(size=(7, 9)), nn.Sigmoid()), (3, 4, 5)),
    "pooling": (
        lambda: nn.Sequential(nn.MaxPool2d(2), nn.AvgPool2d(3, 1, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()), (3, 8, 8)
    ),
    "pixel shuffle": (lambda: nn.Sequential(nn.Conv2d(2, 8, 1), nn.PixelShuffle(2)), (2, 3, 3)),
    "dense image": (
        lambda: nn.Sequential(nn.Linear(6, 32), nn.Unflatten(1, (2, 4, 4)), nn.BatchNorm2d(2), nn.ReLU()), (6,)
    ),
    "residual": (lambda: nn.Sequential(nn.Conv2d(3, 4, 1), Residual(), Residual(), nn.Dropout(0.5)), (3, 6, 6)),
    "shapes": (Shaped, (6,)),
    "arithmetic": (Mixed, (4,)),
}  # fmt: skip


# The newer exporter takes seconds for each: several cases, one behind the other.
TOGETHER: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "arithmetic": CASES["arithmetic"],
    "pointwise and shapes": (lambda: nn.Sequential(*CASES["pointwise"][0]().children(), Shaped()), (6,)),
    "residual, normalised and upsampled": (
        lambda: nn.Sequential(
            *CASES["residual"][0]().children(), nn.GroupNorm(2, 4), nn.Upsample(scale_factor=2, mode="bilinear")
        ),
        (3, 6, 5),
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("case", "exporter"), [*((case, "older") for case in CASES), *((case, "newer") for case in TOGETHER)]
)
def test_layers_compute_what_onnxruntime_and_torch_do(case: str, exporter: str) -> None:
    make, sizes = (CASES | TOGETHER)[case]
    module = unusual(make())
    x = torch.randn(4, *sizes, generator=torch.Generator().manual_seed(1))
    data = exported(module, x[:2], **EXPORTERS[exporter])
    ours = imported(data, *sizes)
    with torch.no_grad():
        found = ours(x)
        torch.testing.assert_close(found, module(x), rtol=2e-5, atol=2e-5)
    torch.testing.assert_close(found, by_onnxruntime(data, x), rtol=2e-5, atol=2e-5)
    assert not any(value.requires_grad for value in ours.parameters())


@pytest.mark.parametrize("exporter", EXPORTERS)
def test_a_decoder_of_usual_layers_is_a_chain_of_torchs_own(exporter: str) -> None:
    """Normalisation is in the weights, and what was written in several operations is one layer again: that is what the
    page runs by itself."""
    module = unusual(
        nn.Sequential(
            nn.Linear(16, 64), nn.Unflatten(1, (16, 2, 2)), nn.BatchNorm2d(16), nn.SiLU(), nn.Upsample(scale_factor=2),
            nn.Conv2d(16, 8, 3, padding=1), nn.BatchNorm2d(8), nn.GELU(), nn.ConvTranspose2d(8, 8, 4, 2, 1),
            nn.GroupNorm(2, 8), nn.LeakyReLU(0.1), nn.Conv2d(8, 1, 1), nn.Sigmoid(),
        )
    )  # fmt: skip
    ours = imported(exported(module, torch.zeros(2, 16), **EXPORTERS[exporter]), 16)
    kinds = [type(layer).__name__ for layer in ours]
    assert kinds == [
        "Linear", "Unflatten", "SiLU", "Upsample", "Conv2d", "GELU", "ConvTranspose2d", "GroupNorm", "LeakyReLU",
        "Conv2d", "Sigmoid",
    ]  # fmt: skip


def test_a_file_made_for_one_image_at_a_time_takes_any_number() -> None:
    """Without dynamic axes an exporter writes the number of images into every shape."""
    module = unusual(nn.Sequential(nn.Linear(6, 32), nn.Unflatten(1, (2, 4, 4)), nn.GroupNorm(2, 2), nn.Flatten()))
    data = exported(module, torch.zeros(1, 6), dynamo=False, opset_version=13, do_constant_folding=True)
    assert read_onnx(data, "decoder").inputs[0].shape == (1, 6)
    x = torch.randn(7, 6)
    with torch.no_grad():
        torch.testing.assert_close(imported(data, 6)(x), module(x), rtol=2e-5, atol=2e-5)


def test_what_the_output_does_not_need_is_left_out() -> None:
    data = wire.model(
        [wire.node("Fourier", ["x"], ["unused"]), wire.node("Relu", ["x"], ["y"])], [],
        [wire.end("x", ["N", 4])], [wire.end("y", ["N", 4])],
    )  # fmt: skip
    assert [type(layer) for layer in imported(data, 4)] == [nn.ReLU]


REFUSED: dict[str, tuple[bytes, str]] = {
    "padding on one side": (wire.node("ConvTranspose", ["x", "w"], ["y"], pads=[0, 0, 1, 1]), "padded on one side"),
    "automatic padding": (wire.node("Conv", ["x", "w"], ["y"], auto_pad="SAME_UPPER"), "padded automatically"),
    "training": (wire.node("BatchNormalization", ["x", "c", "c", "c", "c"], ["y"], training_mode=1), "call model.eval"),
    "cubic": (
        wire.node("Resize", ["x", "", "s"], ["y"], mode="cubic"), "interpolates in a way that is not read .cubic"
    ),
    "a stretched sum": (wire.node("Add", ["x", "large"], ["y"]), "stretches what it is given"),
    "a constant for each image": (wire.node("Mul", ["x", "each"], ["y"]), "a constant for each image"),
    "divided by": (wire.node("Div", ["c", "x"], ["y"]), "divides by what depends on the image"),
    "the mean of a batch": (wire.node("ReduceMean", ["x"], ["y"], axes=[0]), "across the images of a batch"),
    "another type": (wire.node("Cast", ["x"], ["y"], to=7), "another type than float32"),
    "fractional places": (wire.node("Gather", ["x", "c"], ["y"], axis=1), "no list of whole numbers"),
    "padding by fractions": (wire.node("Pad", ["x", "c"], ["y"]), "padded along other axes"),
    "a sharp stride": (wire.node("Conv", ["x", "w"], ["y"], strides=[0, 1]), "sizes that do not fit"),
    "weights from the image": (wire.node("Conv", ["x", "x"], ["y"]), "weights that depend on the image"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_an_operation_of_another_kind_is_refused_by_its_name(case: str) -> None:
    operation, words = REFUSED[case]
    numbers = {
        "w": np.ones((2, 2, 3, 3)), "c": np.ones(2), "s": np.array([1, 1, 2, 2]), "large": np.ones((1, 2, 50, 50)),
        "each": np.ones((3, 2, 5, 5)),
    }  # fmt: skip
    data = wire.model(
        [operation], [wire.tensor(name, value.astype(np.float32)) for name, value in numbers.items()],
        [wire.end("x", ["N", 2, 5, 5])], [wire.end("y", [])],
    )  # fmt: skip
    with pytest.raises(ModelUnreadable, match=rf"its operation '\w+' .*{words}"):
        imported(data, 2, 5, 5)


def test_asymmetric_padding_of_a_convolution_is_zeros_before_it() -> None:
    weight = torch.randn(3, 2, 3, 3, generator=torch.Generator().manual_seed(0))
    data = wire.model(
        [wire.node("Conv", ["x", "w"], ["y"], pads=[1, 0, 2, 1], strides=[2, 1])], [wire.tensor("w", weight.numpy())],
        [wire.end("x", ["N", 2, 5, 5])], [wire.end("y", ["N", 3, "h", "w"])],
    )  # fmt: skip
    x = torch.randn(4, 2, 5, 5, generator=torch.Generator().manual_seed(1))
    found = imported(data, 2, 5, 5)(x)
    torch.testing.assert_close(found, F.conv2d(F.pad(x, (0, 1, 1, 2)), weight, stride=(2, 1)), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(found, by_onnxruntime(data, x), rtol=1e-5, atol=1e-5)


def test_a_graph_keeps_only_what_is_needed_and_knows_each_output() -> None:
    layers = [nn.Linear(3, 3), nn.ReLU(), graph.Add(), graph.Join(1)]
    net = graph.Graph(layers, [(0,), (1,), (0, 2), (3, 1)])
    x = torch.randn(5, 3)
    with torch.no_grad():
        hidden = layers[0](x)
        wanted = [hidden, hidden.relu(), x + hidden.relu(), torch.cat([x + hidden.relu(), hidden], 1)]
        for found, expected in zip(net.outputs(x), wanted, strict=True):
            torch.testing.assert_close(found, expected)
        torch.testing.assert_close(net(x), wanted[-1])
    with pytest.raises(ValueError, match="fed only with"):
        graph.Graph([nn.ReLU()], [(1,)])


def test_the_logit_of_a_rounded_probability_is_finite() -> None:
    logits = graph.Logit()(torch.tensor([0.0, 0.25, 0.5, 1.0]))
    assert logits.isfinite().all()
    torch.testing.assert_close(logits[1:3], torch.tensor([0.25, 0.5]).logit())
    assert -17 < logits[0] < -16
