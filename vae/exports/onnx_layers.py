"""torch's layers as operations of ONNX: `write(graph, layer, fed)`. What is not listed cannot be written.

A new layer is one function here and one line in LAYERS at the foot. What `vae.exchange` reads from files can be
written again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import nn

from vae.errors import ConfigError
from vae.exports.onnx_graph import OnnxGraph
from vae.model import graph as own
from vae.model.networks import Residual

Fed = Sequence[str]
Writer = Callable[[OnnxGraph, Any, Fed], str]
WHOLE = (nn.Sequential, Residual, own.Graph)  # layers made of layers


def unknown_layers(module: nn.Module) -> Iterator[str]:
    """Yields what cannot be written of a network, in words."""
    if isinstance(module, WHOLE):
        for child in module.children():
            yield from unknown_layers(child if not isinstance(child, nn.ModuleList) else nn.Sequential(*child))
    elif type(module) not in LAYERS:
        yield f"the layer {type(module).__name__}"
    elif type(module) in REFUSED and REFUSED[type(module)](module):
        yield f"the layer {module}"


def write(graph: OnnxGraph, layer: nn.Module, fed: Fed) -> str:
    """Adds a layer that is fed with these arrays; returns the name of what it makes. Raises ConfigError for one that
    ONNX, or this table, has no operation for."""
    if isinstance(layer, nn.Sequential):
        (made,) = fed
        for inner in layer:
            made = write(graph, inner, [made])
        return made
    if isinstance(layer, Residual):
        return _known(graph, layer, fed, graph.add("Add", [*fed, write(graph, layer.body, fed)]))
    if isinstance(layer, own.Graph):
        known = list(fed)
        for inner, places in zip(layer.layers, layer.fed, strict=True):
            known.append(write(graph, inner, [known[place] for place in places]))
        return known[-1]
    for words in unknown_layers(layer):
        raise ConfigError(f"onnx: {words} cannot be written; add it to LAYERS in vae/exports/onnx_layers.py")
    return _known(graph, layer, fed, LAYERS[type(layer)](graph, layer, fed))


def _known(graph: OnnxGraph, layer: nn.Module, fed: Fed, made: str) -> str:
    """Notes what one image makes of it."""
    with torch.no_grad():
        graph.examples[made] = layer(*(graph.examples[name] for name in fed))
    return made


def _shape(graph: OnnxGraph, fed: Fed) -> tuple[int, ...]:
    """Of the first input, of one image."""
    return tuple(graph.examples[fed[0]].shape[1:])


def _linear(graph: OnnxGraph, layer: nn.Linear, fed: Fed) -> str:
    bias = [] if layer.bias is None else [graph.array(layer.bias)]
    if len(_shape(graph, fed)) == 1:
        return graph.add("Gemm", [*fed, graph.array(layer.weight), *bias], transB=1)
    made = graph.add("MatMul", [*fed, graph.array(layer.weight.T)])
    return graph.add("Add", [made, *bias]) if bias else made


def _conv(graph: OnnxGraph, layer: nn.Conv2d, fed: Fed) -> str:
    return graph.add("Conv", [*fed, *_weights(graph, layer)], **_convolution(layer))


def _conv_transpose(graph: OnnxGraph, layer: nn.ConvTranspose2d, fed: Fed) -> str:
    more = {"output_padding": layer.output_padding} if any(layer.output_padding) else {}
    return graph.add("ConvTranspose", [*fed, *_weights(graph, layer)], **_convolution(layer), **more)


def _weights(graph: OnnxGraph, layer: nn.Module) -> list[str]:
    found = (getattr(layer, name, None) for name in ("weight", "bias"))
    return [graph.array(values) for values in found if values is not None]


def _convolution(layer: nn.Conv2d | nn.ConvTranspose2d) -> dict[str, Any]:
    return {
        "kernel_shape": layer.kernel_size, "strides": layer.stride, "pads": (*layer.padding, *layer.padding),
        "dilations": layer.dilation, "group": layer.groups,
    }  # fmt: skip


def _batch_norm(graph: OnnxGraph, layer: nn.BatchNorm2d, fed: Fed) -> str:
    ones, zeros = torch.ones(layer.num_features), torch.zeros(layer.num_features)
    weight, bias = (own if own is not None else usual for own, usual in ((layer.weight, ones), (layer.bias, zeros)))
    assert layer.running_mean is not None  # see REFUSED
    assert layer.running_var is not None
    arrays = [graph.array(values) for values in (weight, bias, layer.running_mean, layer.running_var)]
    return graph.add("BatchNormalization", [*fed, *arrays], epsilon=float(layer.eps))


def _instance_norm(graph: OnnxGraph, layer: nn.InstanceNorm2d, fed: Fed) -> str:
    channels = layer.num_features
    pair = (torch.ones(channels), torch.zeros(channels)) if layer.weight is None else (layer.weight, layer.bias)
    return graph.add("InstanceNormalization", [*fed, *map(graph.array, pair)], epsilon=float(layer.eps))


def _group_norm(graph: OnnxGraph, layer: nn.GroupNorm, fed: Fed) -> str:
    """ONNX's own operation of that name changed its meaning between versions."""
    sizes, groups = _shape(graph, fed), layer.num_groups
    rows = graph.add("Reshape", [*fed, graph.array([0, groups, -1])])
    pair = [graph.array(torch.ones(groups)), graph.array(torch.zeros(groups))]
    rows = graph.add("InstanceNormalization", [rows, *pair], epsilon=float(layer.eps))
    made = graph.add("Reshape", [rows, graph.array([0, *sizes])])
    if layer.weight is None:
        return made
    each = (-1, *[1] * (len(sizes) - 1))
    made = graph.add("Mul", [made, graph.array(layer.weight.reshape(each))])
    return graph.add("Add", [made, graph.array(layer.bias.reshape(each))])


