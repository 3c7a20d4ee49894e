"""The mutual information gap: against scikit-learn's mutual information, its ceiling and its chance level."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import mutual_info_score

from vae.bound.binned_information import BINS, binned, ceiling, entropies, gap, information_matrix, permuted
from vae.datasets.factors import factors_of

CARDINALITIES = (3, 6, 40, 32, 32)  # of full dSprites


def factors(n: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.stack([rng.integers(0, size, n) for size in CARDINALITIES], 1)


def second_way(codes: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, float]:
    """As published code has it: one histogram at a time, scikit-learn's mutual information."""
    bins = [np.digitize(column, np.histogram(column, BINS)[1][:-1]) for column in codes.T]
    table = np.array([[mutual_info_score(value, column) for column in bins] for value in values.T])
    entropy = np.array([mutual_info_score(value, value) for value in values.T])
    ordered = np.sort(table, 1)
    return table, float(((ordered[:, -1] - ordered[:, -2]) / entropy).mean())


def test_it_is_that_of_a_second_implementation() -> None:
    values, rng = factors(3000), np.random.default_rng(1)
    codes = np.column_stack([values @ rng.normal(size=5), values[:, 2] + rng.normal(size=3000), rng.normal(size=3000)])
    codes = np.column_stack([codes, values[:, 0], values[:, 4] // 7]).astype(np.float32)
    table, expected = second_way(codes, values)
    np.testing.assert_allclose(information_matrix(binned(codes), values), table, rtol=0, atol=1e-9)
    assert gap(binned(codes), values) == pytest.approx(expected, abs=1e-6)
    assert expected > 0.1


def test_a_perfect_code_reaches_the_ceiling_which_on_full_dsprites_is_0_896() -> None:
    """Ten dimensions, 10,000 images: five factors and five dimensions of noise, which is the second best for each. On
    the whole grid without noise it is (1 + 1 + log 20 / log 40 + .85 + .85) / 5."""
    values = factors(10_000)
    most = ceiling(values, 10, np.random.default_rng(0))
    assert most == pytest.approx(0.896, abs=1e-3)
    noise = np.random.default_rng(3).normal(size=(10_000, 5))
    turned = np.column_stack([noise, -2.0 * values + 5])[:, ::-1]  # other units, another order
    assert gap(binned(turned), values) == pytest.approx(most, abs=1e-3)
    whole = factors_of("dsprites", 737_280, np.arange(737_280))
    assert whole is not None
    every = ceiling(whole.values, 5, np.random.default_rng(0))
    assert every == pytest.approx((1 + 1 + np.log(20) / np.log(40) + 0.85 + 0.85) / 5, abs=1e-9)


def test_a_random_code_is_chance() -> None:
    values, rng = factors(4000), np.random.default_rng(0)
    codes = rng.normal(size=(4000, 10))
    by_chance = [gap(permuted(binned(values[:, [0] * 10] + codes), rng), values) for _ in range(10)]
    fresh = [gap(binned(rng.normal(size=(4000, 10))), values) for _ in range(10)]
    assert np.mean(fresh) == pytest.approx(np.mean(by_chance), abs=4 * np.std(fresh) / 10**0.5)
    assert np.mean(fresh) < 0.01


def test_constant_factors_are_left_out_and_one_dimension_has_no_rival() -> None:
    values = factors(2000)
    codes = binned(np.column_stack([values[:, 1], np.random.default_rng(0).normal(size=2000)]))
    alone = gap(codes, values[:, [1]])
    assert alone > 0.95
    with_constant = np.column_stack([values[:, 1], np.full(2000, 3)])
    assert gap(codes, with_constant) == alone
    assert np.isnan(gap(codes, with_constant[:, [1]]))
    one = codes[:, [0]]
    assert gap(one, values[:, [1]]) == pytest.approx(1)
    two = ceiling(values[:, :2], 1, np.random.default_rng(0))  # one dimension for two factors: half of it
    assert two == pytest.approx(0.5, abs=0.01)


def test_a_code_that_is_constant_tells_nothing() -> None:
    values = factors(500)
    np.testing.assert_array_equal(information_matrix(binned(np.ones((500, 2))), values), np.zeros((5, 2)))
    assert entropies(np.stack([np.arange(500) % 4, np.zeros(500, int)], 1)) == pytest.approx([np.log(4), 0])
