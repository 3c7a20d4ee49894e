"""The Python side of the browser components: what they send to the page, what they take from it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from ui.components import live, mounting
from ui.components.live import gaussian_range, owns_C, read_C
from ui.modules import VERSION
from ui.runs.states import STATES
from ui.train.halves import WORDS
from vae.config import C_GAUSSIAN_RANGE, C_WEIGHT_RANGE

STATIC = Path(mounting.__file__).parents[1] / "static"


def page() -> None:
    import streamlit as st

    from ui.components import C_slider, live_charts, live_preview, rate_bars, run_state

    st.session_state["state"] = run_state("one", "running")
    live_charts("one", "gaussian", 64, "iwae", 5)
    st.session_state["weight"] = C_slider("one", "bernoulli", 784, 1.0, key="weight_slider")
    st.session_state["C"] = C_slider("one", "gaussian", 64, "fit", disabled=True)
    live_preview("one")
    rate_bars("one")


def sent(app: AppTest) -> dict[str, list[dict[str, Any]]]:
    """What each component was given, by its name."""
    found: dict[str, list[dict[str, Any]]] = {}
    for element in app.main:
        proto = getattr(element, "proto", None)
        if not hasattr(proto, "component_name"):
            continue
        found.setdefault(proto.component_name.removeprefix("elbo_room_train_"), []).append(json.loads(proto.json))
    return found


def test_every_component_is_mounted_with_its_run() -> None:
    app = AppTest.from_function(page, default_timeout=120).run()
    assert not app.exception
    data = sent(app)
    assert set(data) == {"charts", "c_slider", "preview", "rate_bars", "status_line"}
    assert all(given["run"] == "one" for several in data.values() for given in several)
    gaussian = {"likelihood": "gaussian", "owns_C": True, "error": True, "pixels": 64}
    assert data["charts"] == [{"run": "one", **gaussian, "objective": "iwae", "samples": 5}]
    assert [given["owns_C"] for given in data["c_slider"]] == [False, True]
    assert data["status_line"] == [
        {"run": "one", "state": "running", "visible": True, "words": STATES, "halves": WORDS}
    ]


def test_a_likelihood_of_a_newer_version_is_shown_with_C_as_a_weight() -> None:
    assert not owns_C("from-the-future")


def test_the_range_of_the_slider_is_that_of_the_likelihood() -> None:
    weight, gaussian = sent(AppTest.from_function(page, default_timeout=120).run())["c_slider"]
    assert (weight["low"], weight["high"]) == C_WEIGHT_RANGE
    assert (gaussian["low"], gaussian["high"]) == C_GAUSSIAN_RANGE
    assert gaussian["C"] == "fit"
    assert gaussian["disabled"] is True


@pytest.mark.parametrize(
    ("spread", "expected"),
    [
        (1.0, (0.1, 1e3)),
        (1.7, (0.1, 1e3)),
        (0.05, (1e2, 1e6)),
        (4095, (1e-8, 1e-4)),
        ("x", (0.1, 1e3)),
        (0, (0.1, 1e3)),
    ],
)
def test_the_range_follows_the_scale_of_the_data(spread: float, expected: tuple[float, float]) -> None:
    assert gaussian_range(spread) == pytest.approx(expected, rel=1e-12)


def test_nothing_is_returned_until_the_browser_sends_something() -> None:
    app = AppTest.from_function(page, default_timeout=120).run()
    assert app.session_state["C"] is None
    assert app.session_state["weight"] is None
    assert app.session_state["state"] is None


@pytest.mark.parametrize(
    ("value", "gaussian", "expected"),
    [
        (2, False, 2.0),
        (36.2, True, 36.2),
        ("fit", True, "fit"),
        ("fit", False, None),
        (None, True, None),
        (0, True, None),
        (-1.0, False, None),
        (float("nan"), False, None),
        (float("inf"), True, None),
        ("2", False, None),
        (True, False, None),
        ({"C": 2}, True, None),
    ],
)
def test_only_what_can_be_a_C_is_taken_from_the_browser(value: object, gaussian: bool, expected: object) -> None:
    assert read_C(value, gaussian) == expected


def test_every_module_that_python_names_exists_and_exports_a_renderer() -> None:
    sources = [file.read_text() for file in Path(live.__file__).parents[1].rglob("*.py")]
    named = [name for text in sources for name in re.findall(r'browser_component\("([\w/]+)"\)', text)]
    assert len(named) >= 15
    for name in named:
        assert "export default renderer(" in (STATIC / f"{name}.js").read_text()


def test_the_inline_script_only_imports() -> None:
    given: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mounting.st.components.v2, "component", lambda name, js: given.append(js))
        mounting.browser_component("train/charts")
    assert "\n" in given[0]  # a one-line string is taken for a file's path
    assert f"modules/{VERSION}/train/charts.js" in given[0]
    assert len(given[0]) < 250


def test_the_browser_modules_ask_nobody_else_and_build_no_html_from_text() -> None:
    for path in [*STATIC.glob("*.js"), *STATIC.glob("*.css")]:
        text = path.read_text()
        assert not re.search(r"https?://(?!www\.w3\.org/)", text), path.name
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", text), path.name


def test_the_relative_imports_of_the_modules_lead_somewhere() -> None:
    for path in STATIC.glob("*.js"):
        for target in re.findall(r'from "\./([^"]+)"', path.read_text()):
            assert (STATIC / target).is_file(), f"{path.name} imports {target}"
