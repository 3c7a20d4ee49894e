"""Two numbers side by side, and in words whether they agree."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import streamlit as st

from ui import style
from vae.lessons.derivation.check import BEYOND, STANDARD_ERRORS, Check

MOST_DIGITS = 8
ONE_IN = round(1 / BEYOND)  # samples of a right formula, if its estimate is normal, one lies beyond three errors: 370


@dataclass(frozen=True)
class Card:
    """`road` says how the second number was made: `sampling`, `quadrature`, `search`, or `exact` (another formula)."""

    name: str
    check: Check
    by: str
    road: str = "sampling"
    unit: str = "nats"
    formula: str = "formula"


def show(cards: Sequence[Card]) -> None:
    """Cards beside each other, as many as there is room for."""
    st.html(f'<div class="er-checks">{"".join(card_html(card) for card in cards)}</div>')


def card_html(card: Card) -> str:
    """Returns the card as HTML."""
    check = card.check
    digits = digits_for(check.error, check.difference)
    unit = f" <span>{escape(card.unit)}</span>" if card.unit else ""
    error = "" if card.road == "exact" else f" <span>± {escape(small(check.error))}</span>"
    return (
        f'<section class="er-check" data-agrees="{str(check.agrees).lower()}">'
        f'<p class="er-label">{escape(card.name)}</p><dl>'
        f"<dt>{escape(card.formula)}</dt><dd>{style.number(check.formula, digits)}{unit}</dd>"
        f"<dt>{escape(card.by)}</dt><dd>{style.number(check.estimate, digits)}{error}{unit}</dd>"
        f'</dl><p class="er-verdict">{escape(verdict(check, card.road))}</p></section>'
    )


def verdict(check: Check, road: str) -> str:
    """Returns in words whether the two numbers agree."""
    apart = style.number(check.errors_apart, 1)
    if check.exact:
        return "✓ They agree to the last digit."
    if road == "sampling":
        if check.agrees and check.errors_apart > STANDARD_ERRORS:
            return f"✓ They agree: {apart} standard errors apart, which one rare draw among so few can do."
        if check.agrees:
            return f"✓ They agree: {apart} standard errors apart."
        if check.possible:
            return (
                f"? {apart} standard errors apart: chance goes beyond {STANDARD_ERRORS:g} in about 1 of {ONE_IN} "
                "samples where the draws are normal, more often where they are skewed. Draw a new one."
            )
        return f"✗ They do not agree: {apart} standard errors apart."
    if check.agrees:
        return f"✓ They agree: {small(check.difference)} apart."
    return f"✗ They do not agree: {small(check.difference)} apart."


def digits_for(error: float, difference: float = 0.0) -> int:
    """Decimals that show two digits of the error; of an error that is only rounding, six."""
    size = error if error > 1e-7 else difference if difference > 1e-7 else 0.0
    if size == 0.0:
        return 6
    return min(MOST_DIGITS, max(0, 1 - math.floor(math.log10(size))))


def small(value: float) -> str:
    """Returns a size that may be tiny: plain digits down to 0.0001, below that a power of ten."""
    if value == 0:
        return "0"
    power = math.floor(math.log10(abs(value)))
    if power >= -4:
        return style.number(value, max(0, 1 - power))
    return f"{style.number(value / 10.0**power, 0)} × 10{str(power).translate(SUPERSCRIPTS)}"


SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
