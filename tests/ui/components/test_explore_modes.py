"""The Python side of the Explore page's modes: what they send to the page, what they take from it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from ui.components import explore_modes
from ui.components.explore_modes import ATTRIBUTES, INTERPOLATION, PRIOR, TRAVERSAL, read_view, received


def page() -> None:
    from ui.components.explore_modes import attributes, interpolation, prior_samples, traversal_sheet

    address = {"run": "one", "seed": "3", "t": "0.5", "a": "7", "z": "1_2"}
    prior_samples("one", address, "binary")
    traversal_sheet("one", address, [2.0, 0.001], factorises=False)
    interpolation("one", address)
    attributes("one", {})


def test_each_mode_is_given_its_own_part_of_the_address() -> None:
    app = AppTest.from_function(page, default_timeout=120).run()
    assert not app.exception
    sent: dict[str, Any] = {}
    for element in app.main:
        proto = getattr(element, "proto", None)
        if hasattr(proto, "component_name"):
            sent[proto.component_name.removeprefix("elbo_room_")] = json.loads(proto.json)
    usual = {"run": "one", "support": "real"}
    rates = {"rate_per_dim": [2.0, 0.001], "factorises": False}
    assert sent == {
        "sheets_prior": {"run": "one", "support": "binary", "start": {"z": "1_2", "seed": "3"}},
        "sheets_traversal": {**usual, "start": {"z": "1_2"}, **rates},
        "interpolation_interpolation": {**usual, "start": {"a": "7", "t": "0.5"}},
        "attributes_attributes": {**usual, "start": {}},
    }


def test_what_a_browser_sends_is_checked_and_becomes_text() -> None:
    prior = {"seed": 3, "count": 40, "show": "mean", "run": "one", "moment": 1.5}
    assert read_view(prior, PRIOR) == {"seed": "3", "count": "40", "show": "mean", "open": False}
    assert read_view({"seed": 3, "z": "1_-0.5"}, PRIOR) == {"seed": "3", "z": "1_-0.5", "open": False}
    assert read_view({}, PRIOR) == {"open": False}  # all as usual
    between = {"a": 0, "b": 12, "path": "spherical", "t": 1}
    assert read_view(between, INTERPOLATION) == {"a": "0", "b": "12", "path": "spherical", "t": "1", "open": False}
    assert (read_view({"t": 0.35}, INTERPOLATION) or {})["t"] == "0.35"
    assert "z" not in (read_view({"z": "1_2"}, INTERPOLATION) or {})  # its address has none
    assert read_view({"z": "1_2", "open": True}, INTERPOLATION) == {"z": "1_2", "open": True}


def test_what_came_to_rest_is_told_once_and_to_its_own_run(monkeypatch: pytest.MonkeyPatch) -> None:
    state: dict[str, Any] = {}
    monkeypatch.setattr(explore_modes.st, "session_state", state)
    assert received("one", "sheet", TRAVERSAL) is None
    state["sheet"] = {"view": {"columns": 7, "run": "one", "moment": 5}}
    assert received("two", "sheet", TRAVERSAL) is None
    assert received("one", "sheet", TRAVERSAL) == {"columns": "7", "open": False}
    assert received("one", "sheet", TRAVERSAL) is None
    state["sheet"] = {"view": {"columns": 7, "run": "one", "moment": 6}}  # the same again, later
    assert received("one", "sheet", TRAVERSAL) == {"columns": "7", "open": False}
    state["sheet"] = {"view": "nonsense"}
    assert received("one", "sheet", TRAVERSAL) is None


WRONG_SEEDS: list[Any] = [None, True, 1.5, "3", float("inf"), [3]]
WRONG_CODES: list[Any] = [[], 1, None, ["1"], "1_" * 9000]


def test_anything_else_is_nothing() -> None:
    good = {"seed": 3, "count": 40, "show": "mean"}
    for bad in (None, "seed", [], {**good, "show": "x" * 13_000}, {**good, "show": 3}):
        assert read_view(bad, PRIOR) is None
    for seed in WRONG_SEEDS:
        assert read_view({**good, "seed": seed}, PRIOR) is None
    for z in WRONG_CODES:
        assert read_view({**good, "z": z}, PRIOR) is None


def test_a_set_picked_by_hand_has_a_limit() -> None:
    view = {"a": "1,2,3", "b": "rest", "origin": "z", "t": 0.5}
    assert read_view(view, ATTRIBUTES) == {**view, "t": "0.5", "open": False}
    assert read_view({**view, "a": "1," * 7000}, ATTRIBUTES) is None
