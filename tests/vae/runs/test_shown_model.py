"""What a loop has learned, on Explore and Map: its own numbers, and nothing of its own is moved."""

from __future__ import annotations

import itertools
import math
import time
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import vae
from vae import runs
from vae.runs import shown_model
from vae.runs.preview import unpack
from vae.space.encodings import codes_of

pytest.importorskip("onnx", reason="torch exports a network with the package onnx")

SHAPE = (1, 8, 8)
K = 3


class Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(1), nn.Linear(64, 16), nn.BatchNorm1d(16), nn.SiLU(), nn.Dropout(0.5))
        self.mean, self.log_variance = nn.Linear(16, K), nn.Linear(16, K)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = self.body(x)
        return self.mean(h), self.log_variance(h)


class Decoder(nn.Sequential):
    def __init__(self, *last: nn.Module) -> None:
        super().__init__(nn.Linear(K, 16), nn.ReLU(), nn.Linear(16, 64), *last, nn.Unflatten(1, SHAPE))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELBO_ROOM_RUNS", str(tmp_path))
    torch.manual_seed(0)


def noise() -> Tensor:
    return torch.rand(40, *SHAPE)


def rows(log: Any, x: Tensor, encoder: Encoder, decoder: nn.Module) -> None:
    mean, log_variance = encoder(x)
    kl = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance)
    error = F.mse_loss(decoder(mean), x, reduction="none").flatten(1).sum(1)
    log.step(squared_error=error, rate=kl)


def test_the_runs_model_answers_with_the_loops_own_numbers() -> None:
    x = noise() * 2 - 1
    encoder, decoder = Encoder(), Decoder(nn.Tanh())
    with vae.log("own", images=x, labels=torch.arange(40) % 4, likelihood="gaussian", pixels=(-1, 1), C=12.5) as log:
        rows(log, x, encoder, decoder)
        log.model(encoder, decoder)
    run = runs.load_run("own")
    encoder.eval()
    mean, log_variance = encoder(x)
    qz_x = run.model.encode(run.dataset().to_float(run.dataset().test))
    assert torch.allclose(qz_x.mean, mean, atol=1e-6)
    assert torch.allclose(qz_x.log_variance, log_variance, atol=1e-6)
    z = torch.randn(40, K)
    error = ((decoder(z) - x) ** 2).flatten(1).sum(1)
    own = 12.5 * error + 32 * math.log(math.pi / 12.5)
    assert torch.allclose(-run.model.decode(z).log_prob(x), own, rtol=1e-5)
    assert torch.allclose(
        run.model.latent.rate(qz_x), (0.5 * (mean**2 + log_variance.exp() - 1 - log_variance)).sum(1), rtol=1e-4
    )
    codes = codes_of(run)
    assert (len(codes), codes.classes, codes.limits) == (40, ("0", "1", "2", "3"), (-1.0, 1.0))
    step, originals, _ = unpack((run.path / "preview/live.bin").read_bytes())
    assert (step, originals.shape) == (1, (8, 8, 8, 1))


@pytest.mark.parametrize("last", [[nn.Sigmoid()], []])
def test_probabilities_and_logits_are_told_apart(last: list[nn.Module]) -> None:
    x = noise().round()
    encoder, decoder = Encoder(), Decoder(*last)
    with torch.no_grad():
        decoder[2].weight.mul_(5)
    with vae.log("own", images=x, likelihood="bernoulli", latent_dim=K) as log:
        log.model(encoder, decoder)
    z = torch.randn(40, K)
    logits = nn.Sequential(*list(decoder)[:3])(z).view(-1, *SHAPE)
    own = F.binary_cross_entropy_with_logits(logits.double(), x.double(), reduction="none").flatten(1).sum(1)
    assert torch.allclose(-runs.load_run("own").model.decode(z).log_prob(x).double(), own, rtol=1e-4)


def test_pixels_of_another_range_are_those_of_the_likelihood() -> None:
    """A Bernoulli's x lies in [0, 1], whatever the network takes."""
    x = noise().round()
    encoder, decoder = Encoder(), Decoder(nn.Sigmoid())
    with vae.log("own", images=2 * x - 1, likelihood="bernoulli", pixels=(-1, 1), latent_dim=K) as log:
        log.model(encoder, decoder)
        log.pictures((2 * x - 1)[:3], (2 * x - 1)[:3])
    run = runs.load_run("own")
    assert run.data["support"] == "binary"
    assert torch.equal(run.dataset().to_float(run.dataset().test), x)
    assert torch.allclose(run.model.encode(x).mean, encoder.eval()(2 * x - 1)[0], atol=1e-6)
    assert set(unpack((run.path / "preview/live.bin").read_bytes())[1].ravel().tolist()) == {0, 255}


def test_nothing_of_the_loops_own_is_moved() -> None:
    x = noise()
    encoder, decoder = Encoder(), Decoder()
    state = {name: value.clone() for name, value in encoder.state_dict().items()}
    with vae.log("own", images=x, latent_dim=K) as log:
        random = torch.random.get_rng_state()
        log.model(encoder, decoder)
        assert torch.equal(torch.random.get_rng_state(), random)
    assert encoder.training
    assert encoder.body[4].training
    assert all(torch.equal(value, state[name]) for name, value in encoder.state_dict().items())
    assert all(parameter.requires_grad for parameter in encoder.parameters())


def test_calls_that_come_too_early_wait_for_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    now = itertools.count(0.0, 1.0)
    x, encoder, decoder = noise(), Encoder(), Decoder()
    with vae.log("own", images=x, latent_dim=K) as log:
        monkeypatch.setattr(shown_model.time, "monotonic", lambda: next(now))
        log.model(encoder, decoder)
        log.model(encoder, decoder)  # took a second: the next may come after 19
        monkeypatch.undo()
        monkeypatch.setattr(time, "monotonic", lambda: 0.0)
        with torch.no_grad():
            decoder[0].bias.fill_(5.0)
        before = (log.path / runs.WEIGHTS).read_bytes()  # type: ignore[operator]
        log.model(encoder, decoder)
        assert (log.path / runs.WEIGHTS).read_bytes() == before  # type: ignore[operator]
        monkeypatch.undo()
    monkeypatch.setenv("ELBO_ROOM_RUNS", str(log.path.parent))  # type: ignore[union-attr]
    z = torch.randn(4, K)
    assert torch.allclose(runs.load_run("own").model.decode(z).mean, decoder(z), atol=1e-6)


@pytest.mark.parametrize(
    ("images", "encoder", "decoder", "sentence"),
    [
        (None, Encoder(), Decoder(), "give vae.log some images="),
        (torch.rand(4, *SHAPE), Encoder(), nn.Linear(K, 5), "decoder: expected images of shape"),
        (torch.rand(4, *SHAPE), nn.Linear(64, 5), Decoder(), "encoder: expected"),
        (torch.rand(4, *SHAPE), 3, Decoder(), "encoder: expected a torch module"),
        (torch.rand(4, *SHAPE), lambda x: 1 / 0, Decoder(), "division by zero"),
    ],
)
def test_a_model_that_cannot_be_shown_is_one_warning(images: Any, encoder: Any, decoder: Any, sentence: str) -> None:
    with vae.log("own", images=images, latent_dim=K) as log:
        with pytest.warns(UserWarning, match=f"log.model shows nothing new: .*{sentence}"):
            log.model(encoder, decoder)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            log.model(encoder, decoder)
    assert runs.read_status(log.path).state == "finished"  # type: ignore[arg-type]
    assert not (log.path / runs.WEIGHTS).exists()  # type: ignore[operator]
