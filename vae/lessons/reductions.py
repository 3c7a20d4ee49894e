"""What a VAE loss written with torch's reductions minimises: the C, the noise and the beta that it silently chooses.

    L = w_rec R_rec + w_KL R_KL                                      as the code has it
    R_rec = a Σᵢ eᵢ,   a = [½] / (D if mean over pixels) / (B if mean over the batch)
    R_KL  = b Σᵢ KLᵢ,  b = [2] / (k if mean over latents) / (B if mean over the batch)

eᵢ is the error of image i summed over its D pixels, KLᵢ its rate summed over k dimensions, both in full. So with
ρ = (w_rec a) / (w_KL b) and s = B w_KL b

    L = s · meanᵢ [ρ eᵢ + KLᵢ]

and only ρ decides what is learned; s scales the gradient, as a learning rate does. What ρ means:

    squared error    ρ = C = 1/(2c): −ELBO of N(x; f(z), c I) but for (D/2) log 2πc, a constant; against c = 1, beta = c
    Gaussian NLL     ρ = v/c: C = ρ/(2v), beta = 1/ρ;  v learned: C is fitted, the distortion weighs ρ, beta = 1/ρ
    absolute error   ρ = 1/scale of a Laplace density, constant D log(2 scale); against scale 1, beta = 1/ρ
    absolute error over a learned scale b, e = Σ |x − x̂|/b + log b: b is fitted, the distortion weighs ρ, beta = 1/ρ
    cross-entropy    ρ = C = 1/beta: −ELBO of a Bernoulli only for 0/1 pixels and ρ = 1

C and c are in the units of the pixels. A range of width w is w times that from 0 to 1: there c/w², C w², and −ELBO
less D log w.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

from vae.errors import ConfigError
from vae.model.normal_density import LOG_2PI

MOST = 1e9  # of sizes and weights
LEAST_VARIANCE = 1e-6  # torch's gaussian_nll_loss takes a smaller v for this one (its `eps`)
SAME = 5e-4  # relative: a weight written with four digits, 0.001276 for 1/784
RANGES = {"unit": 1.0, "symmetric": 2.0, "bytes": 255.0, "standardised": math.nan}  # width; by the pixels' own sd


@dataclass(frozen=True)
class ErrorTerm:
    """One way to write the reconstruction; `density` names p(x|z), "" where there is none behind it."""

    name: str
    label: str
    density: str


ERRORS = {
    term.name: term
    for term in (
        ErrorTerm("squared", "squared error", "gaussian"),
        ErrorTerm("cross-entropy", "cross-entropy, 0/1 pixels", "bernoulli"),
        ErrorTerm("grey-cross-entropy", "cross-entropy, grey pixels", ""),
        ErrorTerm("absolute", "absolute error (L1)", "laplace"),
        ErrorTerm("gaussian-nll", "Gaussian NLL", "gaussian"),
    )
}


@dataclass(frozen=True)
class WrittenLoss:
    """A loss as somebody's code has it. Raises ConfigError for what no code can mean."""

    error: str = "squared"
    pixels: str = "mean"  # reduction of the error over an image
    batch: str = "mean"  # and over images
    latents: str = "sum"  # reduction of the KL over dimensions
    kl_batch: str = "mean"
    weight: float = 1.0  # w_rec
    kl_weight: float = 1.0  # w_KL
    half: bool = False  # ½ before the squared error
    kl_half: bool = True  # the ½ of the KL's closed form
    variance: float | None = 1.0  # of the Gaussian NLL; None: learned, as is the scale of an absolute error
    full: bool = False  # the Gaussian NLL with its ½ log 2π
    D: int = 784
    k: int = 20
    batch_size: int = 128
    range: str = "unit"  # of the pixels
    data_sd: float = 0.3081  # of pixels from 0 to 1, by which they were divided; standardised only

    @property
    def width(self) -> float:
        """Width of the range of the pixels."""
        return 1 / self.data_sd if self.range == "standardised" else RANGES[self.range]

    def __post_init__(self) -> None:
        if self.error not in ERRORS:
            raise ConfigError(f"error: expected one of {', '.join(ERRORS)}, got {self.error!r}")
        for name in ("pixels", "batch", "latents", "kl_batch"):
            if getattr(self, name) not in ("sum", "mean"):
                raise ConfigError(f"{name}: expected sum or mean, got {getattr(self, name)!r}")
        if self.range not in RANGES:
            raise ConfigError(f"range: expected one of {', '.join(RANGES)}, got {self.range!r}")
        if not 1 / MOST <= self.data_sd <= 0.5:
            raise ConfigError(f"data_sd: expected a number up to 0.5, of pixels from 0 to 1, got {self.data_sd!r}")
        for name in ("D", "k", "batch_size"):
            if not (isinstance(getattr(self, name), int) and 1 <= getattr(self, name) <= MOST):
                raise ConfigError(f"{name}: expected a whole number of 1 or more, got {getattr(self, name)!r}")
        for name, least in (("weight", 1 / MOST), ("kl_weight", 1 / MOST), ("variance", LEAST_VARIANCE)):
            value = getattr(self, name)
            if value is not None and not least <= value <= MOST:
                raise ConfigError(f"{name}: expected a number from {least:g} to {MOST:g}, got {value!r}")


