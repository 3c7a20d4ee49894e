"""The Explore page in Python: which run, which mode, what goes into the address and what comes out of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from ui.components import explore as explore_component
from ui.components.explore import read_z, released_z, z_fault
from vae import runs
from vae.model.vae import build_model

Make = Callable[..., Path]


@pytest.fixture
def make_trained(make_run: Make) -> Make:
    """An ended run with weights and rates."""

    def make(name: str, rates: tuple[float, ...] = (0.5, 2.0, 0.001), **settings: Any) -> Path:
        from safetensors.torch import save

        measured = {"distortion": -1.0, "rate": sum(rates), "elbo": 0.0, "rate_per_dim": list(rates)}
        record = {"step": 9, "epoch": 1.0, "C": 1.0, "train": measured, "test": measured}
        settings = {"latent_dim": len(rates), "hidden": (8,), "network": "mlp", **settings}
        path = make_run(name, history=[record], **settings)
        model = build_model(runs.read_config(path)[0], (1, 8, 8))
        runs.save_checked(path, {runs.WEIGHTS: save(model.state_dict(), metadata={"step": "9"})})
        return path

    return make


def explore(app: AppTest, **parameters: str) -> AppTest:
    app.run()
    for name, value in parameters.items():
        app.query_params[name] = value
    app.switch_page("../pages/explore.py").run()
    assert not app.exception
    return app


def html(app: AppTest) -> str:
    return "\n".join(e.proto.body for e in app.get("html") if not e.proto.body.startswith("<style>"))


def given(app: AppTest) -> dict[str, dict[str, Any]]:
    """What each component of the view was given, by its name; what stands beside the view is another's."""

    def walk(block: Any) -> Any:
        for element in block:
            if hasattr(element, "children"):
                yield from walk(element.children.values())
            elif hasattr(getattr(element, "proto", None), "component_name"):
                yield element.proto

    protos = walk(app.main.children.values())
    found = {proto.component_name.removeprefix("elbo_room_"): json.loads(proto.json) for proto in protos}
    for beside in ("shared_link", "show_show"):
        found.pop(beside, None)
    return found


def address(app: AppTest) -> dict[str, str]:
    values = dict(app.query_params.items())
    return {name: value if isinstance(value, str) else value[0] for name, value in values.items()}


def links(app: AppTest) -> list[str]:
    return [link.proto.label for link in app.get("page_link")]


def test_the_newest_run_opens_at_the_prior_mean_with_its_rates(app: AppTest, make_trained: Make) -> None:
    make_trained("old")
    make_trained("new")
    explore(app)
    assert given(app)["shared_address_writer"] == {"run": "new"}  # the browser writes it in place
    assert app.selectbox(key="chosen-run").options == ["new", "old"]
    latent = {"k": 3, "rates": [0.5, 2.0, 0.001], "support": "real", "factorises": True}
    assert given(app)["explore_explore"] == {"run": "new", **latent, "z": "", "echo": False}
    assert "digits · d = 3 · gaussian, C = 1 (fitted) · stopped" in html(app)


def test_only_runs_with_weights_are_offered(app: AppTest, make_run: Make, make_trained: Make) -> None:
    make_trained("trained")
    make_run("bare")
    explore(app)
    assert app.selectbox(key="chosen-run").options == ["trained"]


def test_another_run_is_chosen_and_keeps_the_mode_but_not_the_z(app: AppTest, make_trained: Make) -> None:
    make_trained("one")
    make_trained("two")
    explore(app, run="one", mode="traversal", z="1_2", columns="7")
    app.selectbox(key="chosen-run").select("two").run()
    assert not app.exception
    assert address(app) == {"run": "two", "mode": "traversal"}
    assert given(app)["sheets_traversal"]["run"] == "two"


def test_a_link_brings_run_mode_and_z_back(app: AppTest, make_trained: Make) -> None:
    make_trained("one")
    explore(app, run="one", z="0.25_-1.5")
    assert given(app)["explore_explore"]["z"] == "0.25_-1.5"
    assert given(app)["explore_explore"]["echo"] is False


