"""The noise level c of a Gaussian p(x|z), held against the squared error that the decoder leaves; and where it is left:
in which pixels, at which spatial frequencies."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vae.bound.chunks import rows_at_once
from vae.browser.drawing import Chart, beside
from vae.diagnosis.case import Case
from vae.diagnosis.finding import Finding, Found, number_with_error, steering_advice
from vae.diagnosis.parts import training_images

# A fitted c is the mean squared error on the images that it was fitted to; what it drifts within an epoch, and one z an
# image, are a few per cent. A factor of 1.5 costs .047 nats a pixel: 37 nats an image of 28 x 28.
FACTOR = 1.5
FINE = 0.5  # of the highest frequency along an axis: above it, details of less than 4 pixels


class NoiseLevel(Finding):
    """−E log p(x|z) = E‖x − f(z)‖²/(2c) + (D/2) log(2πc) is least at c* = E‖x − f(z)‖²/D; another c costs
    (D/2) (c*/c − 1 − log c*/c) nats."""

    name = "noise_level"
    question = "Is the noise level c what the decoder leaves?"
    seconds = 1.5

    def why_not(self, case: Case) -> str:
        likelihood = case.model.likelihood
        if likelihood.owns_C or case.caveat:
            return case.caveat
        kind = getattr(likelihood, "name", "other")
        return f"Only a Gaussian p(x|z) has a noise level of its own; this one is {kind.replace('-', ' ')}."

    def find(self, case: Case) -> Found:
        x, words = training_images(case)
        left = _what_is_left(case, x)
        D, c = x[0].numel(), 0.5 / case.model.likelihood.C
        best, error = left.squared_error / D, left.error / D
        ratio = best / c
        nats = 0.5 * D * (ratio - 1 - np.log(ratio))
        found = not 1 / FACTOR <= ratio <= FACTOR
        shown = number_with_error(best, error, _digits(best))
        return Found(
            found=found,
            title=f"c is {_times(ratio)}" if found else "The noise level fits",
            shown=f"c = {c:.3g} against {shown}",
            sentence=f"c is {c:.3g}, and the squared error is {shown} a pixel on {words}: "
            + (
                f"the better c would gain {nats:,.1f} nats an image."
                if found
                else f"the same but for a factor of {max(ratio, 1 / ratio):.2f}, {nats:.2f} nats an image."
            )
            + f" Of what is left over, {100 * left.fine:.0f} % is in details of less than 4 pixels, where patternless "
            f"noise has {100 * left.fine_of_noise:.0f} %.",
            value=float(ratio),
            unit="mean squared error / c",
            standard_error=float(error / c),
            threshold=FACTOR,
            source=f"c* = E‖x − f(z)‖²/D, where the ELBO is highest; a factor of {FACTOR} either way",
            n=len(x),
            nats=float(nats) if found else 0.0,
            advice=steering_advice(case, f"Set C to {0.5 / best:.3g} on Train") if found else (),
            picture=_picture(left, c),
            numbers={
                "c": c,
                "C": case.model.likelihood.C,
                "best_c": float(best),
                "best_C": float(0.5 / best),
                "lost_nats": float(nats),
                "fine_share": left.fine,
                "fine_share_of_noise": left.fine_of_noise,
            },
            arrays={"residual": left.map.astype(np.float32), "spectrum": left.spectrum, "images": left.images},
        )


@dataclass(frozen=True)
class _Left:
    """What reconstructions leave: x − f(z), one z an image."""

    squared_error: float  # summed over pixels, mean over images
    error: float
    map: NDArray[np.float64]  # (channels, height, width) mean square
    frequencies: NDArray[np.float64]  # (m,) cycles a pixel
    spectrum: NDArray[np.float64]  # (m,) mean power of the residual a mode, of white noise of variance c: c
    images: NDArray[np.float64]  # (m,) the same of the images
    fine: float  # share of the residual's variance above FINE
    fine_of_noise: float  # share of the modes that lie there


@torch.no_grad()
def _what_is_left(case: Case, x: Tensor) -> _Left:
    model, generator = case.model, case.generator()
    height, width = x.shape[-2:]
    powers = torch.zeros(2, height, width, dtype=torch.float64)
    square, errors, batch = torch.zeros(x.shape[1:], dtype=torch.float64), [], rows_at_once(model)
    mean = x.mean(0)
    for start in range(0, len(x), batch):
        case.progress(start / len(x), "reconstructing")
        rows = x[start : start + batch]
        residual = rows - model.decode(model.encode(rows).sample((), generator)).mean
        errors.append(residual.double().square().flatten(1).sum(1))
        square += residual.double().square().sum(0)
        for row, values in enumerate((residual, rows - mean)):
            powers[row] += torch.fft.fft2(values, norm="ortho").abs().square().double().mean(1).sum(0)
    each = torch.cat(errors)
    powers /= len(x)
    rows_of = torch.fft.fftfreq(height, dtype=torch.float64).abs().reshape(-1, 1)
    columns_of = torch.fft.fftfreq(width, dtype=torch.float64).abs().reshape(1, -1)
    radius = (rows_of.square() + columns_of.square()).sqrt()
    fine = torch.maximum(rows_of, columns_of) > FINE / 2
    rings = (radius * max(height, width)).round().long()
    used = torch.unique(rings[radius <= 0.5])
    by_ring = torch.stack([powers[:, rings == ring].mean(1) for ring in used])
    return _Left(
        squared_error=float(each.mean()),
        error=float(each.std(correction=0)) / len(each) ** 0.5,
        map=(square / len(x)).numpy(),
        frequencies=used.double().numpy() / max(height, width),
        spectrum=by_ring[:, 0].numpy(),
        images=by_ring[:, 1].numpy(),
        fine=float(powers[0][fine].sum() / powers[0].sum().clamp(min=1e-300)),
        fine_of_noise=float(fine.double().mean()),
    )


def _times(ratio: float) -> str:
    return f"{1 / ratio:.2g} times too large" if ratio < 1 else f"{ratio:.2g} times too small"


def _digits(value: float) -> int:
    """Digits after the point that show three of the number's own."""
    return max(1, 2 - int(np.floor(np.log10(max(value, 1e-12)))))


