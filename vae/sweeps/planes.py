"""A run as a point of the planes: where it stands between rate and distortion, how surely, and whether it still moves.

Means over held-out images: rate and distortion in nats, squared error in pixel². Their errors are those of the means
over images; runs of one dataset share these images, so that between two runs far less is uncertain. What a run's own
training leaves uncertain is the scatter of its last records.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from vae.config import Config
from vae.runs.status import ENDED, Status
from vae.runs.sweep_mark import SweepMark

LAST = 0.1  # of the steps, over which it is looked whether a run still moves
FEWEST = 4  # records there, to tell
SLOW = 0.1  # of the first learning rate, below which a loss that stands still tells little: a cosine ends so
STILL = 0.1  # nats in the loss that a run may drift there and has converged
USED = 0.01  # nats of rate from which on a latent dimension is used
WEIGHED = {None: False, "gaussian": False, "bernoulli": True, "continuous-bernoulli": True}
TERMS = ("rate", "distortion", "squared_error", "elbo")


@dataclass(frozen=True)
class Point:
    """One run. A number is None where the run does not tell it; `unsettled` is "" where it has converged."""

    name: str
    dataset: str
    likelihood: str
    weights_C: bool  # whether C weighs the distortion, instead of being the Gaussian's 1/(2c)
    C: float | None
    fitted: bool
    latent: str
    latent_dim: int
    network: str
    lr: float | None
    seed: int
    state: str
    step: int
    total_steps: int
    rate: float | None = None
    rate_error: float | None = None
    distortion: float | None = None
    distortion_error: float | None = None
    squared_error: float | None = None
    squared_error_error: float | None = None
    elbo: float | None = None
    elbo_error: float | None = None
    images: int | None = None
    rate_scatter: float | None = None
    distortion_scatter: float | None = None
    squared_error_scatter: float | None = None
    train_rate: float | None = None  # means over the training images in the last records, where the slope's law holds
    train_distortion: float | None = None
    train_squared_error: float | None = None
    used: int | None = None  # latent dimensions of USED nats or more
    active: int | None = None  # those with Var_x E_q[z] > 0.01, in the last record of a training
    unsettled: str = "it has no held-out record yet"
    caveat: str = ""  # why having stood still at the end says little
    sweep: str | None = None  # its id
    sweep_name: str | None = None
    varies: tuple[str, ...] = ()

    @property
    def error_name(self) -> str:
        """What C trades rate for: the squared error of a Gaussian, the distortion that C weighs."""
        return "distortion" if self.weights_C else "squared_error"

    def to_json(self) -> dict[str, Any]:
        """Returns the numbers under their names."""
        return dataclasses.asdict(self)


def point_of(
    name: str,
    config: Config,
    dataset: str,
    status: Status,
    history: Sequence[dict[str, Any]],
    mark: SweepMark | None = None,
) -> Point:
    """Returns a run's place in the planes by its history, the last record with held-out values."""
    records = [line for line in history if line.get("test")]
    last = records[-1] if records else {}
    test: dict[str, Any] = last.get("test") or {}
    asked = [config.C, *(line["value"] for line in history if line.get("knob") == "C")][-1]
    found: dict[str, Any] = {name: test.get(name) for term in TERMS for name in (term, f"{term}_error")}
    end = _end_of(records)
    found |= {f"{term}_scatter": scatter(end, term) for term in TERMS[:3]}
    found |= {
        f"train_{term}": _mean(line["train"].get(term) for line in end if line.get("train")) for term in TERMS[:3]
    }
    return Point(
        name, dataset, config.likelihood or "", weighs(config.likelihood),
        _C(last.get("C"), asked), asked == "fit",
        config.latent, config.latent_dim, config.network, config.lr, config.seed,
        status.state, status.step, status.total_steps,
        images=test.get("images"), used=_used(test), active=test.get("active"),
        unsettled=unsettled(status, end), caveat=caveat(end, config.lr),
        sweep=mark.id if mark else None, sweep_name=mark.name if mark else None, varies=mark.varies if mark else (),
        **found,
    )  # fmt: skip


