"""Collapsed dimensions: those on which q(z|x) is the prior, whatever x is."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from vae.bound.metrics import ACTIVE_THRESHOLD
from vae.browser.drawing import Chart, beside, nice_ticks
from vae.diagnosis.case import Case
from vae.diagnosis.curves import clock
from vae.diagnosis.finding import Advice, Finding, Found, steering_advice
from vae.diagnosis.parts import training_images

MOST_IMAGES, MOST_PIXELS = 4000, 1500  # of the data's covariance; of more pixels, as many images: the matrix is theirs
LINES, POINTS = 24, 120  # in the picture: dimensions, and records of each


class Collapsed(Finding):
    """Active units: dimensions with Var_x(E_q z_i) > 0.01 (Burda et al. 2015).

    Under a Gaussian p(x|z) of variance c, a linear decoder keeps the directions in which the data vary by more than c
    and no other (Lucas et al. 2019): `predicted` counts these eigenvalues λ. One that it leaves out, λ > c, costs
    ½ (λ/c − 1 − log λ/c) nats. What q(z_i|x) spends on a dimension that does not vary is spent for nothing.
    """

    name = "collapsed"
    question = "Is every latent dimension used?"
    seconds = 0.5

    def why_not(self, case: Case) -> str:
        return "Its latents are bits: see “Does every bit tell something?”" if is_bits(case) else ""

    def find(self, case: Case) -> Found:
        codes, k = case.codes, case.model.k
        active = codes.loc.astype(float).var(0) > ACTIVE_THRESHOLD
        per_dim = codes.rate_per_dim if codes.rate_per_dim is not None else codes.marginal_rate_per_dim
        assert per_dim is not None
        rates, idle = per_dim.astype(float), k - int(active.sum())
        eigenvalues, c = _data_variances(case)
        directions = 0 if eigenvalues is None else int((eigenvalues > c).sum())
        predicted = None if eigenvalues is None else min(k, directions)
        left_out = 0.0
        if eigenvalues is not None and predicted is not None and case.config.network == "linear":
            ratios = eigenvalues[k - idle : predicted] / c
            left_out = float(0.5 * (ratios - 1 - np.log(ratios)).sum())
        nats = float(rates[~active].clip(0).sum()) + left_out
        return Found(
            found=idle > 0,
            title=f"{idle} collapsed dimension{'s' * (idle != 1)}" if idle else "Every dimension is used",
            shown=f"{k - idle} of {k}",
            sentence=_sentence(active, rates) + _law(predicted, directions, k, c, case.config.network == "linear"),
            value=float(idle),
            unit="dimensions",
            threshold=0.0,
            source=f"Var E_q z > {ACTIVE_THRESHOLD}: Burda et al. 2015",
            n=len(codes),
            nats=nats if idle else 0.0,
            advice=_advice(case, predicted) if idle else (),
            picture=_picture(rates, active, *_rates_over_training(case, k)),
            numbers={
                "active": k - idle,
                "predicted": predicted,
                "directions": None if predicted is None else directions,
                "rate_per_dim": rates.tolist(),
                "variance_of_means": codes.loc.astype(float).var(0).tolist(),
            },
        )


def is_bits(case: Case) -> bool:
    """Returns whether every z_i is 0 or 1."""
    return case.model.latent.support == "binary"


def _data_variances(case: Case) -> tuple[NDArray[np.float64] | None, float]:
    """The eigenvalues of the data's covariance, largest first, and c; None where p(x|z) is no Gaussian."""
    if not case.model.likelihood.owns_C or case.caveat:
        return None, 0.0
    pixels = math.prod(case.model.shape)
    x = training_images(case, MOST_IMAGES if pixels <= MOST_PIXELS else MOST_PIXELS)[0].flatten(1).double().numpy()
    x = x - x.mean(0)
    gram = x @ x.T if len(x) < x.shape[1] else x.T @ x  # the same eigenvalues but for zeros
    return np.linalg.eigvalsh(gram / len(x))[::-1].clip(1e-300), 0.5 / case.model.likelihood.C


def _law(predicted: int | None, directions: int, k: int, c: float, linear: bool) -> str:
    """What a linear decoder of k dimensions uses of the directions in which the data vary."""
    if predicted is None:
        return ""
    kind = "this linear decoder" if linear else "a linear decoder"
    many = f"{directions} direction{'s' * (directions != 1)}"
    return f" The data vary by more than c = {c:.3g} in {many}; of {k} dimensions {kind} would use {predicted}."


def _sentence(active: NDArray[np.bool_], rates: NDArray[np.float64]) -> str:
    idle = np.flatnonzero(~active)
    if not len(idle):
        return f"Each of the {len(active)} carries {rates.min():.2f} nats or more, and its mean varies."
    listed = ", ".join(f"z{d}" for d in idle[:8]) + (", …" if len(idle) > 8 else "")
    return (
        f"{len(active) - len(idle)} of {len(active)} dimensions tell of the image; the means of {listed} do not vary, "
        f"and they carry {max(0.0, rates[idle].sum()):.2f} nats together."
    )


def _advice(case: Case, predicted: int | None) -> tuple[Advice, ...]:
    turn = "Raise C on Train" if predicted is None or predicted < case.model.k else "Train on"
    return (Advice("See them on Explore", "explore"), *steering_advice(case, turn))


def _picture(
    rates: NDArray[np.float64], active: NDArray[np.bool_], epochs: list[float], lines: NDArray[np.float64], unit: str
) -> str:
    """Bars now; beside them, where there is a history, how each came there."""
    k, top = len(rates), max(0.1, float(rates.max()) * 1.05)
    bars = Chart(
        (-0.6, k - 0.4), (0, top), height=200, width=460 if len(epochs) < 2 else 230,
        labels=("now" if k <= 8 else "dimension, now", "nats"), legend=[("rate", "used"), ("faint", "collapsed")],
        ticks=({float(d): f"z{d}" for d in range(k)} if k <= 8 else None, None),
    )  # fmt: skip
    for d, rate in enumerate(rates):
        bars.bar(d - 0.35, d + 0.35, 0, max(0.0, float(rate)), "rate" if active[d] else "faint")
    about = f"Rate of each of {k} dimensions, {int(active.sum())} of them used"
    if len(epochs) < 2:
        return bars.svg(about)
    shown = np.argsort(rates)[:: -(-k // LINES)]
    words = "over training" if len(shown) == k else f"{len(shown)} of {k}, over training"
    ends, span = (epochs[0], epochs[-1]), (0, max(0.1, lines.max() * 1.05))
    over = Chart(ends, span, height=200, width=230, labels=(unit, ""), legend=[("elbo", words)],
                 ticks=(nice_ticks(*ends, 3), None))  # fmt: skip
    for d in shown:
        over.line(epochs, lines[:, d].tolist(), "rate" if active[d] else "faint")
    return beside(bars, over, about + "; and over training")


def _rates_over_training(case: Case, k: int) -> tuple[list[float], NDArray[np.float64], str]:
    """Epochs (m,) and held-out rates (m, k), at most POINTS of them; what the epochs are."""
    step, unit = clock(case)
    found: dict[float, list[float]] = {}
    for line in case.history:
        rates = line["test"].get("rate_per_dim") or line["test"].get("marginal_rate_per_dim")
        if rates and len(rates) == k and None not in rates:
            found[step * line["step"]] = rates
    kept = sorted(found)[:: -(-len(found) // POINTS)] if found else []
    return kept, np.array([found[epoch] for epoch in kept]).reshape(-1, k), unit
