"""ELBO Room's core: variational autoencoders with every term of the ELBO. Never imports the user interface.

>>> from vae import Config, train
>>> for record in train(Config(dataset="digits", epochs=20)): print(record.step, record.train.elbo)
"""

from __future__ import annotations

import importlib
from typing import Any

_HOME = {
    "Config": "vae.config",
    "Knobs": "vae.config",
    "complete": "vae.completion",
    "elbo_terms": "vae.objectives",
    "iw_bound": "vae.objectives",
    "kl_normal": "vae.kl",
    "load_dataset": "vae.datasets",
    "load_run": "vae.runs",
    "train": "vae.training",
}
__all__ = sorted(_HOME)
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import on first use: torch takes seconds, and the command line's help does not need it."""
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module 'vae' has no attribute {name!r}")
