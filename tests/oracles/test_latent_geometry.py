"""Paths, sheets and directions: closed forms, and the numbers that the page's modules are held to."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.oracles.latent_geometry import (
    attribute_direction,
    cohens_d,
    lerp,
    norm_range,
    random_rows,
    slerp,
    traversal_codes,
    traversal_values,
)
from vae.errors import ConfigError

NUMBERS = Path(__file__).resolve().parent.parent / "js" / "latent" / "geometry.json"
T = np.linspace(0, 1, 11)


def draw(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def test_straight_path() -> None:
    a, b = draw(2, 5)
    path = lerp(a, b, T)
    assert np.array_equal(path[[0, -1]], [a, b])
    np.testing.assert_allclose(np.diff(path, axis=0), np.tile((b - a) / 10, (10, 1)), atol=1e-15)


def test_spherical_path_between_axes_is_the_circle() -> None:
    path = slerp([2, 0, 0], [0, 2, 0], T)
    angle = T * math.pi / 2
    np.testing.assert_allclose(path, 2 * np.stack([np.cos(angle), np.sin(angle), 0 * T], -1), atol=1e-15)


@pytest.mark.parametrize("k", [2, 3, 10, 50])
def test_spherical_path_keeps_length_and_turns_evenly(k: int) -> None:
    a, b = draw(2, k, seed=k)
    path = slerp(a, b, T)
    np.testing.assert_allclose(path[[0, -1]], [a, b], atol=1e-14)
    lengths = np.linalg.norm(path, axis=1)
    np.testing.assert_allclose(lengths, np.linspace(np.linalg.norm(a), np.linalg.norm(b), 11), rtol=1e-14)
    u = path / lengths[:, None]
    angles = np.arccos((u[1:] * u[:-1]).sum(1))
    np.testing.assert_allclose(angles, np.arccos(u[0] @ u[-1]) / 10, rtol=1e-10)
    basis = np.linalg.qr(np.stack([a, b], 1))[0]  # the path stays in the plane of a and b
    np.testing.assert_allclose(path - path @ basis @ basis.T, 0, atol=1e-13)


def test_for_equal_lengths_it_is_whites_slerp() -> None:
    a, b = draw(2, 7, seed=4)
    b *= np.linalg.norm(a) / np.linalg.norm(b)
    omega = math.acos(a @ b / (a @ a))
    white = (np.sin((1 - T) * omega)[:, None] * a + np.sin(T * omega)[:, None] * b) / math.sin(omega)
    np.testing.assert_allclose(slerp(a, b, T), white, atol=1e-13)


@pytest.mark.parametrize("opposite", [[-3.0, -4.0, 0.0], [-3.0, -4.0 - 1e-12, 0.0]])
def test_opposite_codes_are_joined_by_half_a_circle(opposite: list[float]) -> None:
    path = slerp([3, 4, 0], opposite, T)
    np.testing.assert_allclose(np.linalg.norm(path, axis=1), 5, rtol=1e-9)
    np.testing.assert_allclose(path[5], [0, 0, 5], atol=1e-9)


def test_where_there_is_no_direction_the_path_is_straight() -> None:
    for a, b in [([0, 0], [1, 2]), ([1, 2], [0, 0]), ([1, 2], [3, 6]), ([2], [-1]), ([2], [5])]:
        np.testing.assert_allclose(slerp(a, b, T), lerp(a, b, T), atol=1e-12)


@pytest.mark.parametrize("angle", [1e-9, 1e-6, 1e-3])
def test_nearly_parallel_codes_keep_their_digits(angle: float) -> None:
    a, b = np.array([1.0, 0]), np.array([math.cos(angle), math.sin(angle)])
    exact = np.stack([np.cos(T * angle), np.sin(T * angle)], -1)
    np.testing.assert_allclose(slerp(a, b, T), exact, atol=2e-16, rtol=1e-9)


@pytest.mark.parametrize("k", [1, 2, 3, 5, 10, 50])
def test_norm_range_holds_its_share_of_the_prior(k: int) -> None:
    low, high = norm_range(k)
    half = torch.tensor(k / 2, dtype=torch.float64)
    tails = [torch.special.gammainc(half, torch.tensor(v**2 / 2, dtype=torch.float64)).item() for v in (low, high)]
    assert tails == pytest.approx([0.05, 0.95], abs=1e-12 if k < 3 else 5e-3)


def test_norm_range_widens_with_the_share_and_refuses_others() -> None:
    assert norm_range(4, 0.99)[0] < norm_range(4, 0.5)[0] < 2 < norm_range(4, 0.5)[1] < norm_range(4, 0.99)[1]
    for k, share in [(0, 0.9), (2, 0.0), (2, 1.0)]:
        with pytest.raises(ConfigError, match="norm_range"):
            norm_range(k, share)


def test_traversal_values() -> None:
    assert traversal_values(5).tolist() == [-2.5, -1.25, 0, 1.25, 2.5]
    quantiles = traversal_values(4, "quantiles")
    shares = torch.special.ndtr(torch.tensor(quantiles)).tolist()
    assert shares == pytest.approx([0.125, 0.375, 0.625, 0.875], abs=1e-15)
    for count, spacing in [(1, "even"), (5, "log")]:
        with pytest.raises(ConfigError, match=r"count|spacing"):
            traversal_values(count, spacing)  # type: ignore[arg-type]


def test_traversal_replaces_one_coordinate_a_row() -> None:
    z = np.array([0.1, 0.2, 0.3])
    sheet = traversal_codes(z, [-1, 0, 1, 2], [2, 0])
    assert sheet.shape == (2, 4, 3)
    assert sheet[0].tolist() == [[0.1, 0.2, v] for v in (-1, 0, 1, 2)]
    assert sheet[1].tolist() == [[v, 0.2, 0.3] for v in (-1, 0, 1, 2)]
    assert z.tolist() == [0.1, 0.2, 0.3]
    with pytest.raises(ConfigError, match="dimensions: expected 0 to 2"):
        traversal_codes(z, [0], [3])


def test_cohens_d_by_hand() -> None:
    assert cohens_d([0, 2], [3, 5]) == pytest.approx(3 / math.sqrt(2))  # s² = (2 + 2) / 2
    assert cohens_d([1, 1], [2, 2]) is None
    assert cohens_d([1], [2]) is None


def test_a_direction_along_one_axis() -> None:
    codes = np.array([[0, 0], [2, 0], [10, 0], [12, 0]], float)
    found = attribute_direction(codes, [0, 1], [3, 2], pairs=50)
    assert found.start.tolist() == [1, 0]
    assert found.direction.tolist() == [10, 0]
    assert found.effect == pytest.approx(10 / math.sqrt(2))
    assert found.sizes == (2, 2)
    # the three ways to split 0, 2, 10, 12 in two: {0, 2}, {0, 10} and {0, 12} with what is left
    values = {round(10 / math.sqrt(2), 9), round(2 / math.sqrt(50), 9), 0.0}
    assert {round(effect, 9) for effect in found.random_effects} == values
    assert found.exceeded == (found.random_effects < 1).sum()


def test_the_effect_does_not_depend_on_place_scale_or_rotation() -> None:
    codes = draw(60, 4)
    turn = np.linalg.qr(draw(4, 4, seed=1))[0]
    one = attribute_direction(codes, range(20), range(20, 50), pairs=20)
    other = attribute_direction(3 * codes @ turn + 7, range(20), range(20, 50), pairs=20)
    assert one.effect == pytest.approx(other.effect, rel=1e-12)
    np.testing.assert_allclose(one.random_effects, other.random_effects, rtol=1e-10)


def test_random_pairs_exceed_blind_sets_and_not_real_ones() -> None:
    codes = draw(1000, 10)
    codes[:100, 3] += 1.5
    assert attribute_direction(codes, range(100), range(100, 200)).exceeded == 200
    blind = [attribute_direction(codes, range(i, i + 20), range(i + 20, i + 40)).exceeded for i in range(200, 1000, 40)]
    assert 40 < np.mean(blind) < 160  # uniform on 0..200 in expectation: 100 ± 13
    small = attribute_direction(codes, [300, 301, 302], [303, 304, 305])
    assert small.random_effects.mean() > 1.5  # a large d that means nothing: why the comparison is shown


def test_sets_that_allow_no_effect() -> None:
    codes = draw(10, 3)
    one = attribute_direction(codes, [0], [1, 2])
    assert one.effect is None
    assert one.exceeded == 0
    assert one.direction == pytest.approx(codes[[1, 2]].mean(0) - codes[0])
    for a, b in [([], [1]), ([1, 2], [2, 3])]:
        with pytest.raises(ConfigError, match="without a common image"):
            attribute_direction(codes, a, b)


def test_random_rows_are_fair_and_seeded() -> None:
    rows = random_rows(6, 3, 6000, seed=2)
    assert all(len(set(row)) == 3 for row in rows.tolist())
    counts = np.array([[(rows[:, place] == row).sum() for row in range(6)] for place in range(3)])
    assert (abs(counts - 1000) < 5 * math.sqrt(6000 / 6 * 5 / 6)).all()
    assert np.array_equal(rows, random_rows(6, 3, 6000, seed=2))
    assert not np.array_equal(rows, random_rows(6, 3, 6000, seed=3))
    assert sorted(random_rows(5, 5, 1, 0)[0].tolist()) == [0, 1, 2, 3, 4]
    for n, count, seed in [(3, 4, 0), (3, 1, -1), (3, 1, 2**20)]:
        with pytest.raises(ConfigError, match=r"count|seed"):
            random_rows(n, count, 1, seed)


def test_codes_that_are_none_are_refused() -> None:
    for bad in ([], [[1, 2]], [float("nan")]):
        with pytest.raises(ConfigError, match="a: expected one code"):
            lerp(bad, [1.0], [0.5])


def numbers() -> dict[str, Any]:
    """Cases for tests/js/latent/geometry.test.mjs, as this module answers them."""
    codes = draw(40, 5).astype(np.float32)
    codes[:12, 1] += 0.8
    pairs = [(draw(k, seed=k), draw(k, seed=k + 100)) for k in (1, 2, 3, 10)]
    pairs += [(np.array([3.0, 4.0, 0.0]), np.array([-3.0, -4.0, 0.0])), (np.zeros(2), np.ones(2)), (np.ones(3),) * 2]
    found = attribute_direction(codes, range(12), range(12, 30), pairs=20, seed=7)
    return {
        "paths": [
            {"a": a.tolist(), "b": b.tolist(), "t": 0.3, "straight": lerp(a, b, [0.3])[0].tolist(),
             "spherical": slerp(a, b, [0.3])[0].tolist()}
            for a, b in pairs
        ],
        "norm_range": {str(k): norm_range(k) for k in (1, 2, 3, 10, 64)},
        "values": {s: {str(n): traversal_values(n, s).tolist() for n in (2, 9)} for s in ("even", "quantiles")},
        "sheet": traversal_codes([0.5, -1, 2], [-1, 1], [2, 0]).ravel().tolist(),
        "rows": random_rows(9, 4, 3, 5).tolist(),
        "attribute": {
            "codes": codes.ravel().tolist(), "k": 5, "a": list(range(12)), "b": list(range(12, 30)), "seed": 7,
            "start": found.start.tolist(), "direction": found.direction.tolist(), "effect": found.effect,
            "random_effects": found.random_effects.tolist(), "exceeded": found.exceeded,
        },
    }  # fmt: skip


def test_the_pages_tests_are_held_to_these_numbers() -> None:
    """`python tests/oracles/test_latent_geometry.py` writes them anew."""
    stored = json.loads(NUMBERS.read_text())
    _same(stored, numbers())


def _same(stored: Any, now: Any) -> None:
    if isinstance(now, dict):
        assert stored.keys() == now.keys()
        for key in now:
            _same(stored[key], now[key])
    elif isinstance(now, list) and now and isinstance(now[0], dict):
        for one, other in zip(stored, now, strict=True):
            _same(one, other)
    else:
        np.testing.assert_allclose(stored, now, rtol=1e-12, atol=1e-15)


if __name__ == "__main__":
    NUMBERS.write_text(json.dumps(numbers(), separators=(",", ":")) + "\n")
