"""Losses of well-known code, as the converter's answers; and what no answers can express.

Facts taken from the projects' own files: pytorch/examples vae/main.py; keras-io examples/generative/vae.py; PyTorch-VAE
models/vanilla_vae.py, experiment.py, configs/vae.yaml; disentangling-vae disvae/models/losses.py, hyperparam.ini;
latent-diffusion ldm/modules/losses/contperceptual.py, ldm/models/autoencoder.py, autoencoder_kl_32x32x4.yaml; diffusers
train_autoencoderkl.py; scvi-tools src/scvi/module/_vae.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Project:
    """`answers`: what differs from the usual ones; none for a loss that lies outside. `about`: Markdown."""

    label: str
    about: str
    answers: Mapping[str, Any] = field(default_factory=dict)


def _image(channels: int, side: int) -> dict[str, int]:
    return {"channels": channels, "height": side, "width": side}


PROJECTS = {
    "pytorch-examples": Project(
        "pytorch/examples: VAE on MNIST",
        "Everything is summed, over the batch too: the gradient grows with the batch size, which Adam hardly notices. "
        "The targets are MNIST’s grey pixels as they are.",
        {"error": "grey-cross-entropy", "pixels": "sum", "batch": "sum", "kl_batch": "sum", "k": 20} | _image(1, 28),
    ),
    "keras": Project(
        "Keras: the VAE example",
        "Sums over pixels and dimensions, means over the batch; again MNIST’s grey pixels as they are.",
        {"error": "grey-cross-entropy", "pixels": "sum", "k": 2} | _image(1, 28),
    ),
    "pytorch-vae": Project(
        "PyTorch-VAE: VanillaVAE, kld_weight as M_N",
        "`M_N` is 0.00025 in its configuration (`kld_weight`): the KL’s weight against a mean over 12,288 numbers. In "
        "earlier versions it was the batch size over the number of training images. Validation takes 1, so its loss is "
        "another one.",
        {"kl_weight": 0.00025, "k": 128, "batch_size": 64} | _image(3, 64),
    ),
    "disentangling-vae": Project(
        "disentangling-vae: β-VAE on dSprites",
        "Sums over pixels and dimensions, means over the batch; $\\beta$ = 4 in its configuration for dSprites, whose "
        "pixels are 0 or 1. The KL’s weight rises from 0 over the first 10,000 steps (`reg_anneal`); this is the end.",
        {"error": "cross-entropy", "pixels": "sum", "kl_weight": 4.0, "k": 10, "batch_size": 64} | _image(1, 64),
    ),
    "autoencoder-kl": Project(
        "AutoencoderKL of diffusers and latent diffusion",
        "An absolute error over a learned scale, $b$ = exp(`logvar`), and a KL weight of $10^{-6}$. Outside of what "
        "can be said here are the LPIPS and discriminator terms of that loss. Latent diffusion’s training code does "
        "not hand `logvar` to its optimiser, so there $b$ stays 1, and diffusers’ own training script has no `logvar`: "
        "choose a fixed scale for these. Pixels run from −1 to 1.",
        {"error": "absolute", "noise": "learned", "pixels": "sum", "kl_weight": 1e-6, "range": "symmetric", "k": 4096,
         "batch_size": 12} | _image(3, 256),
    ),
    "scvi": Project(
        "scVI",
        "**Outside.** scVI’s usual likelihoods are of counts (zero-inflated negative binomial, negative binomial, "
        "Poisson), with a dispersion for each gene and each cell’s library size: they have no pixel error that a "
        "weight could turn into a noise level. Its reconstruction is the whole negative log-likelihood, summed over "
        "genes, so no constant is missing; a KL weight below 1 while it warms up is the only beta.",
    ),
}  # fmt: skip

INEXPRESSIBLE = (
    "What this page cannot express: a noise that differs by pixel, or that the decoder predicts; likelihoods of "
    "counts or of categories; perceptual and adversarial terms; a KL that is annealed, held at a capacity, kept above "
    "free bits, or split into parts (FactorVAE, β-TCVAE); importance bounds; codebooks (VQ-VAE) and several layers of "
    "latents."
)
