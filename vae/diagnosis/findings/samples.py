"""Samples unlike data: what the decoder draws for codes of the prior, beside what it draws for codes of images.

The number compares the two as pictures, E[x|z] both, so that neither the noise of p(x|z) nor the decoder's blur, which
both have, is counted: the share of pictures whose nearest neighbour in pixels is of their own kind. Found where it is
above 60 % by twice its error: an ideal judge of a prior that loses a fifth of its draws is right so often, ½ + ½ · ⅕.
How far from data they are is told by distances to the nearest training image, beside those of held-out images.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from vae.bound.aggregate_posterior import rows_of
from vae.bound.chunks import rows_at_once
from vae.browser.sheets import sheets
from vae.datasets.scale import to_bytes
from vae.diagnosis.case import Case
from vae.diagnosis.finding import Advice, Finding, Found
from vae.diagnosis.neighbours import nearest, two_sample_accuracy
from vae.diagnosis.parts import some_of
from vae.diagnosis.posteriors import held_out_posteriors
from vae.errors import DataError

PICTURES = 2000  # of each kind
NEIGHBOURHOOD = 10_000  # training images, among which neighbours are sought
NUMBERS = 8_000_000  # pixels of each kind: fewer images where they are large
THRESHOLD = 0.6
FAR = 0.95  # of the held-out images lie nearer to the training images
FEWEST = 20  # images
COLUMNS, ROWS = 6, 6


class Samples(Finding):
    """The two-sample test of nearest neighbours (Lopez-Paz & Oquab 2017) between decoded codes."""

    name = "samples"
    question = "Do samples look like data?"
    seconds = 2.0

    def why_not(self, case: Case) -> str:
        n = len(case.codes)
        return f"Neighbours need {FEWEST} images or more, and here are {n}." if n < FEWEST else ""

    @torch.no_grad()
    def find(self, case: Case) -> Found:
        model, generator = case.model, case.generator()
        most = max(FEWEST, min(PICTURES, len(case.x), NUMBERS // case.x[0].numel()))
        rows = torch.linspace(0, len(case.x) - 1, most).round().long()
        x, qz_x = case.x[rows], rows_of(held_out_posteriors(case), rows)
        prior = self._decoded(case, model.prior().sample((len(rows),), generator))
        aggregate = self._decoded(case, qz_x.sample((), generator))
        others, of = _others(case, x)

        def tick() -> None:
            case.progress(0.6, "nearest neighbours in pixels")

        told = two_sample_accuracy(prior, aggregate, tick)
        again = of == "other held-out images"
        distances = {
            "prior": nearest(prior, others, tick=tick),
            "aggregate": nearest(aggregate, others, tick=tick),
            "data": nearest(x, others, themselves=again, tick=tick),
        }
        edge = float(distances["data"][0].quantile(FAR))
        far = {name: float((found[0] > edge).double().mean()) for name, found in distances.items()}
        middle = {name: float(found[0].median()) for name, found in distances.items()}
        found = told.value - 2 * told.error > THRESHOLD
        n = len(rows)
        return Found(
            found=found,
            title="Samples are unlike what images decode to" if found else "Samples look like what images decode to",
            shown=f"{100 * told.value:.0f} ± {100 * told.error:.0f} % told apart",
            sentence=_sentence(told.value, of, middle, far, edge),
            value=told.value,
            unit="share told apart",
            standard_error=told.error,
            threshold=THRESHOLD,
            source=f"Nearest neighbours of {n:,} pictures of each kind (Lopez-Paz & Oquab 2017); distances in pixels "
            f"to {len(others):,} {of}; threshold: an ideal judge where a fifth of the draws is lost; nats by Pinsker",
            nats=2 * (2 * told.value - 1) ** 2 if found else 0.0,
            n=n,
            advice=(Advice("Draw from the prior", "explore", {"mode": "samples"}),) if found else (),
            picture=_sheets(case, [("prior", "prior, decoded", prior), ("posterior", "codes, decoded", aggregate)]),
            detail=_sheets(
                case,
                [
                    ("prior", f"nearest {of.removeprefix('other ')}", others[distances["prior"][1][:, 0]]),
                    ("posterior", "images of these codes", x),
                ],
            ),
            numbers={
                "accuracy": told.value,
                "accuracy_error": told.error,
                "median_distance": middle,
                "further_than": edge,
                "share_further": far,
                "neighbours_are": of,
            },
        )

    def _decoded(self, case: Case, z: Tensor) -> Tensor:
        pictures = []
        for some in z.split(rows_at_once(case.model)):
            pictures.append(case.model.decode(some).mean)
            case.progress(0.2, "decoding")
        return torch.cat(pictures)


def _sentence(apart: float, of: str, middle: dict[str, float], far: dict[str, float], edge: float) -> str:
    kinds = [f"{100 * far[name]:.0f} %" for name in ("prior", "aggregate", "data")]
    return (
        f"Of samples from the prior and decoded codes of images, {100 * apart:.0f} % have their nearest neighbour "
        f"among their own kind (50 %: alike). By the distance of pixel values, the root of their summed squares, half "
        f"of the samples lie within {middle['prior']:.2f} of {_one(of)}, half of the decoded codes within "
        f"{middle['aggregate']:.2f}, half of the held-out images within {middle['data']:.2f}; {kinds[0]}, {kinds[1]} "
        f"and {kinds[2]} of them lie further than {edge:.2f}."
    )


def _one(of: str) -> str:
    return f"an{of.removesuffix('s')}" if of.startswith("other") else f"a {of.removesuffix('s')}"


def _others(case: Case, x: Tensor) -> tuple[Tensor, str]:
    """Images among which neighbours are sought, and what they are called."""
    try:
        return some_of(case, "train", max(FEWEST, min(NEIGHBOURHOOD, 5 * NUMBERS // x[0].numel()))), "training images"
    except DataError:
        return x, "other held-out images"


def _sheets(case: Case, pictures: list[tuple[str, str, Tensor]]) -> str:
    """A few of each kind beside each other, from all over them."""
    drawn = []
    for idea, title, rows in pictures:
        some = rows[:: max(1, len(rows) // (COLUMNS * ROWS))][: COLUMNS * ROWS]
        drawn.append((idea, title, np.asarray(to_bytes(some, case.codes.limits))))
    return sheets(drawn, COLUMNS, " beside ".join(title for _, title, _ in pictures))
