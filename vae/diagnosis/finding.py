"""What a finding is: a question that is true or false for a run, and what it tells: a number with its error, the
threshold and its source, one sentence from the run's values, a picture, and what to try."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from vae.runs import is_shipped

if TYPE_CHECKING:
    from vae.diagnosis.case import Case


@dataclass(frozen=True)
class Advice:
    """What to try, as a control that does it: a link to a page, whose address says what the page is to do."""

    words: str  # on the control: "Show on the Map"
    page: str  # its file's name without .py: "map"
    query: dict[str, str] = field(default_factory=dict)  # of the address; see `address`

    def address(self, run: str) -> dict[str, str]:
        """Returns the whole query: with `run`, but where it says itself `from` which run settings are copied."""
        return self.query if "from" in self.query else {"run": run} | self.query


@dataclass(frozen=True)
class Found:
    """What a finding tells of one run."""

    found: bool
    title: str  # what is the case: "Holes in the prior", or "Every dimension is used"
    shown: str  # the number as it is read, with its unit: "2.0 ± 0.1 nats", "10 of 10"
    sentence: str  # generated from the run's values
    value: float | None = None  # the number that is held against the threshold
    unit: str = "nats"  # of `value`
    standard_error: float | None = None
    threshold: float | None = None  # in the unit of `value`
    source: str = ""  # of threshold and protocol: "Burda et al. 2015"
    nats: float = 0.0  # at stake, per image; what findings are sorted by; 0 where nothing is found
    at_most: float | None = None  # the other end, where `value` is only a lower bound
    n: int | None = None  # images (records of the training, draws: `shown` or `sentence` say so) it rests on
    advice: tuple[Advice, ...] = ()
    picture: str = ""  # SVG; shapes are classed by idea, whoever shows it colours them
    numbers: dict[str, Any] = field(default_factory=dict)  # further ones by name, for programs; JSON values
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)  # kept beside, for pages: scores, histograms
    detail: str = ""  # a second picture, for who opens the finding


class Finding(ABC):
    """One question. `find` raises what `case.progress` raises, Stopped, and ElboRoomError where it cannot be told."""

    name: ClassVar[str]  # in JSON, in file names, in the address: "holes"
    question: ClassVar[str]  # "Do the codes fill the prior?"
    seconds: ClassVar[float]  # about, for 10,000 images on two cores; the quickest are computed first

    def why_not(self, case: Case) -> str:
        """Returns a sentence where the question makes no sense for this run: no bits in it, no labels; else ""."""
        return ""

    @abstractmethod
    def find(self, case: Case) -> Found:
        """Returns what it finds in this run."""


def steering_advice(case: Case, words: str) -> tuple[Advice, ...]:
    """Returns the way to the run's controls on its Train page, by the name of the control; nothing for a model that is
    not trained here. A run that ships stays as it is: the form with its settings comes first."""
    if case.config.is_yours:
        return ()
    if is_shipped(case.run.path):
        return (Advice(f"Copy it; then {words[0].lower()}{words[1:]}", "train", {"from": case.run.name}),)
    return (Advice(words, "train"),)


def afresh_advice(case: Case, words: str, **settings: object) -> tuple[Advice, ...]:
    """Returns the way to the form on Train, filled with the run's settings and these changes of them; nothing for a
    model that is not trained here."""
    if case.config.is_yours:
        return ()
    changes = {name: str(value) for name, value in settings.items()}
    return (Advice(words, "train", {"from": case.run.name} | changes),)


def number_with_error(value: float, error: float | None, digits: int = 1) -> str:
    """Returns "2.0 ± 0.1", or the number alone; the error is never rounded to nothing."""
    if error is None or not np.isfinite(error):
        return f"{value:.{digits}f}"
    while digits < 4 and round(error, digits) == 0:
        digits += 1
    return f"{value:.{digits}f} ± {error:.{digits}f}"


def measured(value: float, error: float | None = None) -> str:
    """Returns the number to two digits of its error, or to four of its own, with a minus sign that is one."""
    if not error or not np.isfinite(error):
        return f"{value:,.4g}".replace("-", "−")
    digits = max(0, 1 - math.floor(math.log10(error)))
    return f"{value:,.{digits}f} ± {error:,.{digits}f}".replace("-", "−")
