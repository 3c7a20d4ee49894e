from __future__ import annotations

import pytest

from ui.train.pace import default_pace
from vae.config import Config
from vae.datasets import describe
from vae.training.defaults import complete, images_per_second, total_steps


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
