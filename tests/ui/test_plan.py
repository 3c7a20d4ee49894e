from __future__ import annotations

import math
from typing import Any

import pytest

from ui.plan import command_line, default_pace, overfitting, parse_C, parse_widths, undo_value
from vae.completion import complete, images_per_second, total_steps
from vae.config import Config, Knobs
from vae.datasets import describe
from vae.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "widths"), [("", None), ("400", (400,)), ("512, 256", (512, 256)), (" 64 32,16 ", (64, 32, 16))]
)
def test_widths(text: str, widths: tuple[int, ...] | None) -> None:
    assert parse_widths(text) == widths


@pytest.mark.parametrize("text", ["0", "4x4", "-3", "1e9", "9999999", "٣,"])
def test_widths_that_cannot_be(text: str) -> None:
    if text == "٣,":  # decimal digits of other scripts are digits
        assert parse_widths(text) == (3,)
        return
    with pytest.raises(ConfigError, match="hidden"):
        parse_widths(text)


def test_C() -> None:
    assert parse_C("") is None
    assert parse_C(" fit ") == "fit"
    assert parse_C("2.5") == 2.5
    for text in ("nan", "1e309", "-1", "0", "two"):
        with pytest.raises(ConfigError, match="C: expected"):
            parse_C(text)


def test_a_run_of_the_default_form_lasts_about_a_minute() -> None:
    info = describe("digits")
    config, _ = complete(Config(), info)
    pace = default_pace(config, info)
    assert pace == 150
    assert 45 <= total_steps(config, info.train) / pace <= 90


def test_a_long_run_goes_at_full_speed() -> None:
    info = describe("mnist")
    config, _ = complete(Config(dataset="mnist", latent_dim=10), info)
    assert default_pace(config, info) is None


@pytest.mark.parametrize("epochs", [1, 3, 20, 100, 300])
def test_short_runs_are_slowed_to_between_half_and_two_minutes(epochs: int) -> None:
    info = describe("digits")
    config, _ = complete(Config(epochs=epochs), info)
    pace, steps = default_pace(config, info), total_steps(config, info.train)
    assert pace is not None
    assert steps / pace <= 120
    assert pace == 1 or steps / pace >= 30
    assert pace < images_per_second(config, info) / config.batch_size  # type: ignore[operator]


def test_the_command_line_says_what_differs_from_the_defaults() -> None:
    assert command_line(Config()) == "python -m vae train --dataset digits"
    config = Config(dataset="my data.npz", C="fit", hidden=(64, 32), lr=3e-4, epochs=7, samples=5, objective="iwae")
    assert command_line(config, "a run") == (
        "python -m vae train --dataset 'my data.npz' --C fit --hidden 64,32 --objective iwae --samples 5 "
        "--epochs 7 --lr 0.0003 --name 'a run'"
    )


def undo(*values: float | str, start: float | str = "fit", pending: float | str | None = None) -> float | str | None:
    history = [{"step": i, "knob": "C", "value": value} for i, value in enumerate(values)]
    return undo_value(Config(C=start), [{"step": 1, "train": {}}, *history], Knobs(C=pending))  # type: ignore[arg-type]


def test_undo_goes_back_change_by_change_to_the_start() -> None:
    assert undo() is None
    assert undo(5.0) == "fit"
    assert undo(5.0, 20.0) == 5.0
    assert undo(5.0, 20.0, 5.0) == "fit"  # after one undo
    assert undo(5.0, 20.0, 5.0, "fit") is None  # after two
    assert undo(5.0, 5.0) == "fit"
    assert undo(pending=3.0) == "fit"  # asked for, not yet taken up
    assert undo(3.0, pending=3.0) == "fit"
    assert undo(2.0, start=1.0) == 1.0
    assert math.isclose(undo(0.1, 0.2, start=1.0), 0.1)  # type: ignore[arg-type]


def measured(step: int, train: float, test: float | None, images: int = 360) -> dict[str, Any]:
    """A record with these −ELBO."""
    held = None if test is None else {"elbo": -test, "images": images}
    return {"step": step, "train": {"elbo": -train}, "test": held}


RISEN = [measured(100, -5, -4), measured(2340, -15, -14.1), measured(3000, -18, None), measured(5000, -25, -10.6)]


def test_overfitting_names_the_step_and_the_numbers() -> None:
    assert overfitting(RISEN) == (
        "Held-out −ELBO was lowest at step 2,340 (−14.1 nats) and has risen to −10.6 since: "
        "what is learned after that fits the training images only."
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
