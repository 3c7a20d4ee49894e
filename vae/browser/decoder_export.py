"""A model's decoder as one file that the page runs by itself: `export_decoder(model, sha)` -> bytes.

A frame (`vae.browser.framing`) that begins with "ELBD", of the weights: they are float16 or float32, little-endian,
in the order in which ui/static/decoder/kernel.ts reads them: matrices (K, M) in panels of 8 columns, (M/8, K, 8), with
M padded by zeros; biases padded likewise; images as (height, width, channels). The header:

    format, precision, count        1, "float16" or "float32", how many weights there are
    k, height, width, channels      z and the images
    layers                          a list of `kind` dense, relu, tanh, conv_transpose with sizes and offsets of weights
    location, spread                a Gaussian's mean is location + spread · output; left out where that is the output
    low, high                       the values that are shown as black and white; left out where they are 0 and 1
    likelihood                      its name; where C belongs to the model also owns_C, true, and C
    difference                      the largest difference to torch, as a fraction of the pixel range
    weights_sha256                  of the weights it came from

Before it leaves, the decoder is run with the weights as they are stored beside the one that it came from.
"""

from __future__ import annotations

import copy
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor, nn

from vae.bound.chunks import full_precision
from vae.browser.framing import frame
from vae.errors import DecoderInexact, DecoderUnsupported
from vae.model.likelihood import Likelihood
from vae.model.likelihoods import Bernoulli, ContinuousBernoulli, Gaussian
from vae.model.vae import Model, in_data_units

MAGIC = b"ELBD"
PANEL = 8  # columns
PRECISIONS = {"float16": torch.float16, "float32": torch.float32}
LIMITS = {"float16": 1e-2, "float32": 1e-5}  # the largest difference to torch, as a fraction of the pixel range
DRAWS = 8  # codes from the prior on which the two are compared
HEADS: tuple[type[Likelihood], ...] = (Bernoulli, Gaussian, ContinuousBernoulli)  # what heads.js knows
ACTIVATIONS: dict[type[nn.Module], str] = {nn.ReLU: "relu", nn.Tanh: "tanh"}

Precision = Literal["float16", "float32"]
Array = NDArray[np.float32]
Layer = dict[str, Any]  # a layer's header; "weights" and "bias" are arrays until they are laid out


def export_decoder(
    model: Model, weights_sha256: str, precision: Precision = "float16", limits: tuple[float, float] = (0.0, 1.0)
) -> bytes:
    """Returns the packed decoder of `model`, whose weights have this SHA-256; `limits`: the values shown as black and
    white.

    Raises DecoderUnsupported where a layer or the likelihood has no form in the page, and DecoderInexact where the
    packed decoder differs from torch by more than LIMITS[precision]: try "float32", or decode on the server.
    """
    likelihood = _head(model.likelihood)  # says more than the shape of its parameters would
    decoder = _taking_z(model)
    _round(decoder, precision)
    layers = _walk(decoder, model)
    weights = _lay_out(layers)
    channels, height, width = model.shape
    header: dict[str, Any] = {
        "format": 1,
        "precision": precision,
        "count": len(weights),
        "k": model.k,
        "height": height,
        "width": width,
        "channels": channels,
        "layers": layers,
        **_scale(model, limits),
        "likelihood": likelihood,
        "weights_sha256": weights_sha256,
        "difference": (difference := _difference(model, decoder, limits[1] - limits[0])),
    }
    if not difference <= LIMITS[precision]:
        raise DecoderInexact(
            f"the decoder packed as {precision} gives pixels that differ from the model's by {difference:.2g} of the "
            f"pixel range, more than {LIMITS[precision]:g}"
        )
    stored = weights.astype(np.dtype(precision).newbyteorder("<"))
    return frame(header, stored.tobytes(), magic=MAGIC, compact=True)


