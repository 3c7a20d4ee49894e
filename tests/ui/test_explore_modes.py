"""The Python side of the Explore page's modes: what they send to the page, what they take from it."""

from __future__ import annotations

import json
from typing import Any

from streamlit.testing.v1 import AppTest

from ui.components.explore_modes import ATTRIBUTES, INTERPOLATION, PRIOR, read_view


def page() -> None:
    from ui.components.explore_modes import attributes, interpolation, prior_samples, traversal_sheet

    address = {"run": "one", "seed": "3", "t": "0.5", "a": "7"}
    assert prior_samples("one", address) is None
    assert traversal_sheet("one", [0.5, -1], address, [2.0, 0.001]) is None
    assert interpolation("one", address) is None
    assert attributes("one", None, None) is None


def test_each_mode_is_given_its_own_part_of_the_address() -> None:
    app = AppTest.from_function(page, default_timeout=20).run()
    assert not app.exception
    sent: dict[str, Any] = {}
    for element in app.main:
        proto = getattr(element, "proto", None)
        if hasattr(proto, "component_name"):
            sent[proto.component_name.removeprefix("elbo_room_")] = json.loads(proto.json)
    assert sent == {
        "sheet_prior": {"run": "one", "start": {"seed": "3"}},
        "sheet_traversal": {"run": "one", "start": {}, "z": [0.5, -1], "rate_per_dim": [2.0, 0.001]},
        "interpolation": {"run": "one", "start": {"a": "7", "t": "0.5"}},
        "attributes": {"run": "one", "start": None, "z": None},
    }


def test_what_a_browser_sends_is_checked() -> None:
    prior = {"seed": 3, "count": 40, "show": "mean"}
    assert read_view(prior, PRIOR) == prior
    assert read_view({**prior, "z": [1, -0.5], "more": 1}, PRIOR) == {**prior, "z": [1.0, -0.5]}
    between = {"a": 0, "b": 12, "path": "spherical", "t": 1, "steps": 0}
    assert read_view(between, INTERPOLATION) == between
    assert isinstance((read_view(between, INTERPOLATION) or {})["t"], float)


WRONG_SEEDS: list[Any] = [None, True, 1.5, "3", float("inf"), [3]]
WRONG_CODES: list[Any] = [[], "1", [None], [float("nan")], [0.0] * 5000]


def test_anything_else_is_nothing() -> None:
    good = {"seed": 3, "count": 40, "show": "mean"}
    for bad in (None, "seed", [], {}, {"seed": 3, "count": 40}, {**good, "show": "x" * 5000}):
        assert read_view(bad, PRIOR) is None
    for seed in WRONG_SEEDS:
        assert read_view({**good, "seed": seed}, PRIOR) is None
    for z in WRONG_CODES:
        assert read_view({**good, "z": z}, PRIOR) is None


def test_a_set_picked_by_hand_has_a_limit() -> None:
    view = {"a": "1,2,3", "b": "rest", "origin": "z", "t": 0.0}
    assert read_view(view, ATTRIBUTES) == view
    assert read_view({**view, "a": "1," * 3000}, ATTRIBUTES) is None
