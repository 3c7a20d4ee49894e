"""What somebody adds: a likelihood, a latent, a dataset, two projections, a finding and a metric, each one class or
function.

`registered` puts each into its registry, as its one line there would.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import ArrayLike
from torch import Generator, Tensor

from vae.bound.metric import Metric, posterior_means
from vae.bound.metrics import METRICS
from vae.browser.drawing import Chart
from vae.datasets import DATASETS, DataInfo, Dataset
from vae.datasets.dataset import Source, held_out_count, split
from vae.diagnosis.case import Case
from vae.diagnosis.finding import Finding, Found
from vae.diagnosis.findings import FINDINGS
from vae.model.latent import DiagonalNormal
from vae.model.latents import LATENTS, NormalLatent
from vae.model.likelihood import EVENT, Likelihood, PixelDistribution
from vae.model.likelihoods import LIKELIHOODS
from vae.model.vae import Model
from vae.space.projection import FEWEST, Array, LinearProjection, NeighbourProjection, OnFrame, check_codes
from vae.space.projections import PROJECTIONS


class StudentTPixels(PixelDistribution):
    """x = loc + scale · t, t of three degrees of freedom: density 2 / (π √3 scale (1 + t²/3)²)."""

    def __init__(self, loc: Tensor, log_scale: Tensor) -> None:
        self.loc, self.log_scale = loc, log_scale

    @property
    def mean(self) -> Tensor:
        return self.loc

    def log_prob(self, x: Tensor) -> Tensor:
        t = (x - self.loc) * (-self.log_scale).exp()
        return (math.log(2 / (math.pi * 3**0.5)) - self.log_scale - 2 * torch.log1p(t.square() / 3)).sum(EVENT)

    def log_prob_table(self, x: Tensor) -> Tensor:
        return type(self)(self.loc.unsqueeze(1), self.log_scale.unsqueeze(1)).log_prob(x)

    def sample(self, generator: Generator | None = None) -> Tensor:
        normal = torch.randn((4, *self.loc.shape), generator=generator, dtype=self.loc.dtype, device=self.loc.device)
        with torch.no_grad():
            return self.loc + self.log_scale.exp() * normal[0] / normal[1:].square().mean(0).sqrt()


class StudentT(Likelihood):
    """Two numbers for each pixel, its place and the logarithm of its scale; x in ℝ."""

    name = "student-t"
    support = "real"
    parameters_per_pixel = 2

    def start(self, mean: Tensor, standardised: Tensor) -> Tensor:
        return torch.stack([mean, torch.full_like(mean, math.log(0.1))])

    def forward(self, parameters: Tensor) -> StudentTPixels:
        loc, log_scale = parameters.unbind(-4)
        return StudentTPixels(loc, log_scale.clamp(-12, 12))  # float32 keeps its squares finite


class SharedNormalLatent(NormalLatent):
    """p(z) = N(0, I), q(z|x) = N(m(x), v(x) I): one variance for all dimensions."""

    name = "shared-normal"
    about = "k real numbers, a posterior with one variance for all of them"

    @staticmethod
    def parameters(k: int) -> int:
        return k + 1

    @staticmethod
    def posterior(parameters: Tensor) -> DiagonalNormal:
        loc, log_variance = parameters[..., :-1], parameters[..., -1:]
        return DiagonalNormal(loc, log_variance.expand_as(loc))


class Stripes(Source):
    """8x8 grey stripes of two directions."""

    def describe(self, root: Path) -> DataInfo:
        return DataInfo("stripes", (1, 8, 8), "unit", 255, 240 - held_out_count(240), held_out_count(240), ("—", "|"))

    def load(self, root: Path, progress: Callable[[float, str], None]) -> Dataset:
        labels, phase = np.arange(240) % 2, np.random.RandomState(1).uniform(0, 6, (240, 1, 1, 1))
        waves = 127 + 120 * np.sin(phase + np.arange(8.0).reshape(1, 1, 8, 1))
        images = np.where(labels.reshape(-1, 1, 1, 1) == 0, waves, waves.swapaxes(2, 3)) + np.zeros((1, 1, 8, 8))
        return split(self.describe(root), images.astype(np.uint8), labels)

    def is_here(self, root: Path) -> bool:
        return True


class TwoAxes(LinearProjection):
    """The two dimensions of the codes that vary most."""

    name = "two-axes"
    title = "Two axes"
    about = "the two dimensions that vary most"

    def fit(self, x: ArrayLike, on_frame: OnFrame | None = None) -> Array:
        codes = check_codes(x, FEWEST, self.title)
        variance = codes.var(0)
        top = np.argsort(variance)[::-1][:2]
        self.mean, self.components = codes.mean(0), np.eye(codes.shape[1])[top]
        self.explained = variance[top] / variance.sum()
        return self.transform(codes)


class Unrolled(NeighbourProjection):
    """Angle and distance from the mean code."""

    name = "unrolled"
    title = "Unrolled"
    about = "angle across and distance from the mean code upwards"

    def fit(self, x: ArrayLike, on_frame: OnFrame | None = None) -> Array:
        self.x = check_codes(x, FEWEST, self.title)
        away = self.x - self.x.mean(0)
        distance = np.linalg.norm(away, axis=1)
        self.y = np.stack([np.arctan2(away[:, 1], away[:, 0]), distance], 1).astype(np.float32)
        return self.y


def largest_mean(model: Model, dataset: Dataset) -> float:
    return float(posterior_means(model, dataset).abs().max())


class Blank(Finding):
    """Held-out images of one value all over."""

    name = "blank"
    question = "Are there blank images?"
    seconds = 0.3

    def find(self, case: Case) -> Found:
        x = case.x.flatten(1)
        blank = int((x.amax(1) == x.amin(1)).sum())
        sentence = f"{blank} of {len(x)} images have one value in all pixels."
        chart = Chart((0, 1), (0, len(x)))
        chart.bar(0, 1, 0, blank, "bad")
        title, picture = "Blank images" if blank else "No blank images", chart.svg("How many are blank")
        return Found(blank > 0, title, f"{blank} of {len(x)}", sentence, picture=picture)


ADDED: list[tuple[dict[str, Any], str, Any]] = [
    (LIKELIHOODS, "student-t", StudentT),
    (LATENTS, "shared-normal", SharedNormalLatent),
    (DATASETS, "stripes", Stripes()),
    (PROJECTIONS, "two-axes", TwoAxes),
    (PROJECTIONS, "unrolled", Unrolled),
    (FINDINGS, "blank", Blank()),
    (METRICS, "largest_mean", Metric(largest_mean, "prior standard deviations", "How far out the farthest code lies.")),
]


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    for registry, name, variant in ADDED:
        monkeypatch.setitem(registry, name, variant)
