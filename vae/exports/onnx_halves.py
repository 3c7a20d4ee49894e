"""Encoder and decoder as ONNX, from the images and codes as they are here to the numbers of q(z|x) and p(x|z).

encoder   image (N, channels, height, width), floats on the data's support -> mean and log_variance (N, k); with a full
          covariance mean and factor, L of L Lᵀ, (N, k, k) lower triangular; of bits their logits
decoder   z (N, k), of bits 0 and 1 -> mean (N, channels, height, width) in the data's units, or probabilities; of a
          continuous Bernoulli these are λ, not the mean
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import vae
from vae.errors import ConfigError
from vae.exchange.onnx_file import MOST_BYTES
from vae.exports.export import Export, Progress, why_no_weights
from vae.exports.onnx_graph import OnnxGraph
from vae.exports.onnx_layers import unknown_layers, write
from vae.files import write_atomically
from vae.model.vae import Model
from vae.runs import WEIGHTS, Run, content_hash

ENCODER, DECODER = "encoder", "decoder"


def encoder_graph(model: Model) -> OnnxGraph:
    """Returns the encoder's graph. Raises ConfigError for a layer that cannot be written."""
    graph = OnnxGraph(ENCODER, "image", torch.zeros(1, *model.shape))
    seen = "image"
    if model.likelihood.support != "binary" and (float(model.location), float(model.spread)) != (0.0, 1.0):
        seen = graph.add("Div", [graph.add("Sub", [seen, graph.array(model.location)]), graph.array(model.spread)])
        graph.examples[seen] = (graph.examples["image"] - model.location) / model.spread
    parameters = write(graph, model.encoder, [seen])
    _give_posterior(graph, model, parameters)
    return graph


def _give_posterior(graph: OnnxGraph, model: Model, parameters: str) -> None:
    k, latent, numbers = model.k, model.latent.name, graph.examples[parameters]
    if latent == "bernoulli":
        graph.give(parameters, "logits", numbers)
    elif latent in ("normal", "full-normal"):
        parts = [graph.add("Slice", [parameters, *_ends(graph, first, last)]) for first, last in ((0, k), (k, 2 * k))]
        graph.give(parts[0], "mean", numbers[:, :k])
        if latent == "normal":
            graph.give(parts[1], "log_variance", numbers[:, k:])
        else:
            graph.give(_factor(graph, k, parameters, parts[1]), "factor", torch.zeros(1, k, k))
    else:
        graph.give(parameters, "parameters", numbers)


def _ends(graph: OnnxGraph, first: int, last: int) -> list[str]:
    return [graph.array([value]) for value in (first, last, 1)]


def _factor(graph: OnnxGraph, k: int, parameters: str, log_variance: str) -> str:
    """L of the covariance L Lᵀ: its diagonal exp(½ log v), what the encoder gives below it, 0 above."""
    diagonal = graph.add("Exp", [graph.add("Mul", [log_variance, graph.array(torch.tensor(0.5))])])
    places, below = np.zeros((k, k), np.int64), np.tril_indices(k, -1)
    np.fill_diagonal(places, np.arange(k))
    places[below] = k + np.arange(len(below[0]))
    numbers = diagonal
    if k > 1:
        rest = graph.add("Slice", [parameters, *_ends(graph, 2 * k, 2 * k + len(below[0]))])
        numbers = graph.add("Concat", [diagonal, rest], axis=1)
    square = graph.add("Gather", [numbers, graph.array(places.ravel())], axis=1)
    square = graph.add("Mul", [square, graph.array(np.tril(np.ones((k, k), np.float32)).ravel())])
    return graph.add("Reshape", [square, graph.array([0, k, k])])


def decoder_graph(model: Model) -> OnnxGraph:
    """Returns the decoder's graph. Raises ConfigError for a layer that cannot be written."""
    z = torch.zeros(1, model.k)
    graph = OnnxGraph(DECODER, "z", z)
    fed, (scale, shift) = "z", _decoder_input(model)
    if (scale, shift) != (1.0, 0.0):
        fed = graph.add("Mul", [fed, graph.array(torch.tensor(scale))])
        fed = graph.add("Add", [fed, graph.array(torch.tensor(shift))])
        graph.examples[fed] = scale * z + shift
    made = write(graph, model.decoder, [fed])
    example, likelihood = graph.examples[made], model.likelihood
    if likelihood.gives_pixels and (float(model.location), float(model.spread)) != (0.0, 1.0):
        made = graph.add("Mul", [made, graph.array(model.spread)])
        made = graph.add("Add", [made, graph.array(model.location)])
    what = gives(model)
    graph.give(graph.add("Sigmoid", [made]) if what == "probabilities" else made, what, example)
    return graph


