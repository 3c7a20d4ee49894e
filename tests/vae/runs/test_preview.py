"""Previews: the bytes that a browser reads, and that only learning moves them."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable

import numpy as np
import pytest
import torch

from vae import Config, load_dataset
from vae.datasets import Dataset
from vae.errors import RunDamaged
from vae.model.vae import build_model
from vae.runs.preview import COUNT, pack, render, unpack


def pictures(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


@pytest.mark.parametrize("step", [0, 9, 240, 12_345_678])
@pytest.mark.parametrize("shape", [(8, 8, 8, 1), (3, 28, 20, 3), (1, 1, 1, 1)])
def test_the_layout_is_the_one_that_the_browser_reads(step: int, shape: tuple[int, int, int, int]) -> None:
    originals, reconstructions = pictures(0, *shape), pictures(1, *shape)
    data = pack(step, originals, reconstructions)
    (length,) = struct.unpack("<I", data[:4])
    assert (4 + length) % 8 == 0
    header = json.loads(data[4 : 4 + length].decode("utf-8"))
    assert header == dict(zip(("step", "count", "height", "width", "channels"), (step, *shape), strict=True))
    assert data[4 + length :] == originals.tobytes() + reconstructions.tobytes()
    back = unpack(data)
    assert back[0] == step
    assert np.array_equal(back[1], originals)
    assert np.array_equal(back[2], reconstructions)


def test_a_part_of_a_preview_is_refused() -> None:
    data = pack(5, pictures(0, 2, 3, 4, 1), pictures(1, 2, 3, 4, 1))
    for length in range(len(data)):
        with pytest.raises(RunDamaged, match="preview"):
            unpack(data[:length])
    for wrong in (data + b"x", b"\xff" * 100, data[:4] + b"[" + data[5:]):
        with pytest.raises(RunDamaged, match="preview"):
            unpack(wrong)


def test_only_learning_moves_a_preview(make_dataset: Callable[..., Dataset]) -> None:
    dataset = make_dataset("unit")
    model = build_model(Config(likelihood="gaussian", hidden=(8,), latent_dim=2), dataset.shape)
    state = torch.get_rng_state()
    one, two = render(model, dataset, 3), render(model, dataset, 3)
    assert one == two
    assert torch.equal(torch.get_rng_state(), state)
    with torch.no_grad():
        list(model.decoder.parameters())[-1].add_(0.5)
    moved = unpack(render(model, dataset, 3))
    assert np.array_equal(moved[1], unpack(one)[1])
    assert not np.array_equal(moved[2], unpack(one)[2])


def test_originals_are_the_first_of_each_class() -> None:
    digits = load_dataset("digits")
    model = build_model(Config(likelihood="gaussian", hidden=(8,), latent_dim=2), digits.shape)
    step, originals, reconstructions = unpack(render(model, digits, 7))
    assert step == 7
    assert len(originals) == COUNT == 8
    assert digits.test_labels is not None
    for digit in range(8):
        stored = digits.test[int((digits.test_labels == digit).nonzero()[0])]
        assert np.array_equal(originals[digit, ..., 0], np.round(stored[0].numpy() * (255 / 16)).astype(np.uint8))
    assert reconstructions.std() > 0


@pytest.mark.parametrize("support", ["binary", "unit", "real"])
def test_a_reconstruction_is_the_mean_clamped_for_display(support: str, make_dataset: Callable[..., Dataset]) -> None:
    dataset = make_dataset(support, shape=(3, 2, 4), test=5)
    likelihood = "gaussian" if support == "real" else "continuous-bernoulli"
    model = build_model(Config(likelihood=likelihood, hidden=(8,), latent_dim=2), dataset.shape)
    with torch.no_grad():
        for parameter in model.encoder.parameters():
            parameter.zero_()
        list(model.encoder.parameters())[-1][2:] = -60.0  # z = 0 whatever the noise
        list(model.decoder.parameters())[-1].copy_(torch.linspace(-2, 2, 24))
    _, originals, reconstructions = unpack(render(model, dataset, 0))
    with torch.no_grad():
        mean = model.decode(torch.zeros(1, 2)).mean[0].clamp(0, 1)
    expected = (mean.double() * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    assert originals.shape == reconstructions.shape == (5, 2, 4, 3)  # five of two classes: all there are
    assert all(np.array_equal(picture, expected) for picture in reconstructions)
    x = dataset.to_float(dataset.test).clamp(0, 1)
    stored = {(row * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy().tobytes() for row in x}
    assert {picture.tobytes() for picture in originals} == stored
