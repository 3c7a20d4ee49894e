"""The decoders of public VAEs, rebuilt: what `benchmarks/decoder_node.mjs --public` measures, in the page and right."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.decoder_models import model_of
from benchmarks.public_decoders import PUBLIC
from tests.vae.browser.in_page import run_in_page
from vae.browser.decoder_export import LIMITS, export_decoder
from vae.browser.decoder_layers import FORMS

# one of each form that is small enough to be packed and run here; the benchmark tries all
TRIED = [
    "pytorch/examples vae", "1Konny BetaVAE_H", "1Konny BetaVAE_B", "disentangling-vae Burgess 64",
    "PyTorch-VAE VanillaVAE", "PyTorch-VAE BetaTCVAE", "PyTorch-VAE GammaVAE", "pythae mnist Decoder_ResNet_AE_MNIST",
    "pythae mnist Decoder_ResNet_VQVAE_MNIST", "pythae cifar Decoder_ResNet_VQVAE_CIFAR",
    "pythae celeba Decoder_ResNet_AE_CELEBA",
]  # fmt: skip


@pytest.fixture(scope="module")
def in_page(tmp_path_factory: pytest.TempPathFactory) -> dict:
    z = {name: torch.randn(2, PUBLIC[name].k, generator=torch.Generator().manual_seed(2)) for name in TRIED}
    packed = {str(i): (export_decoder(model_of(PUBLIC[name]), "0" * 64), z[name]) for i, name in enumerate(TRIED)}
    pixels = run_in_page(packed, tmp_path_factory.mktemp("public"))
    return {name: (pixels[str(i)], z[name]) for i, name in enumerate(TRIED)}


@pytest.mark.parametrize("name", TRIED)
def test_the_page_gives_what_torch_gives_within_the_exporters_limit(name: str, in_page: dict) -> None:
    pixels, z = in_page[name]
    expected = model_of(PUBLIC[name]).decode(z).mean.permute(0, 2, 3, 1).flatten().numpy()
    assert not isinstance(pixels, str), pixels
    np.testing.assert_allclose(pixels, expected, rtol=0, atol=LIMITS["float16"] * max(1, np.ptp(expected)))
    assert np.abs(pixels[: len(pixels) // 2] - pixels[len(pixels) // 2 :]).max() > 0.1  # z decides it


def test_each_public_decoder_is_made_of_layers_that_the_page_runs() -> None:
    assert len(PUBLIC) == 34
    for public in PUBLIC.values():
        with torch.device("meta"):
            decoder = torch.nn.Sequential(*public.layers())
        single = [layer for layer in decoder.modules() if not list(layer.children())]
        assert {type(layer) for layer in single} <= {*FORMS, torch.nn.BatchNorm2d}


def test_the_results_tell_of_all_of_them() -> None:
    rows = json.loads((Path(__file__).parents[3] / "benchmarks" / "results" / "decoders.json").read_text())["rows"]
    assert [row["name"] for row in rows] == list(PUBLIC)