def gives(model: Model) -> str:
    """Returns what the decoder's output is: mean, probabilities, or the likelihood's parameters as it takes them."""
    with torch.no_grad():
        px_z = model.decode(torch.zeros(1, model.k))
    if model.likelihood.parameters_per_pixel == 1 and hasattr(px_z, "logits"):
        return "probabilities"
    return "mean" if model.likelihood.parameters_per_pixel == 1 and model.likelihood.gives_pixels else "parameters"


def _decoder_input(model: Model) -> tuple[float, float]:
    """Scale and shift of what the decoder is fed for a code; ConfigError where it is more than that."""
    z = torch.linspace(-2, 2, 5 * model.k).reshape(5, model.k)
    fed: Tensor = model.latent.decoder_input(z)
    shift = float(model.latent.decoder_input(torch.zeros(1, model.k))[0, 0])
    scale = float(model.latent.decoder_input(torch.ones(1, model.k))[0, 0]) - shift
    if fed.shape != z.shape or not torch.allclose(fed, scale * z + shift):
        raise ConfigError(f"onnx: what the decoder is fed for a code of {model.latent.name!r} cannot be written")
    return scale, shift


def _half(run: Run, kind: str) -> Any:
    return run.model.encoder if kind == ENCODER else run.model.decoder


def metadata_of(run: Run, kind: str, graph: OnnxGraph) -> dict[str, str]:
    """Returns what the file says of itself, by names."""
    told = [line["C"] for line in run.history if line.get("C") is not None]
    log_C = run.model.log_C
    C = float(log_C.exp()) if log_C is not None else told[-1] if told else run.config.C
    low, high = run.data.get("limits", (0.0, 1.0))
    shapes = {name: ("N", *graph.examples[name].shape[1:]) for name in (*graph.inputs, *graph.outputs)}
    ends = {name: f"{name} ({', '.join(map(str, shape))})" for name, shape in shapes.items()}
    return {
        "run": run.name,
        "half": kind,
        "dataset": str(run.data.get("name", run.config.dataset)),
        "likelihood": run.config.likelihood or "not told",
        "C": "" if C is None else repr(C),
        "latent": run.config.latent,
        "latent_dim": str(run.model.k),
        "pixels": f"{low:g},{high:g}",
        "support": str(run.data.get("support", "")),
        "input": ", ".join(ends[name] for name in graph.inputs),
        "output": ", ".join(ends[name] for name in graph.outputs),
        "weights_sha256": content_hash(run.path, WEIGHTS) or "",
    }


def _why_not(run: Run, kind: str) -> str:
    if reason := why_no_weights(run):
        return reason
    half = _half(run, kind)
    for words in unknown_layers(half):
        return (
            f"{words} of its {kind} has no form here as ONNX; decode and encode with vae.load_run({run.name!r}).model."
        )
    if 4 * sum(value.numel() for value in half.state_dict().values()) > MOST_BYTES - (1 << 20):
        return f"its {kind} is larger than the {MOST_BYTES >> 20} MB that are read as ONNX; take weights.safetensors."
    return ""


def _write(run: Run, kind: str, file: Path, progress: Progress) -> dict[str, Any]:
    progress(0.0, "reading the weights")
    model = run.model
    progress(0.3, "writing the layers")
    graph = encoder_graph(model) if kind == ENCODER else decoder_graph(model)
    metadata = metadata_of(run, kind, graph)
    data = graph.packed(metadata, ("ELBO Room", vae.__version__))
    progress(0.9, "writing")
    write_atomically(file, data)
    return {"input": metadata["input"], "output": metadata["output"], "opset": graph.opset}


ONNX = Export(
    title="Networks (ONNX)",
    about="Encoder or decoder with the weights in it, for onnxruntime and other programs.",
    ending=".onnx",
    write=_write,
    kinds={
        ENCODER: "from images to the mean and log-variance of q(z|x), or the logits of bits",
        DECODER: "from codes to the mean, or the probabilities, of each pixel",
    },
    why_not=_why_not,
)