def _layer_norm(graph: OnnxGraph, layer: nn.LayerNorm, fed: Fed) -> str:
    weights = _weights(graph, layer) or [graph.array(torch.ones(layer.normalized_shape))]
    axis = -len(layer.normalized_shape)
    return graph.add("LayerNormalization", [*fed, *weights], axis=axis, epsilon=float(layer.eps))


def _pooling(op: str, settings: Callable[[Any], dict[str, Any]]) -> Writer:
    def write_it(graph: OnnxGraph, layer: Any, fed: Fed) -> str:
        size, stride, padding = (_pair(value) for value in (layer.kernel_size, layer.stride, layer.padding))
        more = settings(layer) | {"ceil_mode": int(layer.ceil_mode)}
        return graph.add(op, fed, kernel_shape=size, strides=stride, pads=(*padding, *padding), **more)

    return write_it


def _pair(value: int | tuple[int, ...]) -> tuple[int, ...]:
    return value if isinstance(value, tuple) else (value, value)


def _upsample(graph: OnnxGraph, layer: nn.Upsample, fed: Fed) -> str:
    """To a size: the number of images comes from the input, whatever it is."""
    with torch.no_grad():
        sides = layer(graph.examples[fed[0]]).shape[2:]
    first = graph.add("Slice", [graph.add("Shape", fed), *(graph.array([place]) for place in (0, 2, 0))])
    sizes = graph.add("Concat", [first, graph.array(list(sides))], axis=0)
    if layer.mode == "nearest":
        how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    else:
        aligned = "align_corners" if layer.align_corners else "half_pixel"
        how = {"mode": "linear", "coordinate_transformation_mode": aligned}
    return graph.add("Resize", [*fed, "", "", sizes], **how)


def _pad(graph: OnnxGraph, layer: nn.ZeroPad2d, fed: Fed) -> str:
    left, right, top, bottom = layer.padding
    return graph.add("Pad", [*fed, graph.array([0, 0, top, left, 0, 0, bottom, right])])


def _reshape(sizes: Callable[[Any], Sequence[int]]) -> Writer:
    return lambda graph, layer, fed: graph.add("Reshape", [*fed, graph.array([0, *sizes(layer)])])


def _affine(graph: OnnxGraph, layer: own.Affine, fed: Fed) -> str:
    made = graph.add("Mul", [*fed, graph.array(layer.scale)])
    return graph.add("Add", [made, graph.array(layer.shift)])


def _clamp(graph: OnnxGraph, layer: own.Clamp, fed: Fed) -> str:
    bounds = ["" if one is None else graph.array(torch.tensor(one)) for one in (layer.low, layer.high)]
    return graph.add("Clip", [*fed, *bounds])


def _logit(graph: OnnxGraph, layer: own.Logit, fed: Fed) -> str:
    p = _clamp(graph, own.Clamp(layer.LEAST, 1 - layer.LEAST), fed)
    rest = graph.add("Sub", [graph.array(torch.tensor(1.0)), p])
    return graph.add("Sub", [graph.add("Log", [p]), graph.add("Log", [rest])])


def _part(graph: OnnxGraph, layer: own.Part, fed: Fed) -> str:
    return graph.add("Slice", [*fed, *(graph.array([value]) for value in (layer.start, layer.end, layer.axis))])


def _mean(graph: OnnxGraph, layer: own.Mean, fed: Fed) -> str:
    return graph.add("ReduceMean", [*fed, graph.array(list(layer.axes))], keepdims=int(layer.keep))


def _choose(graph: OnnxGraph, layer: own.Choose, fed: Fed) -> str:
    condition, *rest = fed
    if graph.examples[condition].dtype != torch.bool:
        condition = graph.add("Cast", [condition], to=9)
    return graph.add("Where", [condition, *rest])


def _prelu(graph: OnnxGraph, layer: nn.PReLU, fed: Fed) -> str:
    return graph.add("PRelu", [*fed, graph.array(layer.weight.reshape(-1, *[1] * (len(_shape(graph, fed)) - 1)))])


