"""The posteriors q(z|x) of all images of a part: what is told of the aggregate posterior starts from them."""

from __future__ import annotations

import numpy as np
import torch

from vae.bound.aggregate_posterior import Posterior, rows_of, together
from vae.bound.chunks import rows_at_once
from vae.diagnosis.case import Case
from vae.errors import DataError
from vae.space.encodings import images_of

MOST = 60_000  # training images


@torch.no_grad()
def held_out_posteriors(case: Case) -> Posterior:
    """Returns q(z|x) of the case's held-out images, batch shape (n,)."""
    return together([case.model.encode(x) for x in case.x.split(rows_at_once(case.model))])


@torch.no_grad()
def training_posteriors(case: Case) -> Posterior | None:
    """Returns q(z|x) of MOST training images at most, from all over them; None where there are none here."""
    try:
        found = images_of(case.run, "train")
    except DataError:
        return None
    n = len(found.stored)
    rows = torch.from_numpy(np.unique(np.linspace(0, n - 1, min(n, case.limit or n, MOST)).round())).long()
    generator, several = case.generator(), []
    for some in rows.split(rows_at_once(case.model)):
        several.append(case.model.encode(found.to_float(found.stored[some], generator)))
        case.progress(0.05, "encoding the training images")
    return together(several)


def halves(qz_x: Posterior) -> tuple[Posterior, Posterior]:
    """Returns every other image, and the rest: what a classifier learns from, and what it is judged by."""
    n = len(qz_x.mean)
    return rows_of(qz_x, torch.arange(1, n, 2)), rows_of(qz_x, torch.arange(0, n, 2))