def weighs(likelihood: str | None) -> bool:
    """Returns whether C weighs this likelihood's distortion; a Gaussian owns it, one that is not told has none."""
    if likelihood in WEIGHED:
        return WEIGHED[likelihood]
    from vae.model.likelihoods import LIKELIHOODS  # one of somebody's own; torch takes its time

    return likelihood in LIKELIHOODS and not LIKELIHOODS[likelihood].owns_C


def unsettled(status: Status, end: Sequence[dict[str, Any]]) -> str:
    """Returns why a run counts as not converged, "" where it has: it ran to its end, at one C, and over the last tenth
    of its steps the held-out loss drifted (least squares) by no more than STILL nats, or by less than twice that
    drift's standard error. `end`: the records of the last tenth with held-out values."""
    if status.state != "finished":
        return "it is still training" if status.state not in ENDED else f"it ended early ({status.state})"
    if not status.step and not end:
        return "it came as it is, and no training tells"
    if len(end) < FEWEST:
        return f"the last tenth of its steps has only {len(end)} held-out record{'s' * (len(end) != 1)}"
    if len({line.get("C") for line in end}) > 1 and _ratio(end) > 1.02:
        return "its C changed over the last tenth of its steps"
    losses = [line["test"].get("loss") for line in end]
    if any(loss is None for loss in losses):
        return "its held-out loss was not a finite number"
    drift, error = _drift([line["step"] for line in end], losses)
    if abs(drift) <= max(STILL, 2 * error):
        return ""
    return f"its held-out loss {'rose' if drift > 0 else 'fell'} by {abs(drift):.2g} nats over the last tenth"


def caveat(end: Sequence[dict[str, Any]], lr: float | None) -> str:
    """Returns why a loss that stood still says little of a run's convergence, "" where it says enough: a schedule, or a
    hand, had all but ended its steps. `end`: as of `unsettled`; `lr`: the learning rate that it began with."""
    rates = [line["lr"] for line in end if line.get("lr")]
    if not lr or not rates or max(rates) >= SLOW * lr:
        return ""
    return f"its learning rate was at {max(rates) / lr:.1%} of the first or less, where any loss stands still"


def scatter(end: Sequence[dict[str, Any]], term: str) -> float | None:
    """Returns the standard deviation of a term over a run's last records: what its training leaves uncertain; None
    where there are too few."""
    values = [value for line in end if (value := line["test"].get(term)) is not None]
    if len(values) < FEWEST:
        return None
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


def _end_of(records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those of the last tenth. The very last is over all held-out images, others may be over the first ones."""
    if not records:
        return []
    first = (1 - LAST) * records[-1]["step"]
    end = [line for line in records if line["step"] >= first]
    same = [line for line in end if line["test"].get("images") == records[-1]["test"].get("images")]
    return same if len(same) >= FEWEST else end[:-1]


def _C(measured: float | None, asked: float | str | None) -> float | None:
    """The last record's; as it was asked for where the model keeps its logarithm in float32."""
    if not isinstance(asked, (int, float)):
        return measured
    return float(asked) if measured is None or math.isclose(measured, asked, rel_tol=1e-5) else measured


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if known else None


def _drift(steps: Sequence[float], values: Sequence[float]) -> tuple[float, float]:
    """How far a straight line through the values goes from the first step to the last, and its standard error."""
    n, span = len(steps), steps[-1] - steps[0]
    if span <= 0:
        return 0.0, math.inf
    mean, level = math.fsum(steps) / n, math.fsum(values) / n
    squares = math.fsum((step - mean) ** 2 for step in steps)
    slope = math.fsum((s - mean) * (v - level) for s, v in zip(steps, values, strict=True)) / squares
    rest = math.fsum((v - level - slope * (s - mean)) ** 2 for s, v in zip(steps, values, strict=True))
    return slope * span, span * math.sqrt(rest / max(1, n - 2) / squares)


def _ratio(end: Sequence[dict[str, Any]]) -> float:
    values = [line["C"] for line in end if line.get("C")]
    return max(values) / min(values) if values else 1.0


def _used(test: dict[str, Any]) -> int | None:
    rates = test.get("rate_per_dim") or test.get("marginal_rate_per_dim")
    return None if rates is None else sum(rate is not None and rate >= USED for rate in rates)
