"""The model: encoder + decoder + likelihood + latent."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vae.config import Config
from vae.errors import ConfigError, DataError
from vae.latents import LATENTS, LatentDistribution
from vae.likelihoods import LIKELIHOODS, Gaussian, Likelihood, PixelDistribution
from vae.networks import ACTIVATIONS, NETWORKS, Shape

REGISTRIES: dict[str, dict] = {
    "network": NETWORKS,
    "latent": LATENTS,
    "likelihood": LIKELIHOODS,
    "activation": ACTIVATIONS,
}


class Model(nn.Module):
    """p(x, z) = p(z) p(x|z) and q(z|x); each is answered with a distribution.

    `encode`, `decode` and `prior` return batch shape (B,) and event shapes (k,) and (channels, height, width).
    Matrix products may run in bfloat16 (config.precision); what leaves the networks is float32 again.
    """

    def __init__(self, config: Config, shape: Shape) -> None:
        super().__init__()
        for name, registry in REGISTRIES.items():
            if getattr(config, name) not in list(registry):
                raise ConfigError(f"{name}: expected one of {', '.join(registry)}, got {getattr(config, name)!r}")
        network = NETWORKS[config.network]
        hidden = config.hidden if config.hidden is not None else network.default_hidden
        network.check(shape, hidden)
        self.shape, self.k = shape, config.latent_dim
        self.latent = LATENTS[config.latent]
        self.likelihood: Likelihood = LIKELIHOODS[str(config.likelihood)]()
        self.encoder = network.encoder(shape, self.latent.parameters(self.k), hidden, config.activation)
        planes = self.likelihood.parameters_per_pixel * shape[0]
        self.decoder = network.decoder(self.k, shape, planes, hidden, config.activation)
        self.in_bfloat16 = config.precision == "bfloat16"

    def encode(self, x: Tensor) -> LatentDistribution:
        """q(z|x); x (B, channels, height, width), floats on the data's support."""
        if x.shape[1:] != self.shape:
            raise DataError(f"x: expected images of shape (B, {', '.join(map(str, self.shape))}), got {tuple(x.shape)}")
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.in_bfloat16):
            parameters = self.encoder(x)
        return self.latent.posterior(parameters.to(x.dtype))

    def decode(self, z: Tensor) -> PixelDistribution:
        """p(x|z); z (..., k), leading axes are kept."""
        with torch.autocast(z.device.type, torch.bfloat16, enabled=self.in_bfloat16):
            fed = self.latent.decoder_input(z).reshape(-1, self.k)
            parameters = self.decoder(fed)  # (n, P·channels, height, width)
        P = self.likelihood.parameters_per_pixel
        return self.likelihood(parameters.to(z.dtype).reshape(*z.shape[:-1], P, *self.shape))

    def prior(self) -> LatentDistribution:
        """p(z), batch shape ()."""
        weight = next(self.decoder.parameters())
        return self.latent.prior(self.k, weight.device, weight.dtype)

    def parameters_of(self, part: str) -> list[nn.Parameter]:
        """The parameters of the "encoder" (of q) or of the "decoder" (of p, the likelihood's own included)."""
        if part == "encoder":
            return list(self.encoder.parameters())
        return [*self.decoder.parameters(), *self.likelihood.parameters()]


def build_model(config: Config, shape: Shape) -> Model:
    """A model with the initial weights that config.seed gives, on the CPU; torch's global state is left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        model = Model(config, shape)
    if isinstance(model.likelihood, Gaussian):
        model.likelihood.set_C(config.C if config.C is not None else "fit")
    return model
