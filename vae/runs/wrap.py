"""Your own model on our pages: two networks and some images become a run.

    import vae
    run = vae.wrap(model.encode, model.decode, images=x_test, likelihood="gaussian", C=200)
    vae.elbo_terms(run.model, x)                  # and every page opens run.name

The networks are torch modules, functions of them, or ONNX files. They are kept as ONNX, which is read and never run.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from vae import runs
from vae.bound.objectives import OBJECTIVES
from vae.config import YOURS, Config, check_C, check_text
from vae.datasets import describe, load_dataset
from vae.datasets.dataset import DataInfo
from vae.errors import ConfigError
from vae.exchange.encoder_outputs import check_order
from vae.exchange.foreign_model import Gives, Meaning, check_meaning
from vae.exchange.onnx_file import read_onnx
from vae.exchange.own_images import OwnImages
from vae.files import write_atomically
from vae.model.latent import DiagonalNormal
from vae.model.latents import LATENTS
from vae.model.likelihoods import LIKELIHOODS
from vae.model.networks import multiply_adds
from vae.runs import Run
from vae.runs.foreign_run import Half, halves_of, understood, write_model
from vae.runs.own_data import save_images
from vae.runs.preview import render
from vae.runs.saving import to_line
from vae.training.held_out import HeldOut

TRIED = 64  # images on which a model is looked at
MOST_PRODUCTS = 10**12  # multiply-adds of the decoder for the means of a card, about a minute of a core
SHOWN = 2000  # held-out images whose means a card shows


@dataclass(frozen=True)
class Images:
    """Where the images come from: `own` ones, or else `dataset`, a registered name or a file."""

    own: OwnImages | None
    dataset: str
    info: dict[str, Any]
    mapped: tuple[float, float]  # what 0 and 1 of the data are for the encoder


def wrap(
    encoder: Half,
    decoder: Half,
    images: Any,
    labels: Any = None,
    likelihood: str | None = None,
    pixels: tuple[float, float] = (0.0, 1.0),
    C: float | None = None,
    gives: Gives | None = None,
    latent: str = "normal",
    name: str | None = None,
    folder: str | Path | None = None,
) -> Run:
    """Makes a run of a model of yours that every page opens; returns it opened.

    encoder: gives mean and log-variance of q(z|x), or for latent="bernoulli" the logits of the bits; decoder: gives
    the image of a code z. Each a torch module, a function such as model.encode, or the path or bytes of an ONNX file.
    images: held-out ones as an array or tensor, with the values that your model sees or uint8, labels: (N,); or the
    name or .npz of a dataset. pixels: the lowest and highest value that a pixel has for your model.
    likelihood: "gaussian" with C = 1/(2c), c the variance of a pixel as your model sees it; "bernoulli";
    "continuous-bernoulli"; left out, no number is called a likelihood's. gives: what the decoder's outputs are, mean,
    probabilities or logits; left out, found by looking at some.

    Raises ConfigError for what cannot be, ModelUnreadable for a network that cannot be read, DataError for images.
    """
    check_text("name", name, open_choice=True)
    if likelihood is not None and likelihood not in LIKELIHOODS:
        raise ConfigError(f"likelihood: expected one of {', '.join(LIKELIHOODS)}, or None, got {likelihood!r}")
    if latent not in LATENTS:
        raise ConfigError(f"latent: expected one of {', '.join(LATENTS)}, got {latent!r}")
    if likelihood == "gaussian" and C is None:
        raise ConfigError("C: a gaussian likelihood has a noise, C = 1/(2c); say which, or leave likelihood out")
    if gives is not None:
        check_meaning(likelihood, Meaning(gives, pixels))
    found = _images(images, labels, pixels, likelihood)
    shape = DataInfo.from_json(found.info).shape
    config = Config(
        dataset=found.dataset, binarize="none", likelihood=likelihood, C=1.0 if C is None else check_C(C),
        latent=latent, network=YOURS, hidden=(), seed=0, device="cpu",
    )  # fmt: skip
    front, back = halves_of(encoder, decoder, shape, latent)
    model, meaning = understood(front, back, shape, config, found.mapped, gives)
    config = dataclasses.replace(config, latent_dim=model.k, C=meaning.C or config.C)
    path = runs.create_run(config, found.info, name or "your-model", None if folder is None else Path(folder))
    try:
        if found.own is not None and found.own.stored is not None:
            save_images(path, found.own.stored, found.own.labels)
        write_model(path, front, back, meaning)
        run = runs.load_run(path)
        _look_at(run, front)
    except BaseException:
        shutil.rmtree(path, ignore_errors=True)
        raise
    return run


def _images(images: Any, labels: Any, pixels: tuple[float, float], likelihood: str | None) -> Images:
    if isinstance(images, (str, os.PathLike)):
        if labels is not None:
            raise ConfigError("labels: those of a dataset lie in its file; leave labels out")
        path = images if isinstance(images, str) else Path(images)
        info = describe(path)
        load_dataset(path)
        own_units = info.support == "real"
        return Images(None, info.path or str(path), info.to_json(), (0.0, 1.0) if own_units else _pair(pixels))
    if images is None:
        raise ConfigError("images: expected images that the model has not seen, got none; the pages show what it does")
    own = OwnImages.of(images, labels, pixels)
    mapped = (0.0, 1.0)
    if (own.low, own.high) != (0, 1) and likelihood not in (None, "gaussian"):  # its x lies in [0, 1]
        assert own.stored is not None
        mapped, unit = (own.low, own.high), (own.stored - own.low) / (own.high - own.low)
        own = OwnImages.of(unit, labels, (0.0, 1.0))
    return Images(own, YOURS, own.described(), mapped)


def _pair(pixels: tuple[float, float]) -> tuple[float, float]:
    return OwnImages.of(None, None, pixels).low, OwnImages.of(None, None, pixels).high


@torch.no_grad()
def _look_at(run: Run, encoder: bytes) -> None:
    """Writes what a card and the charts show: means over held-out images, pictures, the state. Raises ConfigError where
    the model's numbers cannot be."""
    dataset, model = run.dataset(), run.model
    qz_x = model.encode(dataset.to_float(dataset.test[:TRIED]))
    for what, values in (("encoder", qz_x.mean), ("decoder", model.decode(qz_x.mean).mean)):
        if not values.isfinite().all():
            raise ConfigError(f"{what}: its outputs for these images are no finite numbers; was it trained on them?")
    if isinstance(qz_x, DiagonalNormal):
        check_order(read_onnx(encoder, "encoder"), qz_x.loc, qz_x.log_variance)
    held_out = HeldOut(run.config, dataset, model, OBJECTIVES["elbo"])
    row = model.latent.decoder_input(torch.zeros(1, model.k))
    affordable = MOST_PRODUCTS // (multiply_adds(model.decoder, row) + 1)
    held_out.images = min(SHOWN, max(TRIED, affordable), len(dataset.test))
    means = held_out.evaluate(torch.ones(()))
    line = {"step": 0, "epoch": 0.0, "C": run.config.C, "lr": None, "train": None, "seconds": 0.0}
    runs.append_history(run.path, {**line, "test": None if means is None else to_line(means)})
    (run.path / "preview").mkdir(exist_ok=True)
    write_atomically(run.path / "preview/live.bin", render(model, dataset, 0))
    runs.write_status(run.path, runs.Status(state="finished"))
