"""log p(x) of one model by importance sampling, in several ways: ours, a plain one, pythae's (see ../evidence.py).

The model is an MLP with one hidden layer and ReLU each way, a normal latent and Bernoulli pixels; its weights and the
images x (n, 784) come from an .npz. Prints one JSON line.
"""

from __future__ import annotations

import argparse
import functools
import json
import math
import os
import platform
import resource
import sys
from pathlib import Path
from typing import Any

from measuring import Stopwatch

parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
parser.add_argument("--way", choices=("elbo-room", "mixture", "refined", "plain", "pythae", "products"), required=True)
parser.add_argument("--model", required=True)
parser.add_argument("--samples", type=int, required=True)
parser.add_argument("--threads", type=int, default=1)
task = parser.parse_args()
os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(task.threads)

import numpy as np  # noqa: E402
import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from torch import Tensor  # noqa: E402

Found = tuple[float | None, float | None]  # mean of the images' bounds, nats, and its standard error
ROWS = 668  # of the ceiling: as many as ours takes at once for 784 pixels


def plain(weights: dict[str, Tensor], x: Tensor, samples: int) -> Found:
    """From the formula: an image at a time, all of its samples at once."""
    from torch.distributions import Bernoulli, Normal

    def layers(half: str, inputs: Tensor) -> Tensor:
        hidden = F.linear(inputs, weights[f"{half}.hidden.weight"], weights[f"{half}.hidden.bias"]).relu()
        return F.linear(hidden, weights[f"{half}.out.weight"], weights[f"{half}.out.bias"])

    bounds, variances = [], []
    for image in x:
        loc, log_variance = layers("encoder", image).chunk(2, -1)
        q, prior = Normal(loc, (0.5 * log_variance).exp()), Normal(0.0, 1.0)
        z = q.sample((samples,))
        log_px_z = Bernoulli(logits=layers("decoder", z)).log_prob(image).sum(-1)
        log_w = (log_px_z + prior.log_prob(z).sum(-1) - q.log_prob(z).sum(-1)).double()
        bounds.append(log_w.logsumexp(0) - math.log(samples))
        w = (log_w - log_w.max()).exp()
        variances.append(w.var() / (samples * w.mean().square()))  # of log ŵ, by the delta method
    return float(torch.stack(bounds).mean()), float(torch.stack(variances).sum().sqrt()) / len(x)


def pythae(weights: dict[str, Tensor], x: Tensor, samples: int) -> Found:
    """pythae's own `get_nll` with its own batches of 100 samples; it tells no error."""
    from pythae.models import VAE, VAEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder

    def dense(name: str) -> torch.nn.Linear:
        layer = torch.nn.Linear(*reversed(weights[f"{name}.weight"].shape))
        layer.load_state_dict({key: weights[f"{name}.{key}"] for key in ("weight", "bias")})
        return layer

    class Encoder(BaseEncoder):
        def __init__(self) -> None:
            super().__init__()
            self.hidden, self.out = dense("encoder.hidden"), dense("encoder.out")

        def forward(self, inputs: Tensor) -> ModelOutput:
            loc, log_variance = self.out(self.hidden(inputs.flatten(1)).relu()).chunk(2, -1)
            return ModelOutput(embedding=loc, log_covariance=log_variance)

    class Decoder(BaseDecoder):
        def __init__(self) -> None:
            super().__init__()
            self.hidden, self.out = dense("decoder.hidden"), dense("decoder.out")

        def forward(self, z: Tensor) -> ModelOutput:
            return ModelOutput(reconstruction=self.out(self.hidden(z).relu()).sigmoid())

    latent = len(weights["encoder.out.bias"]) // 2
    config = VAEConfig(input_dim=(x.shape[1],), latent_dim=latent, reconstruction_loss="bce")
    model = VAE(config, encoder=Encoder(), decoder=Decoder()).eval()
    return float(model.get_nll(x, n_samples=samples)), None  # a mean of log p(x), its name notwithstanding


def elbo_room(weights: dict[str, Tensor], x: Tensor, samples: int, proposal: str = "q") -> Found:
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    from vae.bound.evidence import importance_evidence
    from vae.config import Config
    from vae.model.vae import build_model

    hidden, latent = len(weights["encoder.hidden.bias"]), len(weights["encoder.out.bias"]) // 2
    side = math.isqrt(x.shape[1])
    model = build_model(Config(likelihood="bernoulli", hidden=(hidden,), latent_dim=latent), (1, side, side))
    names = [name for name, _ in model.named_parameters()]
    model.load_state_dict(model.state_dict() | dict(zip(names, weights.values(), strict=True)))
    generator = torch.Generator().manual_seed(0)
    found = importance_evidence(model, x.reshape(-1, 1, side, side), samples, generator, proposal=proposal)
    return float(found.iw_bound.mean()), float(found.standard_error.square().sum().sqrt()) / len(x)


def products(weights: dict[str, Tensor], x: Tensor, samples: int) -> Found:
    """The ceiling: the decoder's two matrix products and nothing else."""
    for start in range(0, samples * len(x), ROWS):
        z = torch.zeros(min(ROWS, samples * len(x) - start), weights["decoder.hidden.weight"].shape[1])
        hidden = F.linear(z, weights["decoder.hidden.weight"], weights["decoder.hidden.bias"])
        F.linear(hidden, weights["decoder.out.weight"], weights["decoder.out.bias"])
    return None, None


def peak() -> int:
    """Bytes of memory that this process has held at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


with np.load(task.model) as file:
    arrays = {name: torch.from_numpy(file[name]) for name in file.files}
images = arrays.pop("x")
way: dict[str, Any] = {"elbo-room": elbo_room, "plain": plain, "pythae": pythae, "products": products}
way |= {name: functools.partial(elbo_room, proposal=name) for name in ("mixture", "refined")}
torch.set_num_threads(task.threads)
torch.manual_seed(0)
with torch.no_grad():
    way[task.way](arrays, images[:1], 200)  # imports, and the libraries' own preparations
    before, watch = peak(), Stopwatch()
    bound, error = way[task.way](arrays, images, task.samples)
    watch.stop()
print(
    json.dumps(
        {
            "images": len(images),
            "samples": task.samples,
            "bound": bound,
            "standard_error": error,
            "cpu": watch.cpu,
            "wall": watch.wall,
            "others": watch.others,
            "peak": peak(),
            "grown": peak() - before,
            "versions": {"python": platform.python_version(), "torch": torch.__version__},
        }
    )
)
