"""What four public notes on VAEs print, what is right, and by how much it differs: quoted to the letter, measured anew.

Spanopoulos 2020, "VAE Mathematics"; Hallerfelt 2022, "Variational Auto Encoders"; Selega 2022, "Notes on the VAE ELBO
loss"; notes on Doersch's tutorial, arXiv 1606.05908. A new erratum is one function in `errata_examples` and one entry
in ERRATA.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from vae.lessons.derivation import errata_examples as examples
from vae.lessons.derivation.errata_examples import Measured


@dataclass(frozen=True)
class Quote:
    """A note's own characters, up to white space and links. A formula is LaTeX without its dollars."""

    text: str
    formula: bool = False

    @property
    def markdown(self) -> str:
        return f"$\\displaystyle {self.text}$" if self.formula else f"“{self.text}”"


@dataclass(frozen=True)
class Erratum:
    """`right` and `example` are Markdown with formulas; `step` names the step that it is about. A misprint is wrong as
    it stands; with a missing condition the line is right in a case that the note does not name there."""

    name: str
    note: str
    step: str
    kind: Literal["misprint", "missing condition"]
    printed: tuple[Quote, ...]
    right: str
    example: str
    measure: Callable[[], list[Measured]]


def formula(text: str) -> Quote:
    return Quote(text, formula=True)


