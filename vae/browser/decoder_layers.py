"""Steps of torch layers as the layers that the page runs: `Writer(steps).write(k)` -> their headers.

Values of more than one axis lie channels last in the page, (c, h, w) as (h, w, c). Arrays of weights stay in the
headers: `decoder_export` puts them behind one another. A layer that the page learns is one function here, one line in
FORMS, and its counterparts in ui/static/decoder/format.js and network.js.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vae.browser.decoder_steps import Step, Steps
from vae.errors import DecoderUnsupported
from vae.model import graph

MOST_WEIGHTS = 1 << 26  # of one layer, groups and dilation written out

Array = NDArray[np.float32]
Layer = dict[str, Any]  # a layer's header; "weights", "bias", "scale" and "shift" are arrays until they are laid out
Shape = tuple[int, ...]  # of one picture as torch has it


class Writer:
    """Writes the page's layers for steps; `shapes[v]`: of value v. values[v]: the page's value that stands for v, 0 z
    and j + 1 what its layer j gives."""

    def __init__(self, network: Steps, shapes: list[Shape]) -> None:
        self.network, self.shapes, self.uses = network, shapes, network.uses()
        self.layers: list[Layer] = []
        self.values = [0]

    def write(self) -> list[Layer]:
        """Returns the layers. Raises DecoderUnsupported where one has no form in the page."""
        for number, step in enumerate(self.network.steps):
            if type(step.module) not in FORMS:
                raise DecoderUnsupported(_refusal(step, "the page has no form of such a layer"))
            if len(step.fed) != INPUTS.get(type(step.module), 1):
                raise DecoderUnsupported(_refusal(step, f"it is fed with {len(step.fed)} inputs"))
            try:
                self.values.append(FORMS[type(step.module)](self, step, self.shapes[number + 1]))
            except Unrunnable as error:
                raise DecoderUnsupported(_refusal(step, str(error))) from None
        if self.values[-1] != len(self.layers):  # what the page's last layer gives is the image
            size = math.prod(self.shapes[-1])
            self.view(self.values[-1], (size,), (size,), (1,))
        return self.layers

    def add(self, kind: str, *fed: int, **header: Any) -> int:
        """Adds a layer that is fed with these values of the page; returns the value that it gives."""
        chain = fed == (len(self.layers),)
        self.layers.append({"kind": kind, **({} if chain else {"from": list(fed)}), **header})
        return len(self.layers)

    def given(self, step: Step) -> tuple[int, Shape]:
        """Returns the page's value that a step is fed with first, and its shape."""
        return self.values[step.fed[0]], self.shapes[step.fed[0]]

    def reshaped(self, value: int, before: Shape, after: Shape) -> int:
        """Returns the value with the same numbers in torch's order, in another shape."""
        if before != after and not _is_plain(before):
            value = self.view(value, before, before, _strides(before))
        if before != after and not _is_plain(after):
            value = self.view(value, after, _last(after), _last(_plain_strides(after)))
        return value

    def view(self, value: int, before: Shape, shape: Shape, strides: Shape, offset: int = 0) -> int:
        """Reads a value of shape `before` as it lies in another order, or a part of it."""
        return self.add("view", value, inputs=math.prod(before), shape=shape, strides=strides, offset=offset)

    def dense_before(self, value: int) -> Layer | None:
        """Returns the dense layer whose outputs the step's value has, but for functions of each number; None where
        anybody else uses them."""
        while value and self.uses[value] == 1:
            step = self.network.steps[value - 1]
            if type(step.module) is nn.Linear:
                return self.layers[self.values[value] - 1]
            if type(step.module) not in POINTWISE:
                return None
            (value,) = step.fed
        return None


class Unrunnable(Exception):
    """Why a layer has no form in the page, in words."""


def _refusal(step: Step, why: str) -> str:
    where = f" {step.path}" if step.path else ""
    return f"decoder: the page cannot run layer{where} ({type(step.module).__name__}): {why}"


def _last(axes: Shape) -> Shape:
    """Axes as they lie in the page: channels last."""
    return (*axes[1:], axes[0])


def _is_plain(shape: Shape) -> bool:
    """Whether channels first and channels last are the same order."""
    return shape[0] == 1 or math.prod(shape[1:]) == 1


def _plain_strides(shape: Shape) -> Shape:
    """Of each axis where the numbers lie in torch's order."""
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))


def _strides(shape: Shape) -> Shape:
    """Of each of torch's axes in a value as it lies in the page."""
    return (1, *(stride * shape[0] for stride in _plain_strides(shape[1:])))


