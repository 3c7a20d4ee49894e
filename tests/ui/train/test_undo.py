from __future__ import annotations

import math

from ui.train.undo import undo_value
from vae.config import Config, Knobs


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
