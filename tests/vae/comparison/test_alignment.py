"""Alignment and neighbours: known turns are undone, known displacements found, chance is chance."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from vae.comparison import neighbours
from vae.comparison.alignment import align, in_prior_units, matches, movement, movement_by_chance

RNG = np.random.default_rng(3)


def codes(n: int = 800, k: int = 4) -> np.ndarray:
    """Codes with a different spread in each dimension, so that no direction is like another."""
    return RNG.standard_normal((n, k)) * np.linspace(0.4, 1.3, k)


def orthogonal(k: int, reflect: bool) -> np.ndarray:
    turned = np.linalg.qr(RNG.standard_normal((k, k)))[0]
    if (np.linalg.det(turned) < 0) != reflect:
        turned[:, 0] *= -1
    return turned


@pytest.mark.parametrize("reflect", [False, True])
def test_a_turned_reflected_permuted_and_moved_copy_has_not_moved(reflect: bool) -> None:
    a = codes()
    b = (a @ orthogonal(4, reflect))[:, [2, 0, 3, 1]] + 0.7
    found = align(a, b)
    assert movement(a, b, found).max() < 1e-5
    permutation_is_odd = True  # [2, 0, 3, 1] is a cycle of four
    assert found.reflects == (reflect != permutation_is_odd)
    np.testing.assert_allclose(found.to_b(a), b, atol=1e-9)
    np.testing.assert_allclose(found.rotation @ found.rotation.T, np.eye(4), atol=1e-12)
    near = [neighbours.nearest(z, 50) for z in (a, b)]
    for k in neighbours.OFFERED:
        assert neighbours.kept(*near, k).min() == pytest.approx(1, abs=1e-5)


def test_the_best_turn_is_no_worse_than_any_other() -> None:
    """Against a search over the angles of the plane, with and without a reflection."""
    a = codes(300, 2)
    b = codes(300, 2)
    best = np.square(movement(a, b, align(a, b))).sum()
    centred_a, centred_b = a - a.mean(0), b - b.mean(0)
    angles = np.linspace(0, 2 * np.pi, 2001)
    worst_case = min(
        np.square(centred_a - centred_b @ np.array([[np.cos(t), -s * np.sin(t)], [np.sin(t), s * np.cos(t)]])).sum()
        for t in angles
        for s in (1, -1)
    )
    assert best <= worst_case + 1e-9
    assert best == pytest.approx(worst_case, rel=1e-5)


def test_a_known_displacement_is_found() -> None:
    a = codes(4000)
    b = a.copy()
    b[17] += [3.0, 0.0, 4.0, 0.0]
    moved = movement(a, b @ (turned := orthogonal(4, True)), align(a, b @ turned))
    assert moved[17] == pytest.approx(5, abs=0.02)
    assert np.delete(moved, 17).max() < 0.02


def test_a_latent_with_more_dimensions_is_compared_by_filling_with_zeros() -> None:
    a = codes(500, 2)
    b = np.concatenate([a, np.zeros((500, 1))], 1) @ orthogonal(3, False)
    for one, other in ((a, b), (b, a)):
        assert movement(one, other, align(one, other)).max() < 1e-9
    b[:, 2] += 10 * RNG.standard_normal(500)  # what the two dimensions of A cannot hold counts as movement
    assert movement(a, b, align(a, b)).mean() > 3


def test_bits_are_permuted_and_flipped_but_never_turned() -> None:
    p = RNG.random((600, 5))
    other = p[:, [3, 1, 0, 4, 2]]
    other[:, [0, 2]] = 1 - other[:, [0, 2]]
    a, b = (in_prior_units(values, "binary") for values in (p, other))
    found = align(a, b, turns=False)
    assert movement(a, b, found).max() < 1e-12
    assert set(np.unique(found.rotation)) == {-1.0, 0.0, 1.0}
    pairs = {match.a: (match.b, match.sign) for match in matches(a, b)}
    assert pairs == {3: (0, -1), 1: (1, 1), 0: (2, -1), 4: (3, 1), 2: (4, 1)}


def test_prior_units_of_a_bit_have_the_priors_mean_and_spread() -> None:
    bits = in_prior_units(np.array([[0.0], [1.0]]), "binary")
    assert (bits.mean(), bits.std()) == (0, 1)


def test_matches_of_latents_of_two_sizes_and_of_a_dimension_that_stands_still() -> None:
    a = codes(900, 4)
    b = np.column_stack([-a[:, 2] + 0.5, np.full(900, 0.3), a[:, 0] * 2])
    found = matches(a, b)
    assert [(match.a, match.b, match.sign) for match in found[:2]] in ([(2, 0, -1), (0, 2, 1)], [(0, 2, 1), (2, 0, -1)])
    assert found[0].correlation == pytest.approx(found[0].sign, abs=1e-9)
    assert found[2].b == 1
    assert found[2].correlation == 0


def test_chance_is_what_unrelated_codes_give() -> None:
    a, b = codes(2000), codes(2000)
    assert movement(a, b, align(a, b)).mean() == pytest.approx(movement_by_chance(a, b).mean(), rel=0.03)
    assert movement_by_chance(a, a).min() > 1  # the images were shuffled: even a copy moves
    near = [neighbours.nearest(z, 20) for z in (a, b)]
    stayed = neighbours.kept(*near, 20)
    assert stayed.mean() == pytest.approx(neighbours.kept_by_chance(2000, 20), abs=4 * stayed.std() / np.sqrt(2000))


@pytest.mark.parametrize("turns", [True, False])
def test_chance_is_the_mean_over_all_orders_of_the_images(turns: bool) -> None:
    a, b = codes(6, 2), codes(6, 3)
    every = [b[list(order)] for order in itertools.permutations(range(6))]
    exact = np.mean([movement(a, other, align(a, other, turns)).mean() for other in every])
    found = movement_by_chance(a, b, turns)
    assert found.mean() == pytest.approx(exact, abs=4 * found.std() / np.sqrt(len(found)))
    assert found.std() > 0.01  # one order alone would say little


def test_neighbours_are_those_of_another_implementation() -> None:
    from sklearn.neighbors import NearestNeighbors

    a = codes(1203, 3)
    expected = NearestNeighbors(n_neighbors=8).fit(a).kneighbors(return_distance=False)
    told: list[float] = []
    np.testing.assert_array_equal(neighbours.nearest(a, 8, told.append), expected)
    assert told[-1] == 1
    assert told == sorted(told)


def test_the_share_kept_is_counted_image_by_image() -> None:
    a, b = np.array([[1, 2], [0, 2], [0, 1]]), np.array([[2, 3], [2, 0], [3, 4]])
    np.testing.assert_allclose(neighbours.kept(a, b, 2), [0.5, 1, 0])
    np.testing.assert_allclose(neighbours.kept(a, b, 1), [0, 0, 0])


def test_few_codes_have_few_neighbours() -> None:
    assert neighbours.offered(360) == [5, 10, 20, 50]
    assert neighbours.offered(21) == [5, 10]
    assert neighbours.offered(4) == [2]
