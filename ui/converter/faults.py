"""A sentence for each thing that a written loss does quietly. Markdown with KaTeX."""

from __future__ import annotations

import math

from ui.converter.words import number
from vae.lessons.reductions import Fault, Meaning, WrittenLoss, meaning
from vae.model.normal_density import LOG_2PI

GRAVE = ("no-range", "no-likelihood", "no-elbo")  # the loss is no ELBO at all: the verdict


def sentence(found: Fault, loss: WrittenLoss) -> str:
    """Returns the sentence for a fault, with the numbers of this loss."""
    bound = _bound(loss) if found.name == "no-elbo" else ""
    return (SENTENCES[found.name] + bound).format(**_numbers(found, loss))


def _bound(loss: WrittenLoss) -> str:
    """What the loss says of log p(x) where β is not 1: with β above 1, distortion + β rate lies above −ELBO; below 1,
    distortion / β + rate does where no distortion is negative, as of bits. A density may have any distortion."""
    m = meaning(loss)
    if m.beta > 1:
        return BOUNDS["by-rate"]
    return BOUNDS["by-distortion" if loss.error == "cross-entropy" else "none"]


def missing_constant(loss: WrittenLoss) -> float:
    """Returns what the error of a density whose noise is learned leaves out of −log p(x|z), nats per image."""
    if loss.error == "absolute":
        return loss.D * math.log(2)
    return 0.0 if loss.error == "cross-entropy" or loss.full else 0.5 * loss.D * LOG_2PI


def _numbers(found: Fault, loss: WrittenLoss) -> dict[str, str]:
    m = meaning(loss)
    values = {
        "D": loss.D,
        "k": loss.k,
        "B": loss.batch_size,
        "beta": m.beta,
        "factor": found.factor,
        "rate_more": m.beta - 1,
        "distortion_more": 1 / m.beta - 1,
        "c": m.c or 0.0,
        "most": loss.D * m.width**2 / 4,
        "sd": m.sd or 0.0,
        "half_width": m.width / 2,
        "outside": round(100 * m.outside),
        "missing": math.log(2),
        "all_missing": loss.D * math.log(2),
    }
    missing = missing_constant(loss)
    words = {
        "batch": _verb(loss.batch),
        "kl_batch": _verb(loss.kl_batch),
        "constant": number(m.constant or 0.0, 6),
        "by_error": _times(m.beta / m.scale),
        "by_rate": _times(1 / m.scale),
        "and_constant": f", with the missing ${number(missing, 6)}$ nats," if missing else "",
    }
    return {name: f"${number(value)}$" for name, value in values.items()} | words


def verdict(loss: WrittenLoss, found: list[Fault]) -> str:
    """Returns the answer to the first question, whether the loss is −ELBO. Markdown."""
    grave = [sentence(one, loss) for one in found if one.name in GRAVE]
    if grave:
        return grave[0]
    m, rounded = meaning(loss), ""
    times = "" if math.isclose(m.scale, 1.0, rel_tol=1e-9) else f" times ${fraction(m.scale)}$"
    but = " but for a constant" if abs(m.constant or 0.0) > 1e-9 * loss.D else ""
    if m.c is None and m.laplace_scale is None and not math.isclose(m.beta, 1.0, rel_tol=1e-9):
        rounded = f" $\\beta$ is ${number(m.beta, 6)}$: 1 but for the digits of a weight."
    return f"**This is −ELBO**{times}{but}, {_density(loss, m)}, averaged over the batch.{rounded}"


def fraction(value: float) -> str:
    """Returns a number, or one over a whole number."""
    whole = round(1 / value)
    if value < 1 and math.isclose(value * whole, 1.0, rel_tol=1e-9):
        return rf"\tfrac{{1}}{{{number(whole)}}}"
    return number(value)


