"""The errata: each one's numbers, recomputed here by another road where there is one."""

from __future__ import annotations

import math

import pytest
import torch

from vae.derivation.errata import ERRATA, Measured
from vae.derivation.gaussian_noise import constant


def measured(name: str) -> dict[str, Measured]:
    return {number.what: number for number in ERRATA[name].measure()}


def test_all_four_notes_are_there() -> None:
    notes = {erratum.note.split()[0] for erratum in ERRATA.values()}
    assert notes == {"Hallerfelt", "Spanopoulos", "Selega", "Notes"}
    assert len(ERRATA) == 11


@pytest.mark.parametrize("name", ERRATA)
def test_every_misprint_makes_a_difference_that_is_measured(name: str) -> None:
    numbers = ERRATA[name].measure()
    assert all(math.isfinite(number.printed) and math.isfinite(number.right) for number in numbers)
    assert any(abs(number.printed - number.right) > 0.1 for number in numbers)
    assert all(number.check.errors_apart < 4 for number in numbers if number.check)
    assert numbers == ERRATA[name].measure()  # the same on every visit


def test_the_printed_continuous_gradient_never_moves_the_mean() -> None:
    for number in measured("continuous-gradient").values():
        assert number.printed == pytest.approx(0.0, abs=1e-12)
        assert number.check is not None
        assert abs(number.check.estimate) > 5


def test_the_binary_rule() -> None:
    numbers = measured("binary-gradient")
    assert numbers["relative error of the gradient, largest"].printed > 50
    elbo, entropy = numbers["ELBO where the rule leads"], numbers["entropy of q there"]
    assert elbo.printed < elbo.right - 3
    assert entropy.printed < 0.3 < 4 < entropy.right


def test_one_number_gives_rank_one() -> None:
    rank = measured("one-number")["its rank"]
    assert (rank.printed, rank.right) == (1, 3)


def test_the_elementwise_root_in_two_dimensions() -> None:
    """[[1, .8], [.8, 1]] has the root [[a, b], [b, a]] with a² + b² = 1 and 2ab = .8."""
    a = (math.sqrt(1.8) + math.sqrt(0.2)) / 2
    numbers = measured("doersch-elementwise")
    assert numbers["variance of each dimension"].printed == pytest.approx(a * a, rel=1e-12)
    off = math.sqrt(2 * (1 - a * a) ** 2 + 2 * 0.64) / math.sqrt(2 + 2 * 0.64)
    assert numbers["relative error of the covariance"].printed == pytest.approx(100 * off, rel=1e-12)


def test_the_last_term_of_the_quadratic_form() -> None:
    last = measured("quadratic-form")["last term"]
    B, C = torch.tensor([0.2, -0.3]).double(), torch.tensor([[0.2, -0.3], [-0.3, 0.5]]).double() / 0.01
    assert last.printed == pytest.approx(0.13, rel=1e-6)
    assert last.right == pytest.approx(float(B @ C @ B), rel=1e-6)


def test_the_encoder_is_not_the_posterior() -> None:
    by_terms, by_quadrature = measured("posterior-is-no-encoder").values()
    assert by_terms.right == pytest.approx(by_quadrature.right, abs=1e-10)
    assert by_terms.right > 0.5


def test_the_dropped_constant() -> None:
    numbers = measured("dropped-constant")
    assert numbers["constant at noise variance 1"].right == constant(784, 1.0)
    assert numbers["fitted C, between 0.0001 and 10,000"].printed == pytest.approx(1e-4)


def test_the_rate_moves_with_the_encoder_only() -> None:
    """d/da ½(a x)² = a x²."""
    for name in ("decoder-for-encoder", "swapped-parameters"):
        (number,) = ERRATA[name].measure()
        assert (number.printed, number.right) == (0.0, pytest.approx(0.8 * 1.5**2, rel=1e-12))
