"""Every reader of what comes from outside, by name."""

from __future__ import annotations

import os
from pathlib import Path

from tests.damage.fuzz_files import binary_targets
from tests.damage.fuzz_runs import history_targets, json_targets
from tests.damage.fuzz_target import Target
from tests.damage.fuzz_texts import text_targets
from ui.room import identity


def targets(room: Path) -> dict[str, Target]:
    """Returns all of them by name; their files lie in `room`, a folder of their own."""
    os.environ["ELBO_ROOM_RUNS"] = str(room / "runs")
    identity.signing_key.cache_clear()
    identity.signing_key(room / "runs")
    makers = (json_targets, history_targets, binary_targets, text_targets)
    return {target.name: target for make in makers for target in make(room)}
