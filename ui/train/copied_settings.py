"""A run's settings as the form of the Train page can hold them: a run from elsewhere may have others."""

from __future__ import annotations

from typing import Any

from vae.config import BINARIZE, PRECISIONS, Config

RANGES: dict[str, tuple[float, float]] = {  # of the form's number fields
    "latent_dim": (1, 512),
    "samples": (1, 512),
    "epochs": (1, 1_000_000),
    "batch_size": (1, 100_000),
    "lr": (1e-6, 1.0),
    "seed": (0, 2**53 - 1),
}


def copied_settings(config: Config) -> tuple[dict[str, Any], list[str]]:
    """Returns the settings that the form can hold, and the names of those that it cannot."""
    from vae.bound.estimators import ESTIMATORS
    from vae.model.likelihoods import LIKELIHOODS
    from vae.training.defaults import REGISTRIES

    choices = {
        **REGISTRIES, "likelihood": LIKELIHOODS, "estimator": ESTIMATORS, "binarize": BINARIZE, "precision": PRECISIONS,
    }  # fmt: skip
    values, left_out = {}, []
    for name, value in config.to_json().items():
        low, high = RANGES.get(name, (None, None))
        if value is None:
            continue
        if (name in choices and value not in choices[name]) or (low is not None and not low <= value <= high):
            left_out.append(name)
        else:
            values[name] = value
    return values, left_out
