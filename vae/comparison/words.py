"""What a comparison says, in sentences made from its numbers."""

from __future__ import annotations

import math

from vae.comparison import neighbours
from vae.comparison.alignment import Array
from vae.comparison.comparison import Comparison
from vae.comparison.paired_terms import Term

NOTHING = 5e-7  # an error that six decimals do not show: of rounding, not of sampling


def with_error(value: float, error: float) -> str:
    """Returns "2.31 ± 0.12", or the number alone: decimals for two digits of the error, six at most."""
    if not math.isfinite(error) or error < NOTHING:
        return f"{value:,.2f}".replace("-", "−")
    digits = min(6, max(0, 1 - math.floor(math.log10(error))))
    return f"{value:,.{digits}f} ± {error:,.{digits}f}".replace("-", "−")


def about_terms(found: Comparison) -> str:
    """Returns which of the two is better, by how many nats an image, and by which term."""
    terms = {term.name: term for term in found.terms}
    if all(term.difference == 0 == term.error for term in found.terms):
        return f"Both give the same: every term of each of the {found.n:,} images is equal."
    rest = ", its ".join(_of(terms[name]) for name in ("distortion", "rate"))
    if found.incomparable:
        return f"{found.incomparable} B’s {_of(terms['rate'])}, its squared error {_apart(terms['squared_error'])}."
    elbo = terms["elbo"]
    on = f"on the same {found.n:,} images"
    if not elbo.told_apart:
        return f"By their ELBOs the two cannot be told apart {on}: B − A is {_signed(elbo)}. B’s {rest}."
    better = " (better)" if elbo.difference > 0 else " (worse)"
    return f"B’s ELBO is {_apart(elbo)}{better} than A’s {on}; its {rest}."


def _of(term: Term) -> str:
    return f"{term.name} is {_apart(term)}" if term.told_apart else f"{term.name} differs by {_signed(term)}"


def _apart(term: Term) -> str:
    """`2.3 ± 0.1 nats lower`."""
    direction = "higher" if term.difference > 0 else "lower"
    return f"{with_error(abs(term.difference), term.error)} {term.unit} {direction}"


def _signed(term: Term) -> str:
    return f"{with_error(term.difference, term.error)} {term.unit}"


def about_movement(found: Comparison) -> str:
    """Returns how far the codes moved once rotation, reflection and permutation are out, and what chance gives."""
    taken = "permutation and flips of bits"
    if found.alignment.turns:
        taken = "a rotation with a reflection" if found.alignment.reflects else "a rotation"
        taken = f"a shift and {taken}"
    k_a, k_b = found.a.loc.shape[1], found.b.loc.shape[1]
    more, wider = abs(k_a - k_b), "AB"[k_b > k_a]
    further = f"further dimension of {wider} counts" if more == 1 else f"{more} further dimensions of {wider} count"
    return (
        f"With {taken} taken out a code moved by {with_error(*mean(found.movement))} prior standard deviations on "
        f"average; codes that have nothing to do with one another would move by "
        f"{with_error(*mean(found.movement_by_chance))}." + (f" The {further} as movement." if more else "")
    )


def about_neighbours(found: Comparison, k: int) -> str:
    """Returns how many of the k nearest of an image stayed, and how many would by chance."""
    share, error = mean(found.kept[k])
    chance = 100 * neighbours.kept_by_chance(found.n, k)
    return (
        f"Of the {k} images whose codes are nearest to an image’s, {with_error(100 * share, 100 * error)} % stayed "
        f"among its {k} nearest; by chance {chance:.2g} % would."
    )


def mean(values: Array) -> tuple[float, float]:
    """Returns the mean over images and its standard error, nan for a single one."""
    n = len(values)
    return float(values.mean()), float(values.std(ddof=1) / math.sqrt(n)) if n > 1 else math.nan
