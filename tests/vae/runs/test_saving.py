"""An event of a training as the line of a history."""

from __future__ import annotations

import dataclasses
import math

from vae.runs.saving import to_line
from vae.training.records import MeanTerms, Record


def test_numbers_that_are_not_finite_become_null_at_any_depth_and_the_event_stays() -> None:
    terms = MeanTerms(1.0, math.inf, -3.0, 0.5, None, 3.0, [0.25, math.nan], 7)
    record = Record(5, 0.5, math.nan, 1e-3, terms, None, 2.0)
    line = to_line(record)
    assert line["train"] == {**dataclasses.asdict(terms), "rate": None, "rate_per_dim": [0.25, None]}
    rest = {name: value for name, value in line.items() if name != "train"}
    assert rest == {"step": 5, "epoch": 0.5, "C": None, "lr": 1e-3, "test": None, "seconds": 2.0}
    assert math.isnan(terms.rate_per_dim[1])  # type: ignore[index]
