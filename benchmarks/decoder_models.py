"""Packed decoders with random weights for the decoder's benchmarks: `python benchmarks/decoder_models.py FOLDER`.

Speed does not depend on what a model has learned. Prints one JSON object a file: name, file, parameters, difference.
With --public the decoders of 34 public VAEs; one that the page cannot run has a `refused` in place of a file. Beside
each file lie codes (.z) and torch's mean images of them (.mean, channels last), float32.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch

from benchmarks.public_decoders import PUBLIC, Public
from tests.oracles.decoder_numpy import read_header
from vae.browser.decoder_export import LIMITS, Precision, export_decoder
from vae.config import Config
from vae.errors import DecoderInexact, DecoderUnsupported
from vae.model.vae import Model, build_model

CODES = 4
MODELS = {
    "28x28 mlp 400": ((1, 28, 28), Config(network="mlp", likelihood="bernoulli", latent_dim=10)),
    "28x28 conv": ((1, 28, 28), Config(network="conv", likelihood="bernoulli", latent_dim=10)),
    "28x28 conv, cont. Bernoulli": ((1, 28, 28), Config(network="conv", likelihood="continuous-bernoulli")),
    "64x64 conv": ((1, 64, 64), Config(network="conv", likelihood="bernoulli", latent_dim=10)),
    "64x64x3 conv": ((3, 64, 64), Config(network="conv", likelihood="bernoulli", latent_dim=10)),
    "64x64x3 conv, tanh": ((3, 64, 64), Config(network="conv", likelihood="gaussian", activation="tanh")),
    "64x64x3 resconv": ((3, 64, 64), Config(network="resconv", likelihood="gaussian", latent_dim=10)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--public", action="store_true", help="the decoders of public VAEs")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for number, (name, model, more) in enumerate(public() if arguments.public else ours()):
        print(json.dumps({"name": name, **pack(model, arguments.folder / f"{number}.bin"), **more}), flush=True)


def ours() -> Iterator[tuple[str, Model, dict[str, object]]]:
    for name, (shape, config) in MODELS.items():
        yield name, build_model(config, shape).requires_grad_(False), {}


def public() -> Iterator[tuple[str, Model, dict[str, object]]]:
    for name, decoder in PUBLIC.items():
        kind = "residual" if "Add" in decoder.ops() else "convolutions" if "ConvTranspose" in decoder.ops() else "dense"
        yield name, model_of(decoder), {"shape": decoder.shape, "kind": kind}


def model_of(public: Public) -> Model:
    """A model of which only the decoder is ever asked: its output is the mean of a Gaussian."""
    model = build_model(Config(network="linear", likelihood="gaussian", latent_dim=1), public.shape)
    model.decoder, model.k = public.build(), public.k
    return model.requires_grad_(False)


def pack(model: Model, path: Path) -> dict[str, object]:
    """Writes the file, in float32 where halves would show, as the server does."""
    parameters = sum(p.numel() for p in model.decoder.parameters())
    precision: Precision = "float16"
    try:
        try:
            packed = export_decoder(model, "0" * 64, precision)
        except DecoderInexact:
            precision = "float32"
            packed = export_decoder(model, "0" * 64, precision)
    except (DecoderUnsupported, DecoderInexact) as refused:
        return {"parameters": parameters, "refused": str(refused)}
    path.write_bytes(packed)
    z = model.prior().sample((CODES,), torch.Generator().manual_seed(1))
    path.with_suffix(".z").write_bytes(z.numpy().tobytes())
    path.with_suffix(".mean").write_bytes(model.decode(z).mean.permute(0, 2, 3, 1).contiguous().numpy().tobytes())
    difference = read_header(packed)["difference"]
    return {
        "file": path.name, "parameters": parameters, "difference": difference, "limit": LIMITS[precision],
    }  # fmt: skip


if __name__ == "__main__":
    main()
