"""The model: encoder + decoder + likelihood + latent."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from vae.config import Config
from vae.errors import ConfigError, DataError
from vae.model.latent import LatentDistribution
from vae.model.latents import LATENTS
from vae.model.likelihood import Likelihood, PixelDistribution
from vae.model.likelihoods import LIKELIHOODS
from vae.model.networks import ACTIVATIONS, NETWORKS, Shape
from vae.model.tensors import check_tensor

REGISTRIES: dict[str, Mapping[str, object]] = {
    "network": NETWORKS,
    "latent": LATENTS,
    "likelihood": LIKELIHOODS,
    "activation": ACTIVATIONS,
}

IDENTITY = {"location": torch.zeros(()), "spread": torch.ones(())}  # of weights that were saved before there were any


class Model(nn.Module):
    """p(x, z) = p(z) p(x|z) and q(z|x); each is answered with a distribution.

    `encode`, `decode` and `prior` return batch shape (B,) and event shapes (k,) and (channels, height, width).
    The networks see pixels as (x − location) / spread, whatever the data's scale; x, and every density of x, stays in
    the data's own units: a Gaussian's mean is location + spread · g(z), g the decoder.
    While `in_bfloat16` is set the matrix products run in bfloat16, as a training step may want them
    (config.precision); what leaves the networks is float32 again. All else, an evaluation for one, is in float32.
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
        for name, identity in IDENTITY.items():
            self.register_buffer(name, identity.clone())
        self.location: Tensor  # (), in the data's units, as is
        self.spread: Tensor  # (), above 0
        self.in_bfloat16 = False

    def encode(self, x: Tensor) -> LatentDistribution:
        """Returns q(z|x) of x (B, channels, height, width), floats on the data's support. Raises ConfigError for what
        is no tensor of the model's type, DataError for another shape."""
        check_tensor("x", x, "the dataset's to_float makes them", self.location.dtype)
        if x.shape[1:] != self.shape:
            raise DataError(f"x: expected images of shape (B, {', '.join(map(str, self.shape))}), got {tuple(x.shape)}")
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.in_bfloat16):
            parameters = self.encoder(standardised(self.likelihood, x, self.location, self.spread))
        return self.latent.posterior(parameters.to(x.dtype))

    def decode(self, z: Tensor) -> PixelDistribution:
        """Returns p(x|z) of z (..., k), whose leading axes are kept. Raises ConfigError for what is no tensor of the
        model's type, DataError for another shape."""
        check_tensor("z", z, f"z.to({self.location.dtype}) makes them", self.location.dtype)
        if z.shape[-1:] != (self.k,):
            raise DataError(f"z: expected codes of shape (..., {self.k}), got {tuple(z.shape)}")
        with torch.autocast(z.device.type, torch.bfloat16, enabled=self.in_bfloat16):
            fed = self.latent.decoder_input(z).reshape(-1, self.k)
            parameters = self.decoder(fed)  # (n, P·channels, height, width)
        P = self.likelihood.parameters_per_pixel
        parameters = parameters.to(z.dtype).reshape(*z.shape[:-1], P, *self.shape)
        px_z: PixelDistribution = self.likelihood(
            in_data_units(self.likelihood, parameters, self.location, self.spread)
        )
        return px_z

    def prior(self) -> LatentDistribution:
        """Returns p(z), of batch shape ()."""
        weight = next(self.decoder.parameters())
        return self.latent.prior(self.k, weight.device, weight.dtype)

    @property
    def log_C(self) -> Tensor | None:
        """log C of a likelihood that owns it, without a gradient; None where C is a weight outside the model."""
        return None if self.likelihood.log_C is None else self.likelihood.log_C.detach()

    @torch.no_grad()
    def start_at(self, mean: Tensor) -> None:
        """Begins with the data's mean image, (channels, height, width): the encoder's first layer measures from it, and
        the decoder answers with it. Convolutions, which have one bias for all places, take each channel's mean."""
        seen_mean = standardised(self.likelihood, mean, self.location, self.spread)
        first = next(layer for layer in self.encoder if isinstance(layer, (nn.Linear, nn.Conv2d)))
        last = [layer for layer in self.decoder if isinstance(layer, (nn.Linear, nn.ConvTranspose2d))][-1]
        if isinstance(first, nn.Linear):
            seen, answer = first.weight @ seen_mean.flatten(), self.likelihood.start(mean, seen_mean).flatten()
        else:
            level, seen_level = mean.mean((1, 2)), seen_mean.mean((1, 2))
            seen = first.weight.sum((2, 3)) @ seen_level
            answer = self.likelihood.start(level, seen_level).flatten()
        for layer, bias in ((first, -seen), (last, answer)):
            layer.get_parameter("bias").copy_(bias)

    @torch.no_grad()
    def standardise(self, location: float, spread: float) -> None:
        """Lets the networks see pixels as (x − location) / spread; comes before `start_at`."""
        self.location.fill_(location)
        self.spread.fill_(spread)

    @torch.no_grad()
    def project(self) -> None:
        """Keeps a fitted C below its bound; called after each optimiser step."""
        self.likelihood.project(self.spread)

    def parameters_of(self, half: str) -> list[nn.Parameter]:
        """Returns the parameters of the "encoder" (of q) or of the "decoder" (of p, the likelihood's own included)."""
        if half == "encoder":
            return list(self.encoder.parameters())
        return [*self.decoder.parameters(), *self.likelihood.parameters()]


def check_model(model: object) -> None:
    """Raises ConfigError unless `model` answers as a Model does."""
    if not all(callable(getattr(model, name, None)) for name in ("encode", "decode", "prior")):
        kind = type(model).__name__
        hint = f"{kind.lower()}.model" if hasattr(type(model), "model") else "load_run(name).model"
        raise ConfigError(f"model: expected a Model, got {kind}; {hint} is one")


def standardised(likelihood: Likelihood, x: Tensor, location: Tensor, spread: Tensor) -> Tensor:
    """Returns what an encoder sees of x. The 0 and 1 of binary pixels have no scale of their own."""
    return x if likelihood.support == "binary" else (x - location) / spread


def in_data_units(likelihood: Likelihood, parameters: Tensor, location: Tensor, spread: Tensor) -> Tensor:
    """Returns a decoder's outputs as the likelihood takes them: logits as they are, pixels on the data's scale."""
    return location + spread * parameters if likelihood.gives_pixels else parameters


def build_model(config: Config, shape: Shape) -> Model:
    """Returns a model with the initial weights that config.seed gives, on the CPU; torch's global state is left alone.
    Raises ConfigError for what is no model of images of this shape."""
    torch.backends.cudnn.allow_tf32 = False  # torch's default for convolutions: float32 is to mean float32
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(config.seed)  # the CPU's alone: `torch.manual_seed` is every device's
        model = Model(config, shape)
    return _with_C(model, config)


def lay_out(config: Config, shape: Shape) -> Model:
    """Returns the model without numbers, on torch's meta device: its shapes are known before any memory is taken for
    them. Raises ConfigError as `build_model` does."""
    with torch.device("meta"):
        model = Model(config, shape)
    return _with_C(model, config)


def _with_C(model: Model, config: Config) -> Model:
    model.likelihood.set_C(config.C if config.C is not None else "fit")
    return model
