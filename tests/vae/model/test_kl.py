"""KL divergences between normals against torch.distributions, at 1e-12."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from vae import kl_normal
from vae.errors import ConfigError
from vae.model.kl import kl_standard_normal, kl_univariate_parts

EXACT = {"rtol": 1e-12, "atol": 1e-12}


def normal(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def variances(seed: int, *shape: int) -> Tensor:
    return normal(seed, *shape).exp()


def matrices(seed: int, *shape: int) -> Tensor:
    """Positive definite, far from diagonal."""
    A = normal(seed, *shape, shape[-1])
    return A @ A.mT + 0.3 * torch.eye(shape[-1], dtype=A.dtype)


def as_matrix(cov: Tensor, loc: Tensor) -> Tensor:
    return torch.diag_embed(cov) if cov.shape == loc.shape else cov


@pytest.mark.parametrize("batch", [(), (7,), (2, 3)])
@pytest.mark.parametrize("k", [1, 4])
@pytest.mark.parametrize("kind1", [variances, matrices])
@pytest.mark.parametrize("kind2", [variances, matrices])
def test_F1_equals_torch_for_every_mixture_of_kinds(kind1, kind2, k: int, batch: tuple[int, ...]) -> None:
    loc1, loc2 = normal(0, *batch, k), normal(1, *batch, k)
    cov1, cov2 = kind1(2, *batch, k), kind2(3, *batch, k)
    p, q = (MultivariateNormal(m, as_matrix(S, m)) for m, S in ((loc1, cov1), (loc2, cov2)))
    torch.testing.assert_close(kl_normal(loc1, cov1, loc2, cov2), kl_divergence(p, q), **EXACT)


def test_F1_written_out() -> None:
    m1, m2, S1, S2 = normal(0, 3), normal(1, 3), matrices(2, 3), matrices(3, 3)
    inverse = torch.linalg.inv(S2)
    printed = 0.5 * (
        torch.log(torch.linalg.det(S2) / torch.linalg.det(S1))
        - 3
        + torch.trace(inverse @ S1)
        + (m1 - m2) @ inverse @ (m1 - m2)
    )
    torch.testing.assert_close(kl_normal(m1, S1, m2, S2), printed, **EXACT)


def test_F2_against_the_standard_normal() -> None:
    m, S = normal(0, 5, 4), matrices(1, 5, 4)
    printed = 0.5 * (-torch.logdet(S) - 4 + S.diagonal(dim1=-2, dim2=-1).sum(-1) + (m * m).sum(-1))
    zero, one = torch.zeros_like(m), torch.ones_like(m)
    torch.testing.assert_close(kl_normal(m, S, zero, one), printed, **EXACT)
    torch.testing.assert_close(kl_normal(m, S, zero, torch.eye(4).to(m).expand(5, 4, 4)), printed, **EXACT)


def test_F3_per_dimension() -> None:
    m, log_v = normal(0, 50, 3), 2 * normal(1, 50, 3)
    want = kl_divergence(Normal(m, (log_v / 2).exp()), Normal(torch.zeros_like(m), torch.ones_like(m)))
    torch.testing.assert_close(kl_standard_normal(m, log_v), want, **EXACT)
    summed = kl_normal(m, log_v.exp(), torch.zeros_like(m), torch.ones_like(m))
    torch.testing.assert_close(kl_standard_normal(m, log_v).sum(-1), summed, **EXACT)


def test_F4_and_its_two_parts() -> None:
    m1, m2, s1, s2 = normal(0, 40), normal(1, 40), variances(2, 40), variances(3, 40)
    negative_entropy, cross_entropy = kl_univariate_parts(m1, s1, m2, s2)
    p, q = Normal(m1, s1), Normal(m2, s2)
    torch.testing.assert_close(negative_entropy + cross_entropy, kl_divergence(p, q), **EXACT)
    torch.testing.assert_close(negative_entropy, -p.entropy(), **EXACT)
    t = torch.linspace(-12, 12, 2001, dtype=torch.float64).unsqueeze(-1)  # standardised: trapezoids are exact here
    density = torch.exp(-t * t / 2) / (2 * torch.pi) ** 0.5
    quadrature = torch.trapezoid(-density * q.log_prob(m1 + s1 * t), t, dim=0)
    torch.testing.assert_close(cross_entropy, quadrature, rtol=1e-10, atol=1e-10)


def test_equal_distributions_are_at_distance_zero_and_others_are_not() -> None:
    m, S, v = normal(0, 9, 4), matrices(1, 9, 4), variances(2, 9, 4)
    assert kl_normal(m, S, m, S).abs().max() < 1e-12
    assert torch.equal(kl_normal(m, v, m, v), torch.zeros(9, dtype=torch.float64))
    assert (kl_normal(m, S, m, 2 * S) > 0.3).all()


@pytest.mark.parametrize(
    "shapes",
    [
        ((3,), (3,), (2,), (2,)),
        ((3,), (3,), (1, 3), (3,)),
        ((3,), (1,), (3,), (3,)),
        ((3,), (), (3,), (3,)),
        ((3,), (3,), (3,), (2, 2)),
        ((2, 3), (3, 3), (2, 3), (2, 3)),
        ((2, 3), (2, 3), (2, 3), (1, 3, 3)),
        ((2, 3), (2, 3), (2, 3), (2, 2, 3)),
        ((), (), (), ()),
    ],
)
def test_nothing_else_broadcasts(shapes: tuple[tuple[int, ...], ...]) -> None:
    with pytest.raises(ConfigError, match=r"expected|must have"):
        kl_normal(*(torch.ones(shape) for shape in shapes))


@pytest.mark.parametrize("place", [1, 3])
@pytest.mark.parametrize(
    "bad",
    [
        torch.tensor([1.0, 0.0]),
        torch.tensor([1.0, -1.0]),
        torch.tensor([1.0, torch.nan]),
        torch.tensor([[1.0, 2.0], [2.0, 1.0]]),
        torch.tensor([[1.0, 0.9], [0.0, 1.0]]),
        torch.tensor([[1.0, torch.nan], [torch.nan, 1.0]]),
    ],
    ids=["zero", "negative", "nan", "indefinite", "asymmetric", "nan matrix"],
)
def test_what_is_no_covariance_is_refused(bad: Tensor, place: int) -> None:
    arguments = [torch.zeros(2), torch.ones(2), torch.zeros(2), torch.ones(2)]
    arguments[place] = bad
    with pytest.raises(ConfigError, match="variance"):
        kl_normal(*arguments)


def test_gradients_of_every_argument() -> None:
    arguments = (normal(0, 3), variances(1, 3), normal(2, 3), matrices(3, 3))
    leaves = [a.clone().requires_grad_() for a in arguments]
    loc1, cov1, loc2, A = leaves
    assert torch.autograd.gradcheck(
        lambda *a: kl_normal(a[0], a[1], a[2], 0.5 * (a[3] + a[3].mT)), (loc1, cov1, loc2, A)
    )


# float32, where digits are scarce


def test_a_variance_close_to_one_keeps_its_digits_in_float32() -> None:
    for log_v in (1e-4, -1e-4, 3e-4, 1e-3):
        exact = kl_standard_normal(torch.zeros((), dtype=torch.float64), torch.tensor(log_v, dtype=torch.float64))
        single = kl_standard_normal(torch.zeros(()), torch.tensor(log_v))
        assert abs(single.item() / exact.item() - 1) < 0.01
        assert abs(exact.item() / (log_v**2 / 4) - 1) < 1e-3  # the leading term of ½(e^l − 1 − l)


def test_a_huge_variance_is_finite_with_a_gradient() -> None:
    log_v = torch.tensor(25.0, requires_grad=True)
    kl = kl_standard_normal(torch.tensor(0.0), log_v)
    kl.backward()
    assert kl.item() == pytest.approx(0.5 * (7.200489933738588e10 - 1 - 25), rel=1e-6)
    assert log_v.grad is not None
    assert log_v.grad.item() == pytest.approx(0.5 * 7.200489933738588e10, rel=1e-6)
