"""Held-out images while a model trains: how many are evaluated, how often, and the means over them."""

from __future__ import annotations

import dataclasses
import functools
import math

import torch
from torch import Generator, Tensor

from vae.bound.chunks import rows_at_once
from vae.bound.metrics import ACTIVE_THRESHOLD
from vae.bound.objective import Objective
from vae.config import Config, Knobs
from vae.datasets import Dataset
from vae.model.vae import Model
from vae.training.defaults import images_per_second
from vae.training.records import MeanTerms, mean_terms, sums

MOST_IMAGES = 2000  # evaluated during training, at most; the last record takes all
SECONDS = 0.1  # about what one evaluation may take, so that a knob is not kept waiting
ROWS = 250  # images a chunk at most, on a CPU; the knobs are read between chunks
WITH_ERROR = ("elbo", "distortion", "rate", "squared_error")  # of ElboTerms, (B,) each
SHARE = 0.03  # of the training time, about, that evaluations may cost


class HeldOut:
    """The held-out images of a run, evaluated with the same random numbers each time."""

    def __init__(self, config: Config, dataset: Dataset, model: Model, objective: type[Objective]) -> None:
        """`config`: completed, its device one of this machine's, where `model` lies."""
        self.config, self.dataset, self.model, self.objective = config, dataset, model, objective
        self.device = torch.device(config.device)

    @torch.no_grad()
    def evaluate(self, weight: Tensor, knobs: Knobs | None = None, whole: bool = False) -> MeanTerms | None:
        """Returns the means, in nats, over the first `images` held-out images, or over all where `whole` is set; None
        if `knobs.stop` came meanwhile. `weight`: C, (), of a likelihood that C weights, else 1."""
        images = self.dataset.test if whole else self._first
        generator = Generator(self.device).manual_seed(self.config.seed + 1)
        summed, each, locs = torch.zeros(5 + self.config.latent_dim, device=self.device), [], []
        for rows in images.split(self.rows):
            x = self.dataset.to_float(rows.to(self.device), generator)
            loss, terms = self.objective.loss(self.model, x, self.config.samples, weight, generator)
            summed += sums(loss.unsqueeze(0), terms, self.model.log_C, self.dataset.info.pixels)[0]
            each.append(torch.stack([getattr(terms, name) for name in WITH_ERROR]))
            if whole:
                locs.append(self.model.encode(x).mean)
            if knobs is not None:
                knobs.refresh()
                if knobs.stop:
                    return None
        spread = torch.cat(each, 1).double().std(1, correction=0) / math.sqrt(len(images))
        errors = {f"{name}_error": error for name, error in zip(WITH_ERROR, spread.tolist(), strict=True)}
        means = mean_terms((summed / len(images)).tolist(), len(images), self.model.latent.factorises)
        active = int((torch.cat(locs).var(0, correction=0) > ACTIVE_THRESHOLD).sum()) if whole else None
        return dataclasses.replace(means, active=active, **errors)

    @property
    def every(self) -> int:
        """Returns the number of records between two evaluations: 1 where evaluating is cheap. A forward pass is a
        third of a step's work."""
        every, batch = self.config.record_every or 1, min(self.config.batch_size or 1, len(self.dataset.train))
        return max(1, round(self.images / 3 / (SHARE * every * batch)))

    @functools.cached_property
    def images(self) -> int:
        """How many are evaluated during training: fewer for a slow network. Decided by the config, never by the clock:
        histories repeat."""
        in_float32 = dataclasses.replace(self.config, precision="float32")  # as an evaluation computes
        affordable = int(3 * SECONDS * images_per_second(in_float32, self.dataset.info))
        return min(max(ROWS, affordable), MOST_IMAGES, len(self.dataset.test))

    @functools.cached_property
    def rows(self) -> int:
        """Images a chunk: a constant on a GPU, whatever its memory holds, and by the network on a CPU: histories
        repeat. `samples` codes of each image are decoded at once."""
        if self.device.type != "cpu":
            return max(1, MOST_IMAGES // self.config.samples)
        return min(ROWS, max(1, rows_at_once(self.model) // self.config.samples))

    @functools.cached_property
    def _first(self) -> Tensor:
        return self.dataset.test[: self.images].to(self.device)
