"""Which of an encoder's outputs is what: mean and log-variance as two outputs, both in one, mean and
a factor of the covariance, or the logits of bits."""

from __future__ import annotations

import re

import torch
from torch import Tensor, nn

from vae.errors import ConfigError, ModelUnreadable
from vae.exchange.onnx_file import OnnxFile
from vae.exchange.onnx_network import Network
from vae.model.graph import Affine, Join, Pointwise, Select

LOG_VARIANCE = re.compile(r"log_?(var|std|sigma|covar)|^lv$|variance|sigma|std", re.IGNORECASE)
MEAN = re.compile(r"mean|mu\b|^mu|loc\b|embedding", re.IGNORECASE)
STANDARD_DEVIATION = re.compile(r"(?<!log)(?<!log_)(std|sigma|scale)", re.IGNORECASE)


def parameters_of(network: Network, latent: str) -> list[str]:
    """Returns the outputs to take, in order: mean and log-variance, or one that holds all. Raises ConfigError where
    their names say that they stand in another order, ModelUnreadable where there are too many."""
    names = [end.name for end in network.file.outputs]
    for name in names:
        if STANDARD_DEVIATION.search(name) and latent != "bernoulli":
            raise ConfigError(
                f"encoder: its output {name[:40]!r} seems to be a standard deviation; expected mean and log-variance: "
                "export 2 * torch.log(std) instead, called log_variance"
            )
    if len(names) > 2 or not names:
        named = ", ".join(repr(name[:40]) for name in names[:5]) or "none"
        raise ModelUnreadable(
            f"encoder: expected mean and log-variance, as two outputs or one, got {len(names)} outputs ({named}); "
            "export those two alone"
        )
    if len(names) == 2 and LOG_VARIANCE.search(names[0]) and MEAN.search(names[1]):
        raise ConfigError(
            f"encoder: its outputs are called {names[0][:40]!r} and {names[1][:40]!r}: swapped, the mean comes first; "
            "export them as (mean, log-variance)"
        )
    return names


def joined(network: Network, names: list[str], latent: str) -> str:
    """Adds the layers that put several outputs, each (B, …) flattened, into one; returns its name."""
    if latent == "full-normal" and len(names) == 2 and len(network.shapes[names[1]]) == 3:
        names = [names[0], *_of_factor(network, names[1])]
        return network.add(Join(1), names)
    rows = [name if len(network.shapes[name]) == 2 else network.add(nn.Flatten(1), [name]) for name in names]
    widths = [network.shapes[name][1] for name in rows]
    if len(set(widths)) > 1:
        raise ConfigError(f"encoder: expected as many log-variances as means, got {widths[0]} and {widths[1]}")
    return rows[0] if len(rows) == 1 else network.add(Join(1), rows)


def _of_factor(network: Network, name: str) -> list[str]:
    """Of a lower triangular factor L (B, k, k) of the covariance L Lᵀ: log L_ii² and what is below, as a latent takes
    them."""
    _, rows, columns = network.shapes[name]
    if rows != columns:
        raise ConfigError(f"encoder: expected a square factor L of the covariance, got {rows} x {columns}")
    flat, diagonal = network.add(nn.Flatten(1), [name]), torch.arange(rows) * (rows + 1)
    variance = network.add(Pointwise("log"), [network.add(Select(1, diagonal), [flat])])
    found = [network.add(Affine(torch.tensor(2.0), torch.tensor(0.0)), [variance])]
    if rows > 1:
        below = torch.tril_indices(rows, rows, offset=-1)
        found.append(network.add(Select(1, below[0] * rows + below[1]), [flat]))
    return found


def check_order(file: OnnxFile, mean: Tensor, log_variance: Tensor) -> None:
    """Raises ConfigError where the numbers for some images, both (n, k), say that mean and log-variance are swapped:
    the mean lies below 0 nearly everywhere, as log-variances do, and the other spreads around 0, as codes do. Names
    that say it are believed."""
    if len(file.outputs) == 2 and all(MEAN.search(end.name) or LOG_VARIANCE.search(end.name) for end in file.outputs):
        return
    above = [float((values > 0).float().mean()) for values in (mean, log_variance)]
    if above[0] < 0.01 and 0.2 < above[1] < 0.8:
        raise ConfigError(
            f"encoder: mean and log-variance seem to be swapped: of the first output, the mean, {above[0]:.0%} is "
            f"above 0, of the second {above[1]:.0%}; export them as (mean, log-variance), or where they are right call "
            "them mean and log_variance"
        )
