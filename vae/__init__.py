"""ELBO Room's core: variational autoencoders with every term of the ELBO. Never imports the user interface.

>>> from vae import Config, load_run, train
>>> for record in train(Config(dataset="digits", epochs=20)): print(record.step, record.train.elbo)
>>> training = train(Config(dataset="digits")).finish()
>>> training.model                       # encode(x), decode(z), prior(): distributions
>>> training.save("mine")                # a run, for load_run("mine") and for every page

All numbers are in nats per image.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vae.bound.objective import elbo_terms as elbo_terms
    from vae.bound.objective import iw_bound as iw_bound
    from vae.config import Config as Config
    from vae.config import Knobs as Knobs
    from vae.datasets import load_dataset as load_dataset
    from vae.model.kl import kl_normal as kl_normal
    from vae.runs import load_run as load_run
    from vae.runs.log import log as log
    from vae.runs.scripting import train as train
    from vae.runs.wrap import wrap as wrap
    from vae.training.defaults import complete as complete

_HOME = {
    "Config": "vae.config",
    "Knobs": "vae.config",
    "complete": "vae.training.defaults",
    "elbo_terms": "vae.bound.objective",
    "iw_bound": "vae.bound.objective",
    "kl_normal": "vae.model.kl",
    "load_dataset": "vae.datasets",
    "load_run": "vae.runs",
    "log": "vae.runs.log",
    "train": "vae.runs.scripting",
    "wrap": "vae.runs.wrap",
}
__all__ = sorted(_HOME)
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import on first use: torch takes seconds, and the command line's help does not need it."""
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module 'vae' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, *(name for name in globals() if name.startswith("__"))])
