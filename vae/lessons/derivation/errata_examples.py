"""Examples for the errata: what a printed line does to a number, each computed when it is asked for, never quoted."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from vae.lessons.derivation import likelihood_ratio, monte_carlo, noise
from vae.lessons.derivation.check import Check, generator, normal, sampled, trapezoid
from vae.lessons.derivation.gaussian_noise import constant, optimum
from vae.lessons.derivation.scalar_model import PRIOR_REACH, ScalarModel, identity
from vae.model.kl import kl_normal

SAMPLES = 20_000


@dataclass(frozen=True)
class Measured:
    """A number as the printed line gives it, beside the right one; `check` is the right rule in a sample."""

    what: str
    printed: float
    right: float
    unit: str = ""
    check: Check | None = None


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
    elbo = BENT.elbo(BENT_X, BENT_M, BENT_S)
    log_px, _ = BENT.log_evidence(BENT_X)
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


BENT = ScalarModel(bent=True, noise=0.5)  # the bent decoder of the first steps, at x = 1
BENT_X, BENT_M, BENT_S = 1.0, 1.2, 0.3


def sample_of_the_posterior() -> list[Measured]:
    """−E log p(x|z) with z from the posterior p(z|x), by quadrature, and with z from the best normal q, closed form."""
    m, s = BENT.best_q(BENT_X, torch.linspace(-3, 3, 601).double(), torch.linspace(0.05, 2, 196).double())
    log_px, _ = BENT.log_evidence(BENT_X)

    def under_the_posterior(f: Callable[[Tensor], Tensor]) -> float:
        density = lambda z: (BENT.log_joint(BENT_X, z) - log_px).exp()  # noqa: E731
        return trapezoid(lambda z: density(z) * f(z), -PRIOR_REACH, PRIOR_REACH)[0]

    distortion = under_the_posterior(lambda z: -BENT.log_px_z(BENT_X, z))
    return [
        Measured("distortion", distortion, float(BENT.distortion(BENT_X, _t(m), _t(s))), "nats"),
        Measured("mean of z", round(under_the_posterior(lambda z: z), 12), m),  # two humps, at −z and z
    ]


def noise_for_z() -> list[Measured]:
    """d/dm of the distortion: with z drawn from p(ε) it does not know m; with z = m + s ε, closed form."""
    m = _t(BENT_M).requires_grad_()
    (right,) = torch.autograd.grad(BENT.distortion(BENT_X, m, _t(BENT_S)), m)
    of_the_noise = float(BENT.distortion(BENT_X, _t(0.0), _t(1.0)))
    return [
        Measured("derivative of the distortion along the mean of q", 0.0, float(right), "nats"),
        Measured("the distortion", of_the_noise, float(BENT.distortion(BENT_X, m.detach(), _t(BENT_S))), "nats"),
    ]


DRAWS = 64


def one_index_for_another() -> list[Measured]:
    """The scatter of a mean over DRAWS terms: all the same z⁽ˡ⁾, or one z⁽ˢ⁾ each."""
    _, variance, _ = monte_carlo.distortion_moments(BENT, BENT_X, BENT_M, BENT_S)
    return [
        Measured(f"standard error of a mean of {DRAWS} terms", math.sqrt(variance), math.sqrt(variance / DRAWS), "nats")
    ]


def similarity() -> list[Measured]:
    """Which of N(0, 1), …, N(3, 1) is most like N(0, 1): by the largest KL, and by the smallest."""
    means = torch.arange(4, dtype=torch.float64)
    zero, one = torch.zeros(1, dtype=torch.float64), torch.ones(1, 1, dtype=torch.float64)
    kl = torch.stack([kl_normal(mean.reshape(1), one, zero, one) for mean in means])
    return [Measured("of the means 0, 1, 2 and 3 the one most like 0", float(kl.argmax()), float(kl.argmin()))]


def parameters_in_the_prior() -> list[Measured]:
    """d/dθ KL(N(1.5, 0.36) ‖ N(θ, 1)) at θ = 0, by autograd, beside the derivative that leaves the KL out."""
    theta = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    q_mean, q_cov = torch.tensor([1.5], dtype=torch.float64), torch.tensor([[0.36]], dtype=torch.float64)
    kl = kl_normal(q_mean, q_cov, theta, torch.ones(1, 1, dtype=torch.float64))
    (gradient,) = torch.autograd.grad(kl, theta)
    return [Measured("derivative of the KL to a parameter of the prior", 0.0, float(gradient), "nats")]


PAIR = (-1.0, 2.0)


def argmin_for_each() -> list[Measured]:
    """−log p(x) of N(b, 1 + c), mean over two x: each with the b that is best for itself, and one b for both."""
    model, mean = ScalarModel(noise=0.5), sum(PAIR) / len(PAIR)
    own = -model.straight_evidence(0.0)
    shared = -sum(model.straight_evidence(x - mean) for x in PAIR) / len(PAIR)
    return [Measured("mean of −log p(x) at the minimum", own, shared, "nats")]


def one_letter_for_two() -> list[Measured]:
    """The mean over DRAWS draws, divided by the loss instead of their number."""
    loss = -BENT.elbo(BENT_X, BENT_M, BENT_S)
    return [Measured("factor on the gradient", DRAWS / loss, 1.0)]


def loss_of_one_draw() -> list[Measured]:
    """C (x − x̂)² at the mean of q, and its expectation; then D pixels and k dimensions for one of each."""
    C, m, s = 1 / (2 * BENT.noise), _t(BENT_M), _t(BENT_S)
    at_the_mean = C * float((BENT_X - BENT.decode(m)) ** 2)
    rate = float(BENT.rate(m, s))
    return [
        Measured("weighted squared error", at_the_mean, C * float(BENT.mean_squared_error(BENT_X, m, s)), "nats"),
        Measured("rate of 10 equal dimensions", rate, 10 * rate, "nats"),
    ]


def evidence_of_a_learned_decoder() -> list[Measured]:
    """d/dw log p(x) for p(x|z) = N(w z, c): p(x) = N(0, w² + c). At w = 1, c = 0.5, x = 2.5, by autograd."""
    w = _t(1.0).requires_grad_()
    log_px = torch.distributions.Normal(_t(0.0), (w * w + 0.5).sqrt()).log_prob(_t(2.5))
    (gradient,) = torch.autograd.grad(log_px, w)
    return [Measured("derivative of the term that was dropped, along a decoder’s weight", 0.0, float(gradient), "nats")]


def one_parameter_for_two() -> list[Measured]:
    """The least mean −ELBO of q = N(a x, s²), p(x|z) = N(w z, c), x of variance 4: with a = w, and with both free."""
    variance, c = 4.0, 0.5
    grid = torch.linspace(0.01, 3, 300, dtype=torch.float64)

    def loss(a: Tensor, w: Tensor) -> Tensor:
        s2 = 1 / (1 + w * w / c)  # the best for this w
        distortion = 0.5 * math.log(2 * math.pi * c) + ((1 - w * a) ** 2 * variance + w * w * s2) / (2 * c)
        return distortion + 0.5 * (a * a * variance + s2 - 1 - s2.log())

    tied, free = loss(grid, grid).min(), loss(grid[:, None], grid[None]).min()
    return [Measured("the least −ELBO", float(tied), float(free), "nats")]


def _t(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)
