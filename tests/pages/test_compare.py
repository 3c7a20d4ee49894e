"""The Compare page in Python: which runs are offered, what is said where there is nothing to compare, the address."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import save
from streamlit.testing.v1 import AppTest

from tests.pages.test_explore import address, given, html, links
from ui.components.explore_modes import received
from vae import runs
from vae.model.vae import build_model
from vae.runs import load_run
from vae.runs.moments import Keeper, moment_at

DEMO = Path(__file__).resolve().parents[2] / "checkpoints" / "demo-digits-2d"
Make = Callable[..., Path]


@pytest.fixture
def made(make_run: Make) -> Make:
    """An ended run with weights; `shape` is that of its images."""

    def make(name: str, shape: tuple[int, int, int] = (1, 8, 8), **settings: Any) -> Path:
        path = make_run(name, **{"latent_dim": 3, "hidden": (8,), "network": "mlp", **settings})
        if shape != (1, 8, 8):
            config, data = runs.read_config(path)
            shutil.rmtree(path)
            path = runs.create_run(config, {**data, "shape": list(shape)}, name, path.parent)
        runs.save_checked(path, {runs.WEIGHTS: save(build_model(runs.read_config(path)[0], shape).state_dict())})
        return path

    return make


def compare(app: AppTest, **parameters: str) -> AppTest:
    app.run()
    for name, value in parameters.items():
        app.query_params[name] = value
    app.switch_page("../pages/compare.py").run()
    assert not app.exception
    return app


def sides(app: AppTest, part: str = "compare_step") -> dict[str, Any]:
    return given(app)[part]


def test_one_run_alone_has_nothing_beside_it(app: AppTest, made: Make) -> None:
    made("only")
    compare(app)
    assert "Nothing to compare it with yet" in html(app)
    assert "No other run sees the same images as “only”. Train a second one on digits" in html(app)
    assert "Train another one" in links(app)
    assert "compare_step" not in given(app)


def test_the_two_newest_are_compared_and_the_others_offered(app: AppTest, made: Make, make_run: Make) -> None:
    for name in ("old", "middle", "new"):
        made(name)
    make_run("bare")
    compare(app)
    assert app.selectbox(key="chosen-run").options == ["new", "middle", "old"]
    assert app.selectbox(key="other-run").options == ["middle", "old"]
    for part in ("compare_terms", "compare_step", "compare_maps"):
        assert (sides(app, part)["a"]["run"], sides(app, part)["b"]["run"]) == ("new", "middle")
    assert "A is “new”, B is “middle”." in html(app)


def test_a_first_visit_shows_a_run_that_has_something_beside_it(app: AppTest, made: Make) -> None:
    shutil.copytree(DEMO, runs.runs_root() / "shipped")
    made("newest", binarize="threshold", likelihood="bernoulli", C=1.0)
    compare(app)
    found = sides(app)
    assert (found["a"]["run"], found["b"]["run"]) == ("shipped", "shipped")
    assert found["a"]["sha"] != found["b"]["sha"]
    assert app.selectbox(key="chosen-run").options == ["newest", "shipped"]


def test_another_run_beside_it_keeps_the_image_but_not_the_z(app: AppTest, made: Make) -> None:
    for name in ("one", "two", "three"):
        made(name)
    compare(app, run="one", other="two", image="7", z="1_2", colour="kept")
    assert sides(app)["start"] == {"image": "7", "z": "1_2"}
    assert sides(app, "compare_maps")["start"] == {"colour": "kept"}
    app.selectbox(key="other-run").select("three").run()
    assert address(app) == {"run": "one", "other": "three", "image": "7"}
    assert sides(app)["b"]["run"] == "three"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"shape": (1, 9, 8)}, "one sees images of 8 x 8, the other images of 9 x 8"),
        ({"binarize": "threshold", "likelihood": "bernoulli", "C": 1.0}, "the other digits binarised at ½"),
    ],
)
def test_a_run_on_other_images_is_not_offered_and_a_link_to_it_says_why(
    app: AppTest, made: Make, settings: dict[str, Any], said: str
) -> None:
    made("other", **settings)
    made("third")
    made("one")
    compare(app, run="one", other="other")
    assert said in html(app)
    assert app.selectbox(key="other-run").options == ["other", "third"]  # the address's own stays on the list
    assert "compare_step" not in given(app)
    app.selectbox(key="other-run").select("third").run()
    assert sides(app)["b"]["run"] == "third"


def test_sizes_and_kinds_of_latents_may_differ(app: AppTest, made: Make) -> None:
    made("bits", latent="bernoulli", estimator="rloo-4", latent_dim=5)
    made("two", latent_dim=2)
    compare(app, run="two", other="bits")
    assert [(sides(app)[side]["k"], sides(app)[side]["support"]) for side in ("a", "b")] == [(2, "real"), (5, "binary")]
    assert sides(app)["a"]["rates"] is None


def test_what_cannot_be_compared_says_why(app: AppTest, made: Make, make_run: Make) -> None:
    made("one")
    damaged, _ = made("damaged"), make_run("bare")
    weights = damaged / runs.WEIGHTS
    weights.write_bytes(weights.read_bytes()[:-1] + b"\1")
    compare(app, run="one", other="bare")
    assert "“bare” has no weights yet: choose another run" in html(app)
    compare(app, run="one", other="damaged")
    assert "damaged" in html(app)
    assert "SHA-256" in html(app)
    assert "compare_step" not in given(app)
    compare(app, run="one", other="<b>gone</b>")
    assert "There is no run named “&lt;b&gt;gone&lt;/b&gt;”" in html(app)


def test_a_config_that_cannot_be_read_hides_no_other_run(app: AppTest, made: Make) -> None:
    (made("broken") / "config.json").write_text("{")
    made("two")
    made("one")
    compare(app, run="one")
    assert app.selectbox(key="other-run").options == ["two"]
    compare(app, run="one", other="broken")
    assert "config.json" in html(app)


def test_the_modes_stand_in_the_address(app: AppTest, made: Make) -> None:
    made("two")
    made("one")
    compare(app, run="one", mode="time")
    assert "compare_step" not in given(app)
    assert not [box for box in app.selectbox if box.key == "other-run"]
    app.segmented_control(key="compare-mode").select("two").run()
    assert address(app) == {"run": "one", "mode": "two"}  # the browser writes which the other is
    assert "compare_step" in given(app)
    compare(app, run="one", other="two", mode="sideways", blur="3")
    assert "There is no mode “sideways”" in html(app)
    assert "settings that this page does not know (blur)" in html(app)


def test_what_comes_to_rest_goes_into_the_address(app: AppTest, made: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    from ui.compare import two_runs

    made("two")
    made("one")
    sent: dict[str, dict[str, Any]] = {
        "in-step-real-real": {"run": "one", "moment": 1, "image": 4, "z": "0.5_-1", "meaning": "numbers"},
        "compared-maps": {"run": "one", "moment": 2, "colour": "movement"},
    }

    def told(run: str, key: str, fields: dict[str, type]) -> dict[str, Any] | None:
        import streamlit as st

        st.session_state[key] = {"view": sent.get(key)}
        return received(run, key, fields)

    monkeypatch.setattr(two_runs, "received", told)
    compare(app, run="one", other="two", neighbours="20")
    assert address(app) == {
        "run": "one", "other": "two", "image": "4", "z": "0.5_-1", "meaning": "numbers", "colour": "movement",
    }  # fmt: skip


@pytest.fixture
def kept(made: Make) -> Path:
    """A run that kept three moments of its training."""
    path = made("run")
    keeper = Keeper(path, -1, 1000)
    weights = {
        name: tensor.half() if tensor.ndim else tensor for name, tensor in load_run(path).model.state_dict().items()
    }
    for step in (0, 50, 112):
        keeper.keep(step, step / 11, 2.0, "log", lambda step=step: save(weights, metadata={"step": str(step)}))
    return path


def test_a_run_is_compared_with_itself_at_one_of_its_moments(app: AppTest, kept: Path) -> None:
    compare(app)
    assert given(app)["shared_address_writer"] == {"other": "run", "at": "50"}
    a, b = sides(app)["a"], sides(app)["b"]
    assert (a["run"], a["step"], b["run"], b["step"], b["sha"]) == ("run", 50, "run", None, None)
    assert a["sha"] == moment_at(kept, 50).sha256
    assert a["rates"] is None
    assert a["image"] == {"channels": 1, "height": 8, "width": 8}
    assert "A is “run” at step 50, B is “run”." in html(app)
    compare(app, run="run", at="50", other="run")  # as the browser writes it
    app.selectbox(key="compare-other_at").select("0").run()
    app.selectbox(key="compare-at").select("newest").run()
    assert {name: address(app)[name] for name in ("other", "other_at")} == {"other": "run", "other_at": "0"}
    assert "at" not in address(app)
    assert (sides(app)["a"]["step"], sides(app)["b"]["step"]) == (None, 0)


def test_a_moment_that_is_not_kept_and_an_index_that_is_damaged(app: AppTest, kept: Path) -> None:
    compare(app, run="run", other="run", at="7", other_at="50")
    assert "“run” keeps no moment “7”; its newest weights are shown instead." in html(app)
    assert (sides(app)["a"]["step"], sides(app)["b"]["step"]) == (None, 50)
    (kept / "moments" / "index.json").write_text("{")
    compare(app, run="run", other="run")
    assert "moments/index.json" in html(app)
    assert "compare_step" not in given(app)
