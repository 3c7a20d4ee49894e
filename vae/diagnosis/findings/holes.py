"""Holes: the prior sends draws where no image has its code. How far q(z) is from p(z), as a bracket.

The number is the classifier's, a lower bound on KL(q(z) ‖ p(z)); a prior equal to q(z) would save these nats, which are
the ELBO's own. Found where it is above log 2, by twice its error: if the codes fill but a share 1 − s of the
prior, as the prior does there, KL(q ‖ p) = −log(1 − s), and log 2 is half of the draws lost.
"""

from __future__ import annotations

import math

import torch

from vae.bound.aggregate_posterior import Information, Posterior, information, mean_bound, moments_of, rows_of
from vae.bound.density_ratio import DRAWS, Ratio, fit_ratio, measure_ratio
from vae.browser.drawing import Chart
from vae.diagnosis.case import Case
from vae.diagnosis.finding import Advice, Finding, Found, number_with_error
from vae.diagnosis.marginals import marginals, marginals_picture
from vae.diagnosis.posteriors import halves, held_out_posteriors, training_posteriors

THRESHOLD = math.log(2)  # nats: half of the prior's draws lost
OUTSIDE = 0.05  # of the images' codes have a lower score: where they are, no image lives
FEWEST = 40  # images: fewer teach a classifier nothing, and judge none
KEPT = 4000  # draws of the prior that pages paint
TABLE = 10_000  # images of the upper bound: its table has their square


class Holes(Finding):
    """moments ≤ KL(q ‖ p), classifier ≤ KL(q ‖ p) ≤ rate − Î(x; z); see vae.bound.aggregate_posterior and
    vae.bound.density_ratio."""

    name = "holes"
    question = "Do the codes fill the prior?"
    seconds = 8.5

    def why_not(self, case: Case) -> str:
        n = len(case.codes)
        return f"A bracket needs {FEWEST} images or more, and here are {n}." if n < FEWEST else ""

    @torch.no_grad()
    def find(self, case: Case) -> Found:
        qz_x, taught_by = held_out_posteriors(case), training_posteriors(case)
        apart = taught_by is not None and len(taught_by.mean) >= FEWEST
        learnt, judged = (taught_by, qz_x) if taught_by is not None and apart else halves(qz_x)
        generator, pz = case.generator(), case.model.prior()
        moments = mean_bound(moments_of(learnt).expected(judged))
        above = _above(case, qz_x)
        ratio = fit_ratio(
            learnt, pz, generator, lambda share: case.progress(0.2 + 0.75 * share, "codes against draws of the prior")
        )
        told = measure_ratio(ratio, judged, pz, generator)
        z = qz_x.sample((), generator)
        edge = float(told.score.quantile(OUTSIDE))
        lost = float((told.prior_score < edge).double().mean())
        found = told.unbiased.value - 2 * told.unbiased.error > THRESHOLD
        n, parts = len(judged.mean), "training images" if apart else "the other half of the held-out images"
        side = marginals(z.numpy(), case.model.latent.support == "binary")
        return Found(
            found=found,
            title=_title(found, above.divergence.value),
            shown=f"≥ {number_with_error(told.unbiased.value, told.unbiased.error, 2)} nats",
            sentence=_sentence(told, lost, above, found),
            value=told.unbiased.value,
            standard_error=told.unbiased.error,
            threshold=THRESHOLD,
            source=f"Lower bound E_q T − E_p exp T + 1 (Nguyen et al. 2010) of a classifier taught by "
            f"{len(learnt.mean):,} {parts}, judged by {n:,} held-out images and {DRAWS:,} draws; upper bound "
            f"rate − Î(x; z) from {math.exp(above.limit):,.0f} images; threshold log 2: half of the prior's draws lost",
            nats=told.unbiased.value if found else 0.0,
            at_most=above.divergence.value,
            n=n,
            advice=(
                Advice("Show on the Map", "map", {"colour": "hole"}),
                Advice("Draw from the prior", "explore", {"mode": "samples"}),
            )
            if found
            else (Advice("Show on the Map", "map", {"colour": "hole"}),),
            picture=_picture(told, moments.value, above),
            detail=marginals_picture(side),
            numbers={
                "moments": moments.value,
                "moments_error": moments.error,
                "classifier": told.unbiased.value,
                "classifier_error": told.unbiased.error,
                "donsker_varadhan": told.donsker_varadhan,
                "at_most": above.divergence.value,
                "at_most_error": above.divergence.error,
                "mutual_information_at_least": above.information.value,
                "mutual_information_error": above.information.error,
                "log_n": above.limit,
                "saturated": above.saturated,
                "draws_where_no_image_lives": lost,
                "images_there": OUTSIDE,
                "score_there": edge,
                "taught_by": len(learnt.mean),
            },
            arrays={
                "score": ratio(z).float().numpy(),
                "prior": told.prior[:KEPT].float().numpy(),
                "prior_score": told.prior_score[:KEPT].float().numpy(),
                **side,
            },
        )