@pytest.mark.parametrize(
    ("mode", "component"),
    [
        ("sliders", "explore_explore"),
        ("samples", "sheets_prior"),
        ("traversal", "sheets_traversal"),
        ("interpolate", "interpolation_interpolation"),
        ("attributes", "attributes_attributes"),
    ],
)
def test_each_mode_shows_its_component_at_the_same_z(
    app: AppTest, make_trained: Make, mode: str, component: str
) -> None:
    make_trained("one")
    explore(app, run="one", mode=mode, z="0.25_-1.5")
    data = given(app)
    assert set(data) == {component}
    assert data[component]["run"] == "one"
    if mode in ("traversal", "attributes"):
        assert data[component]["start"] == {"z": "0.25_-1.5"}


def test_the_switch_of_modes_keeps_z_and_drops_what_the_old_mode_added(app: AppTest, make_trained: Make) -> None:
    make_trained("one")
    explore(app, run="one", mode="samples", z="1", seed="4")
    assert given(app)["sheets_prior"]["start"] == {"z": "1", "seed": "4"}
    app.segmented_control(key="mode").set_value("interpolate").run()
    assert not app.exception
    assert address(app) == {"run": "one", "z": "1", "mode": "interpolate"}


@pytest.mark.parametrize(
    ("z", "fault"),
    [
        ("1_2_3_4", "it holds 4 numbers, and this run has 3 latent dimensions."),
        ("nonsense", "expected numbers such as 1.46_-0.3_0.91, not “nonsense”."),
        ("1e9", "expected numbers such as 1.46_-0.3_0.91, not “1e9”."),
        ("1__2", "expected numbers such as 1.46_-0.3_0.91, not “”."),
        ("999999_-999999", "each number should be between −100 and 100, not “999999”."),
    ],
)
def test_a_z_that_is_none_is_left_out_with_its_own_fault(app: AppTest, make_trained: Make, z: str, fault: str) -> None:
    make_trained("one")
    explore(app, run="one", z=z)
    assert f"The z in the address could not be used: {fault} The prior mean is shown instead." in html(app)
    assert "z" not in app.query_params
    assert given(app)["explore_explore"]["z"] == ""


def test_a_code_that_is_none_leaves_all_bits_zero(app: AppTest, make_trained: Make) -> None:
    make_trained("one", latent="bernoulli")
    explore(app, run="one", z="1_2")
    said = "so each number should be 0 or 1. The code of all zeros is shown instead."
    assert said in html(app)
    assert "z" not in app.query_params


def test_a_z_with_commas_is_taken(app: AppTest, make_trained: Make) -> None:
    make_trained("one")
    explore(app, run="one", z="30,-30")
    assert "could not be used" not in html(app)
    assert given(app)["explore_explore"]["z"] == "30,-30"


@pytest.mark.parametrize("z", ["1_0_1", "1_0.5_1"])
def test_bits_have_switches_and_no_arithmetic(app: AppTest, make_trained: Make, z: str) -> None:
    make_trained("bits", latent="bernoulli", likelihood="bernoulli", C=1.0)
    explore(app, run="bits", z=z)
    assert app.segmented_control(key="mode").options[0] == "Switches"
    assert given(app)["explore_explore"]["support"] == "binary"
    assert ("each number should be 0 or 1" in html(app)) == (z != "1_0_1")
    app.segmented_control(key="mode").set_value("attributes").run()
    assert "There is no attribute arithmetic for a binary latent" in html(app)
    assert given(app) == {}


def test_dimensions_of_a_q_that_does_not_factorise_come_by_their_marginals(app: AppTest, make_trained: Make) -> None:
    path = make_trained("full", latent="full-normal")
    measured = {"rate": 2.0, "rate_per_dim": None, "marginal_rate_per_dim": [0.25, 1.5, 0.5]}
    runs.append_history(path, {"step": 10, "train": measured, "test": measured})
    explore(app, run="full")
    data = given(app)["explore_explore"]
    assert (data["rates"], data["factorises"], data["support"]) == ([0.25, 1.5, 0.5], False, "real")


def test_unknown_parameters_and_modes_are_left_out_with_a_sentence(app: AppTest, make_trained: Make) -> None:
    make_trained("one")
    explore(app, run="one", mode="sideways", evil="<script>")
    assert "no mode “sideways”; the first one is shown instead" in html(app)
    assert "does not know (evil)" in html(app)
    assert address(app) == {"run": "one", "mode": "sliders"}


