"""From the few settings that a person gives to a config that can be built: defaults that work for these data."""

from __future__ import annotations

import dataclasses
import math
import os
from typing import Any, Literal

import torch

from vae.bound.estimators import ESTIMATORS, choices
from vae.bound.objectives import OBJECTIVES
from vae.config import Config, short
from vae.datasets import DataInfo
from vae.errors import ConfigError
from vae.machine import most_threads, usable_device
from vae.model.latents import LATENTS
from vae.model.likelihood import contains
from vae.model.likelihoods import LIKELIHOODS
from vae.model.networks import ACTIVATIONS, NETWORKS
from vae.training.size import Needs, check_memory, needs, size_of

BATCH_SIZE, LEAST_BATCH_SIZE = 128, 32
FEW_IMAGES = 10_000  # fewer are learned by heart the sooner, the faster a network learns
FEW_IMAGES_LR = 1e-3
MOST_EPOCHS = 800  # small sets would go round thousands of times in a minute
ENOUGH_STEPS = 6000  # after fewer a model of large colour images is still in its plunge
LONG_STEP = 1.5e9  # multiply-adds of a step; on a CPU several shorter ones take a model further in the same time
LARGE_STEP = 1e8  # multiply-adds of a step; smaller ones are slowed down by a second thread and by bfloat16
LARGE_STEP_ON_GPU = 1e10  # below that launching a step's kernels takes longer than they do
REGISTRIES: dict[str, dict[str, Any]] = {
    "network": NETWORKS,
    "latent": LATENTS,
    "activation": ACTIVATIONS,
    "objective": OBJECTIVES,
}


def complete(config: Config, info: DataInfo) -> tuple[Config, list[str]]:
    """Returns the config with every open choice made for these data, and a sentence for each choice worth saying.

    `info` describes the data before binarisation, or after it: the result is the same. The device "auto" stays: each
    process chooses anew. Raises ConfigError for a combination that is no model of the data, and for a device, threads
    or memory that this machine has not.
    """
    notes: list[str] = []
    for name, registry in REGISTRIES.items():
        _known(name, getattr(config, name), registry)
    likelihood, binarize = _likelihood_and_view(config, info, notes)
    hidden = config.hidden if config.hidden is not None else NETWORKS[config.network].default_hidden
    config = dataclasses.replace(
        config,
        likelihood=likelihood,
        binarize=binarize,
        hidden=tuple(hidden),
        C=_C(config, likelihood),
        estimator=_estimator(config),
    )
    device = usable_device(config.device)
    if config.threads is not None and config.threads > most_threads():
        raise ConfigError(
            f"threads: expected at most {most_threads()}, four for each core of this machine, got {config.threads:,}"
        )
    NETWORKS[config.network].check(info.shape, hidden)
    config = dataclasses.replace(
        config, batch_size=min(config.batch_size or _batch_size(config, info, device), info.train)
    )
    check_memory_of(config, info, device)
    multiply_adds = _step_multiply_adds(config, info)
    config = dataclasses.replace(
        config,
        threads=config.threads or (_threads() if multiply_adds >= LARGE_STEP else 1),
        precision=_precision(config, multiply_adds, device),
        lr=config.lr or _lr(config, info),
    )
    if config.epochs is None:
        config = dataclasses.replace(config, epochs=default_epochs(config, info))
    if config.record_every is None:
        config = dataclasses.replace(config, record_every=_record_every(config, info, device))
    return config, notes


