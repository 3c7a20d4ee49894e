"""A model's decoder as one file that the page runs by itself: `export_decoder(model, sha)` -> bytes.

A frame (`vae.browser.framing`) that begins with "ELBD", of the weights: they are float16 or float32, little-endian,
in the order in which ui/static/decoder/kernel.ts reads them: matrices (K, M) in panels of 8 columns, (M/8, K, 8), with
M padded by zeros; biases padded likewise; images as (height, width, channels). The header:

    format, precision, count        1, "float16" or "float32", how many weights there are
    k, height, width, channels      z and the images
    layers                          a list of `kind` dense, conv, relu … with sizes and offsets of weights
                                    (vae/browser/decoder_layers.py writes them); `from`: the values that a layer takes,
                                    0 z and j + 1 what layer j gives, left out where that is the layer before it
    location, spread                a Gaussian's mean is location + spread · output; left out where that is the output
    low, high                       the values that are shown as black and white; left out where they are 0 and 1
    likelihood                      its name; where C belongs to the model also owns_C, true, and C
    difference                      the largest difference to torch, as a fraction of the pixel range
    weights_sha256                  of the weights it came from

Before it leaves, the decoder is run with the weights as they are stored beside the one that it came from.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch
from torch import Generator, nn

from vae.bound.chunks import full_precision
from vae.browser.decoder_layers import Array, Layer, Writer
from vae.browser.decoder_steps import Step, Steps, steps_of
from vae.browser.framing import frame
from vae.errors import DecoderInexact, DecoderUnsupported
from vae.model.graph import Affine, Reshape
from vae.model.likelihood import Likelihood
from vae.model.likelihoods import Bernoulli, ContinuousBernoulli, Gaussian
from vae.model.vae import Model, in_data_units

MAGIC = b"ELBD"
PANEL = 8  # columns
ARRAYS = ("weights", "bias", "scale", "shift")  # of a layer
PRECISIONS = {"float16": torch.float16, "float32": torch.float32}
LIMITS = {"float16": 1e-2, "float32": 1e-5}  # the largest difference to torch, as a fraction of the pixel range
DRAWS = 8  # codes from the prior on which the two are compared
HEADS: tuple[type[Likelihood], ...] = (Bernoulli, Gaussian, ContinuousBernoulli)  # what heads.js knows

Precision = Literal["float16", "float32"]


def export_decoder(
    model: Model, weights_sha256: str, precision: Precision = "float16", limits: tuple[float, float] = (0.0, 1.0)
) -> bytes:
    """Returns the packed decoder of `model`, whose weights have this SHA-256; `limits`: the values shown as black and
    white.

    Raises DecoderUnsupported where a layer or the likelihood has no form in the page, and DecoderInexact where the
    packed decoder differs from torch by more than LIMITS[precision]: try "float32", or decode on the server.
    """
    likelihood = _head(model.likelihood)  # says more than the shape of its parameters would
    network = _taking_z(model)
    shapes = _shapes(network, model)
    _round(network, precision)
    layers = Writer(network, shapes).write()
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
        "difference": (difference := _difference(model, network, limits[1] - limits[0])),
    }
    if not difference <= LIMITS[precision]:
        raise DecoderInexact(
            f"the decoder packed as {precision} gives pixels that differ from the model's by {difference:.2g} of the "
            f"pixel range, more than {LIMITS[precision]:g}"
        )
    stored = weights.astype(np.dtype(precision).newbyteorder("<"))
    return frame(header, stored.tobytes(), magic=MAGIC, compact=True)


def pack_decoder(model: Model, weights_sha256: str, limits: tuple[float, float] = (0.0, 1.0)) -> bytes:
    """Returns what `export_decoder` gives as float16, or as float32 where that is inexact: twice the bytes and a
    thousandth of the error. Raises DecoderUnsupported."""
    try:
        return export_decoder(model, weights_sha256, "float16", limits)
    except DecoderInexact:
        return export_decoder(model, weights_sha256, "float32", limits)


@torch.no_grad()
def _taking_z(model: Model) -> Steps:
    """The decoder's steps, which take z itself: a z + b before a dense layer's W and c is W a z + (W b + c), a and b
    the same for every k; before any other it is a step of its own."""
    network = steps_of(model.decoder)
    ends = model.latent.decoder_input(torch.tensor([0.0, 1.0, 0.5, -2.0], dtype=torch.float64)).tolist()
    a, b = ends[1] - ends[0], ends[0]
    if not np.allclose(ends[2:], a * np.array([0.5, -2.0]) + b):
        raise DecoderUnsupported(f"latent {model.latent.name!r}: the page feeds a decoder with a z + b only")
    if (a, b) == (1.0, 0.0):
        return network
    first = [step.module for step in network.steps if 0 in step.fed]
    if all(type(layer) is nn.Linear for layer in first) and len(first) == len(set(first)):
        for layer in first:
            weight, bias = layer.get_parameter("weight"), layer.bias
            constant = b * weight.sum(1)
            layer.bias = nn.Parameter(constant if bias is None else bias + constant, requires_grad=False)
            weight.mul_(a)
        return network
    steps = [Step(Affine(torch.tensor(a), torch.tensor(b)), (0,), "start")]
    return Steps([*steps, *(Step(s.module, tuple(value + 1 for value in s.fed), s.path) for s in network.steps)])


@torch.no_grad()
def _shapes(network: Steps, model: Model) -> list[tuple[int, ...]]:
    """The shape of one picture after each step; a flat output becomes an image."""
    try:
        shapes = [tuple(value.shape[1:]) for value in network.values(torch.zeros(1, model.k))]
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        raise DecoderUnsupported(f"decoder: it does not take {model.k} numbers a picture ({error})") from None
    if shapes[-1] != model.shape and np.prod(shapes[-1]) == np.prod(model.shape):
        network.steps.append(Step(Reshape(model.shape), (len(network.steps),), "end"))
        shapes.append(model.shape)
    if shapes[-1] != model.shape or model.shape[0] not in (1, 3):
        raise DecoderUnsupported(f"decoder: gives {shapes[-1]}; the page shows images of one or three channels")
    return shapes


@torch.no_grad()
def _round(network: Steps, precision: Precision) -> None:
    """Let the layers have their weights as they are stored. DecoderInexact where they cannot be."""
    for step in network.steps:
        for weights in (*step.module.parameters(), *step.module.buffers()):
            if not weights.is_floating_point():
                continue
            rounded = weights.to(PRECISIONS[precision])
            if not rounded.isfinite().all():
                largest = float(weights.abs().max())
                raise DecoderInexact(f"the decoder has weights too large for {precision} ({largest:.3g})")
            weights.copy_(rounded)


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
        for key in ARRAYS:
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


@torch.no_grad()
def _difference(model: Model, network: Steps, pixel_range: float) -> float:
    """The largest difference of the means of `network` to the model's at 0, at draws from the prior and as far out as
    sliders go, over the pixel range: the display's, or that of the model's own pixels where it is more."""
    weight = next(model.decoder.parameters())
    z = model.prior().sample((DRAWS,), Generator(weight.device).manual_seed(0))
    z = torch.cat([torch.zeros_like(z[:1]), z, *([2 * z] if model.latent.support == "real" else [])])
    mean = full_precision(model).decode(z).mean.cpu()
    outputs = network.values(z.cpu().float())[-1].reshape(len(z), 1, *model.shape)  # one parameter a pixel
    packed = model.likelihood(in_data_units(model.likelihood, outputs, model.location.cpu(), model.spread.cpu())).mean
    return float((packed - mean).abs().max() / max(pixel_range, float(mean.max() - mean.min())))
