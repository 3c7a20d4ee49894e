"""What the core's tests share: one thread, a fixed noise, and small images of known support."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import MultivariateNormal

from vae.config import Config
from vae.datasets import DataInfo, Dataset
from vae.model.vae import Model, build_model


@pytest.fixture(autouse=True)
def in_one_thread(one_thread: None) -> None:
    """All tests of the core."""


@pytest.fixture(autouse=True, scope="session")
def an_app_test_makes_nothing_twice() -> None:
    """No page is opened here, nor Streamlit imported, with a hundred loggers that pytest goes through at each test."""


@pytest.fixture
def make_dataset() -> Callable[..., Dataset]:
    return small_dataset


def small_dataset(
    support: str = "unit", shape: tuple[int, int, int] = (1, 3, 4), train: int = 50, test: int = 20, seed: int = 0
) -> Dataset:
    """Random images of two kinds (bright left or bright right), so that there is something to learn."""
    generator = torch.Generator().manual_seed(seed)
    count = train + test
    labels = torch.arange(count) % 2
    bright = torch.linspace(0.1, 0.9, shape[2]).expand(shape)
    p = torch.where(labels.reshape(-1, 1, 1, 1) == 0, bright, bright.flip(-1))
    x = _values(p, support, generator)
    scale = 16 if support == "unit" else 1
    info = DataInfo("small", shape, support, scale, train, test, ("left", "right"))  # type: ignore[arg-type]
    return Dataset(info, x[:train], x[train:], labels[:train], labels[train:])


def _values(p: Tensor, support: str, generator: torch.Generator) -> Tensor:
    noise = torch.rand(p.shape, generator=generator)
    if support == "binary":
        return (noise < p).to(torch.uint8)
    if support == "unit":
        return ((p + 0.2 * (noise - 0.5)).clamp(0, 1) * 16).round().to(torch.uint8)
    return 3 * p - 1 + noise


@dataclass
class LinearGaussian:
    """x = W z + b + noise of variance c, as a float64 Model, with everything about it in closed form."""

    model: Model
    W: Tensor  # (D, k)
    b: Tensor  # (D,)
    c: float

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """p(z|x): means (B, k) and the covariance (k, k), c (WᵀW + cI)⁻¹."""
        inverse = torch.linalg.inv(self.W.mT @ self.W + self.c * torch.eye(self.W.shape[1]).to(self.W))
        return (x.flatten(1) - self.b) @ self.W @ inverse, self.c * inverse

    def log_evidence(self, x: Tensor) -> Tensor:
        """log p(x) = log N(x; b, WWᵀ + cI), (B,) nats."""
        covariance = self.W @ self.W.mT + self.c * torch.eye(len(self.b)).to(self.W)
        return MultivariateNormal(self.b, covariance).log_prob(x.flatten(1))

    def set_posterior(self, A: Tensor, a: Tensor, variance: Tensor) -> None:
        """q(z|x) = N(A x + a, diag variance); A (k, D), a and variance (k,)."""
        layer = next(m for m in self.model.encoder if isinstance(m, nn.Linear))
        k = len(a)
        with torch.no_grad():
            layer.weight[:k], layer.weight[k:] = A, 0.0
            layer.bias[:k], layer.bias[k:] = a, variance.log()

    def set_best_diagonal_posterior(self) -> None:
        """The diagonal normal closest to p(z|x): its mean, and one over the diagonal of its precision."""
        _, covariance = self.posterior(self.b.unsqueeze(0))
        A = covariance @ self.W.mT / self.c
        self.set_posterior(A, -A @ self.b, 1 / torch.linalg.inv(covariance).diagonal())

    def elbo(self, x: Tensor) -> Tensor:
        """The model's own ELBO without Monte-Carlo error, (B,): log p(x|z) is quadratic in z, so that its mean over
        the 2k points m ± √k s eᵢ is its mean under q."""
        qz_x = self.model.encode(x)
        k = self.W.shape[1]
        points = k**0.5 * torch.cat([torch.eye(k), -torch.eye(k)]).to(self.W)
        z = qz_x.mean + qz_x.scale * points.unsqueeze(1)  # (2k, B, k)
        return self.model.decode(z).log_prob(x).mean(0) - self.model.latent.rate(qz_x)


@pytest.fixture
def make_linear_gaussian() -> Callable[..., LinearGaussian]:
    return linear_gaussian


def linear_gaussian(W: Tensor, b: Tensor, c: float, shape: tuple[int, int, int]) -> LinearGaussian:
    config = Config(network="linear", likelihood="gaussian", C=1 / (2 * c), latent_dim=W.shape[1], hidden=())
    model = build_model(config, shape).double()
    model.likelihood.set_C(1 / (2 * c))  # again: the first was rounded to float32
    layer = next(m for m in model.decoder if isinstance(m, nn.Linear))
    with torch.no_grad():
        layer.weight.copy_(W)
        layer.bias.copy_(b)
    return LinearGaussian(model, W, b, c)
