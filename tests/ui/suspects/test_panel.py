"""When the page is drawn anew while suspects are looked for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ui.suspects.panel import DRAW_EVERY, stamp_of
from vae.diagnosis.suspects.results import SCORES


@pytest.mark.parametrize(
    ("name", "later", "new"),
    [(SCORES, 0.1, True), ("evidence-test.npz", 0.1, False), ("evidence-test.npz", DRAW_EVERY, True)],
)
def test_scores_are_drawn_at_once_and_more_of_log_px_every_few_seconds(
    name: str, later: float, new: bool, tmp_path: Path
) -> None:
    file = tmp_path / name
    file.touch()
    stamps = []
    for seconds in (1000.0, 1000.0 + later):
        os.utime(file, (seconds, seconds))
        stamps.append(stamp_of(file))
    assert (stamps[0] != stamps[1]) == new
