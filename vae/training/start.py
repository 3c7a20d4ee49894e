"""Where a training starts: at the data's scale and mean image, or at another run's weights, with C at its best."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Generator, Tensor

from vae.bound.chunks import rows_at_once
from vae.bound.objective import elbo_terms
from vae.datasets.scale import location_and_spread
from vae.errors import ConfigError

if TYPE_CHECKING:
    from vae.training.trainer import Trainer

STARTING_DRAWS = 1000  # of z, from which the decoder's error is measured, at most


def start(trainer: Trainer) -> None:
    """The model starts on the data's scale at the mean image, and a fitted C at the best one for its decoder."""
    model, (x, noise) = trainer.model, _some_images(trainer)
    if model.likelihood.support != "binary":
        model.standardise(*location_and_spread(x, trainer.dataset.name))
    model.start_at(x.mean(0))
    _start_C(trainer, x, noise)


def start_from(trainer: Trainer, weights: dict[str, Tensor]) -> None:
    """The model starts with another run's weights at its own C; a fitted C at the best one for this decoder. Raises
    ConfigError where the weights are another network's."""
    own = {name: value for name, value in trainer.model.state_dict().items() if name.startswith("likelihood.")}
    try:
        trainer.model.load_state_dict({**weights, **own})
    except RuntimeError as error:
        raise ConfigError(f"warm start: another network's weights ({str(error).splitlines()[-1].strip()})") from None
    _start_C(trainer, *_some_images(trainer))


def best_C(pixels: int, squared_error: float) -> float:
    """Returns the C that minimises C·e + (D/2) log(π/C): D / (2e), with e the mean squared error per image, pixel²."""
    return pixels / (2 * squared_error)


def _some_images(trainer: Trainer) -> tuple[Tensor, Generator]:
    enough = max(1, min(10_000, 2**25 // trainer.dataset.info.pixels))  # images; 128 MB as floats at most
    noise = Generator(trainer.device).manual_seed(trainer.config.seed)
    return trainer.dataset.to_float(trainer.images[:: max(1, trainer.N // enough)], noise), noise


def _start_C(trainer: Trainer, x: Tensor, noise: Generator) -> None:
    if trainer.config.C == "fit":
        rows = min(STARTING_DRAWS, rows_at_once(trainer.model))
        few = x[:: -(-len(x) // rows)]
        error = elbo_terms(trainer.model, few, max(1, rows // len(few)), noise).squared_error.mean().item()
        trainer.model.likelihood.set_C(best_C(trainer.dataset.info.pixels, error))
        trainer.model.likelihood.set_C("fit")