def total_steps(config: Config, images: int) -> int:
    """Returns the number of steps of config.epochs passes over `images` images; an incomplete batch counts as a
    step."""
    return -(-(config.epochs or 1) * images // (config.batch_size or 1))


def images_per_second(config: Config, info: DataInfo) -> float:
    """Estimates, roughly, the images per second on two ordinary cores, from the multiply-adds of a training step."""
    batch_size = config.batch_size or BATCH_SIZE
    pixels = batch_size * info.pixels * _decoded(config)
    rate = 60e9 if config.precision == "bfloat16" else 40e9
    return batch_size / (0.7e-3 + _step_multiply_adds(config, info) / rate + pixels * 12e-9)


def _step_multiply_adds(config: Config, info: DataInfo) -> float:
    """Multiply-adds of a step, forward and backward, the whole batch: a backward pass is two forward ones."""
    size = size_of(config, info.shape)
    one = size.encoder_multiply_adds + size.decoder_multiply_adds * _decoded(config)
    return 3.0 * one * (config.batch_size or BATCH_SIZE)


def default_epochs(config: Config, info: DataInfo) -> int:
    """Returns the epochs of about a minute of training on two cores, up to two minutes where one is not ENOUGH_STEPS;
    at least 1 and at most MOST_EPOCHS."""
    a_minute = 60 * images_per_second(config, info)
    images = max(a_minute, min(2 * a_minute, ENOUGH_STEPS * (config.batch_size or BATCH_SIZE)))
    return int(min(MOST_EPOCHS, max(1, round(images / info.train))))


def _likelihood_and_view(config: Config, info: DataInfo, notes: list[str]) -> tuple[str, str]:
    binarize = config.binarize
    grey = info.support == "unit"
    if binarize not in (None, "none") and info.support == "real":
        raise ConfigError(f"binarize: {info.name} holds real numbers, which cannot be binarised; use --binarize none")
    binary = info.support == "binary" or (grey and binarize not in (None, "none"))
    likelihood = config.likelihood or ("bernoulli" if binary else "gaussian")
    _known("likelihood", likelihood, LIKELIHOODS)
    support = LIKELIHOODS[likelihood].support
    if support == "binary" and grey:
        if binarize == "none":
            raise ConfigError(
                f"binarize: a {likelihood} likelihood needs binary pixels and {info.name} is grey: cross-entropy on "
                "grey pixels is no likelihood. Use --binarize epoch, threshold or fixed, or --likelihood gaussian "
                "or continuous-bernoulli"
            )
        if binarize is None:
            notes.append(
                f"{info.name} is grey and a {likelihood} likelihood needs binary pixels: each training pixel is drawn "
                "anew from its grey value in every epoch (--binarize epoch); held-out pixels are drawn once."
            )
            return likelihood, "epoch"
    elif not contains(support, "binary" if binary else info.support):
        raise ConfigError(
            f"likelihood: {likelihood} has support {support}, the pixels of {info.name} are {info.support}; "
            f"choose one of {', '.join(n for n, c in LIKELIHOODS.items() if contains(c.support, info.support))}"
        )
    return likelihood, binarize or "none"


def likelihoods_for(info: DataInfo) -> list[str]:
    """Returns the likelihoods that some view of these data admits."""

    def admits(name: str) -> bool:
        try:
            _likelihood_and_view(Config(likelihood=name), info, [])
        except ConfigError:
            return False
        return True

    return [name for name in LIKELIHOODS if admits(name)]


def _C(config: Config, likelihood: str) -> float | Literal["fit"]:
    if LIKELIHOODS[likelihood].owns_C:
        return "fit" if config.C is None else config.C
    if config.C == "fit":
        raise ConfigError(f"C: only a gaussian likelihood can fit C; with {likelihood} it is a weight such as 1")
    C = 1.0 if config.C is None else config.C
    if not OBJECTIVES[config.objective].takes_weight and C != 1:
        raise ConfigError(f"C: the {config.objective} objective is a bound on log p(x) only at C = 1, got {C:g}")
    return C


def _estimator(config: Config) -> str:
    """The estimator asked for, or the latent's default; refused where it does not belong to latent and objective."""
    possible = choices(config.latent, config.objective)
    name = config.estimator or possible[0]
    if name not in possible:
        raise ConfigError(
            f"estimator: expected one of {', '.join(possible)} for a {config.latent} latent with the "
            f"{config.objective} objective, got {short(name)}"
        )
    ESTIMATORS[name].check(config.samples, config.latent_dim)
    return name


def _decoded(config: Config) -> int:
    """Codes decoded per image in a step."""
    name = config.estimator or choices(config.latent, config.objective)[0]
    return ESTIMATORS[name].decoded(config.samples, config.latent_dim)


def needs_of(config: Config, info: DataInfo) -> Needs:
    """Returns the memory and the disk, in bytes, that training a completed config takes."""
    return needs(config, info, _decoded(config))


def check_memory_of(config: Config, info: DataInfo, device: str) -> None:
    """Raises ConfigError where training a completed config takes more memory than the device has."""
    check_memory(config, info, _decoded(config), device)


def _batch_size(config: Config, info: DataInfo, device: str) -> int:
    size, one = BATCH_SIZE, _step_multiply_adds(dataclasses.replace(config, batch_size=1), info)
    while torch.device(device).type == "cpu" and size > LEAST_BATCH_SIZE and size * one > LONG_STEP:
        size //= 2
    return size


def _threads() -> int:
    """All cores but one, which serves and draws: threads that wait for each other on a crowded machine lose far more
    than the core that is left free."""
    return max(1, (os.cpu_count() or 2) - 1)


def _precision(config: Config, multiply_adds: float, where: str) -> str:
    """bfloat16 where the device multiplies it natively and a step is large enough for that to show; on a GPU tf32
    below that, which rounds less and converts nothing. A linear network is compared with closed forms, digit by digit.
    """
    device = torch.device(where).type
    if config.precision == "tf32" and device != "cuda":
        raise ConfigError(f"precision: tf32 is a GPU's, got it for {device}; use bfloat16 or float32")
    if config.precision is not None or config.network == "linear":
        return config.precision or "float32"
    if device == "cuda" and torch.cuda.get_device_capability(where) >= (8, 0):
        return "bfloat16" if multiply_adds >= LARGE_STEP_ON_GPU else "tf32"
    return "bfloat16" if multiply_adds >= LARGE_STEP and device == "cpu" and multiplies_bfloat16() else "float32"


def multiplies_bfloat16() -> bool:
    """Returns whether this processor has instructions for bfloat16 products."""
    processor: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()  # not in every torch that we run with
    return any(processor.get(name, False) for name in ("avx512_bf16", "amx_bf16"))


def _lr(config: Config, info: DataInfo) -> float:
    """The network's own at batches of 128; it grows as the square root of the batch (Malladi et al. 2022)."""
    lr = NETWORKS[config.network].default_lr
    if info.train < FEW_IMAGES and config.network != "linear":
        lr = min(lr, FEW_IMAGES_LR)
    return float(f"{lr * math.sqrt((config.batch_size or BATCH_SIZE) / 128):.2g}")


def _record_every(config: Config, info: DataInfo, device: str) -> int:
    """About 300 records a run; a GPU's steps are so short that each record would cost as much as 20 of them."""
    most = 1000 if torch.device(device).type == "cuda" else 100
    return min(most, max(1, total_steps(config, info.train) // 300))


def _known(name: str, value: str, registry: dict[str, Any]) -> None:
    if value not in registry:
        raise ConfigError(f"{name}: expected one of {', '.join(registry)}, got {short(value)}")