@torch.no_grad()
def _taking_z(model: Model) -> nn.Sequential:
    """The decoder in float32 on the CPU, whose first layer takes z itself: with a z + b before W and c it is
    W a z + (W b + c), a and b the same for every k."""
    if type(model.decoder) is not nn.Sequential:
        raise DecoderUnsupported(f"decoder: expected an nn.Sequential, got {type(model.decoder).__name__}")
    decoder = copy.deepcopy(model.decoder).cpu().float()
    ends = model.latent.decoder_input(torch.tensor([0.0, 1.0, 0.5, -2.0], dtype=torch.float64)).tolist()
    a, b = ends[1] - ends[0], ends[0]
    affine = np.allclose(ends[2:], a * np.array([0.5, -2.0]) + b)
    if affine and (a, b) == (1.0, 0.0):
        return decoder
    first = decoder[0] if len(decoder) else None
    if not affine or type(first) is not nn.Linear:
        raise DecoderUnsupported(f"latent {model.latent.name!r}: the page feeds a dense layer with a z + b only")
    constant = b * first.weight.sum(1)
    first.bias = nn.Parameter(constant if first.bias is None else first.bias + constant)
    first.weight *= a
    return decoder


@torch.no_grad()
def _round(decoder: nn.Sequential, precision: Precision) -> None:
    """Let the decoder have its weights as they are stored. DecoderInexact where they cannot be."""
    for parameter in decoder.parameters():
        rounded = parameter.to(PRECISIONS[precision])
        if not rounded.isfinite().all():
            largest = float(parameter.abs().max())
            raise DecoderInexact(f"the decoder has weights too large for {precision} ({largest:.3g})")
        parameter.copy_(rounded)


def _walk(decoder: nn.Sequential, model: Model) -> list[Layer]:
    """The layers of `decoder`, which stands for the model's, in order; the arrays still in their headers."""
    layers: list[Layer] = []
    shape: tuple[int, ...] = (model.k,)  # of one picture as torch has it: (width,) or (channels, height, width)
    for index, module in enumerate(decoder):
        try:
            shape = _add(layers, module, shape)
        except DecoderUnsupported as error:
            raise DecoderUnsupported(f"decoder layer {index}, {module}: {error}") from None
    if shape != model.shape or shape[0] not in (1, 3):
        raise DecoderUnsupported(f"decoder: gives {shape}; the page shows images of one or three channels")
    return layers


