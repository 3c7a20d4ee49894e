"""Modules of torch's as the bytes of ONNX files: how a model that is there in Python comes to lie in a run.

What lies on disk is thus always a file that is read and never run, whoever wrote it.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from vae.errors import ConfigError, ElboRoomError

MEANS = ("mean", "mu", "loc", "embedding")  # what is taken from an encoder that answers by names
LOG_VARIANCES = ("log_variance", "log_var", "logvar", "log_covariance")
IMAGES = ("reconstruction", "mean", "logits", "sample", "recon_x")
OPSET = 18  # every torch since 2.1 writes it

Network = Callable[..., Any]


def export_encoder(encoder: Network, shape: tuple[int, int, int]) -> bytes:
    """Returns the ONNX file of an encoder of images (B, channels, height, width), or (B, their product), that answers
    with mean and log-variance. Raises ConfigError."""
    whole, flat = torch.zeros(2, *shape), torch.zeros(2, shape[0] * shape[1] * shape[2])
    return _export(encoder, (whole, flat), _parameters, "encoder")


def export_decoder(decoder: Network, k: int) -> bytes:
    """Returns the ONNX file of a decoder of codes (B, k). Raises ConfigError."""
    return _export(decoder, (torch.zeros(2, k),), _image, "decoder")


def _parameters(answer: Any) -> tuple[Tensor, ...]:
    """Mean and log-variance, or the one tensor that holds both."""
    if isinstance(answer, Mapping):
        found = [next((answer[name] for name in names if name in answer), None) for names in (MEANS, LOG_VARIANCES)]
        answer = tuple(found)
    if isinstance(answer, Tensor):
        answer = (answer,)
    if not isinstance(answer, (tuple, list)) or len(answer) > 2 or not all(isinstance(one, Tensor) for one in answer):
        many = f"{len(answer)} things" if isinstance(answer, (tuple, list)) else type(answer).__name__
        raise ConfigError(
            f"encoder: expected it to return (mean, log-variance), or both in one tensor, got {many}; give a function "
            "that does, such as lambda x: model(x)[1:]"
        )
    return tuple(one.flatten(1) for one in answer)


def _image(answer: Any) -> tuple[Tensor, ...]:
    if isinstance(answer, Mapping):
        answer = next((answer[name] for name in IMAGES if name in answer), None)
    if isinstance(answer, (tuple, list)) and len(answer) == 1:
        answer = answer[0]
    if not isinstance(answer, Tensor):
        raise ConfigError(
            f"decoder: expected it to return one tensor, got {type(answer).__name__}; give a function that does, such "
            "as lambda z: model.decode(z)[0]"
        )
    return (answer,)


class _Half(nn.Module):
    """A network, or a method of one, that takes one tensor and answers with a tuple."""

    def __init__(self, network: Network, answers: Callable[[Any], tuple[Tensor, ...]]) -> None:
        super().__init__()
        self.network, self.answers = network, answers
        self.owners = nn.ModuleList(_modules_of(network))  # for an exporter, weights belong to modules that it knows

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return self.answers(self.network(x))


def _modules_of(network: Network) -> list[nn.Module]:
    """The modules that a method or a function uses: its own object, what it encloses, the globals that it names."""
    code, known = getattr(network, "__code__", None), getattr(network, "__globals__", {})
    used = [network, getattr(network, "__self__", None), *(known.get(name) for name in getattr(code, "co_names", ()))]
    for cell in getattr(network, "__closure__", None) or ():
        with contextlib.suppress(ValueError):  # not filled yet
            used.append(cell.cell_contents)
    used += [getattr(one, "__self__", None) for one in used if callable(one)]  # of methods among them
    return [one for one in used[1:] if isinstance(one, nn.Module)]


def _export(
    network: Network, examples: tuple[Tensor, ...], answers: Callable[[Any], tuple[Tensor, ...]], name: str
) -> bytes:
    if not callable(network):
        raise ConfigError(
            f"{name}: expected a torch module, a function of one, or an ONNX file, got {type(network).__name__}"
        )
    half = _Half(network, answers)
    with _undisturbed(half):
        return _onnx(half, _that_fits(half, examples, name), name)


def _that_fits(half: _Half, examples: tuple[Tensor, ...], name: str) -> Tensor:
    """The first example that the network takes."""
    weight = next(half.parameters(), None)
    reasons = []
    for example in examples:
        example = example if weight is None else example.to(weight.device, weight.dtype)
        try:
            half(example)
        except ElboRoomError:
            raise
        except Exception as error:  # somebody else's code raises whatever it likes
            reasons.append(str(error).strip().splitlines()[0][:120] if str(error).strip() else type(error).__name__)
        else:
            return example
    shapes = " or ".join(str(("B", *example.shape[1:])).replace("'", "") for example in examples)
    raise ConfigError(f"{name}: expected a network that takes {shapes}, got an error: {reasons[0]}")


@contextlib.contextmanager
def _undisturbed(half: _Half) -> Iterator[None]:
    """In evaluation mode, without gradients; random state and modes are put back."""
    modes = [(module, module.training) for module in half.modules()]
    weight = next(half.parameters(), None)
    devices = [weight.device] if weight is not None and weight.is_cuda else []
    with torch.no_grad(), torch.random.fork_rng(devices), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporters, about themselves
        try:
            half.eval()
            yield
        finally:
            for module, mode in modes:
                module.training = mode


def _onnx(half: _Half, example: Tensor, name: str) -> bytes:
    """By the older exporter, in some ten milliseconds, which a training loop hardly notices; where it cannot, by the
    newer one, in seconds."""
    if importlib.util.find_spec("onnx") is None:
        raise ConfigError(
            f"{name}: torch needs the package onnx to export a network; pip install onnx onnxscript, or give the bytes "
            "of an ONNX file"
        )
    reasons = []
    for newer in (False, True):
        if newer and importlib.util.find_spec("onnxscript") is None:
            continue
        file = io.BytesIO()
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                torch.onnx.export(half, (example,), file, dynamo=newer, opset_version=OPSET, verbose=False)  # type: ignore[arg-type]  # it takes files
            return file.getvalue()
        except Exception as error:  # torch's exporters raise dozens of kinds
            reasons.append(" ".join(str(error).split())[:160])
    raise ConfigError(f"{name}: torch.onnx.export cannot export it ({reasons[0]})")
