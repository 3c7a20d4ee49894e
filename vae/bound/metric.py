"""What a metric is: a function (model, dataset) -> a number, or one with its error, with a unit and a sentence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from vae.bound.chunks import full_precision, rows_at_once
from vae.datasets import Dataset
from vae.model.vae import Model


@dataclass(frozen=True)
class Measured:
    """A number with what is known of it."""

    value: float
    standard_error: float | None = None
    kind: str = ""  # what the value is where it is not the quantity itself, a word for its name: "at_least"
    beside: dict[str, Any] = field(default_factory=dict)  # further numbers by name, which the sentence may quote

    def named(self, name: str) -> dict[str, Any]:
        """Returns its numbers, each under the metric's name and what it is, for whoever reads a table."""
        error = {} if self.standard_error is None else {"standard_error": self.standard_error}
        numbers = {self.kind: self.value, **error, **self.beside}
        return {f"{name}_{what}" if what else name: number for what, number in numbers.items()}


@dataclass(frozen=True)
class Metric:
    """What a metric is to whoever reads its number."""

    measure: Callable[[Model, Dataset], float | Measured]
    unit: str
    about: str  # a sentence, into which `Measured.beside` is put

    def found(self, model: Model, dataset: Dataset) -> Measured:
        """Returns what it finds on the held-out images; a plain number has no error."""
        found = self.measure(model, dataset)
        return found if isinstance(found, Measured) else Measured(found)


@torch.no_grad()
def posterior_means(model: Model, dataset: Dataset) -> Tensor:
    """Returns E_q[z] of every held-out image, (n, k), on the CPU."""
    model = full_precision(model)
    device = next(model.parameters()).device
    chunks = dataset.test.split(rows_at_once(model))
    return torch.cat([model.encode(dataset.to_float(chunk.to(device))).mean.cpu() for chunk in chunks])
