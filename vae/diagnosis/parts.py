"""Images of both parts of a run's data, as many of each and from all over it: what findings compare."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from vae.diagnosis.case import Case
from vae.errors import DataError
from vae.space.encodings import images_of

MOST = 10_000  # images of a part
NUMBERS = 1 << 26  # of all of them together


def some_of(case: Case, part: str, most: int) -> Tensor:
    """Returns at most `most` images of a part (n, channels, height, width) as the model sees them, evenly from all over
    it: the first ones of a set may be all of one class. Raises DataError where there are none here."""
    found = images_of(case.run, "train" if part == "train" else "test")
    most = min(most, len(found.stored), max(100, NUMBERS // found.stored[0].numel()))
    rows = torch.from_numpy(np.unique(np.linspace(0, len(found.stored) - 1, most).round()))
    return found.to_float(found.stored[rows.long()], case.generator())


def training_images(case: Case, most: int | None = None) -> tuple[Tensor, str]:
    """Returns images that the model was trained on, at most `most` (as many as are held out: None), and what to call
    them; the held-out ones where those are not here."""
    most = min(MOST, most or len(case.codes), case.limit or MOST)
    try:
        x, words = some_of(case, "train", most), "training images"
    except DataError:
        x, words = case.x[:most], "held-out images"
    return x, f"{len(x):,} {words}"
