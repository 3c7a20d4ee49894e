"""The Pareto shape of the largest weights, against laws whose shape is known."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Generator, Tensor

from vae.bound.pareto import TOO_HEAVY, pareto_shape, tail_length


def generalised_pareto(k: float, *shape: int) -> Tensor:
    """By the inverse of P(y > t) = (1 + k t)^(−1/k)."""
    u = torch.rand(*shape, dtype=torch.float64, generator=Generator().manual_seed(1))
    return -u.log() if k == 0 else (u**-k - 1) / k


def shape_of(w: Tensor) -> Tensor:
    return pareto_shape(w.log().topk(tail_length(len(w)) + 1, 0).values)


@pytest.mark.parametrize("k", [-0.4, 0.0, 0.3, 0.7, 1.2, 2.0])
def test_the_shape_of_a_pareto_law_is_found_at_any_scale(k: float) -> None:
    w = generalised_pareto(k, 20_000, 40)
    found = shape_of(w)
    assert found.mean().item() == pytest.approx(k, abs=0.07)
    assert found.std().item() < 0.2
    torch.testing.assert_close(shape_of(1e-200 * w), found, rtol=1e-6, atol=1e-6)


def test_normal_importance_weights_are_heavy_where_the_proposal_is_too_narrow() -> None:
    """p = N(0, 1), r = N(0, s²): w falls as a power of its quantile, k = 1 − s²."""
    z = torch.randn(50_000, 30, dtype=torch.float64, generator=Generator().manual_seed(0))
    for s, low, high in ((0.5, 0.6, 0.95), (0.8, 0.2, 0.5)):
        found = pareto_shape((0.5 * z**2 * (1 - s**2)).topk(tail_length(50_000) + 1, 0).values)
        assert low < found.mean().item() < high
        assert found.mean().item() == pytest.approx(1 - s**2, abs=0.15)
    assert bool((shape_of(torch.rand(5000, 20, generator=Generator().manual_seed(0))) < 0).all())  # bounded weights


def test_where_there_is_no_such_law_there_is_no_shape() -> None:
    assert tail_length(24) == 0
    assert pareto_shape(torch.zeros(5, 3)).isnan().all()
    assert pareto_shape(torch.zeros(200, 3)).isnan().all()
    few_codes = torch.randint(0, 4, (2000, 5), generator=Generator().manual_seed(0)).double()
    assert pareto_shape(few_codes.topk(135, 0).values).isnan().all()


def test_weights_of_any_size_give_numbers() -> None:
    log_w = torch.randn(500, 4, generator=Generator().manual_seed(0)) * torch.tensor([1.0, 30.0, 300.0, 3e4])
    found = pareto_shape((log_w - 1e5).topk(tail_length(500) + 1, 0).values)
    assert found.isfinite().all()
    assert (found[1:] > TOO_HEAVY).all()


def test_the_tail_is_a_fifth_of_few_weights_and_grows_as_a_root() -> None:
    assert [tail_length(K) for K in (25, 100, 5000)] == [5, 20, int(3 * math.sqrt(5000))]
