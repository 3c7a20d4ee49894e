"""What four public notes on VAEs print, what is right, and by how much it differs: recomputed, never quoted.

Spanopoulos 2020, "VAE Mathematics"; Hallerfelt 2022, "Variational Auto Encoders"; Selega 2022, "Notes on the VAE ELBO
loss"; notes on Doersch's tutorial, arXiv 1606.05908. A new erratum is one function here and one line in ERRATA.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from vae.derivation import likelihood_ratio, noise
from vae.derivation.check import Check, generator, normal, sampled
from vae.derivation.gaussian_noise import constant, optimum
from vae.derivation.scalar_model import ScalarModel, identity
from vae.kl import kl_normal

SAMPLES = 20_000


@dataclass(frozen=True)
class Measured:
    """A number as the printed line gives it, beside the right one; `check` is the right rule in a sample."""

    what: str
    printed: float
    right: float
    unit: str = ""
    check: Check | None = None


@dataclass(frozen=True)
class Erratum:
    """`printed`, `right` and `example` are Markdown with formulas; `step` names the step that it is about."""

    name: str
    note: str
    step: str
    printed: str
    right: str
    example: str
    measure: Callable[[], list[Measured]]


MODELS, BITS, BIT_NOISE = 40, 8, 4.0


def binary_gradient() -> list[Measured]:
    """The printed rule against F13 by enumeration, and where it drives q."""
    errors = []
    for seed in range(MODELS):
        model, logits = likelihood_ratio.toy(BITS, generator(seed), BIT_NOISE)
        exact = likelihood_ratio.gradient(model, logits)
        difference = likelihood_ratio.printed_gradient(model, logits) - exact
        errors.append(100 * float(difference.norm() / exact.norm()))
    model, logits = likelihood_ratio.toy(BITS, generator(2), BIT_NOISE)
    right, wrong = (likelihood_ratio.drive(model, logits, printed) for printed in (False, True))
    return [
        Measured("relative error of the gradient, smallest", min(errors), 0.0, "%"),
        Measured("relative error of the gradient, largest", max(errors), 0.0, "%"),
        Measured("ELBO where the rule leads", wrong.elbo, right.elbo, "nats"),
        Measured("entropy of q there", wrong.entropy, right.entropy, "nats"),
    ]


def continuous_gradient() -> list[Measured]:
    """The derivative along m of E_ε[log q] and of E_ε[log q − log p(z) − log p(x|z)], z = m + s ⊙ ε, by autograd."""
    W = torch.tensor([[2.0, 0.5], [-1.0, 3.0]], dtype=torch.float64)
    x, m = torch.tensor([1.0, -2.0], dtype=torch.float64), torch.tensor([1.5, 0.5], dtype=torch.float64)
    s, c = torch.tensor([0.4, 0.7], dtype=torch.float64), 0.5
    noise_draws = normal((SAMPLES, 2), generator(1))

    def gradient(whole: bool) -> Tensor:
        each = m.repeat(SAMPLES, 1).requires_grad_()  # one m per draw, so that each draw has its own derivative
        z = each + s * noise_draws
        total = (-0.5 * ((z - each) / s) ** 2).sum(-1)  # log q, up to what does not depend on m
        if whole:
            total = total + 0.5 * z.square().sum(-1) + (x - z @ W.mT).square().sum(-1) / (2 * c)
        return torch.autograd.grad(total.sum(), each)[0]

    exact = m - W.mT @ (x - W @ m) / c
    printed, right = gradient(False).mean(0), gradient(True)
    names = ("derivative along the first mean", "derivative along the second mean")
    return [
        Measured(name, float(printed[i]), float(exact[i]), "nats", sampled(float(exact[i]), right[:, i]))
        for i, name in enumerate(names)
    ]


def _rate_gradients() -> tuple[float, float]:
    """d rate / d (encoder's weight) and d rate / d (decoder's weight): q(z|x) = N(a x, s²), p(x|z) = N(w z, c)."""
    a, w = (torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (0.8, 1.7))
    x, s = torch.tensor([1.5], dtype=torch.float64), torch.tensor([0.36], dtype=torch.float64)
    zero, one = torch.zeros(1, dtype=torch.float64), torch.ones(1, dtype=torch.float64)
    rate = kl_normal(a * x, s, zero, one).sum() + 0 * w
    by_a, by_w = torch.autograd.grad(rate, (a, w))
    return float(by_a), float(by_w)


def decoder_parameterises_q() -> list[Measured]:
    encoder, decoder = _rate_gradients()
    return [Measured("derivative of the rate to that network’s weight", decoder, encoder, "nats")]


def swapped_parameters() -> list[Measured]:
    encoder, decoder = _rate_gradients()
    return [Measured("derivative of the rate to what is called the encoder", decoder, encoder, "nats")]


def sign() -> list[Measured]:
    model = ScalarModel(bent=True, noise=0.5)
    elbo = model.elbo(1.0, 1.2, 0.3)
    log_px, _ = model.log_evidence(1.0)
    return [
        Measured("what is called the ELBO", -elbo, elbo, "nats"),
        Measured("log of the evidence minus it: a bound leaves 0 or more", log_px + elbo, log_px - elbo, "nats"),
    ]


COVARIANCE = [[1.0, 0.9, 0.3], [0.9, 1.5, -0.2], [0.3, -0.2, 0.8]]


def _covariance_error(way: str, reference: str, cov: Tensor) -> list[Measured]:
    wrong, right = (
        noise.draw(name, torch.zeros(3, dtype=torch.float64), cov, SAMPLES, generator(2)) for name in (way, reference)
    )
    percent = Check(0.0, 100 * right.relative_error, 100 * right.check.error)
    error = Measured("relative error of the covariance", 100 * wrong.relative_error, 0.0, "%", percent)
    return [error] if wrong.rank == right.rank else [error, Measured("its rank", wrong.rank, right.rank)]


def one_number() -> list[Measured]:
    return _covariance_error("one-number", "diagonal", torch.diag(torch.tensor([1.0, 1.5, 0.8], dtype=torch.float64)))


def elementwise() -> list[Measured]:
    return _covariance_error("elementwise", "full", torch.tensor(COVARIANCE, dtype=torch.float64))


def elementwise_two() -> list[Measured]:
    """The same product in two dimensions of strong correlation."""
    cov = torch.tensor([[1.0, 0.8], [0.8, 1.0]], dtype=torch.float64)
    wrong = noise.exact_covariance("elementwise", cov)
    return [
        Measured("variance of each dimension", float(wrong[0, 0]), float(cov[0, 0])),
        Measured("covariance of the two", float(wrong[0, 1]), float(cov[0, 1])),
        Measured("relative error of the covariance", 100 * float((wrong - cov).norm() / cov.norm()), 0.0, "%"),
    ]


def quadratic_form() -> list[Measured]:
    """The last term of E_q[(z − m2)ᵀ S2⁻¹ (z − m2)], with A = z − m1 and B = m1 − m2, and the KL made with it."""
    m1, m2 = torch.tensor([0.5, -0.2], dtype=torch.float64), torch.tensor([0.3, 0.1], dtype=torch.float64)
    S1 = torch.tensor([[0.3, 0.1], [0.1, 0.2]], dtype=torch.float64)
    S2 = torch.tensor([[0.5, 0.3], [0.3, 0.2]], dtype=torch.float64)
    B = m1 - m2
    right, printed = float(B @ torch.linalg.solve(S2, B)), float(B @ B)
    kl = float(kl_normal(m1, S1, m2, S2))
    return [
        Measured("last term", printed, right),
        Measured("KL made with it", kl + 0.5 * (printed - right), kl, "nats"),
    ]


def posterior_is_no_encoder() -> list[Measured]:
    """KL(q ‖ p(z|x)) of the best normal q where the posterior has two humps."""
    model, x = ScalarModel(bent=True, noise=0.5), 1.0
    m, s = model.best_q(x, torch.linspace(-3, 3, 601).double(), torch.linspace(0.05, 2, 196).double())
    three = identity(model, x, m, s)
    return [
        Measured("log of the evidence minus ELBO, were they the same", 0.0, three.log_px - three.elbo, "nats"),
        Measured("KL from the encoder to the posterior, by quadrature", 0.0, three.gap, "nats"),
    ]


def dropped_constant() -> list[Measured]:
    """D = 784 with the loss's constant and without, and what a fit of C does without it."""
    squared_error = 30.0
    C = torch.logspace(-4, 4, 2001, dtype=torch.float64)
    without = float(C[(C * squared_error).argmin()])
    return [
        Measured("constant at noise variance 1", 0.0, constant(784, 1.0), "nats"),
        Measured("constant at noise variance 0.01", 0.0, constant(784, 0.01), "nats"),
        Measured("fitted C, between 0.0001 and 10,000", without, optimum(784, squared_error)),
    ]


