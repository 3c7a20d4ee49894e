"""One operation of an ONNX file as torch's layers: `layers(op)`. Nothing is run here, and what is not listed is
refused.

A new operation is one function here and one line in LAYERS at the foot.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from vae.exchange.onnx_constants import Unfoldable
from vae.exchange.onnx_operation import Op, Shape, Unreadable
from vae.exchange.onnx_shapes import SHAPES
from vae.model import graph


def layers(op: Op) -> list[nn.Module]:
    """Returns layers that do it one after another; the first takes all inputs that are no constants. Raises
    Unreadable."""
    if op.op not in LAYERS:
        raise Unreadable(_unknown(op.op))
    try:
        return LAYERS[op.op](op)
    except Unfoldable as reason:
        raise Unreadable(f"has a shape or setting that is not read: {reason}") from None
    except (RuntimeError, ValueError, TypeError, IndexError, KeyError, OverflowError, StopIteration) as error:
        raise Unreadable(
            f"has weights or settings that do not fit together ({str(error).splitlines()[0][:80]})"
        ) from None


def _unknown(op: str) -> str:
    if op.startswith(("Random", "Bernoulli", "Multinomial")):
        return "draws random numbers; export what comes before: an encoder's mean and log-variance, a decoder from z"
    if op in ("If", "Loop", "Scan", "SequenceMap"):
        return "is a loop or a branch; export one fixed network"
    return "is not among the operations that are read"


def _linear(weight: Tensor, bias: Tensor | None) -> nn.Module:
    layer = nn.Linear(weight.shape[1], weight.shape[0], device="meta")
    return _with(layer, weight.contiguous(), torch.zeros(len(weight)) if bias is None else bias)


def _with(layer: nn.Module, weight: Tensor, bias: Tensor) -> nn.Module:
    """The layer with these numbers, its shapes checked before."""
    for name, value in (("weight", weight), ("bias", bias)):
        if layer.get_parameter(name).shape != value.shape:
            raise Unreadable(f"has {name}s of shape {tuple(value.shape)} that do not fit")
        setattr(layer, name, nn.Parameter(value, requires_grad=False))
    return layer


def _gemm(op: Op) -> list[nn.Module]:
    if op.settings.get("transA"):
        raise Unreadable("works across the images of a batch")
    weight = op.weights(1) * op.settings.get("alpha", 1.0)
    weight = weight if op.settings.get("transB") else weight.T
    bias = None if op.array(2) is None else op.weights(2).ravel() * op.settings.get("beta", 1.0)
    return [_linear(weight, bias if bias is None or bias.numel() != 1 else bias.expand(len(weight)).clone())]


def _matmul(op: Op) -> list[nn.Module]:
    if op.shapes[0] is None:
        raise Unreadable("multiplies weights with an image from the left")
    weight = op.weights(1)
    if weight.ndim != 2:
        raise Unreadable("multiplies with more than one matrix")
    return [_linear(weight.T, None)]


def _conv(op: Op) -> list[nn.Module]:
    weight, size, stride, pads, dilation, groups = _convolution(op)
    outputs, inputs = weight.shape[0], weight.shape[1] * groups
    even = pads[:2] == pads[2:]
    padding = (pads[0], pads[1]) if even else (0, 0)
    layer = nn.Conv2d(inputs, outputs, size, stride, padding, dilation, groups, device="meta")
    bias = torch.zeros(outputs) if op.array(2) is None else op.weights(2)
    before = [] if even else [nn.ZeroPad2d((pads[1], pads[3], pads[0], pads[2]))]
    return [*before, _with(layer, weight, bias)]


def _conv_transpose(op: Op) -> list[nn.Module]:
    weight, size, stride, pads, dilation, groups = _convolution(op)
    if pads[:2] != pads[2:] or op.settings.get("output_shape"):
        raise Unreadable("is padded on one side more than on the other, or to a given size")
    more, inputs, outputs = op.pair("output_padding", [0, 0]), weight.shape[0], weight.shape[1] * groups
    layer = nn.ConvTranspose2d(
        inputs, outputs, size, stride, (pads[0], pads[1]), more, groups, dilation=dilation, device="meta"
    )
    return [_with(layer, weight, torch.zeros(outputs) if op.array(2) is None else op.weights(2))]


def _convolution(op: Op) -> tuple[Tensor, Any, Any, list[int], Any, int]:
    weight = op.weights(1)
    if weight.ndim != 4 or len(op.shape) != 4:
        raise Unreadable(f"has {weight.ndim - 2} spatial axes; two are read")
    if op.settings.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        raise Unreadable("is padded automatically; export it with its padding as numbers")
    groups = op.settings.get("group", 1)
    if type(groups) is not int or not 1 <= groups <= max(weight.shape):
        raise Unreadable("has groups that do not fit its weights")
    size, stride = op.pair("kernel_shape", list(weight.shape[2:])), op.pair("strides", [1, 1])
    dilation = op.pair("dilations", [1, 1])
    if size != tuple(weight.shape[2:]) or 0 in stride or 0 in dilation:
        raise Unreadable("has sizes that do not fit its weights")
    return weight, size, stride, op.whole("pads", [0, 0, 0, 0]), dilation, groups


def _batch_norm(op: Op) -> list[nn.Module]:
    """With its running mean and variance it is a scale and a shift for each channel."""
    if op.settings.get("training_mode"):
        raise Unreadable("normalises over the batch; call model.eval() before the export")
    weight, bias, mean, variance = (op.weights(place).double() for place in (1, 2, 3, 4))
    scale = weight / (variance + op.settings.get("epsilon", 1e-5)).sqrt()
    return [_affine(op.shape, _per_channel(op, scale), _per_channel(op, bias - mean * scale))]


def _per_channel(op: Op, values: Tensor) -> Tensor:
    if values.shape != (op.shape[1],):
        raise Unreadable(f"has {values.numel():,} numbers for {op.shape[1]:,} channels")
    return values.reshape(-1, *[1] * (len(op.shape) - 2))


def _affine(shape: Shape, scale: Tensor | float, shift: Tensor | float) -> nn.Module:
    pair = [torch.as_tensor(value, dtype=torch.float64).float() for value in (scale, shift)]
    for value in pair:
        if len(value.shape) >= len(shape) and value.shape[0] != 1:
            raise Unreadable("has a constant for each image of a batch")
        if _together(value.shape, shape) != shape:
            raise Unreadable("stretches what it is given")
        if not value.isfinite().all():
            raise Unreadable("has constants that are no finite numbers")
    scale_, shift_ = (value[0] if len(value.shape) == len(shape) else value for value in pair)
    return graph.Affine(scale_, shift_)


def _together(*shapes: Any) -> Shape | None:
    """The shape of both, each stretched to the other; None where they do not fit."""
    try:
        return tuple(torch.broadcast_shapes(*shapes))
    except RuntimeError:
        return None


def _instance_norm(op: Op) -> list[nn.Module]:
    kinds: dict[int, Any] = {3: nn.InstanceNorm1d, 4: nn.InstanceNorm2d}
    if len(op.shape) not in kinds:
        raise Unreadable("has another number of axes than one or two besides the channels")
    layer = kinds[len(op.shape)](op.shape[1], op.settings.get("epsilon", 1e-5), affine=True, device="meta")
    return [_with(layer, op.weights(1), op.weights(2))]


def _group_norm(op: Op) -> list[nn.Module]:
    groups, channels, pair = op.settings["num_groups"], op.shape[1], [op.weights(1), op.weights(2)]
    if len(pair[0]) == groups != channels:  # as it was before version 21
        pair = [values.repeat_interleave(channels // groups) for values in pair]
    return [_with(nn.GroupNorm(groups, channels, op.settings.get("epsilon", 1e-5), device="meta"), *pair)]


def _layer_norm(op: Op) -> list[nn.Module]:
    sizes = op.shape[op.axis(op.settings.get("axis", -1)) :]
    layer = nn.LayerNorm(sizes, op.settings.get("epsilon", 1e-5), device="meta")
    bias = torch.zeros(sizes) if op.array(2) is None else op.weights(2)
    return [_with(layer, op.weights(1), bias)]


def _arithmetic(op: Op) -> list[nn.Module]:
    if len(op.shapes) != 2:
        raise Unreadable("takes another number of inputs than two")
    if None not in op.shapes:
        if _together(*op.shapes) not in op.shapes:
            raise Unreadable("stretches what it is given")
        return [PAIRS[op.op]()]
    left = op.shapes[0] is not None  # whether x stands there
    c = op.weights(1 if left else 0).double()
    pair: tuple[Any, Any]
    if op.op == "Add":
        pair = (1.0, c)
    elif op.op == "Sub":
        pair = (1.0, -c) if left else (-1.0, c)
    elif op.op == "Mul" or left:
        pair = (c if op.op == "Mul" else 1 / c, 0.0)
    else:
        raise Unreadable("divides by what depends on the image")
    return [_affine(op.shape, *pair)]


def _pooling(op: Op) -> list[nn.Module]:
    if op.settings.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID") or len(op.shape) != 4:
        raise Unreadable("is padded automatically, or has another number of axes than two")
    size, stride = op.pair("kernel_shape", [0, 0]), op.pair("strides", [1, 1])
    pads, ceil = op.whole("pads", [0, 0, 0, 0]), bool(op.settings.get("ceil_mode", 0))
    if pads[:2] != pads[2:] or op.whole("dilations", [1, 1]) != [1, 1] or 0 in (*size, *stride):
        raise Unreadable("is padded on one side more than on the other, or has gaps")
    padding = (pads[0], pads[1])
    if op.op == "MaxPool":
        return [nn.MaxPool2d(size, stride, padding, ceil_mode=ceil)]
    return [nn.AvgPool2d(size, stride, padding, ceil, bool(op.settings.get("count_include_pad", 0)))]


def _clip(op: Op) -> list[nn.Module]:
    bounds: list[float | None] = []
    for place, name in ((1, "min"), (2, "max")):
        given = op.array(place)
        bounds.append(op.settings.get(name) if given is None else float(given.reshape(-1)[0]))
    return [graph.Clamp(*bounds)]


def _number(op: Op, place: int) -> float:
    given = op.array(place)
    if given is None or given.size != 1:
        raise Unreadable("takes several numbers where one is read")
    return float(given.reshape(-1)[0])


def _fixed_choice(op: Op) -> list[nn.Module]:
    raise Unreadable("chooses between constants")


def _hard_sigmoid(op: Op) -> list[nn.Module]:
    alpha, beta = op.settings.get("alpha", 0.2), op.settings.get("beta", 0.5)
    if abs(alpha - 1 / 6) < 1e-7 and beta == 0.5:
        return [nn.Hardsigmoid()]
    return [_affine(op.shape, alpha, beta), graph.Clamp(0.0, 1.0)]


def _prelu(op: Op) -> list[nn.Module]:
    slope = op.weights(1).ravel()
    if len(slope) not in (1, op.shape[1]):
        raise Unreadable("has another number of slopes than channels")
    layer = nn.PReLU(len(slope), device="meta")
    layer.weight = nn.Parameter(slope, requires_grad=False)
    return [layer]


def _same(op: Op) -> list[nn.Module]:
    if op.op == "Cast" and op.settings.get("to") != 1:
        raise Unreadable("turns what depends on the image into another type than float32")
    if op.op == "Dropout" and (training := op.array(2)) is not None and training.any():
        raise Unreadable("is in training mode; call model.eval() before the export")
    return []


def _simple(make: Callable[[], nn.Module]) -> Callable[[Op], list[nn.Module]]:
    return lambda op: [make()]


PAIRS: dict[str, Callable[[], nn.Module]] = {
    "Add": graph.Add, "Sub": graph.Subtract, "Mul": graph.Multiply, "Div": graph.Divide,
}  # fmt: skip
LAYERS: dict[str, Callable[[Op], list[nn.Module]]] = {
    **SHAPES,
    "Gemm": _gemm,
    "MatMul": _matmul,
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "BatchNormalization": _batch_norm,
    "InstanceNormalization": _instance_norm,
    "GroupNormalization": _group_norm,
    "LayerNormalization": _layer_norm,
    "Relu": _simple(nn.ReLU),
    "LeakyRelu": lambda op: [nn.LeakyReLU(op.settings.get("alpha", 0.01))],
    "Elu": lambda op: [nn.ELU(op.settings.get("alpha", 1.0))],
    "Selu": _simple(nn.SELU),
    "PRelu": _prelu,
    "Gelu": lambda op: [nn.GELU(op.settings.get("approximate", "none"))],
    "Swish": lambda op: [nn.SiLU()] if op.settings.get("alpha", 1.0) == 1 else layers(Op("", {}, (), op.shapes)),
    "Mish": _simple(nn.Mish),
    "HardSwish": _simple(nn.Hardswish),
    "Sigmoid": _simple(nn.Sigmoid),
    "Tanh": _simple(nn.Tanh),
    "Softplus": _simple(nn.Softplus),
    "Erf": _simple(lambda: graph.Pointwise("erf")),
    "Exp": _simple(lambda: graph.Pointwise("exp")),
    "Log": _simple(lambda: graph.Pointwise("log")),
    "Neg": _simple(lambda: graph.Pointwise("neg")),
    "Abs": _simple(lambda: graph.Pointwise("abs")),
    "Sqrt": _simple(lambda: graph.Pointwise("sqrt")),
    "Clip": _clip,
    "Pow": lambda op: [graph.Power(_number(op, 1))],
    "Greater": lambda op: [graph.Above(_number(op, 1))],
    "Where": lambda op: [graph.Choose()] if None not in op.shapes else _fixed_choice(op),
    "HardSigmoid": _hard_sigmoid,
    **dict.fromkeys(PAIRS, _arithmetic),
    "MaxPool": _pooling,
    "AveragePool": _pooling,
    "Identity": _same,
    "Dropout": _same,
    "Cast": _same,
}
