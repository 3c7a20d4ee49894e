"""What a written loss means, as formulas (KaTeX) with the numbers of this loss, and words (Markdown) beside them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from vae.lessons.reductions import Meaning, WrittenLoss, meaning, ratio_for, written_for

W_REC, W_KL = r"w_{\mathrm{rec}}", r"w_{\mathrm{KL}}"
ERRORS = {  # of one image, summed over its pixels
    "squared": r"e_i = \|x_i - \hat x_i\|^2",
    "cross-entropy": r"e_i = -\sum [x \log p + (1-x)\log(1-p)] = -\log p(x_i|z)",
    "grey-cross-entropy": r"e_i = -\sum [x \log p + (1-x)\log(1-p)]",
    "absolute": r"e_i = \|x_i - \hat x_i\|_1",
    "gaussian-nll": r"e_i = \tfrac12 \sum [\log v + (x - \hat x)^2 / v]",
}


@dataclass(frozen=True)
class Line:
    """A formula and what it says."""

    tex: str
    about: str


def number(value: float, digits: int = 4) -> str:
    """Writes a number for KaTeX: whole numbers to the unit, others to `digits` significant digits: 12,288, 0.0255,
    1.28 × 10⁻⁵."""
    if abs(value) < 1e7 and math.isclose(value, round(value), rel_tol=1e-12):
        return f"{round(value):,}".replace(",", "{,}")
    mantissa, power = f"{value:.{digits - 1}e}".split("e")
    if -4 <= int(power) < 7:
        text = f"{float(f'{value:.{digits - 1}e}'):,.{max(0, digits - 1 - int(power))}f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
        return text.replace(",", "{,}")
    return rf"{mantissa.rstrip('0').rstrip('.')} \times 10^{{{int(power)}}}"


def ratio(loss: WrittenLoss) -> str:
    """Returns ρ by its factors, with their numbers: `\\rho = a / b = 1 · 20 / 784 = 0.0255`."""
    above: list[tuple[str, float]] = [(W_REC, loss.weight)]
    below: list[tuple[str, float]] = [(W_KL, loss.kl_weight)]
    if loss.error == "squared" and loss.half:
        above.append((r"\tfrac12", 0.5))
    if not loss.kl_half:
        below.append(("2", 2.0))
    if loss.pixels == "mean":
        below.append(("D", loss.D))
    if loss.latents == "mean":
        above.append(("k", loss.k))
    if loss.batch != loss.kl_batch:
        (below if loss.batch == "mean" else above).append(("B", loss.batch_size))
    letters = rf"\frac{{{_product(above)}}}{{{_product(below)}}}"
    numbers = rf"\frac{{{_product(above, True)}}}{{{_product(below, True)}}}"
    return rf"\rho = {letters} = {numbers} = {number(meaning(loss).ratio)}"


def _product(factors: list[tuple[str, float]], numbers: bool = False) -> str:
    return r" \cdot ".join(number(value) if numbers else letters for letters, value in factors)


def reading(loss: WrittenLoss) -> list[Line]:
    """Returns the loss taken apart, then what it fixes."""
    m = meaning(loss)
    learned = loss.error == "absolute" and loss.variance is None
    error = r"e_i = \sum \left(|x - \hat x| / b + \log b\right)" if learned else ERRORS[loss.error]
    whole = rf"L = s \cdot \frac1B \sum_i \left[\rho\, e_i + \mathrm{{KL}}_i\right], \qquad {error}"
    lines = [
        Line(whole, "What the code minimises. Only $\\rho$ decides what is learned."),
        Line(ratio(loss), "How an image’s whole error weighs against its whole KL."),
        *_noise(loss, m),
        Line(_beta(loss, m), BETA["gaussian-nll" if learned else loss.error]),
        Line(_scale(loss, m), "The gradient is $s$ times ours: a learning rate for SGD; Adam hardly notices."),
    ]
    if m.constant is not None:
        lines.append(Line(_elbo(loss, m), "A printed loss as nats per image."))
    return lines + _unit(loss, m)


def _unit(loss: WrittenLoss, m: Meaning) -> list[Line]:
    """The same for pixels from 0 to 1."""
    if m.width == 1 or m.sd is None:
        return []
    w, values = number(m.width), [rf"w = {number(m.width)}"]
    if m.c is not None and m.unit_C is not None:
        values += [rf"C w^2 = {number(m.unit_C)}", rf"c / w^2 = {number(m.c / m.width**2)}"]
    values.append(rf"\text{{sd}} / w = {number(m.sd / m.width)}")
    lines = [Line(r", \qquad ".join(values), "In pixels from 0 to 1: the range is $w$ wide.")]
    if m.constant is not None:
        tex = rf"D \log w = {number(loss.D)} \cdot \log {w} = {number(loss.D * math.log(m.width), 6)}"
        lines.append(Line(tex, "nats to take off −ELBO for pixels from 0 to 1: a density has units."))
    return lines


def _noise(loss: WrittenLoss, m: Meaning) -> list[Line]:
    rho = number(m.ratio)
    if m.laplace_scale is not None:
        b, sd = number(m.laplace_scale), number(m.sd or 0.0)
        tex = rf"b = \frac1\rho = {b}, \qquad \text{{sd}} = \sqrt2\, b = {sd}"
        return [Line(tex, "A Laplace density of scale $b$ per pixel; C is for squared errors and has no meaning here.")]
    if m.c is not None and m.C is not None:
        v = "" if loss.error == "squared" else number(loss.variance or 1.0)
        C = rf"C = \rho = {rho}" if not v else rf"C = \frac{{\rho}}{{2v}} = {number(m.C)}"
        tex = rf"{C}, \qquad c = \frac{{1}}{{2C}} = {number(m.c)}, \qquad \sqrt c = {number(m.sd or 0.0)}"
        return [Line(tex, "The noise of $p(x|z)$: variance $c$, standard deviation $\\sqrt c$ per pixel.")]
    if loss.error == "absolute":
        tex = r"b \to \tfrac1D\, \mathbb{E}\|x - \hat x\|_1"
        return [Line(tex, "The scale is fitted: its optimum is the mean absolute error of a pixel.")]
    if loss.error == "gaussian-nll":
        tex = r"c \to \tfrac1D\, \mathbb{E}\|x - \hat x\|^2, \qquad C = \frac{1}{2c}"
        return [
            Line(
                tex,
                "The noise is fitted: its optimum is the mean squared error of a pixel. torch keeps $v$ at $10^{-6}$ "
                "or more.",
            )
        ]
    return [Line(rf"C = \rho = {rho}", "The weight of the distortion. There is no noise variance to choose.")]


BETA = {
    "squared": "Read with noise variance 1, $\\tfrac12\\|x-\\hat x\\|^2$: the same number as $c$. A squared error "
    "alone does not tell $\\beta$ from noise.",
    "cross-entropy": "The weight of the KL against a likelihood of weight 1. The ELBO has $\\beta = 1$.",
    "grey-cross-entropy": "The weight of the KL against this sum, which is no log-likelihood.",
    "absolute": "Read with a Laplace density of scale 1.",
    "gaussian-nll": "The weight of the KL against the density that the code states.",
}


def _beta(loss: WrittenLoss, m: Meaning) -> str:
    by = r"\frac{1}{2\rho}" if loss.error == "squared" else r"\frac{1}{\rho}"
    return rf"\beta = {by} = {number(m.beta)}"


def _scale(loss: WrittenLoss, m: Meaning) -> str:
    above: list[tuple[str, float]] = [("B", loss.batch_size), (W_KL, loss.kl_weight)]
    below: list[tuple[str, float]] = []
    if not loss.kl_half:
        above.append(("2", 2.0))
    if loss.latents == "mean":
        below.append(("k", loss.k))
    if loss.kl_batch == "mean":
        above = above[1:]
    top = _product(above)
    letters = rf"\frac{{{top}}}{{{_product(below)}}}" if below else top
    return rf"s = {letters} = {number(m.scale)}"


def _elbo(loss: WrittenLoss, m: Meaning) -> str:
    by = rf"\frac{{L}}{{{number(m.scale)}}}" if m.scale != 1 else "L"
    if not m.constant:
        return rf"-\mathrm{{ELBO}} = \frac{{L}}{{s}} = {by}"
    sign = "-" if m.constant < 0 else "+"
    numbers = rf"{by} {sign} {number(abs(m.constant), 6)}"
    return rf"-\mathrm{{ELBO}} = \frac{{L}}{{s}} + {_constant(loss, m)} = {numbers}"


def _constant(loss: WrittenLoss, m: Meaning) -> str:
    if m.laplace_scale is not None:
        return r"D \log 2b"
    if loss.error == "absolute":
        return r"D \log 2"
    if loss.error == "squared":
        return r"\tfrac D2 \log 2\pi c"
    if loss.variance is None:
        return r"\tfrac D2 \log 2\pi"
    there = r"\rho \log 2\pi v" if loss.full else r"\rho \log v"
    return rf"\tfrac D2 (\log 2\pi c - {there})"


def summary(m: Meaning) -> str:
    """Returns C, c, the standard deviation and beta, those that there are: Markdown, a formula each, which may stand
    below each other."""
    parts = [(r"C", m.C), ("c", m.c), (r"\text{sd}", m.sd), (r"\beta", m.beta)]
    if m.width != 1 and m.c is not None:
        parts.insert(1, (r"C_{[0,1]}", m.unit_C))
    return " ".join(rf"$\large {{{letter} = {number(value)}}}$" for letter, value in parts if value is not None)


def wanted(loss: WrittenLoss) -> str:
    """Returns the label of the question for the way back."""
    if loss.error in ("cross-entropy", "grey-cross-entropy") or loss.variance is None:
        return "C that you want, 1/β"
    unit = "" if loss.range == "unit" else ", in the units of your pixels"
    return ("1/b" if loss.error == "absolute" else "C") + " that you want" + unit


def wanted_words(loss: WrittenLoss, value: float) -> str:
    """Returns what the number that is asked for means."""
    if loss.error == "absolute" and loss.variance is not None:
        return rf"$b = {number(1 / value)}$, sd $= {number(math.sqrt(2) / value)}$ per pixel"
    if loss.error == "squared" or (loss.error == "gaussian-nll" and loss.variance is not None):
        c = 1 / (2 * value)
        return rf"$c = \frac{{1}}{{2C}} = {number(c)}$, $\sqrt c = {number(math.sqrt(c))}$ per pixel"
    return rf"$\beta = \frac1C = {number(1 / value)}$"


def way_back(loss: WrittenLoss, value: float) -> list[Line]:
    """Returns what to write for it: one weight or the other."""
    by_error, by_rate = written_for(loss, ratio_for(loss, value))
    return [
        Line(
            rf"{W_REC} = {number(by_error.weight, 6)}, \quad {W_KL} = {number(by_error.kl_weight)}",
            rf"by the weight of the error; then $s = {number(meaning(by_error).scale)}$",
        ),
        Line(
            rf"{W_REC} = {number(by_rate.weight)}, \quad {W_KL} = {number(by_rate.kl_weight, 6)}",
            rf"or by the weight of the KL; then $s = {number(meaning(by_rate).scale)}$",
        ),
    ]