HALLERFELT, SPANOPOULOS = "Hallerfelt 2022, Variational Auto Encoders", "Spanopoulos 2020, VAE Mathematics"
SELEGA, DOERSCH = "Selega 2022, Notes on the VAE ELBO loss", "Notes on Doersch’s tutorial, arXiv 1606.05908"
MISPRINT: Literal["misprint"] = "misprint"
CONDITION: Literal["missing condition"] = "missing condition"
ERRATA = {
    erratum.name: erratum
    for erratum in (
        Erratum(
            "binary-gradient",
            HALLERFELT,
            "likelihood-ratio",
            MISPRINT,
            (
                formula(
                    r"0 - \mathbb{E}_{q_{\phi}(z|x)} [\nabla_{\phi} \log q_{\phi}(z|x) (\log p(z) + \log "
                    r"p_{\theta}(x|z))]"
                ),
            ),
            r"$\nabla_\phi L = \mathbb{E}_q[\nabla \log q(z|x)\,(\log q(z|x) - \log p(z) - \log p(x|z))]$",
            r"The printed rule drops $\mathbb{E}_q[\nabla\log q\,\log q]$. With the prior $\mathrm{Ber}(\tfrac12)$ no "
            r"KL is left, and $q$ is driven to a single code. Examples: 40 random models of 8 bits and 3 pixels, all "
            r"codes summed; one of them, then 500 steps along each rule.",
            examples.binary_gradient,
        ),
        Erratum(
            "continuous-gradient",
            HALLERFELT,
            "reparameterise",
            MISPRINT,
            (
                formula(
                    r"\nabla_\phi L(\phi, \theta) = \nabla_\phi \mathbb{E}_{\epsilon \sim N(0,1)} [\log q_\phi(z|x)]"
                ),
            ),
            r"$\nabla_\phi L = \nabla_\phi\,\mathbb{E}_\varepsilon[\log q(z|x) - \log p(z) - \log p(x|z)]$",
            r"With $z = m + s\odot\varepsilon$, $\log q$ does not depend on $m$ at all: the printed gradient never "
            r"moves the mean. Example: a linear decoder, two dimensions; the right column is the closed form $m - "
            r"W^\top(x - Wm)/c$.",
            examples.continuous_gradient,
        ),
        Erratum(
            "decoder-for-encoder",
            HALLERFELT,
            "two-terms",
            MISPRINT,
            (
                Quote(r"We let the decoder parameterize the posterior conditional $q_\phi(z|x)$"),
                Quote(r"The decoder will now output an m-dimensional parameterization for each input."),
            ),
            r"The *encoder* gives the parameters of $q(z|x)$, a probability per bit; the decoder gives those of "
            r"$p(x|z)$.",
            r"The rate depends on the encoder only. Example: $q(z|x) = \mathcal N(ax, s^2)$, $p(x|z) = \mathcal N(wz, "
            r"c)$; the rate’s derivative with respect to $w$ (printed) and to $a$ (right).",
            examples.decoder_parameterises_q,
        ),
        Erratum(
            "sample-of-the-posterior",
            HALLERFELT,
            "identity",
            MISPRINT,
            (
                formula(
                    r"\begin{aligned} x &\xrightarrow{\text{ENCODER}} \phi \\ z &\sim p(z|x) \\ z "
                    r"&\xrightarrow{\text{DECODER}} \theta \end{aligned}"
                ),
            ),
            r"$z \sim q_\phi(z|x)$, as the sentence before it says: nobody can draw from $p(z|x)$, which is why there "
            r"is a $q$.",
            r"Example: the bent decoder, $x = 1$, $c = 0.5$; $z$ from the posterior, by quadrature (printed), and "
            r"from the best normal $q$ (right).",
            examples.sample_of_the_posterior,
        ),
        Erratum(
            "sign",
            SPANOPOULOS,
            "two-terms",
            MISPRINT,
            (
                formula(
                    r"L(\theta, \phi, x) = -\mathbb{E}_{z \sim q_\phi(z|x)} [\log p_\theta(x|z)] + D_{KL} "
                    r"[q_\phi(z|x) \| p_\theta(z)]"
                ),
                Quote(r"which is also known as Evidence Lower BOund (ELBO)"),
            ),
            r"$L = -\mathrm{ELBO}$: it is minimised, the ELBO is maximised.",
            r"A lower bound on $\log p(x)$ cannot lie above it. Example: the bent decoder of the first steps, $x = "
            r"1$, $m = 1.2$, $s = 0.3$, $c = 0.5$.",
            examples.sign,
        ),
        Erratum(
            "swapped-parameters",
            SPANOPOULOS,
            "two-terms",
            MISPRINT,
            (
                Quote(
                    r"Where in our case θ^* are the weights of the Recognition Network (aka encoder) and ϕ^* are the "
                    r"weights of the Generator Network (aka decoder)."
                ),
                formula(r"z^{(l)} \sim q_\theta(z|x)"),
            ),
            r"$\phi$ is the encoder, $\theta$ the decoder, as everywhere else in the note: $z \sim q_\phi(z|x)$, $x "
            r"\sim p_\theta(x|z)$.",
            r"The rate’s derivative: with respect to the $\theta$ of $p_\theta(x|z)$, and with respect to $\phi$, "
            r"which does move $q$ (numbers of the model $\mathcal N(ax, s^2)$, $\mathcal N(wz, c)$).",
            examples.swapped_parameters,
        ),
        Erratum(
            "one-number",
            SPANOPOULOS,
            "reparameterise",
            CONDITION,
            (Quote(r"where $\epsilon \sim N(0, 1)$ is a gaussian with mean 0 and standard deviation 1."),),
            r"$\varepsilon \sim \mathcal N(0, I_k)$: a number for each dimension. $\mathcal N(0, 1)$ is one of them, "
            r"and the note does not say that there are $k$.",
            r"Code that draws one number for all dimensions moves them together: the covariance is $s s^\top$, of "
            r"rank 1. Example: variances 1, 1.5 and 0.8; 20,000 draws.",
            examples.one_number,
        ),
        Erratum(
            "elementwise",
            SPANOPOULOS,
            "reparameterise",
            CONDITION,
            (
                formula(
                    r"g_\phi(\epsilon, x) = \mu_\phi(x) + \epsilon \odot \Sigma_\phi^{\frac{1}{2}}(x) = z \sim "
                    r"N(\mu_\phi(x), \Sigma_\phi(x))"
                ),
            ),
            r"Right for the diagonal $\Sigma_\phi$ that the note has earlier, with $\Sigma^{1/2}$ read as "
            r"the vector of standard deviations. With correlations it takes a matrix product: $z = m + L\varepsilon$, "
            r"$LL^\top = \Sigma$.",
            r"Only the diagonal of $\Sigma^{1/2}$ can take part in an elementwise product that gives a vector; the "
            r"correlations are lost and the variances shrink. Example: a 3×3 $\Sigma$ with correlations; 20,000 "
            r"draws.",
            examples.elementwise,
        ),
        Erratum(
            "quadratic-form",
            SPANOPOULOS,
            "kl-2d",
            MISPRINT,
            (formula(r"(A^T + B^T)C(A + B) = A^T C A + A^T C B + B^T C A + B^T B"),),
            r"The last term is $B^\top C\,B$. The next line of the note has it right.",
            r"In the KL, $B = \mu_1 - \mu_2$ and $C = \Sigma_2^{-1}$: the printed term measures the distance of the "
            r"means without the second covariance. Example: $B = (0.2, -0.3)$ and $\Sigma_2 = "
            r"\bigl(\begin{smallmatrix}0.5&0.3\\0.3&0.2\end{smallmatrix}\bigr)$.",
            examples.quadratic_form,
        ),
        Erratum(
            "similarity",
            SPANOPOULOS,
            "kl-1d",
            MISPRINT,
            (Quote(r"is a measure of similarity between two probability distributions."),),
            r"The KL measures a *difference*: 0 for two equal distributions, larger the less alike they are.",
            r"Example: the KL from $\mathcal N(\mu, 1)$ to $\mathcal N(0, 1)$ is $\tfrac12\mu^2$; the most similar by "
            r"the largest KL (printed) and by the smallest (right).",
            examples.similarity,
        ),
        Erratum(
            "parameters-in-the-prior",
            SPANOPOULOS,
            "two-terms",
            MISPRINT,
            (
                formula(
                    r"[-\mathbb{E}_{z \sim q_\phi(z|x)} [\log p_\theta(x|z)] + D_{KL}[q_\phi(z|x) \parallel "
                    r"p_\theta(z)]]"
                ),
                formula(r"-\frac{\partial}{\partial \theta} \mathbb{E}_{z \sim q_\phi(z|x)} [\log p_\theta(x|z)]"),
            ),
            r"The prior is $p(z)$, without $\theta$: the note itself takes $\mathcal N(0_k, I_k)$. A prior with "
            r"parameters of $\theta$ would leave the KL in $\partial L / \partial \theta$, where the note drops it.",
            r"Example: $q = \mathcal N(1.5, 0.36)$ and a prior $\mathcal N(\theta, 1)$, at $\theta = 0$.",
            examples.parameters_in_the_prior,
        ),
        Erratum(
            "argmin-for-each",
            SPANOPOULOS,
            "loss",
            MISPRINT,
            (
                formula(
                    r"\theta^*, \phi^* = \underset{\phi, \theta}{\operatorname{argmin}} L(\theta, \phi, x) \text{ "
                    r"over all } x \in X"
                ),
            ),
            r"$\theta^*, \phi^* = \operatorname{argmin}_{\theta, \phi} \sum_{x \in X} L(\theta, \phi, x)$: one pair "
            r"of networks, so the *sum* over $x$ is minimised. No pair is best for every $x$.",
            r"Example: $x = -1$ and $x = 2$, $p(x) = \mathcal N(b, 1.5)$; each with a $b$ of its own (printed), one "
            r"$b$ for both (right).",
            examples.argmin_for_each,
        ),
        Erratum(
            "one-letter-for-two",
            SPANOPOULOS,
            "monte-carlo",
            MISPRINT,
            (
                formula(
                    r"\frac{\partial L}{\partial \theta} = -\frac{1}{L} \sum_{l=1}^L \frac{\partial}{\partial \theta} "
                    r"\log p_\theta(x|z^{(l)})"
                ),
            ),
            r"$L$ is the loss and the number of draws in one line. With $S$ draws: "
            r"$-\tfrac1S\sum_{n=1}^{S}\tfrac{\partial}{\partial\theta}\log p_\theta(x|z_n)$.",
            r"Read as the loss, $L$ rescales the gradient. Example: 64 draws, and the loss of the box above on the "
            r"sign.",
            examples.one_letter_for_two,
        ),
        Erratum(
            "noise-for-z",
            SPANOPOULOS,
            "reparameterise",
            MISPRINT,
            (
                formula(
                    r"-\mathbb{E}_{z \sim p(\epsilon)} \left[\frac{\partial}{\partial \phi} \log "
                    r"p_{\theta}(x|z^{(l)}) \right]"
                ),
            ),
            r"$-\mathbb{E}_{\varepsilon \sim p(\varepsilon)}\big[\tfrac{\partial}{\partial\phi}\log "
            r"p_\theta(x|g_\phi(\varepsilon, x))\big]$: $\varepsilon$ is drawn, $z$ is made from it.",
            r"A $z$ drawn from $p(\varepsilon)$ does not know $\phi$. Example: the bent decoder, $x = 1$, $m = 1.2$, "
            r"$s = 0.3$, $c = 0.5$.",
            examples.noise_for_z,
        ),
        Erratum(
            "one-index-for-another",
            SPANOPOULOS,
            "monte-carlo",
            MISPRINT,
            (formula(r"-\frac{1}{S} \sum_{s=1}^S \frac{\partial}{\partial \phi} \log p_{\theta}(x|z^{(l)})"),),
            r"$-\tfrac1S\sum_{s=1}^{S}\tfrac{\partial}{\partial\phi}\log p_\theta(x|z^{(s)})$: the sum runs over $s$, "
            r"so its terms need $z^{(s)}$.",
            r"As printed all $S$ terms are the same draw, and the mean scatters like one. Example: the same model, "
            r"the distortion, 64 terms.",
            examples.one_index_for_another,
        ),
        Erratum(
            "posterior-is-no-encoder",
            SELEGA,
            "identity",
            MISPRINT,
            (
                Quote(
                    r"p(z|x): encoder that encodes input x into a latent representation governed by the variational "
                    r"posterior"
                ),
            ),
            r"$q(z|x)$ is the encoder; $p(z|x)$ is the posterior that it approximates.",
            r"Were they the same, the gap would be 0. Example: the bent decoder, $x = 1$, $c = 0.5$, the best normal "
            r"$q$.",
            examples.posterior_is_no_encoder,
        ),
        Erratum(
            "evidence-dropped",
            SELEGA,
            "identity",
            CONDITION,
            (
                Quote(
                    r"As the distribution of the input data p(x) is independent of g, h we can drop the last term "
                    r"from the optimization"
                ),
            ),
            r"Right for the encoder’s $g$ and $h$ at a fixed decoder. The decoder $f$ is learned too, and $\log p(x)$ "
            r"is the model’s, so it moves with $f$: what may be minimised over all three is $-\mathrm{ELBO}$, not the "
            r"KL to the posterior.",
            r"Example: $p(x|z) = \mathcal N(wz, c)$, so that $p(x) = \mathcal N(0, w^2 + c)$; $w = 1$, $c = 0.5$, $x "
            r"= 2.5$.",
            examples.evidence_of_a_learned_decoder,
        ),
        Erratum(
            "dropped-constant",
            SELEGA,
            "noise",
            CONDITION,
            (Quote(r"we can drop the normalization constant and get:"),),
            r"$\tfrac{D}{2}\log 2\pi c$ may be dropped only while $c$ is fixed.",
            r"Without it losses at two values of $c$ cannot be compared, and a fit of $C$ runs to 0. Example: $D = "
            r"784$; for the fit a squared error of 30.",
            examples.dropped_constant,
        ),
        Erratum(
            "loss-of-one-draw",
            SELEGA,
            "loss",
            CONDITION,
            (formula(r"C(x-\hat{x})^2 + \frac{1}{2} (h(x) + g(x)^2 - \log h(x) - 1)"),),
            r"Right for one pixel, one latent dimension and one draw of $z$. In general $\mathbb{E}_q\big[C\,\|x - "
            r"\hat x(z)\|^2\big] + \tfrac12\sum_{i=1}^{k}\big(h_i + g_i^2 - \log h_i - 1\big)$: an expectation, a sum "
            r"over pixels, a sum over dimensions.",
            r"Example: the bent decoder, $x = 1$, $m = 1.2$, $s = 0.3$, $c = 0.5$; $\hat x$ at the mean of $q$ "
            r"(printed) and the expectation over $q$ (right); then the rate of one dimension and of ten.",
            examples.loss_of_one_draw,
        ),
        Erratum(
            "doersch-elementwise",
            DOERSCH,
            "reparameterise",
            CONDITION,
            (formula(r"z = \mu(X) + \Sigma^{1/2}(X) * \epsilon"),),
            r"The note does not say which product $*$ is. Right are the matrix product $\Sigma^{1/2}\varepsilon$, or "
            r"$L\varepsilon$ with $LL^\top = \Sigma$; an elementwise one is right only where $\Sigma$ is diagonal.",
            r"Example, for code that takes $*$ elementwise as most languages do: two dimensions of variance 1 with "
            r"correlation 0.8, by algebra.",
            examples.elementwise_two,
        ),
        Erratum(
            "one-parameter-for-two",
            DOERSCH,
            "two-terms",
            MISPRINT,
            (
                formula(r"P(X|z;\theta) = \mathcal{N}(X|f(z, \theta), \sigma^2 * I)"),
                formula(r"Q(z|X) = \mathcal{N}(z|\mu(X;\theta), \Sigma(X;\theta))"),
            ),
            r"$Q(z|X) = \mathcal N(z\,|\,\mu(X;\phi), \Sigma(X;\phi))$: the encoder has parameters of its own; "
            r"$\theta$ are the decoder’s.",
            r"Example: $q = \mathcal N(ax, s^2)$ with the best $s$, $p(x|z) = \mathcal N(wz, c)$, $c = 0.5$, $x$ of "
            r"variance 4; the least $-\mathrm{ELBO}$ with one weight $a = w$ (printed) and with two (right).",
            examples.one_parameter_for_two,
        ),
    )
}