def _density(loss: WrittenLoss, m: Meaning) -> str:
    if loss.error == "cross-entropy":
        return "of a Bernoulli likelihood of 0/1 pixels"
    if m.c is not None:
        return f"of a Gaussian likelihood with $c = {number(m.c)}$"
    if m.laplace_scale is not None:
        return f"of a Laplace likelihood with $b = {number(m.laplace_scale)}$"
    return f"of a {'Laplace' if loss.error == 'absolute' else 'Gaussian'} likelihood whose noise is learned"


def _times(factor: float) -> str:
    return "" if math.isclose(factor, 1.0, rel_tol=1e-9) else f" times ${number(factor)}$"


def _verb(reduction: str) -> str:
    return "summed" if reduction == "sum" else "averaged"


SENTENCES = {
    "no-range": (
        "**This is not −ELBO.** A cross-entropy is a likelihood of pixels that are 0 or 1. For a target below 0 or "
        "above 1 it falls without bound as $p$ goes to 0 or to 1."
    ),
    "no-likelihood": (
        "**This is not −ELBO.** Cross-entropy on grey pixels is not the logarithm of a density on $[0, 1]$. At "
        "$p = \\tfrac12$ a density has $\\log 2$ = {missing} nats more per pixel, {all_missing} per image. Use the "
        "continuous Bernoulli, or draw 0/1 pixels from the grey ones and train on these. The KL weighs $\\beta$ = "
        "{beta}."
    ),
    "no-elbo": (
        "**This is not −ELBO.** The KL weighs $\\beta$ = {beta} instead of 1, as in a β-VAE, and the loss’s values do "
        "not compare with those of an ELBO. "
    ),
    "both-means": (
        "Mean over pixels and mean over latents: $\\beta$ is $D/k$ = {D} / {k} = {factor} times what the sums give."
    ),
    "pixel-mean": "Mean over pixels divides the error by $D$ = {D}: $\\beta$ is {factor} times what the sum gives.",
    "latent-mean": "Mean over latents divides the KL by $k$ = {k}: $\\beta$ is {factor} times what the sum gives.",
    "batch": (
        "The batch is {batch} in the error and {kl_batch} in the KL: $\\beta$ is {factor} times what one reduction for "
        "both gives, and changes with the batch size, here {B}."
    ),
    "kl-half": "The KL without its $\\tfrac12$ counts twice: $\\beta$ is {factor} times what the closed form gives.",
    "half": "A squared error without $\\tfrac12$ counts twice against $c = 1$: $c$ and $\\beta$ are halved.",
    "wide-noise": (
        "**The noise is wider than the data.** Its standard deviation, {sd}, exceeds half of the pixels’ range, "
        "{half_width}: of a pixel drawn around the middle of the range, {outside} % would lie outside."
    ),
    "noise-above-data": (
        "$c$ = {c} is above {most}, the most variance that $D$ = {D} pixels of this range can have in any direction: "
        "with this noise a linear decoder uses no latent dimension at all."
    ),
    "log-2pi": (
        "torch leaves out $\\tfrac12\\log 2\\pi$ a pixel, the same for every $v$: add ${constant}$ nats per image to "
        "compare with other likelihoods, or say full=True."
    ),
    "constant": (
        "**A constant is missing.** That is right while the noise stays fixed. To compare runs of other noise, or to "
        "learn it, add ${constant}$ nats per image."
    ),
}

BOUNDS = {
    "by-rate": (
        "The loss{by_error}{and_constant} is distortion + $\\beta$ · rate: still never below $-\\log p(x)$, but a "
        "looser bound than −ELBO, by {rate_more} times the rate."
    ),
    "by-distortion": (
        "The loss{by_rate} is distortion / $\\beta$ + rate: still never below $-\\log p(x)$, since no distortion of "
        "0/1 pixels is negative, but a looser bound than −ELBO, by {distortion_more} times the distortion."
    ),
    "none": (
        "It bounds no $\\log p(x)$: distortion + $\\beta$ · rate lies below −ELBO, and so does distortion / $\\beta$ + "
        "rate where the distortion, of a density, is negative."
    ),
}
