"""How fast a run is shown: steps per second, so that a short one can be watched."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from vae.config import Config

if TYPE_CHECKING:
    from vae.datasets import DataInfo

WATCHABLE = 60.0  # seconds that a run should last to be watched
PACES = (1, 2, 5, 10, 20, 50, 100, 150, 200, 500, 1000)  # steps per second on offer besides full speed


def default_pace(config: Config, info: DataInfo) -> float | None:
    """Returns the steps per second at which a run of a completed config is shown; None is full speed.

    Runs that are over in less than three quarters of a minute at full speed are slowed to about a minute: one can
    watch those, and turn C meanwhile. `images_per_second` is an estimate for two ordinary cores.
    """
    from vae.training.defaults import images_per_second, total_steps  # torch takes its time

    steps = total_steps(config, info.train)
    full_speed = images_per_second(config, info) / (config.batch_size or 1)
    if steps / full_speed >= 0.75 * WATCHABLE:
        return None
    nearest = min(PACES, key=lambda pace: abs(math.log(pace * WATCHABLE / steps)))
    return float(nearest) if nearest < full_speed else None
