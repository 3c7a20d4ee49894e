"""A sentence for each thing that a written loss does quietly. Markdown with KaTeX."""

from __future__ import annotations

import math

from ui.converter_words import number
from vae.reductions import Fault, WrittenLoss, meaning

GRAVE = ("no-likelihood", "no-elbo")  # the loss is no ELBO at all


def sentence(found: Fault, loss: WrittenLoss) -> str:
    return SENTENCES[found.name].format(**_numbers(found, loss))


def _numbers(found: Fault, loss: WrittenLoss) -> dict[str, str]:
    m = meaning(loss)
    values = {
        "D": loss.D,
        "k": loss.k,
        "B": loss.batch_size,
        "beta": m.beta,
        "factor": found.factor,
        "c": m.c or 0.0,
        "most": loss.D / 4,
        "missing": math.log(2),
        "all_missing": loss.D * math.log(2),
    }
    said = {"batch": _said(loss.batch), "kl_batch": _said(loss.kl_batch), "constant": number(m.constant or 0.0, 6)}
    return {name: f"${number(value)}$" for name, value in values.items()} | said


def _said(reduction: str) -> str:
    return "summed" if reduction == "sum" else "averaged"


SENTENCES = {
    "no-likelihood": (
        "**No likelihood.** Cross-entropy on grey pixels is not the logarithm of a density on $[0, 1]$. At "
        "$p = \\tfrac12$ a density has $\\log 2$ = {missing} nats more per pixel, {all_missing} per image. Use the "
        "continuous Bernoulli, or draw 0/1 pixels from the grey ones and train on these."
    ),
    "no-elbo": (
        "**No ELBO.** The KL weighs $\\beta$ = {beta} instead of 1: the loss bounds no $\\log p(x)$, and its values do "
        "not compare with those of an ELBO."
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
    "noise-above-data": (
        "$c$ = {c} is above $D/4$ = {most}, the most variance that pixels in $[0, 1]$ can have in any direction: with "
        "this noise a linear decoder uses no latent dimension at all."
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