def array_of(tensor: Tensor) -> Array:
    """Returns a tensor's numbers as they are packed."""
    return tensor.detach().cpu().float().numpy()


def _bias(bias: Tensor | None, outputs: int) -> Array:
    return np.zeros(outputs, np.float32) if bias is None else array_of(bias)


def _image(shape: Shape) -> tuple[int, int, int]:
    if len(shape) != 3:
        raise Unrunnable(f"it takes images of channels, height and width there, not numbers of {len(shape)} axes")
    return shape[0], shape[1], shape[2]


def _dense(to: Writer, step: Step, after: Shape) -> int:
    module, (value, shape) = step.module, to.given(step)
    assert isinstance(module, nn.Linear)
    if shape != (module.in_features,):
        raise Unrunnable(f"the page runs it on rows of {module.in_features} numbers only")
    weights, bias = array_of(module.weight).T, _bias(module.bias, module.out_features)  # (K, M)
    sizes = {"inputs": module.in_features, "outputs": module.out_features}
    return to.add("dense", value, **sizes, weights=weights, bias=bias)


def _convolution(to: Writer, step: Step, after: Shape) -> int:
    module, (value, shape) = step.module, to.given(step)
    assert isinstance(module, nn.Conv2d | nn.ConvTranspose2d)
    (channels, height, width), transposed = _image(shape), isinstance(module, nn.ConvTranspose2d)
    if module.padding_mode != "zeros":
        raise Unrunnable("the page pads images with zeros only")
    weight = _written_out(module)  # (inputs, outputs, ky, kx)
    kernel = weight.shape[2:]
    if module.padding == "same":
        padding = tuple((size - 1) // 2 for size in kernel)
    else:
        padding = (0, 0) if isinstance(module.padding, str) else tuple(int(size) for size in module.padding)
    axes = (0, 2, 3, 1) if transposed else (2, 3, 0, 1)
    rows = channels if transposed else channels * math.prod(kernel)
    return to.add(
        "conv_transpose" if transposed else "conv",
        value,
        height=height,
        width=width,
        inputs=channels,
        outputs=module.out_channels,
        kernel=_one_or_two(kernel),
        stride=_one_or_two(module.stride),
        padding=_one_or_two(padding),
        out_height=after[1],
        out_width=after[2],
        weights=weight.transpose(axes).reshape(rows, -1),
        bias=_bias(module.bias, module.out_channels),
    )


def _one_or_two(sizes: Any) -> int | list[int]:
    """One number where both sides have the same: what pages read from the first."""
    return int(sizes[0]) if sizes[0] == sizes[1] else [int(size) for size in sizes]


def _written_out(module: nn.Conv2d | nn.ConvTranspose2d) -> Array:
    """The weights (inputs, outputs, ky, kx) of one group without dilation: zeros stand where no weight is."""
    weight = array_of(module.weight)
    if isinstance(module, nn.Conv2d):
        weight = weight.swapaxes(0, 1)
        parts = np.split(weight, module.groups, axis=1)  # each (inputs / groups, outputs / groups, ky, kx)
    else:
        parts = np.split(weight, module.groups, axis=0)
    dilation = tuple(int(size) for size in module.dilation)
    sizes = [(size - 1) * d + 1 for size, d in zip(weight.shape[2:], dilation, strict=True)]
    if module.in_channels * module.out_channels * math.prod(sizes) > MOST_WEIGHTS:
        raise Unrunnable("it has too many weights for the page")
    whole = np.zeros((module.in_channels, module.out_channels, *sizes), np.float32)
    ins, outs = module.in_channels // module.groups, module.out_channels // module.groups
    for group, part in enumerate(parts):
        block = whole[group * ins : (group + 1) * ins, group * outs : (group + 1) * outs]
        block[:, :, :: dilation[0], :: dilation[1]] = part
    return whole


def _reshape(to: Writer, step: Step, after: Shape) -> int:
    """Where a dense layer's outputs become images it gives them channels last itself: nothing need be moved."""
    value, shape = to.given(step)
    if len(shape) == 1 and not _is_plain(after) and (dense := to.dense_before(step.fed[0])) is not None:
        order = np.moveaxis(np.arange(shape[0]).reshape(after), 0, -1).ravel()
        dense["weights"], dense["bias"] = dense["weights"][:, order], dense["bias"][order]
        return value
    return to.reshaped(value, shape, after)


def _permute(to: Writer, step: Step, after: Shape) -> int:
    module, (value, shape) = step.module, to.given(step)
    assert isinstance(module, graph.Permute)
    strides = _strides(shape)
    moved = tuple(strides[axis - 1] for axis in module.order[1:])
    return to.view(value, shape, _last(after), _last(moved))


def _part(to: Writer, step: Step, after: Shape) -> int:
    module, (value, shape) = step.module, to.given(step)
    assert isinstance(module, graph.Part)
    strides = _strides(shape)
    axis = module.axis if module.axis > 0 else module.axis + len(shape) + 1
    return to.view(value, shape, _last(after), _last(strides), module.start * strides[axis - 1])


def _pixel_shuffle(to: Writer, step: Step, after: Shape) -> int:
    """(c r r, h, w) -> (c, h r, w r), channels last both."""
    module, (value, shape) = step.module, to.given(step)
    assert isinstance(module, nn.PixelShuffle)
    (channels, height, width), r = _image(shape), module.upscale_factor
    sizes, strides = (height, r, width, r, after[0]), (width * channels, r, channels, 1, r * r)
    return to.view(value, shape, sizes, strides)


def _sum(to: Writer, step: Step, after: Shape) -> int:
    if any(to.shapes[value] != after for value in step.fed):
        raise Unrunnable("the page joins values of one size only")
    first, second = (to.values[value] for value in step.fed)
    if type(step.module) is graph.Subtract:
        second = to.add("negative", second)
    return to.add("multiply" if type(step.module) is graph.Multiply else "add", first, second)


def _affine(to: Writer, step: Step, after: Shape) -> int:
    value, _ = to.given(step)
    pair = [_per_number(getattr(step.module, name), after) for name in ("scale", "shift")]
    return _scaled(to, value, after, *pair)


def _scaled(to: Writer, value: int, shape: Shape, scale: Array, shift: Array) -> int:
    """x ⊙ scale + shift, of scale and shift as the value lies: one number for each, or for each channel."""
    channels = shape[0]
    rows = [numbers.reshape(-1, channels) for numbers in (scale, shift)]
    if all((numbers == numbers[:1]).all() for numbers in rows):
        scale, shift = (numbers[0] for numbers in rows)
    return to.add("affine", value, size=math.prod(shape), period=len(scale), scale=scale, shift=shift)


def _per_number(numbers: Tensor, shape: Shape) -> Array:
    """What broadcasts to one picture of this shape, as the value lies."""
    whole = np.broadcast_to(array_of(numbers), shape)
    return (np.moveaxis(whole, 0, -1) if len(shape) > 1 else whole).ravel().copy()


def _normalise(to: Writer, step: Step, after: Shape) -> int:
    module, (value, shape) = step.module, to.given(step)
    weight, bias = (getattr(module, name, None) for name in ("weight", "bias"))
    channels, positions = shape[0], math.prod(shape[1:])
    groups = 1 if isinstance(module, nn.LayerNorm) else channels
    if isinstance(module, nn.GroupNorm):
        groups = module.num_groups
    elif isinstance(module, nn.LayerNorm):
        if module.normalized_shape != shape:
            raise Unrunnable("the page normalises over all numbers of a picture, or over its positions")
    elif module.track_running_stats:
        raise Unrunnable("the page normalises by each picture's own mean and variance")
    sizes = {"positions": positions, "groups": groups, "width": channels // groups, "eps": float(module.eps)}  # type: ignore[arg-type]
    own = not isinstance(module, nn.LayerNorm) or len(shape) == 1  # one number a channel
    ones, zeros = np.ones(channels, np.float32), np.zeros(channels, np.float32)
    scale = array_of(weight) if own and weight is not None else ones
    shift = array_of(bias) if own and bias is not None else zeros
    value = to.add("normalise", value, **sizes, scale=scale, shift=shift)
    if own or weight is None:
        return value
    more = torch.zeros(()) if bias is None else bias
    return _scaled(to, value, shape, _per_number(weight, shape), _per_number(more, shape))


def _upsample(to: Writer, step: Step, after: Shape) -> int:
    module, (value, shape) = step.module, to.given(step)
    assert isinstance(module, nn.Upsample)
    (channels, height, width), (_, out_height, out_width) = _image(shape), after
    sizes = {"height": height, "width": width, "channels": channels, "out_height": out_height, "out_width": out_width}
    if module.mode == "nearest":
        _check_nearest(module, (height, width), (out_height, out_width))
        return to.add("nearest", value, **sizes)
    if module.mode != "bilinear":
        raise Unrunnable(f"the page resizes images by nearest or bilinear, not by {module.mode}")
    if module.size is None and not (float(out_height / height), float(out_width / width)) == _factors(module):
        raise Unrunnable("the page resizes to whole multiples")
    return to.add("bilinear", value, **sizes, corners=bool(module.align_corners))


def _factors(module: nn.UpsamplingBilinear2d | nn.Upsample) -> tuple[float, float]:
    given = module.scale_factor
    pair = given if isinstance(given, tuple) else (given, given)
    return float(pair[0] or 0), float(pair[1] or 0)


def _check_nearest(module: nn.Upsample, before: tuple[int, int], after: tuple[int, int]) -> None:
    """Whether torch, which computes it in float32, takes the pixel floor(y · height / new height)."""
    places = torch.arange(before[0] * before[1], dtype=torch.float32).reshape(1, 1, *before)
    rows, columns = (torch.arange(new) * old // new for old, new in zip(before, after, strict=True))
    if not torch.equal(module(places)[0, 0], (rows[:, None] * before[1] + columns).float()):
        raise Unrunnable("it takes other pixels for the nearest than the page would")


def _pad(to: Writer, step: Step, after: Shape) -> int:
    module, (value, shape) = step.module, to.given(step)
    if isinstance(module, nn.ConstantPad2d) and module.value != 0:
        raise Unrunnable("the page pads images with zeros only")
    channels, height, width = _image(shape)
    left, _, top, _ = (int(size) for size in module.padding)  # type: ignore[union-attr]
    sizes = {"height": height, "width": width, "channels": channels, "top": top, "left": left}
    return to.add("pad", value, **sizes, out_height=after[1], out_width=after[2])


def _clamp(to: Writer, step: Step, after: Shape) -> int:
    module, (value, _) = step.module, to.given(step)
    assert isinstance(module, graph.Clamp)
    for kind, bound in (("at_least", module.low), ("at_most", module.high)):
        if bound is not None:
            value = to.add(kind, value, bound=float(bound))
    return value


def _pointwise(to: Writer, step: Step, after: Shape) -> int:
    value, _ = to.given(step)
    kind, header = POINTWISE[type(step.module)](step.module)
    return to.add(kind, value, **header)


def _softplus(module: Any) -> tuple[str, Layer]:
    if (module.beta, module.threshold) != (1, 20):
        raise Unrunnable("the page knows softplus with beta 1 and threshold 20 only")
    return "softplus", {}


def _prelu(module: Any) -> tuple[str, Layer]:
    if module.weight.numel() != 1:
        raise Unrunnable("the page knows one slope for all channels only")
    return "leaky_relu", {"slope": float(module.weight)}


def _function(module: Any) -> tuple[str, Layer]:
    return {"neg": "negative"}.get(module.name, module.name), {}


POINTWISE: dict[type[nn.Module], Callable[[Any], tuple[str, Layer]]] = {
    nn.ReLU: lambda module: ("relu", {}),
    nn.Tanh: lambda module: ("tanh", {}),
    nn.Sigmoid: lambda module: ("sigmoid", {}),
    nn.SiLU: lambda module: ("silu", {}),
    nn.GELU: lambda module: ("gelu" if module.approximate == "none" else "gelu_tanh", {}),
    nn.ELU: lambda module: ("elu", {"alpha": float(module.alpha)}),
    nn.LeakyReLU: lambda module: ("leaky_relu", {"slope": float(module.negative_slope)}),
    nn.PReLU: _prelu,
    nn.Softplus: _softplus,
    nn.Mish: lambda module: ("mish", {}),
    nn.SELU: lambda module: ("selu", {}),
    nn.Hardswish: lambda module: ("hard_swish", {}),
    graph.Pointwise: _function,
    graph.Logit: lambda module: ("logit", {"least": float(module.LEAST)}),
}
INPUTS: dict[type[nn.Module], int] = {graph.Add: 2, graph.Subtract: 2, graph.Multiply: 2}
FORMS: dict[type[nn.Module], Callable[[Writer, Step, Shape], int]] = {
    nn.Linear: _dense,
    nn.Conv2d: _convolution,
    nn.ConvTranspose2d: _convolution,
    **dict.fromkeys((nn.Identity, nn.Flatten, nn.Unflatten, graph.Reshape), _reshape),
    graph.Permute: _permute,
    graph.Part: _part,
    nn.PixelShuffle: _pixel_shuffle,
    **dict.fromkeys(INPUTS, _sum),
    graph.Affine: _affine,
    **dict.fromkeys((nn.GroupNorm, nn.LayerNorm, nn.InstanceNorm1d, nn.InstanceNorm2d), _normalise),
    **dict.fromkeys((nn.Upsample, nn.UpsamplingNearest2d, nn.UpsamplingBilinear2d), _upsample),
    **dict.fromkeys((nn.ZeroPad2d, nn.ConstantPad2d), _pad),
    graph.Clamp: _clamp,
    **dict.fromkeys(POINTWISE, _pointwise),
}
