"""Log-likelihoods from logits and their hand-written gradients against torch's own, at the ends, and under vmap."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from vae.model.logits import NEAR, bernoulli_log_prob, continuous_bernoulli_log_prob, continuous_bernoulli_mean

LogProb = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
both = pytest.mark.parametrize("log_prob_of", [bernoulli_log_prob, continuous_bernoulli_log_prob])


def drawn(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, generator=Generator().manual_seed(len(shape)), dtype=dtype)


def of_one_pixel(log_prob_of: LogProb, logit: float, x: float) -> tuple[float, float]:
    """Its log-likelihood and the gradient, in float32."""
    logits = torch.full((1, 1, 1), logit, requires_grad=True)
    log_prob, _ = log_prob_of(logits, torch.full((1, 1, 1), x))
    (gradient,) = torch.autograd.grad(log_prob, logits)
    return log_prob.item(), gradient.item()


def test_it_is_torchs_own_with_its_gradients_for_grey_pixels_and_axes_that_broadcast() -> None:
    logits, x = 4 * drawn(3, 5, 2, 4, 4), drawn(5, 2, 4, 4).sigmoid()
    logits.requires_grad_(), x.requires_grad_()
    weight = drawn(3, 5)
    log_prob, residual = bernoulli_log_prob(logits, x)
    whole = x.expand_as(logits)
    own = -F.binary_cross_entropy_with_logits(logits, whole, reduction="none").sum((-3, -2, -1))
    torch.testing.assert_close(log_prob, own, rtol=1e-13, atol=1e-12)
    assert torch.equal(residual, (x - logits.sigmoid()).detach())
    assert not residual.requires_grad
    for ours, theirs in zip(
        torch.autograd.grad((weight * log_prob).sum(), (logits, x)),
        torch.autograd.grad((weight * own).sum(), (logits, x)),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("logit", "x", "log_prob", "gradient"),
    [(17.0, 0.0, -17.0, -1.0), (-17.0, 1.0, -17.0, 1.0), (100.0, 0.0, -100.0, -1.0), (100.0, 1.0, 0.0, 0.0),
     (-100.0, 0.0, 0.0, 0.0), (0.0, 1.0, -0.6931472, 0.5)],
)  # fmt: skip
def test_float32_is_exact_at_the_ends(logit: float, x: float, log_prob: float, gradient: float) -> None:
    found, slope = of_one_pixel(bernoulli_log_prob, logit, x)
    assert found == pytest.approx(log_prob, abs=2e-7, rel=1e-7)
    assert slope == pytest.approx(gradient, abs=1e-7)


def test_the_sum_over_an_image_loses_no_more_in_float32_than_torchs_own() -> None:
    logits, x = 6 * drawn(64, 1, 28, 28), (drawn(64, 1, 28, 28) > 1).double()
    exact = bernoulli_log_prob(logits, x)[0]
    ours = bernoulli_log_prob(logits.float(), x.float())[0]
    own = -F.binary_cross_entropy_with_logits(logits.float(), x.float(), reduction="none").sum((-3, -2, -1))
    assert (ours - exact).abs().max() < 1.5 * (own - exact).abs().max()


@pytest.mark.parametrize("shape", [(1, 1, 97), (3, 128, 128), (1, 1, 1), (1, 7, 131)])
def test_a_product_of_many_halves_stays_above_float32s_smallest_number(shape: tuple[int, ...]) -> None:
    pixels = math.prod(shape)
    even = bernoulli_log_prob(torch.zeros(2, *shape), torch.ones(2, *shape))[0]
    assert even.tolist() == pytest.approx([-pixels * math.log(2)] * 2, rel=1e-6)
    logits, x = 3 * drawn(2, *shape).float(), (drawn(2, *shape) > 0).float()
    exact = bernoulli_log_prob(logits.double(), x.double())[0]
    torch.testing.assert_close(bernoulli_log_prob(logits, x)[0].double(), exact, rtol=2e-7 * pixels**0.5, atol=1e-6)


@pytest.mark.parametrize(
    ("log_prob_of", "mean_of"),
    [
        (bernoulli_log_prob, torch.sigmoid),
        (continuous_bernoulli_log_prob, lambda logit: 1 / (1 - (-logit).exp()) - 1 / logit),
    ],
)
def test_vmap_over_models_is_one_model_after_the_other(
    log_prob_of: LogProb, mean_of: Callable[[Tensor], Tensor]
) -> None:
    logits, x = drawn(3, 5, 1, 4, 4), drawn(3, 5, 1, 4, 4).sigmoid()

    def gradient(one: Tensor, pixels: Tensor) -> Tensor:
        return torch.func.grad(lambda logit: log_prob_of(logit, pixels)[0].sum())(one)

    together = torch.func.vmap(gradient)(logits, x)
    alone = torch.stack([gradient(*one) for one in zip(logits, x, strict=True)])
    torch.testing.assert_close(together, alone, rtol=0, atol=0)
    torch.testing.assert_close(together, x - mean_of(logits), rtol=1e-9, atol=1e-9)


@both
def test_their_derivatives_are_those_of_differences_also_the_second(log_prob_of: LogProb) -> None:
    logits, x = (2 * drawn(2, 1, 2, 2)).requires_grad_(), drawn(2, 1, 2, 2).sigmoid().requires_grad_()
    assert 0 < (logits.abs() < NEAR).sum() < 8

    def of(logits: Tensor, x: Tensor) -> Tensor:
        return log_prob_of(logits, x)[0]

    assert torch.autograd.gradcheck(of, (logits, x))
    assert torch.autograd.gradgradcheck(of, (logits, x))


# the continuous Bernoulli


def test_a_continuous_bernoullis_sum_over_an_image_is_right_in_float32() -> None:
    logits, x = 6 * drawn(64, 1, 28, 28), drawn(64, 1, 28, 28).sigmoid()
    own = x * logits - (torch.expm1(logits) / logits).log()
    exact, residual = continuous_bernoulli_log_prob(logits, x)
    torch.testing.assert_close(exact, own.sum((-3, -2, -1)), rtol=1e-12, atol=1e-8)
    ours, found = continuous_bernoulli_log_prob(logits.float(), x.float())
    assert (ours - exact).abs().max() < 1e-6 * 784**0.5 * 4
    assert (found - residual).abs().max() < 4e-7
    assert not found.requires_grad


@pytest.mark.parametrize(
    ("logit", "x", "log_prob", "gradient"),
    [(100.0, 1.0, math.log(100), 0.01), (100.0, 0.0, math.log(100) - 100, -0.99), (-100.0, 0.0, math.log(100), -0.01),
     (-100.0, 1.0, math.log(100) - 100, 0.99), (0.0, 0.3, 0.0, -0.2), (17.0, 1.0, math.log(17), 1 / 17)],
)  # fmt: skip
def test_a_continuous_bernoulli_is_exact_in_float32_at_its_ends(
    logit: float, x: float, log_prob: float, gradient: float
) -> None:
    """There A(l) = max(l, 0) − log |l|."""
    found, slope = of_one_pixel(continuous_bernoulli_log_prob, logit, x)
    assert found == pytest.approx(log_prob, abs=3e-7, rel=2e-7)
    assert slope == pytest.approx(gradient, abs=1e-7)


@pytest.mark.parametrize("logit", [0.0, 1e-8, -0.4, NEAR, -NEAR, 3.0, -40.0])
def test_the_mean_changes_with_the_logit_as_the_variance_says(logit: float) -> None:
    """By autograd through the mean; by the second derivative of log p; as an integral."""
    leaf = torch.full((1, 1, 1), logit, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(continuous_bernoulli_mean(leaf).sum(), leaf)
    (score,) = torch.autograd.grad(
        continuous_bernoulli_log_prob(leaf, torch.zeros_like(leaf))[0].sum(), leaf, create_graph=True
    )
    (curvature,) = torch.autograd.grad(score.sum(), leaf)
    x = (torch.arange(200_000, dtype=torch.float64) + 0.5) / 200_000
    density = torch.softmax(logit * x, 0)
    mean = (density * x).sum()
    variance = (density * (x - mean) ** 2).sum().item()
    assert -curvature.item() == pytest.approx(variance, rel=1e-7)
    assert slope.item() == pytest.approx(variance, rel=1e-7)


@pytest.mark.parametrize("edge", [NEAR, -NEAR])
def test_series_and_formula_meet_at_the_switch(edge: float) -> None:
    logits = torch.tensor([edge * (1 - 1e-12), edge * (1 + 1e-12)], dtype=torch.float64).reshape(2, 1, 1, 1)
    assert continuous_bernoulli_mean(logits).diff(dim=0).abs().item() < 1e-10
    log_prob, _ = continuous_bernoulli_log_prob(logits, torch.zeros_like(logits))
    assert log_prob.diff(dim=0).abs().item() < 1e-11
