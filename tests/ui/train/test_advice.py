from __future__ import annotations

import math
from typing import Any

import numpy
import pytest

from ui.train.advice import overfitting, still_improving


def measured(step: int, train: float, test: float | None, images: int = 360) -> dict[str, Any]:
    """A record with these −ELBO."""
    held = None if test is None else {"elbo": -test, "images": images}
    return {"step": step, "train": {"elbo": -train}, "test": held}


RISEN = [measured(100, -5, -4), measured(2340, -15, -14.1), measured(3000, -18, None), measured(5000, -25, -10.6)]


def test_overfitting_names_the_step_and_the_numbers() -> None:
    assert overfitting(RISEN) == (
        "Held-out −ELBO was lowest at step 2,340 (−14.1 nats) and has risen to −10.6 nats since: "
        "what the model has learned after that helps on the training images only."
    )


@pytest.mark.parametrize(
    "history",
    [
        [],
        [measured(1, 5, None)],
        [{"step": 3, "knob": "C", "value": 2.0}],
        [measured(1, 5, 4), measured(2, 4, 3)],
        [measured(1, 5, 4), measured(2, 4, 5.0)],  # one nat is no more than chance
        [measured(1, 500, 500), measured(2, 400, 509)],  # less than 2 %
        [measured(1, 5, 4), measured(2, 9, 9)],  # training got worse too
        [*RISEN, {"step": 5000, "knob": "C", "value": 2.0}],  # another C, other numbers
        [*RISEN[:2], measured(5000, -25, -10.6, images=10_000)],  # other images
    ],
)
def test_what_is_no_overfitting(history: list[dict[str, Any]]) -> None:
    assert overfitting(history) == ""


def curve(part: str, losses: list[float], weight: float = 1.0) -> list[dict[str, Any]]:
    """Records with these losses; −ELBO is the loss at weight 1."""
    other = {"test": None} if part == "train" else {"train": {"elbo": -1.0, "loss": 1.0}}
    means = [{"elbo": -loss / weight, "loss": loss} for loss in losses]
    return [{"step": 10 * i, part: value, **other} for i, value in enumerate(means)]


def test_still_improving_tells_the_fall_of_the_last_tenth() -> None:
    losses = [1000.0 - 2 * i for i in range(101)]  # 2 nats a record: the last ten fall by 18 nats from first to last
    told = "Still improving: the {} {} fell by 18.0 ± 0.0 nats over the last tenth of its records. Train on"
    assert still_improving(curve("test", losses)).startswith(told.format("held-out", "−ELBO"))
    assert still_improving(curve("train", losses)).startswith(told.format("training", "−ELBO"))
    assert still_improving(curve("train", losses, weight=3.0)).startswith(told.format("training", "loss"))
    old = [{**line, "train": {"elbo": line["train"]["elbo"]}} for line in curve("train", losses)]
    assert still_improving(old).startswith(told.format("training", "−ELBO"))


def test_its_error_is_that_of_the_straight_line() -> None:
    noise = numpy.random.default_rng(0).normal(0, 3, 301)
    losses = [900.0 - i + float(e) for i, e in enumerate(noise)]
    steps, values = 10.0 * numpy.arange(271, 301), numpy.array(losses[271:])
    (slope, _), covariance = numpy.polyfit(steps, values, 1, cov=True)
    fall, error = -slope * 290, 290 * math.sqrt(covariance[0, 0])
    assert f"fell by {fall:.1f} ± {error:.1f} nats" in still_improving(curve("train", losses))


def test_what_was_held_out_long_ago_does_not_speak_for_the_end() -> None:
    falling = curve("train", [1000.0 - 2 * i for i in range(101)])
    flat = {"test": {"elbo": -5.0, "loss": 5.0}}
    assert "held-out" not in still_improving([{**line, **(flat if line["step"] < 900 else {})} for line in falling])
    assert still_improving([{**line, **flat} for line in falling]) == ""
    assert "training −ELBO fell by 18.0" in still_improving(
        [{**line, **(flat if line["step"] < 930 else {})} for line in falling]
    ), "three points of the last tenth are no line"


NOISE = [20.0 * (-1) ** i for i in range(101)]


@pytest.mark.parametrize(
    "history",
    [
        [],
        curve("train", [1000.0 - 100 * i for i in range(20)]),  # too few for an error
        curve("train", [1000.0 - 2 * i + e for i, e in enumerate(NOISE)]),  # no more than the records' noise
        curve("train", [1e5 * math.exp(-i / 20) for i in range(101)]),  # 382 nats, but less than 1 % of the whole fall
        curve("train", [500.0 + i for i in range(101)]),  # it rises
        curve("train", [10 - 0.05 * i for i in range(101)]),  # half a nat
        [*curve("train", [1000.0 - 2 * i for i in range(101)]), {"step": 1000, "knob": "C", "value": 2.0}],
        [{**line, "train": {"loss": -2.0 * line["step"]}} for line in curve("test", [5.0] * 101)],  # by heart
    ],
)
def test_what_does_not_improve_any_more(history: list[dict[str, Any]]) -> None:
    assert still_improving(history) == ""


def test_a_change_of_C_starts_a_new_judgement() -> None:
    flat, falling = curve("train", [5.0] * 101), curve("train", [1000.0 - 2 * i for i in range(101)])
    turned: dict[str, Any] = {"step": 1000, "knob": "C", "value": 2.0}
    assert still_improving([*flat, turned, *falling])
    assert not still_improving([*falling, turned, *flat])
