"""The steps of the derivation: what is said at each, and where its live check is. A new step is one line in STEPS and
one function."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Step:
    """`equation` is LaTeX with the ideas' colours as \\DIST{…}, \\RATE{…}, \\POST{…}, \\PRIOR{…}, \\DRAW{…};
    `reason` is Markdown. `live` names module and function of this package."""

    name: str  # in the address
    title: str
    equation: str
    reason: str
    live: str

    def show_live(self) -> None:
        """Draws the live check of the step."""
        module, function = self.live.split(":")
        draw: Callable[[], Any] = getattr(importlib.import_module(f"ui.lessons.{module}"), function)
        draw()


STEPS = (
    Step(
        "jensen",
        "Evidence and its bound",
        r"\log p(x) = \log\!\int\! p(x|z)\,\PRIOR{p(z)}\,dz = \log \mathbb E_{\POST{q}}\!\left[\DRAW{w}\right]\;\ge\; "
        r"\mathbb E_{\POST{q}}\!\left[\log \DRAW{w}\right] = \mathrm{ELBO},\qquad \DRAW{w} = "
        r"\frac{p(x|z)\,\PRIOR{p(z)}}{\POST{q(z|x)}}",
        "A good model gives the data a high density $p(x)$, but the integral over $z$ cannot be done for a network. "
        "With any $q$ that we can draw from it becomes the mean of weights $w$. The logarithm bends downwards, so "
        "the mean of the logarithms never lies above the logarithm of the mean (Jensen): a lower bound on the "
        "evidence.",
        "evidence:jensen",
    ),
    Step(
        "identity",
        "The gap is a KL",
        r"\log p(x) = \mathrm{ELBO} + \POST{\mathrm{KL}\big(q(z|x)\,\|\,p(z|x)\big)}",
        "The bound misses $\\log p(x)$ by exactly the divergence from $q$ to the true posterior. $\\log p(x)$ does "
        "not depend on $q$: what the ELBO gains, the gap loses. The gap is 0 when $q$ is the posterior, which a "
        "normal $q$ can be for the straight decoder and cannot for the bent one.",
        "evidence:identity",
    ),
    Step(
        "two-terms",
        "Distortion and rate",
        r"-\mathrm{ELBO} = \DIST{-\mathbb E_{q}[\log p(x|z)]} + \RATE{\mathrm{KL}\big(q(z|x)\,\|\,p(z)\big)}= "
        r"\DIST{\text{distortion}} + \RATE{\text{rate}}",
        "Split $\\log w$ and the same number becomes two costs: how badly $x$ is described once $z$ is known, and "
        "how far $q$ moves away from the prior to say so. Below scale 1, narrowing $q$ always raises the second. It "
        "lowers the first only down to a point: with the straight decoder that is $s = 0$, with the bent one a "
        "narrow $q$ in the wrong place misses $x$ by more than a wider one. The best $q$ is where the two slopes "
        "cancel.",
        "evidence:two_terms",
    ),
    Step(
        "kl-1d",
        "KL in one dimension",
        r"\mathrm{KL}\big(\POST{\mathcal N(m,s^2)}\,\|\,\PRIOR{\mathcal N(\mu,\sigma^2)}\big) = "
        r"\underbrace{-\tfrac12\log 2\pi e s^2}_{\text{negative entropy}} + \underbrace{\tfrac12\log 2\pi \sigma^2 + "
        r"\frac{s^2+(m-\mu)^2}{2\sigma^2}}_{\text{cross-entropy}}",
        "The KL is a mean of $\\log q - \\log p$ under $q$, so it has two parts: the negative entropy of the first, "
        "and the cross-entropy to the second. The logarithm of a normal density is a parabola, so both need only the "
        "mean and the variance of the first. The KL is not symmetric: swap the two and see.",
        "divergences:kl_1d",
    ),
    Step(
        "kl-2d",
        "KL, full covariance",
        r"\mathrm{KL}\big(\POST{\mathcal N(m,\Sigma)}\,\|\,\PRIOR{\mathcal N(\mu,\Omega)}\big) = "
        r"\tfrac12\Big[\log\frac{\det\Omega}{\det\Sigma} - k + \mathrm{tr}(\Omega^{-1}\Sigma) + "
        r"(m-\mu)^\top\Omega^{-1}(m-\mu)\Big]",
        "The same computation with matrices: the trace comes from $\\mathbb E[(z-m)^\\top\\Omega^{-1}(z-m)] = "
        "\\mathrm{tr}(\\Omega^{-1}\\Sigma)$. Here $m_1$ and $m_2$ are the two numbers of $m$, as in the steps that "
        "follow. Turn the correlations: leaving the off-diagonal numbers out gives "
        "another, wrong number.",
        "divergences:kl_2d",
    ),
    Step(
        "rate",
        "The rate by dimension",
        r"\RATE{\mathrm{KL}\big(\mathcal N(m,\mathrm{diag}\,v)\,\|\,\mathcal N(0,I)\big)} = "
        r"\tfrac12\sum_{i=1}^{k}\big(m_i^2 + v_i - 1 - \log v_i\big), \qquad v_i = s_i^2",
        "With a diagonal $q$ and the standard normal prior the KL is a sum with one number per dimension. A "
        "dimension with $m=0$ and $v=1$ costs nothing and tells nothing. Mind that $v$ is the variance: standard "
        "deviation, variance and log-variance are easily mistaken for each other in code.",
        "divergences:rate",
    ),
    Step(
        "reparameterise",
        "Reparameterisation",
        r"\text{diagonal: } z = m + s\odot\DRAW{\varepsilon}, \qquad \text{full: } z = m + L\,\DRAW{\varepsilon},\; "
        r"LL^\top=\Sigma, \qquad \DRAW{\varepsilon}\sim\mathcal N(0, I_k)",
        "Randomness that does not depend on the encoder lets derivatives pass through $m$ and $s$. The noise needs a "
        "number of its own for every dimension, and a full covariance needs a matrix product. Two ways to read what is "
        "in print miss one or the other: their clouds have the wrong shape.",
        "sampling:reparameterise",
    ),
    Step(
        "monte-carlo",
        "The error of S samples",
        r"\DIST{-\mathbb E_q[\log p(x|z)]} \approx \frac1S\sum_{n=1}^{S} -\log p(x|\DRAW{z_n}), \qquad \text{standard "
        r"error} = \frac{\sigma}{\sqrt S}",
        "The distortion of a network has no closed form, so it is a mean over draws. Such a mean is right on average "
        "for every $S$, even for one; only its scatter depends on $S$: four times the samples halve it, a line of "
        "slope $-\\tfrac12$ on logarithmic axes.",
        "sampling:monte_carlo_error",
    ),
    Step(
        "noise",
        "Where C comes from",
        r"\DIST{-\log \mathcal N(x; f(z), cI)} = \DIST{C\,\|x-f(z)\|^2} + \tfrac D2\log 2\pi c, \qquad C=\frac1{2c}, "
        r"\qquad C^\ast = \frac{D}{2\,\overline{\|x-f(z)\|^2}}",
        "Gaussian noise of variance $c$ on each of $D$ pixels turns the distortion into a squared error with weight "
        "$C$, plus a constant. So $C$ is no taste: it says how much noise the model believes in. The constant stops "
        "$C$ from running away, and the sum is smallest where $c$ is the mean squared error per pixel.",
        "noise:noise",
    ),
    Step(
        "collapse",
        "Why dimensions collapse",
        r"\text{linear decoder: }\allowbreak \text{dimension } j \text{ is used} \iff \lambda_j > c, \qquad "
        r"\mathrm{Var}_x\big(\POST{\mathbb E_q[z_j]}\big) = \max\Big(0, \frac{\lambda_j - c}{\lambda_j}\Big)",
        "Saying something about $x$ costs rate. It pays only along directions in which the data vary by more than "
        "the noise $c$: $\\lambda_j$ are the variances of the data along their principal axes. Every other dimension "
        "does best to copy the prior. That is no failure of the training, it is the optimum at this $c$.",
        "noise:collapse",
    ),
    Step(
        "likelihood-ratio",
        "A gradient through bits",
        r"\nabla L = \mathbb E_{\POST{q}}\big[\nabla\log \POST{q(z|x)}\;\big(\log \POST{q(z|x)} - \log \PRIOR{p(z)} - "
        r"\log p(x|z)\big)\big]",
        "Bits cannot be written as $m + s\\varepsilon$. But $\\nabla q = q\\,\\nabla\\log q$ turns the gradient of "
        "a mean into a mean of a gradient, which can be sampled. Subtracting a number from the bracket that does not "
        "depend on the draw (a baseline) changes no mean, since $\\mathbb E_q[\\nabla\\log q]=0$. It changes the "
        "variance: mostly, not always, to less.",
        "gradients:likelihood_ratio",
    ),
    Step(
        "loss",
        "The loss that is trained",
        r"L = \underbrace{\DIST{C\,\|x-f(z)\|^2}}_{\text{weighted squared error}} + \underbrace{\tfrac "
        r"D2\log\tfrac{\pi}{C}}_{\text{constant}} + \underbrace{\RATE{\tfrac12\textstyle\sum_i(m_i^2+v_i-1-\log "
        r"v_i)}}_{\text{rate}}, \qquad z = m+s\odot\varepsilon",
        "All steps together: with a Gaussian likelihood and a normal latent (diagonal $q$) this is what the Train page "
        "minimises for the objective *elbo*, summed over pixels and dimensions, averaged over images, with one draw of "
        "$z$ per image unless more are asked for. With another likelihood the first two terms are $-C\\log p(x|z)$ of "
        "that likelihood; with a full covariance or with bits the rate is that of step 5 or of bits; the objective "
        "*iwae* minimises a tighter bound. For a linear decoder the mean over $z$ has a closed form, so the trainer’s "
        "own function can be checked on a digit.",
        "noise:trained",
    ),
    Step(
        "misprints",
        "Misprints in four notes",
        "",
        "Notes that teach this derivation carry slips that find their way into code. Each box quotes what is printed "
        "to the letter. A *misprint* is wrong as it stands; with a *missing condition* the line is right in one case, "
        "which the note does not name there. What the difference does in an example is computed when this page is "
        "opened.",
        "misprints:everything",
    ),
)
BY_NAME = {step.name: step for step in STEPS}

IDEAS = {  # light, dark
    "DIST": ("#D55E00", "#F07F34"),
    "RATE": ("#0072B2", "#56A8E0"),
    "POST": ("#AA3377", "#DD7FB4"),
    "PRIOR": ("#1F7F37", "#5BBD72"),
    "DRAW": ("#B98300", "#E3B341"),
}


def coloured(equation: str, dark: bool) -> list[str]:
    """Returns the equation with its ideas in the palette's colours, for KaTeX: its parts, which may stand below each
    other."""
    for idea, tones in IDEAS.items():
        equation = equation.replace(f"\\{idea}{{", f"\\textcolor{{{tones[dark]}}}{{")
    return [part.strip() for part in equation.split(r"\qquad")]