@dataclass(frozen=True)
class Meaning:
    """What a WrittenLoss minimises: scale · mean over images of [ratio · error + rate]."""

    error_factor: float  # w_rec a: of one image's error, summed over pixels
    rate_factor: float  # w_KL b: of one image's rate, summed over dimensions
    ratio: float  # ρ
    scale: float  # s
    C: float | None  # of a Gaussian 1/(2c), else the weight of the distortion; None: fitted, or no meaning
    c: float | None  # variance of a pixel, Gaussian with a fixed one
    beta: float
    laplace_scale: float | None
    constant: float | None  # nats per image: −ELBO = L / scale + constant; None where L is no ELBO
    width: float = 1.0  # of the range of the pixels

    @property
    def unit_C(self) -> float | None:
        """C of the same pixels scaled to 0 ... 1; a weight of the distortion stays."""
        return self.C if self.C is None or self.c is None else self.C * self.width**2

    @property
    def outside(self) -> float:
        """Share of the noise's draws around the middle of the range that lie outside it."""
        if self.laplace_scale is not None:
            return math.exp(-self.width / (2 * self.laplace_scale))
        return math.erfc(self.width / (2 * math.sqrt(2) * self.sd)) if self.sd else 0.0

    @property
    def sd(self) -> float | None:
        """Standard deviation of a pixel under p(x|z), where the loss fixes one."""
        if self.laplace_scale is not None:
            return math.sqrt(2) * self.laplace_scale
        return None if self.c is None else math.sqrt(self.c)

    @property
    def is_elbo(self) -> bool:
        """Whether the loss is −ELBO up to a constant."""
        return self.constant is not None


def meaning(loss: WrittenLoss) -> Meaning:
    """Returns what the loss minimises: ρ, s, and C, c and beta with their constant."""
    halved = 0.5 if loss.error == "squared" and loss.half else 1.0
    error_factor = loss.weight * halved / _divisor(loss.pixels, loss.D) / _divisor(loss.batch, loss.batch_size)
    doubled = 1.0 if loss.kl_half else 2.0
    rate_factor = loss.kl_weight * doubled / _divisor(loss.latents, loss.k) / _divisor(loss.kl_batch, loss.batch_size)
    ratio = error_factor / rate_factor
    C, c, laplace_scale = _noise(loss, ratio)
    beta = 1 / (2 * ratio) if loss.error == "squared" else 1 / ratio
    scale = rate_factor * loss.batch_size
    constant = _constant(loss, ratio, c, laplace_scale)
    return Meaning(error_factor, rate_factor, ratio, scale, C, c, beta, laplace_scale, constant, loss.width)


def _divisor(reduction: str, count: int) -> float:
    return float(count) if reduction == "mean" else 1.0


def _noise(loss: WrittenLoss, ratio: float) -> tuple[float | None, float | None, float | None]:
    """C, c and the scale of a Laplace density."""
    if loss.error == "squared":
        return ratio, 1 / (2 * ratio), None
    if loss.error == "gaussian-nll":
        return (
            (None, None, None) if loss.variance is None else (ratio / (2 * loss.variance), loss.variance / ratio, None)
        )
    if loss.error == "absolute":
        return None, None, None if loss.variance is None else 1 / ratio
    return ratio, None, None