def _gelu(graph: OnnxGraph, layer: nn.GELU, fed: Fed) -> str:
    graph.opset = 20  # which brought it
    return graph.add("Gelu", fed, approximate=layer.approximate)


def _silu(graph: OnnxGraph, layer: nn.SiLU, fed: Fed) -> str:
    return graph.add("Mul", [*fed, graph.add("Sigmoid", fed)])


def _simple(op: str, settings: Callable[[Any], dict[str, Any]] = lambda layer: {}) -> Writer:
    return lambda graph, layer, fed: graph.add(op, fed, **settings(layer))


REFUSED: dict[type[nn.Module], Callable[[Any], bool]] = {  # settings of layers that ONNX has not
    nn.Softplus: lambda layer: layer.beta != 1 or layer.threshold < 20,
    nn.Flatten: lambda layer: (layer.start_dim, layer.end_dim) != (1, -1),
    nn.Unflatten: lambda layer: layer.dim != 1,
    nn.Upsample: lambda layer: layer.mode not in ("nearest", "bilinear"),
    nn.Conv2d: lambda layer: isinstance(layer.padding, str) or layer.padding_mode != "zeros",
    nn.BatchNorm1d: lambda layer: layer.running_mean is None,
    nn.BatchNorm2d: lambda layer: layer.running_mean is None,
    nn.InstanceNorm1d: lambda layer: layer.track_running_stats,
    nn.InstanceNorm2d: lambda layer: layer.track_running_stats,
    nn.MaxPool2d: lambda layer: _pair(layer.dilation) != (1, 1),
    nn.AvgPool2d: lambda layer: layer.divisor_override is not None,
    own.Pointwise: lambda layer: layer.name not in layer.FUNCTIONS,
}
LAYERS: dict[type[nn.Module], Writer] = {
    nn.Linear: _linear,
    nn.Conv2d: _conv,
    nn.ConvTranspose2d: _conv_transpose,
    nn.BatchNorm1d: _batch_norm,
    nn.BatchNorm2d: _batch_norm,
    nn.InstanceNorm1d: _instance_norm,
    nn.InstanceNorm2d: _instance_norm,
    nn.GroupNorm: _group_norm,
    nn.LayerNorm: _layer_norm,
    nn.MaxPool2d: _pooling("MaxPool", lambda layer: {}),
    nn.AvgPool2d: _pooling("AveragePool", lambda layer: {"count_include_pad": int(layer.count_include_pad)}),
    nn.Upsample: _upsample,
    nn.ZeroPad2d: _pad,
    nn.PixelShuffle: _simple("DepthToSpace", lambda layer: {"blocksize": layer.upscale_factor, "mode": "CRD"}),
    nn.Flatten: _simple("Flatten", lambda layer: {"axis": 1}),
    nn.Unflatten: _reshape(lambda layer: layer.unflattened_size),
    nn.Identity: _simple("Identity"),
    nn.Dropout: _simple("Identity"),
    nn.ReLU: _simple("Relu"),
    nn.Tanh: _simple("Tanh"),
    nn.Sigmoid: _simple("Sigmoid"),
    nn.Softplus: _simple("Softplus"),
    nn.Softsign: _simple("Softsign"),
    nn.LeakyReLU: _simple("LeakyRelu", lambda layer: {"alpha": float(layer.negative_slope)}),
    nn.ELU: _simple("Elu", lambda layer: {"alpha": float(layer.alpha)}),
    nn.SELU: _simple("Selu"),
    nn.PReLU: _prelu,
    nn.GELU: _gelu,
    nn.SiLU: _silu,
    nn.Mish: _simple("Mish"),
    nn.Hardswish: _simple("HardSwish"),
    nn.Hardsigmoid: _simple("HardSigmoid", lambda layer: {"alpha": 1 / 6, "beta": 0.5}),
    own.Add: _simple("Add"),
    own.Subtract: _simple("Sub"),
    own.Multiply: _simple("Mul"),
    own.Divide: _simple("Div"),
    own.Affine: _affine,
    own.Join: _simple("Concat", lambda layer: {"axis": layer.axis}),
    own.Part: _part,
    own.Select: lambda graph, layer, fed: graph.add("Gather", [*fed, graph.array(layer.places)], axis=layer.axis),
    own.Reshape: _reshape(lambda layer: layer.sizes),
    own.Permute: _simple("Transpose", lambda layer: {"perm": layer.order}),
    own.Mean: _mean,
    own.Above: lambda graph, layer, fed: graph.add("Greater", [*fed, graph.array(torch.tensor(layer.limit))]),
    own.Choose: _choose,
    own.Power: lambda graph, layer, fed: graph.add("Pow", [*fed, graph.array(torch.tensor(layer.exponent))]),
    own.Clamp: _clamp,
    own.Logit: _logit,
    own.Pointwise: lambda graph, layer, fed: graph.add(layer.name.capitalize(), fed),
}
