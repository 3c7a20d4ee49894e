"""What a likelihood's head in the page keeps to: mean and draws of p(x|z) are torch's, in the data's units."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import torch

from tests.oracles.decoder_numpy import read_header
from tests.vae.contracts import DRAWS, OUTPUTS, follows, quadrature
from vae.browser.decoder_export import export_decoder
from vae.config import Config
from vae.errors import DecoderUnsupported
from vae.model.likelihood import Likelihood
from vae.model.vae import Model, build_model, in_data_units

STATIC = Path(__file__).resolve().parents[3] / "ui" / "static" / "decoder"
RUNNER = """
import { HEADS } from "%s";
const { name, outputs, constants, draws } = JSON.parse(process.argv[1]);
const means = outputs.map(HEADS[name].mean(constants));
const sampled = outputs.map((output, i) => {
  const draw = HEADS[name].sampler(11 + i, constants);
  return Array.from({ length: draws }, () => draw(output));
});
console.log(JSON.stringify({ means, draws: sampled }));
"""


def model_with(cls: type[Likelihood]) -> Model:
    config = Config(network="linear", hidden=(), latent_dim=2, likelihood=cls.name, C=3.0)
    model = build_model(config, (1, 2, 2))
    if cls.support != "binary":
        model.standardise(0.4, 0.2)
    return model


def page_agrees_with_torch(cls: type[Likelihood], folder: Path = STATIC) -> str:
    """Returns who decodes this registered likelihood: "page" or, where no file of a decoder can be made, "server".

    The constants are those of an exported file; `folder` holds heads.js and what it imports.
    """
    model = model_with(cls)
    try:
        header = read_header(export_decoder(model, "ab" * 32))
    except DecoderUnsupported:
        return "server"
    constants = {"location": header.get("location", 0.0), "spread": header.get("spread", 1.0)}
    told = _run(folder, header["likelihood"], constants)
    outputs = OUTPUTS.reshape(6, 1, 1, 1, 1)  # one a pixel
    points, _ = quadrature(cls.support)
    model.double()
    px_z = model.likelihood(in_data_units(model.likelihood, outputs.double(), model.location, model.spread))
    density = px_z.log_prob(points.reshape(-1, 1, 1, 1, 1)).exp()
    torch.testing.assert_close(torch.tensor(told["means"]).double(), px_z.mean.flatten(), rtol=1e-6, atol=1e-6)
    draws = torch.tensor(told["draws"], dtype=torch.float64).T
    follows(draws, cls, px_z, density)
    if cls.support != "real":  # all of whose moments are finite; a mean of 20,000 that is 5 errors off is none
        assert ((draws.mean(0) - px_z.mean.flatten()).abs() < 5 * draws.std(0) / DRAWS**0.5).all()
    return "page"


def _run(folder: Path, likelihood: dict[str, Any], constants: dict[str, float]) -> dict[str, Any]:
    node = shutil.which("node")
    assert node, "the browser modules' tests need Node.js 20 or newer on the path"
    given = {
        "name": likelihood["name"],
        "outputs": OUTPUTS.tolist(),
        "constants": {**likelihood, **constants},
        "draws": DRAWS,
    }
    script = RUNNER % (folder / "heads.js").as_uri()
    command = [node, "--input-type=module", "--eval", script, json.dumps(given)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=True)
    return json.loads(done.stdout)
