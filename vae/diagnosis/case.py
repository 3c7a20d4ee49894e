"""One run with all that findings look at, each thing loaded or encoded when the first of them asks, and once."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import torch
from torch import Generator, Tensor

from vae.bound.chunks import full_precision
from vae.errors import DataError
from vae.model.vae import Model
from vae.runs import Run
from vae.runs.own_numbers import why_no_likelihood
from vae.space.encodings import Codes, codes_of
from vae.space.parts import Part

SEED = 0
Progress = Callable[[float, str], None]


class Stopped(Exception):
    """Somebody asked the diagnosis to end."""


class Case:
    """`progress(fraction of the finding in hand, words)` is called often, at least every second; it raises Stopped."""

    def __init__(self, run: Run, progress: Progress = lambda fraction, words: None, limit: int | None = None) -> None:
        self.run, self.progress, self.limit = run, progress, limit
        self.config, self.data = run.config, run.data

    @cached_property
    def model(self) -> Model:
        """The model of the newest weights, in full precision, on the CPU."""
        return full_precision(self.run.model)

    @cached_property
    def caveat(self) -> str:
        """Why this run's nats are none of a likelihood; "" where they are."""
        return why_no_likelihood(self.config, self.data)

    @cached_property
    def codes(self) -> Codes:
        """Codes and terms of the held-out images (at most `limit`), or of those that came along with the run."""
        return self._codes_of("test")

    @cached_property
    def train_codes(self) -> Codes | None:
        """Codes and terms of the training images (at most `limit`); None where there are none on this machine."""
        try:
            return self._codes_of("train")
        except DataError:
            return None

    def _codes_of(self, part: Part) -> Codes:
        words = "encoding the held-out images" if part == "test" else "encoding the training images"
        return codes_of(self.run, part, self.limit, lambda share: self.progress(0.5 * share, words))

    @cached_property
    def x(self) -> Tensor:
        """The held-out images as the model sees them, (n, channels, height, width), floats on the support."""
        codes = self.codes
        return (torch.from_numpy(codes.images) if codes.encoded is None else codes.encoded).float() / codes.scale

    @cached_property
    def lines(self) -> list[dict[str, Any]]:
        """All lines of the run's history: records, events, changes of knobs."""
        return self.run.history

    @cached_property
    def history(self) -> list[dict[str, Any]]:
        """The records of the training with held-out values, oldest first; [] where the run has no history."""
        return [line for line in self.lines if line.get("test") and line.get("train")]

    def generator(self) -> Generator:
        """Returns a generator in its initial state, the same for every call: findings do not depend on one another."""
        return Generator().manual_seed(SEED)