HALLERFELT, SPANOPOULOS = "Hallerfelt 2022, Variational Auto Encoders", "Spanopoulos 2020, VAE Mathematics"
SELEGA, DOERSCH = "Selega 2022, Notes on the VAE ELBO loss", "Notes on Doersch’s tutorial, arXiv 1606.05908"
ERRATA = {
    erratum.name: erratum
    for erratum in (
        Erratum(
            "binary-gradient",
            HALLERFELT,
            "likelihood-ratio",
            r"$\nabla_\phi L = -\,\mathbb{E}_q[\nabla \log q(z|x)\,(\log p(z) + \log p(x|z))]$",
            r"$\nabla_\phi L = \mathbb{E}_q[\nabla \log q(z|x)\,(\log q(z|x) - \log p(z) - \log p(x|z))]$",
            r"The printed rule drops $\mathbb{E}_q[\nabla\log q\,\log q]$. With the prior $\mathrm{Ber}(\tfrac12)$ no "
            r"KL is left, and $q$ is driven to a single code. Examples: 40 random models of 8 bits and 3 pixels, all "
            r"codes summed; one of them, then 500 steps along each rule.",
            binary_gradient,
        ),
        Erratum(
            "continuous-gradient",
            HALLERFELT,
            "reparameterise",
            r"$\nabla_\phi\,\mathbb{E}_\varepsilon[\log q(z|x)]$",
            r"$\nabla_\phi\,\mathbb{E}_\varepsilon[\log q(z|x) - \log p(z) - \log p(x|z)]$",
            r"With $z = m + s\odot\varepsilon$, $\log q$ does not depend on $m$ at all: the printed gradient never "
            r"moves the mean. Example: a linear decoder, two dimensions; the right column is the closed form $m - "
            r"W^\top(x - Wm)/c$.",
            continuous_gradient,
        ),
        Erratum(
            "decoder-for-encoder",
            HALLERFELT,
            "two-terms",
            r"the *decoder* gives the parameters of $q(z|x)$ (twice)",
            r"the *encoder* gives the parameters of $q(z|x)$; the decoder those of $p(x|z)$",
            r"The rate depends on the encoder only. Example: $q(z|x) = \mathcal N(ax, s^2)$, $p(x|z) = \mathcal N(wz, "
            r"c)$; the rate’s derivative with respect to $w$ (printed) and to $a$ (right).",
            decoder_parameterises_q,
        ),
        Erratum(
            "sign",
            SPANOPOULOS,
            "two-terms",
            r"“$L$ is the ELBO”, for $L = -\mathbb{E}_q[\log p(x|z)] + \mathrm{KL}(q\,\|\,p)$",
            r"$L = -\mathrm{ELBO}$: it is minimised, the ELBO is maximised",
            r"A lower bound on $\log p(x)$ can not lie above it. Example: the bent decoder of the first steps, $x = "
            r"1$, $m = 1.2$, $s = 0.3$, $c = 0.5$.",
            sign,
        ),
        Erratum(
            "swapped-parameters",
            SPANOPOULOS,
            "two-terms",
            r"$\theta^*$ is the encoder, $\phi^*$ the decoder, $z \sim q_\theta(z|x)$",
            r"$\phi$ is the encoder, $\theta$ the decoder: $z \sim q_\phi(z|x)$, $x \sim p_\theta(x|z)$",
            r"Under the integral of the same note $\theta$ stands in $p_\theta(x|z)$. The rate’s derivative: with "
            r"respect to that $\theta$, and with respect to $\phi$, which does move $q$ (numbers of the model "
            r"$\mathcal N(ax, s^2)$, $\mathcal N(wz, c)$).",
            swapped_parameters,
        ),
        Erratum(
            "one-number",
            SPANOPOULOS,
            "reparameterise",
            r"$\varepsilon \sim \mathcal N(0, 1)$, one number",
            r"$\varepsilon \sim \mathcal N(0, I_k)$, a number per dimension",
            r"One shared $\varepsilon$ moves all dimensions together: the covariance is $s s^\top$, of rank 1. "
            r"Example: variances 1, 1.5 and 0.8; 20,000 draws.",
            one_number,
        ),
        Erratum(
            "elementwise",
            SPANOPOULOS,
            "reparameterise",
            r"$z = m + \varepsilon \odot \Sigma^{1/2}$ for any $\Sigma$",
            r"$z = m + L\varepsilon$ with $LL^\top = \Sigma$: a matrix product",
            r"Only the diagonal of $\Sigma^{1/2}$ can take part in an elementwise product that gives a vector; the "
            r"correlations are lost and the variances shrink. Example: a 3×3 $\Sigma$ with correlations; 20,000 draws.",
            elementwise,
        ),
        Erratum(
            "quadratic-form",
            SPANOPOULOS,
            "kl-2d",
            r"$(A^\top + B^\top)\,C\,(A + B)$ ends in $B^\top B$",
            r"it ends in $B^\top C\,B$",
            r"In the KL, $B = m_1 - m_2$ and $C = \Sigma_2^{-1}$: the printed line measures the distance of the means "
            r"without the second covariance. Example: $B = (0.2, -0.3)$ and "
            r"$\Sigma_2 = \bigl(\begin{smallmatrix}0.5&0.3\\0.3&0.2\end{smallmatrix}\bigr)$.",
            quadratic_form,
        ),
        Erratum(
            "posterior-is-no-encoder",
            SELEGA,
            "identity",
            r"$p(z|x)$ is called the encoder",
            r"$q(z|x)$ is the encoder; $p(z|x)$ is the posterior that it approximates",
            r"Were they the same, the gap would be 0. Example: the bent decoder, $x = 1$, $c = 0.5$, the best normal "
            r"$q$.",
            posterior_is_no_encoder,
        ),
        Erratum(
            "dropped-constant",
            SELEGA,
            "noise",
            r"$\tfrac{D}{2}\log 2\pi c$ is dropped",
            r"it may be dropped only while $c$ is fixed",
            r"Without it losses at two values of $c$ can not be compared, and a fit of $C$ runs to 0. Example: $D = "
            r"784$; for the fit a squared error of 30.",
            dropped_constant,
        ),
        Erratum(
            "doersch-elementwise",
            DOERSCH,
            "reparameterise",
            r"$\Sigma^{1/2} * \varepsilon$",
            r"$L\varepsilon$ with $LL^\top = \Sigma$, or the matrix product $\Sigma^{1/2}\varepsilon$",
            r"Example: two dimensions of variance 1 with correlation 0.8, by algebra.",
            elementwise_two,
        ),
    )
}
