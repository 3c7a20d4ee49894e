"""The address of the Suspects page, and what its table is told."""

from __future__ import annotations

import numpy as np
import pytest

from ui.components import suspects
from ui.suspects.table import signed
from ui.suspects.view import SuspectsView, read_view

BOTH = ("train", "test")


def test_a_view_comes_back_from_its_address() -> None:
    for view in (
        SuspectsView(),
        SuspectsView("test", "log_px", "flipped", 50, "marked", 3, 7),
        SuspectsView("second", "elbo", "", 5, "tail", 0, 1, "kmnist"),
    ):
        query = view.to_query()
        assert read_view(query, BOTH, "disagreement", bool) == (view, [])
        assert all(isinstance(value, str) for value in query.values())


@pytest.mark.parametrize(
    ("name", "value"),
    [("part", "valid"), ("part", "second"), ("sort", "beta"), ("order", "up"), ("k", "7"), ("kind", "tail"),
     ("label", "-2"), ("label", "cat"), ("page", "0"), ("page", "1e3"), ("page", "9" * 40), ("second", "x" * 500)],
)  # fmt: skip
def test_what_an_address_cannot_ask_for_is_left_out_and_named(name: str, value: str) -> None:
    assert read_view({name: value}, BOTH, "disagreement", bool) == (SuspectsView(), [name])


def test_without_labels_the_elbo_comes_first_and_without_training_images_the_held_out() -> None:
    view, refused = read_view({}, ("test",), "elbo", bool)
    assert (view.part, view.sort, refused) == ("test", "elbo", [])
    assert read_view({"part": "train"}, ("test",), "elbo", bool)[1] == ["part"]


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ({"run": "one", "action": "sort", "sort": "rate"}, {"action": "sort", "sort": "rate"}),
        ({"run": "one", "action": "mark", "index": 3, "marked": True}, {"action": "mark", "index": 3, "marked": True}),
        ({"run": "one", "action": "note", "index": 3, "note": "<b>"}, {"action": "note", "index": 3, "note": "<b>"}),
        ({"run": "two", "action": "sort", "sort": "rate"}, None),
        ({"run": "one", "action": "mark", "index": True, "marked": True}, None),
        ({"run": "one", "action": "mark", "index": "3", "marked": True}, None),
        ({"run": "one", "action": "page"}, None),
        ({"run": "one", "action": "delete"}, None),
        ("nothing", None),
    ],
)
def test_only_actions_of_this_run_are_taken(
    monkeypatch: pytest.MonkeyPatch, sent: object, read: dict[str, object] | None
) -> None:
    monkeypatch.setattr(suspects.st, "session_state", {"suspects-table": {"action": sent}})
    assert suspects.read_action("one") == read


def test_a_residual_is_orange_where_the_image_is_brighter_and_blue_where_it_is_darker() -> None:
    shown = signed(np.array([[1.0, -0.5, 0.0]], np.float32))
    assert shown[0, 0].tolist() == [213, 94, 0, 255]
    assert shown[0, 1].tolist() == [0, 114, 178, 128]
    assert shown[0, 2, 3] == 0