def _constant(loss: WrittenLoss, ratio: float, c: float | None, laplace_scale: float | None) -> float | None:
    one = math.isclose(ratio, 1.0, rel_tol=SAME)
    if laplace_scale is not None:
        return loss.D * math.log(2 * laplace_scale)
    if c is not None:
        there = 0.0
        if loss.error == "gaussian-nll":
            there = ratio * (math.log(loss.variance or 1.0) + (LOG_2PI if loss.full else 0.0))
        return 0.5 * loss.D * (LOG_2PI + math.log(c) - there)
    if loss.error == "gaussian-nll":
        return (0.0 if loss.full else 0.5 * loss.D * LOG_2PI) if one else None
    if loss.error == "absolute":
        return loss.D * math.log(2) if one else None
    return 0.0 if loss.error == "cross-entropy" and one and loss.range == "unit" else None


@dataclass(frozen=True)
class Fault:
    """Something that the code does without saying so. `factor`: by how much it raises beta (1: not at all)."""

    name: str
    factor: float = 1.0


def faults(loss: WrittenLoss) -> list[Fault]:
    """Returns what the code does without saying so, in order of weight: no likelihood at all; no ELBO; what moves beta;
    noise too wide; what is missing."""
    found, m = [], meaning(loss)
    if loss.error in ("cross-entropy", "grey-cross-entropy") and loss.range != "unit":
        found.append(Fault("no-range"))
    elif loss.error == "grey-cross-entropy":
        found.append(Fault("no-likelihood", m.beta))
    elif not m.is_elbo:
        found.append(Fault("no-elbo", m.beta))
    if not compensated(loss):
        found += _moved(loss)
    if loss.error == "squared" and not loss.half:
        found.append(Fault("half", 0.5))
    if m.sd is not None and m.sd > m.width / 2:
        found.append(Fault("wide-noise"))
    if m.c is not None and m.c > loss.D * m.width**2 / 4:
        found.append(Fault("noise-above-data"))
    if abs(m.constant or 0.0) > 1e-9 * loss.D:
        same = loss.error == "gaussian-nll" and math.isclose(m.ratio, 1.0, rel_tol=1e-9)
        found.append(Fault("log-2pi" if same else "constant"))
    return found


def compensated(loss: WrittenLoss) -> bool:
    """Returns whether the weights undo what means and factors do: the loss is, but for a factor, that of sums with
    weights of 1."""
    sums = dataclasses.replace(
        loss, pixels="sum", batch="mean", latents="sum", kl_batch="mean", kl_half=True, weight=1.0, kl_weight=1.0
    )
    return math.isclose(meaning(loss).ratio, meaning(sums).ratio, rel_tol=SAME)


def _moved(loss: WrittenLoss) -> list[Fault]:
    """What reductions and the factor of the KL do to beta."""
    found = []
    if loss.pixels == "mean" and loss.latents == "mean":
        found.append(Fault("both-means", loss.D / loss.k))
    elif loss.pixels == "mean":
        found.append(Fault("pixel-mean", loss.D))
    elif loss.latents == "mean":
        found.append(Fault("latent-mean", 1 / loss.k))
    if loss.batch != loss.kl_batch:
        found.append(Fault("batch", loss.batch_size if loss.batch == "mean" else 1 / loss.batch_size))
    if not loss.kl_half:
        found.append(Fault("kl-half", 2.0))
    return found


def written_for(loss: WrittenLoss, ratio: float) -> tuple[WrittenLoss, WrittenLoss]:
    """Returns the loss with the same reductions made to mean `ratio`: by the weight of the error, or by that of the KL.
    Raises ConfigError for a ratio that is not positive."""
    if not (math.isfinite(ratio) and ratio > 0):
        raise ConfigError(f"C: expected a positive number, got {ratio!r}")
    factor = ratio / meaning(loss).ratio
    by_error = dataclasses.replace(loss, weight=loss.weight * factor)
    return by_error, dataclasses.replace(loss, kl_weight=loss.kl_weight / factor)


def ratio_for(loss: WrittenLoss, C: float) -> float:
    """Returns ρ at which a loss of this kind has that C (for an absolute error: that 1/scale)."""
    return 2 * loss.variance * C if loss.error == "gaussian-nll" and loss.variance is not None else C
