"""Packed decoders with random weights for the decoder's benchmarks: `python benchmarks/decoder_models.py FOLDER`.

Speed does not depend on what a model has learned. Prints one JSON object a file: name, file, parameters, difference.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from vae.browser.decoder_export import export_decoder
from vae.browser.decoder_numpy import read_header
from vae.config import Config
from vae.model.vae import build_model

MODELS = {
    "28x28 mlp 400": ((1, 28, 28), Config(network="mlp", likelihood="bernoulli", latent_dim=10)),
    "28x28 conv": ((1, 28, 28), Config(network="conv", likelihood="bernoulli", latent_dim=10)),
    "28x28 conv, cont. Bernoulli": ((1, 28, 28), Config(network="conv", likelihood="continuous-bernoulli")),
    "64x64 conv": ((1, 64, 64), Config(network="conv", likelihood="bernoulli", latent_dim=10)),
    "64x64x3 conv": ((3, 64, 64), Config(network="conv", likelihood="bernoulli", latent_dim=10)),
    "64x64x3 conv, tanh": ((3, 64, 64), Config(network="conv", likelihood="gaussian", activation="tanh")),
}


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, (name, (shape, config)) in enumerate(MODELS.items()):
        model = build_model(config, shape)
        packed = export_decoder(model, weights_sha256="0" * 64)
        (folder / f"{number}.bin").write_bytes(packed)
        parameters = sum(p.numel() for p in model.decoder.parameters())
        difference = read_header(packed)["difference"]
        print(json.dumps({"name": name, "file": f"{number}.bin", "parameters": parameters, "difference": difference}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