def _add(layers: list[Layer], module: nn.Module, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Appends what `module` computes on an image of this shape; returns the shape that it gives."""
    if type(module) in ACTIVATIONS:
        layers.append({"kind": ACTIVATIONS[type(module)]})
        return shape
    if type(module) is nn.Linear:
        if shape != (module.in_features,):
            raise DecoderUnsupported(f"the page runs it on {module.in_features} numbers only, not on {shape}")
        layers.append(_dense(module))
        return (module.out_features,)
    if type(module) is nn.Unflatten:
        return _channels_last(layers, module, shape)
    if type(module) is nn.ConvTranspose2d and len(shape) == 3:
        layers.append(_conv_transpose(module, shape))
        return (module.out_channels, layers[-1]["out_height"], layers[-1]["out_width"])
    raise DecoderUnsupported("the page has no form of this layer")


def _dense(module: nn.Linear) -> Layer:
    return {
        "kind": "dense",
        "inputs": module.in_features,
        "outputs": module.out_features,
        "weights": _array(module.weight).T,  # (K, M)
        "bias": _bias(module.bias, module.out_features),
    }


def _channels_last(layers: list[Layer], module: nn.Unflatten, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Lets the dense layer before it give (height, width, channels), so that nothing need be moved."""
    sizes = tuple(int(size) for size in module.unflattened_size)
    dense = next((layer for layer in reversed(layers) if layer["kind"] not in ACTIVATIONS.values()), None)
    if module.dim != 1 or len(sizes) != 3 or len(shape) != 1 or dense is None:
        raise DecoderUnsupported("the page runs it after a dense layer, to (channels, height, width)")
    order = np.arange(shape[0]).reshape(sizes)  # of the outputs, (channels, height, width)
    last = order.transpose(1, 2, 0).ravel()
    dense["weights"], dense["bias"] = dense["weights"][:, last], dense["bias"][last]
    return order.shape


def _conv_transpose(module: nn.ConvTranspose2d, shape: tuple[int, ...]) -> Layer:
    channels, height, width = shape
    kernel, stride, padding = module.kernel_size, module.stride, module.padding
    square = kernel[0] == kernel[1] and stride[0] == stride[1] and padding[0] == padding[1]
    if not square or module.groups != 1 or module.dilation != (1, 1) or channels != module.in_channels:
        raise DecoderUnsupported("the page runs square kernels, one group, no dilation")
    out_height, out_width = (
        (size - 1) * stride[0] - 2 * int(padding[0]) + kernel[0] + extra
        for size, extra in zip((height, width), module.output_padding, strict=True)
    )
    weight = _array(module.weight).transpose(0, 2, 3, 1)  # (inputs, ky, kx, outputs)
    return {
        "kind": "conv_transpose",
        "height": height,
        "width": width,
        "inputs": channels,
        "outputs": module.out_channels,
        "kernel": kernel[0],
        "stride": stride[0],
        "padding": padding[0],
        "out_height": out_height,
        "out_width": out_width,
        "weights": weight.reshape(channels, -1),
        "bias": _bias(module.bias, module.out_channels),
    }


def _head(likelihood: Likelihood) -> dict[str, Any]:
    if type(likelihood) not in HEADS:
        raise DecoderUnsupported(f"likelihood {likelihood.name!r}: the page has no form of its mean and samples")
    constants = {"owns_C": True, "C": likelihood.C} if likelihood.owns_C else {}
    return {"name": likelihood.name, **constants}


def _scale(model: Model, limits: tuple[float, float]) -> dict[str, float]:
    """What leads from the outputs to pixels on the screen, where it is not the identity."""
    affine = (float(model.location), float(model.spread))
    scale: dict[str, float] = {}
    if model.likelihood.gives_pixels and affine != (0.0, 1.0):
        scale |= dict(zip(("location", "spread"), affine, strict=True))
    if limits != (0.0, 1.0):
        scale |= dict(zip(("low", "high"), limits, strict=True))
    return scale


def _lay_out(layers: list[Layer]) -> Array:
    """Lays all weights in the kernel's order; each array in the headers becomes its offset."""
    blocks: list[Array] = []
    end = 0
    for layer in layers:
        for key in ("weights", "bias"):
            if key in layer:
                block = _panels(layer[key])
                layer[key] = end
                blocks.append(block)
                end += len(block)
    return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)


def _panels(array: Array) -> Array:
    """Lays (K, M) as (M/8, K, 8) in one row, M padded by zeros; a bias (M,) is padded only."""
    matrix = np.atleast_2d(array)
    wide = np.pad(matrix, ((0, 0), (0, -matrix.shape[1] % PANEL)))
    return wide.reshape(len(wide), -1, PANEL).swapaxes(0, 1).ravel()


def _array(tensor: Tensor) -> Array:
    return tensor.detach().cpu().float().numpy()


def _bias(bias: Tensor | None, outputs: int) -> Array:
    return np.zeros(outputs, np.float32) if bias is None else _array(bias)


@torch.no_grad()
def _difference(model: Model, decoder: nn.Sequential, pixel_range: float) -> float:
    """The largest difference of the means of `decoder` to the model's at 0, at draws from the prior and as far out as
    sliders go, over the pixel range: the display's, or that of the model's own pixels where it is more."""
    weight = next(model.decoder.parameters())
    z = model.prior().sample((DRAWS,), Generator(weight.device).manual_seed(0))
    z = torch.cat([torch.zeros_like(z[:1]), z, *([2 * z] if model.latent.support == "real" else [])])
    mean = full_precision(model).decode(z).mean.cpu()
    outputs = decoder(z.cpu().float()).unsqueeze(1)  # one parameter a pixel
    packed = model.likelihood(in_data_units(model.likelihood, outputs, model.location.cpu(), model.spread.cpu())).mean
    return float((packed - mean).abs().max() / max(pixel_range, float(mean.max() - mean.min())))
