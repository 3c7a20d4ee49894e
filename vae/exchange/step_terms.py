"""The terms that a loop gives, of one batch at a time: held to their shapes, summed where they lie, fetched seldom.

Tensors of torch, arrays of NumPy, and of whatever has `sum`, `__array__` or dlpack. A sum is queued on the device that
has the numbers, and nobody waits for it before a record is due.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vae.errors import ConfigError
from vae.lessons.reductions import WrittenLoss, meaning

TOGETHER = 1024  # steps whose sums wait on the device at most
DECIBEL_34 = 4e-4  # mean squared error of pixels in [0, 1] that no new model has: the least a sum's mean can be
SUM_LINES = 'reduction="none", then .flatten(1).sum(1)'
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Likelihood:
    """What p(x|z) the loop says it has. `pixels`: D, None where no images tell it; `width`: that of their range."""

    name: str | None
    pixels: int | None = None
    width: float = 1.0

    @property
    def owns_C(self) -> bool:
        return self.name == "gaussian"

    def constant(self, C: float) -> float:
        """Returns (D/2) log(π/C), which the nats of a Gaussian have beside C times the squared error; else 0."""
        return 0.5 * (self.pixels or 0) * math.log(math.pi / C) if self.owns_C else 0.0


class Batch(NamedTuple):
    """One batch's terms as they came: per image the squared error (`squared`) or nats, and the rate (B,) or (B, k)."""

    error: Any
    rate: Any
    squared: bool

    @property
    def images(self) -> int:
        return int(self.error.shape[0])

    @property
    def dims(self) -> int | None:
        """Latent dimensions, None where the rate is their sum."""
        return int(self.rate.shape[1]) if len(self.rate.shape) == 2 else None


def batch_of(distortion: Any, rate: Any, squared_error: Any, likelihood: Likelihood) -> Batch:
    """Returns the terms, without a copy. Raises ConfigError unless there is one error and one rate for each image: in
    the converter's words where a term has been reduced to one number."""
    if (distortion is None) == (squared_error is None):
        raise ConfigError("step: expected either distortion= (nats) or squared_error= (of a Gaussian), and rate=")
    name = "squared_error" if distortion is None else "distortion"
    error, rate = as_array(squared_error if distortion is None else distortion), as_array(rate)
    if len(error.shape) != 1:
        raise ConfigError(_no_row(name, tuple(error.shape), likelihood))
    if len(rate.shape) not in (1, 2):
        raise ConfigError(_no_row("rate", tuple(rate.shape), likelihood))
    if rate.shape[0] != error.shape[0] or 0 in (*error.shape, *rate.shape):
        raise ConfigError(
            f"rate: expected one row for each of the {error.shape[0]:,} images of {name}, got shape {tuple(rate.shape)}"
        )
    return Batch(error, rate, distortion is None)


def check_first(batch: Batch, likelihood: Likelihood, C: float) -> None:
    """Raises ConfigError where the first batch's numbers cannot be sums over the pixels, in nats."""
    error = float(fetched([batch.error]).mean())
    D = likelihood.pixels
    if batch.squared and not (likelihood.owns_C and D):
        raise ConfigError(
            'squared_error: only a Gaussian turns it into nats; say likelihood="gaussian" and images=, or give '
            "distortion= in nats"
        )
    if D is None or not math.isfinite(error):
        return
    if batch.squared or likelihood.name in ("bernoulli", "continuous-bernoulli"):
        least = min(0.3, DECIBEL_34 * D) * likelihood.width**2 if batch.squared else min(1.0, D / 784)
        grey = likelihood.name == "continuous-bernoulli"  # its density may exceed 1: small nats are no fault
        if D >= 16 and 0 <= error < least and not grey:
            name = "squared_error" if batch.squared else "distortion"
            raise ConfigError(
                f"{name}: {error:.3g} for an image of {D:,} pixels looks like {_mean_over(D, batch.squared)}; give the "
                f"sum over the pixels: {SUM_LINES}"
            )
    elif likelihood.owns_C and error < likelihood.constant(C):
        raise ConfigError(
            f"distortion: {error:.4g} nats are less than the constant (D/2) log(π/C) = {likelihood.constant(C):.4g} of "
            f"a Gaussian at C = {C:g} alone; give squared_error= instead, which is turned into nats, or leave "
            "likelihood= out where the noise is another"
        )


def _no_row(name: str, shape: tuple[int, ...], likelihood: Likelihood) -> str:
    if name == "rate":
        wanted, help_ = "(B,) or (B, k)", "give it unreduced: 0.5 * (mu**2 + logvar.exp() - 1 - logvar)"
        hint = "a mean over k dimensions makes β 1/k of what it says"
    else:
        wanted, help_ = "(B,)", f"give the sum over the pixels of each image: {SUM_LINES}"
        D, squared = likelihood.pixels, name == "squared_error" or likelihood.owns_C
        hint = _mean_over(D, squared) if D else "a mean over D pixels divides C by D"
    if shape:
        return f"{name}: expected one number for each image, {wanted}, got shape {shape}; {help_}"
    return f"{name}: expected one number for each image, {wanted}, got a single number: {hint}; {help_}"