def _picture(left: _Left, c: float) -> str:
    residual = left.map.mean(0)
    height, width = residual.shape
    side, top = max(height, width), max(float(residual.max()), 1e-300)
    grey = np.rint(255 * residual / top).astype(np.uint8)
    where = Chart((0, side), (0, side), height=236, width=230, labels=("mean square a pixel", ""), ticks=({}, {}))
    where.pixels((side - width) / 2, (side + width) / 2, (side - height) / 2, (side + height) / 2, grey)
    level = math.log10(c)
    left_over, images = (np.log10(np.maximum(curve, 1e-12)) for curve in (left.spectrum, left.images))
    ends = [level, *left_over, *images]
    span = (min(ends) - 0.1, max(ends) + 0.1)
    legend = [("distortion", "left over"), ("sample", "images"), ("elbo", "c")]
    labels, ticks = ("cycles a pixel", "variance"), _powers(*span)
    over = Chart((0, 0.5), span, height=218, width=260, labels=labels, legend=legend, ticks=(None, ticks))
    over.line(left.frequencies.tolist(), images.tolist(), "sample")
    over.line(left.frequencies.tolist(), left_over.tolist(), "distortion")
    over.level(level, "elbo", dashed=True)
    return beside(where, over, "Where the squared error is left: by pixel, and by spatial frequency against c")


def _powers(low: float, high: float) -> dict[float, str]:
    """Ticks of an axis of log10 values: powers of ten, with 2 and 5 times these where there are few."""
    factors = (1, 2, 5) if high - low < 1.5 else (1,)
    places = [(p + math.log10(m), f"{m * 10.0**p:g}") for p in range(math.floor(low), math.ceil(high)) for m in factors]
    return {at: words.replace("-", "−") for at, words in places if low <= at <= high}