def test_with_nothing_to_explore_it_invites_to_train(app: AppTest, make_run: Make) -> None:
    make_run("bare")
    explore(app)
    assert "Nothing to explore yet" in html(app)
    assert links(app) == ["Train a first run"]
    assert given(app) == {}


def test_an_unknown_run_is_a_sentence_beside_the_others(app: AppTest, make_trained: Make) -> None:
    make_trained("one")
    explore(app, run="<b>gone</b>")
    assert "There is no run named “&lt;b&gt;gone&lt;/b&gt;”" in html(app)
    assert app.selectbox(key="chosen-run").value is None
    assert app.selectbox(key="chosen-run").options == ["one"]
    assert links(app) == ["All runs", "Train a new one"]
    app.selectbox(key="chosen-run").select("one").run()
    assert given(app)["explore_explore"]["run"] == "one"


def test_a_run_that_has_not_begun_says_that_it_will_appear(app: AppTest, make_run: Make) -> None:
    path = make_run("young", state="queued")
    explore(app, run="young")
    assert "has no weights yet. It appears here by itself" in html(app)
    assert links(app) == ["Watch it train", "All runs"]
    runs.write_status(path, runs.Status(state="stopped"))
    app.run()
    assert "it ended before its first step" in html(app)


def test_damaged_weights_are_a_sentence_and_a_way_on(app: AppTest, make_trained: Make) -> None:
    path = make_trained("one")
    file = path / runs.WEIGHTS
    file.write_bytes(file.read_bytes()[:-1] + b"\0\0")
    explore(app, run="one")
    assert "weights.safetensors is damaged" in html(app)
    assert links(app) == ["All runs", "Train a new one"]
    assert given(app) == {}


def test_a_damaged_config_is_a_sentence_and_a_way_on(app: AppTest, make_trained: Make) -> None:
    path = make_trained("one")
    (path / "config.json").write_text("{")
    explore(app, run="one")
    assert "config.json cannot be read" in html(app)
    assert links(app) == ["All runs", "Train a new one"]


def test_a_run_whose_history_has_no_rates_still_opens(app: AppTest, make_trained: Make) -> None:
    path = make_trained("one")
    (path / "history.jsonl").write_text("")
    explore(app, run="one")
    assert given(app)["explore_explore"]["rates"] is None


def test_z_as_text() -> None:
    assert read_z("1.46_-0.3", 4) == [1.46, -0.3, 0.0, 0.0]
    assert read_z("12.5,-100", 2) == [12.5, -100.0]
    assert read_z("1_0_1", 4, "binary") == [1.0, 0.0, 1.0, 0.0]
    for text in ("", "1_2_3", "a", "1__2", "1e5", "nan", "inf", "1;2", "9999999", "1\n", "100.01", "0_-101"):
        assert read_z(text, 2) is None
        assert bool(z_fault(text, 2)) == bool(text)
    assert read_z("0.5", 2, "binary") is None
    assert z_fault("1_2", 1) == "it holds 2 numbers, and this run has 1 latent dimension."


@pytest.mark.parametrize(
    ("sent", "taken"),
    [
        ({"run": "one", "z": "1.5_-2", "moment": 5}, ("1.5_-2", 5.0)),
        ({"run": "one", "z": "1.5_-2"}, ("1.5_-2", 0.0)),
        ({"run": "two", "z": "1.5_-2", "moment": 5}, (None, 0.0)),
        ({"run": "one", "z": "1.5_x", "moment": 5}, (None, 0.0)),
        ({"run": "one", "z": 3, "moment": 5}, (None, 0.0)),
        ({"run": "one"}, (None, 0.0)),
        ("1.5", (None, 0.0)),
        (None, (None, 0.0)),
    ],
)
def test_only_a_z_of_this_run_is_taken_from_the_browser(
    monkeypatch: pytest.MonkeyPatch, sent: object, taken: tuple[str | None, float]
) -> None:
    monkeypatch.setattr(explore_component.st, "session_state", {"sliders": {"z": sent}})
    assert released_z("one", "sliders") == taken
