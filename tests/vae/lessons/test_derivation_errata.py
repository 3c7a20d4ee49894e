"""The errata: each one's numbers, recomputed here by another road where there is one."""

from __future__ import annotations

import math
import os
import re
from pathlib import Path

import pytest
import torch

from vae.lessons.derivation.errata import ERRATA, Erratum, formula
from vae.lessons.derivation.errata_examples import Measured
from vae.lessons.derivation.gaussian_noise import constant

ROOT = Path(__file__).resolve().parents[3]
NOTES = [Path(folder) for folder in [os.environ.get("ELBO_ROOM_NOTES")] if folder] + [
    parent / "shared" / "notes" for parent in ROOT.parents
]
FILES = {
    "Hallerfelt": "hallerfelt-2022.txt", "Spanopoulos": "spanopoulos-2020.txt", "Selega": "selega-2022.txt",
    "Notes": "doersch-notes.txt",
}  # fmt: skip


def bare(text: str) -> str:
    """Without white space, and without Markdown's links and bold type, which the conversion of the notes put in."""
    return re.sub(r"\s", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text).replace("**", ""))


def note_of(erratum: Erratum) -> str:
    """The text of its note; these texts are no part of the repository (ELBO_ROOM_NOTES says where they lie)."""
    folder = next((folder for folder in NOTES if folder.is_dir()), None)
    if folder is None:
        pytest.skip("the notes are not at hand: ELBO_ROOM_NOTES names their folder")
    return bare((folder / FILES[erratum.note.split()[0]]).read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", ERRATA)
def test_what_is_called_printed_is_printed(name: str) -> None:
    note = note_of(ERRATA[name])
    for quote in ERRATA[name].printed:
        assert bare(quote.text) in note, quote.text


@pytest.mark.parametrize("told", ["for any", "one number", "elementwise"])
def test_a_reading_is_not_quoted_as_a_note_s_words(told: str) -> None:
    assert not [e.name for e in ERRATA.values() if any(told in quote.text for quote in e.printed)]


def test_a_line_that_is_right_in_one_case_is_no_misprint() -> None:
    conditions = {name for name, erratum in ERRATA.items() if erratum.kind == "missing condition"}
    assert conditions == {
        "one-number", "elementwise", "doersch-elementwise", "dropped-constant", "evidence-dropped", "loss-of-one-draw"
    }  # fmt: skip


def test_a_quote_in_markdown_is_a_formula_or_in_quotation_marks() -> None:
    assert formula(r"\frac{1}{2}").markdown == r"$\displaystyle \frac{1}{2}$"
    for erratum in ERRATA.values():
        for quote in erratum.printed:
            assert quote.text in quote.markdown
            assert quote.markdown[0] == ("$" if quote.formula else "“")


def measured(name: str) -> dict[str, Measured]:
    return {number.what: number for number in ERRATA[name].measure()}


def test_all_four_notes_are_there() -> None:
    notes = {erratum.note.split()[0] for erratum in ERRATA.values()}
    assert notes == {"Hallerfelt", "Spanopoulos", "Selega", "Notes"}
    assert len(ERRATA) == 21


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


def test_z_from_the_posterior_is_another_z() -> None:
    numbers = measured("sample-of-the-posterior")
    assert numbers["mean of z"].printed == pytest.approx(0.0, abs=1e-12)  # z² − 1: the humps lie at −z and z
    assert abs(numbers["mean of z"].right) > 1
    z = torch.linspace(-9, 9, 200_001, dtype=torch.float64)
    log_px_z = torch.distributions.Normal(z**2 - 1, math.sqrt(0.5)).log_prob(torch.tensor(1.0).double())
    weights = (log_px_z - z**2 / 2).softmax(0)
    assert numbers["distortion"].printed == pytest.approx(-float(weights @ log_px_z), abs=1e-9)


def test_noise_in_the_place_of_z() -> None:
    """d/dm E(x − f)²/(2c) with E(x − f)² = (x + 1)² − 2 (x + 1)(m² + s²) + m⁴ + 6 m² s² + 3 s⁴."""
    m, s, x, c = 1.2, 0.3, 1.0, 0.5
    numbers = measured("noise-for-z")
    slope = (-4 * (x + 1) * m + 4 * m**3 + 12 * m * s**2) / (2 * c)
    assert numbers["derivative of the distortion along the mean of q"].right == pytest.approx(slope, rel=1e-12)
    (error,) = ERRATA["one-index-for-another"].measure()
    assert error.printed == pytest.approx(8 * error.right, rel=1e-12)
    (factor,) = ERRATA["one-letter-for-two"].measure()
    assert factor.printed == pytest.approx(64 / measured("sign")["what is called the ELBO"].printed, rel=1e-12)


def test_the_errata_on_loss_and_prior() -> None:
    (prior,) = ERRATA["parameters-in-the-prior"].measure()
    assert (prior.printed, prior.right) == (0.0, pytest.approx(-1.5, rel=1e-12))
    (similar,) = ERRATA["similarity"].measure()
    assert (similar.printed, similar.right) == (3, 0)
    (each,) = ERRATA["argmin-for-each"].measure()
    assert each.printed == pytest.approx(0.5 * math.log(2 * math.pi * 1.5), rel=1e-12)
    assert each.right - each.printed == pytest.approx(1.5**2 / (2 * 1.5), rel=1e-12)
    (evidence,) = ERRATA["evidence-dropped"].measure()
    assert evidence.right == pytest.approx(2.5**2 / 1.5**2 - 1 / 1.5, rel=1e-12)
    squared, rate = ERRATA["loss-of-one-draw"].measure()
    assert squared.right - squared.printed == pytest.approx(-2 * 2 * 0.09 + 6 * 1.44 * 0.09 + 3 * 0.3**4, rel=1e-9)
    assert rate.right == pytest.approx(5 * (1.44 + 0.09 - 1 - math.log(0.09)), rel=1e-9)


def test_an_encoder_with_the_decoder_s_weight_reaches_less() -> None:
    """With both free the linear VAE reaches −log p of N(0, 4): ½ (log 2π·4 + 1)."""
    (least,) = ERRATA["one-parameter-for-two"].measure()
    assert least.right == pytest.approx(0.5 * (math.log(2 * math.pi * 4) + 1), abs=1e-4)
    assert least.printed > least.right + 0.5