def _title(found: bool, most: float) -> str:
    if found:
        return "Holes in the prior"
    return "Codes and prior differ by little" if most < 2 * THRESHOLD else "No hole is shown, and none ruled out"


def _above(case: Case, qz_x: Posterior) -> Information:
    n = len(qz_x.mean)
    some = rows_of(qz_x, torch.linspace(0, n - 1, min(n, TABLE)).round().long())

    def progress(share: float) -> None:
        case.progress(0.05 + 0.15 * share, "what a code tells of its image")

    return information(some, some.sample((), case.generator()), progress)


def _sentence(told: Ratio, lost: float, above: Information, found: bool) -> str:
    where = f"The prior sends {100 * lost:.0f} % of its draws where only {100 * OUTSIDE:.0f} % of the images' codes lie"
    nats = number_with_error(told.unbiased.value, told.unbiased.error, 2)
    most = f"{number_with_error(above.divergence.value, above.divergence.error)}"
    doubt = " (saturated: this end measures the number of images)" if above.saturated else ""
    worse = ": samples from it will be worse than reconstructions" if found else ""
    return f"{where}{worse}. KL(q(z) ‖ p(z)) is {nats} nats at least and {most} at most{doubt}."


def _picture(told: Ratio, moments: float, above: Information) -> str:
    """A bracket: between its two ends lies the divergence, each on a stem with its name, so that no two names meet."""
    low, most = told.unbiased.value, max(above.divergence.value, told.unbiased.value)
    high = 1.05 * max(most, THRESHOLD, 0.1)
    ticks: dict[float, str] = {}
    ends = min(0.0, 1.1 * moments, 1.1 * low), high
    chart = Chart(ends, (0, 1), height=136, width=400, labels=("KL(q(z) ‖ p(z)), nats", ""), ticks=(None, ticks))
    chart.area([low, most], [0.36, 0.36], "posterior")
    lip = 0.015 * (ends[1] - ends[0])
    chart.line([low + lip, low, low, low + lip], [0.36, 0.36, 0, 0], "posterior")
    chart.line([most - lip, most, most, most - lip], [0.36, 0.36, 0, 0], "elbo", dashed=above.saturated)
    classifier = number_with_error(low, told.unbiased.error, 2)
    stems = [
        (moments, f"moments ≥ {moments:.2f}", "faint", 0.9),
        (low, f"classifier ≥ {classifier}", "posterior", 0.68),
        (most, f"≤ {above.divergence.value:.1f}{', saturated' if above.saturated else ''}", "elbo", 0.46),
    ]
    for x, words, idea, height in stems:
        chart.line([x, x], [0.0 if idea == "faint" else 0.36, height + 0.08], idea)
        left = x < 0.5 * (ends[0] + ends[1])
        chart.word(x + lip if left else x - lip, height, words, idea, "start" if left else "end")
    return chart.svg(f"KL(q(z) ‖ p(z)) between {low:.2f} and {most:.1f} nats")
