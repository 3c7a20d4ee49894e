"""Which steps of a training are kept as moments: by the logarithm of the step, and where C was turned."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

Why = Literal["log", "C turned"]
LOG_MOMENTS = 20  # evenly in log steps, the untrained weights among them
TURN_MOMENTS = 12  # of those at which C was turned
MOST_BYTES = 256_000_000  # of all moments of a run together; larger weights have fewer moments
FEWEST = 3  # fewer tell no story: then there are none
GROWTH = 1.3  # of the step until the next moment, where nobody knows how long a training will be


def quotas(bytes_each: int) -> dict[Why, int]:
    """Returns how many moments of each kind a run keeps, where one takes so many bytes."""
    room = MOST_BYTES // max(1, bytes_each)
    log = min(LOG_MOMENTS, room * LOG_MOMENTS // (LOG_MOMENTS + TURN_MOMENTS))
    return {"log": log, "C turned": min(TURN_MOMENTS, room - log)} if log >= FEWEST else {"log": 0, "C turned": 0}


def planned_steps(total: int, every: int, most: int = LOG_MOMENTS) -> list[int]:
    """Returns the steps of the moments by log steps: 0, then `most − 1` records, each the same factor after the one
    before as far as whole records allow, the last one at `total`; all records where there are fewer. A record comes
    every `every` steps."""
    records = -(-total // every)
    marks = [0, 1] if records else [0]
    while len(marks) < most and marks[-1] < records:
        left = most - len(marks)
        marks.append(max(marks[-1] + 1, round(marks[-1] * (records / marks[-1]) ** (1 / left))))
    return [min(total, mark * every) for mark in marks]


def to_thin(steps: Sequence[int], most: int) -> int | None:
    """Returns the place of the step to give up where `steps`, in order, are more than `most`: the one between whose
    neighbours the step grows by the smallest factor, so that the others stay spread in log steps; never the first or
    the newest. None where none has to go."""
    if len(steps) <= max(2, most):
        return None
    return min(range(1, len(steps) - 1), key=lambda i: math.log((steps[i + 1] + 1) / (steps[i - 1] + 1)))