def _mean_over(D: int, squared: bool) -> str:
    """`a mean over 784 pixels: your C is 0.00128 and β 784`."""
    found = meaning(WrittenLoss(error="squared" if squared else "cross-entropy", pixels="mean", D=D))
    return f"a mean over {D:,} pixels: your C is {found.ratio:.3g}, β = {found.beta:.4g}"


def as_array(value: Any) -> Any:
    """Returns the numbers where they lie: torch's without a gradient, another library's as they are, or NumPy's."""
    if hasattr(value, "detach"):
        return value.data  # as detach gives it, in half the time; it is read at once
    if hasattr(value, "shape") and hasattr(value, "sum") and hasattr(value, "dtype"):
        return value
    if hasattr(value, "__dlpack__") and not hasattr(value, "__array__"):
        return np.from_dlpack(value)
    return np.asarray(value)


def summed(array: Any) -> Any:
    """Returns the sum over the first axis, where the array lies; of half precision in float32."""
    if _is_half(array.dtype):
        array = array.float() if hasattr(array, "float") else array.astype("float32")
    return array.sum(0)


@functools.lru_cache(maxsize=64)
def _is_half(dtype: Any) -> bool:
    return "float16" in str(dtype)  # torch's, NumPy's, JAX's; bfloat16 too


def fetched(values: Sequence[Any]) -> Array:
    """Returns arrays of one library behind one another, flat, in float64: waits for their device, once."""
    if hasattr(values[0], "detach"):
        import torch

        return torch.cat([value.reshape(-1) for value in values]).cpu().double().numpy()
    return np.concatenate([np.asarray(value, np.float64).reshape(-1) for value in values])


@dataclass
class Sums:
    """Sums over the images of several steps."""

    images: int = 0
    error: float = 0.0  # of squared errors or nats
    rate: Any = 0.0  # (k,), or (1,) where it came summed
    squared: bool = False
    per_dim: bool = False
    _errors: list[Any] = field(default_factory=list)
    _rates: list[Any] = field(default_factory=list)

    def add(self, batch: Batch) -> None:
        """Takes a batch's terms in, without waiting for their device."""
        error, rate, self.squared = batch
        self.images += int(error.shape[0])
        self.per_dim = len(rate.shape) == 2
        self._errors.append(summed(error))
        self._rates.append(summed(rate))
        if len(self._errors) >= TOGETHER:
            self.fetch()

    def fetch(self) -> None:
        """Waits for what is queued on the device."""
        if self._errors:
            self.error += float(fetched(self._errors).sum())
            self.rate = self.rate + fetched(self._rates).reshape(len(self._rates), -1).sum(0)
            self._errors, self._rates = [], []


def means(sums: Sums, likelihood: Likelihood, C: float) -> dict[str, Any]:
    """Returns the means over the images as a record of the history holds them; what is not finite is None.

    nats; the ELBO at weight 1; squared_error in pixel² where the likelihood is a Gaussian, whose nats are C times it
    and a constant; loss = C · distortion + rate where C weights, else distortion + rate.
    """
    sums.fetch()
    n, constant = sums.images, likelihood.constant(C)
    error, rate = sums.error / n, float(sums.rate.sum()) / n
    distortion = C * error + constant if sums.squared else error
    known = likelihood.owns_C and likelihood.pixels is not None
    weight = 1.0 if likelihood.owns_C else C
    numbers = {
        "distortion": distortion,
        "rate": rate,
        "elbo": -(distortion + rate),
        "squared_error": (distortion - constant) / C if known else None,
        "normaliser": constant if known else None,
        "loss": weight * distortion + rate,
    }
    rates = [_finite(value / n) for value in sums.rate.tolist()] if sums.per_dim else None
    return {name: _finite(value) for name, value in numbers.items()} | {"rate_per_dim": rates, "images": n}


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else value


@dataclass
class HeldOutSums:
    """Held-out batches, with each image's own ELBO for the standard error of the mean."""

    sums: Sums = field(default_factory=Sums)
    _each: list[tuple[Any, Any]] = field(default_factory=list)

    def add(self, batch: Batch) -> None:
        """Takes a batch in, without waiting."""
        self.sums.add(batch)
        self._each.append((batch.error, batch.rate if batch.dims is None else batch.rate.sum(1)))

    def means(self, likelihood: Likelihood, C: float) -> dict[str, Any]:
        """Returns `means`, and the standard error of their ELBO."""
        found = means(self.sums, likelihood, C)
        scale = C if self.sums.squared else 1.0
        errors, rates = zip(*self._each, strict=True)
        elbos = scale * fetched(errors) + fetched(rates)
        return found | {"elbo_error": _finite(float(elbos.std()) / math.sqrt(len(elbos)))}
