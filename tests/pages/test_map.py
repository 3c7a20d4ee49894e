"""The Map page in Python: the view in the address, wishes for fits, the static figure."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from ui import codes_routes, map_fits
from ui.components import map as map_component
from ui.components.map import FitWish, read_changed, read_wish
from ui.decoder_routes import weights_sha
from ui.map_figures import map_figure, map_table, places_of
from ui.map_view import MapView, methods_for, read_view
from vae.codes import codes_of
from vae.errors import RunError
from vae.projecting import fit, request_fit
from vae.runs import load_run

DEMOS = Path(__file__).resolve().parents[2] / "checkpoints"


@pytest.fixture(autouse=True)
def no_processes(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """What the page asked of the processes, instead of processes."""
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(map_fits, "warm", lambda: None)
    monkeypatch.setattr(map_fits, "start_fit", lambda path, *rest: asked.append(("start", path.name, *rest)) or "")
    monkeypatch.setattr(map_fits, "end_fit", lambda path, *rest: asked.append(("stop", path.name, *rest)))
    return asked


@pytest.fixture
def demo(runs_folder: Path) -> Path:
    return Path(shutil.copytree(DEMOS / "demo-digits-2d", runs_folder / "two", ignore=shutil.ignore_patterns("proj*")))


@pytest.fixture
def wide(runs_folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Ten dimensions, 2,000 images that came along."""
    monkeypatch.setenv("ELBO_ROOM_DATA", str(tmp_path / "none"))
    return Path(shutil.copytree(DEMOS / "demo-mnist-10d", runs_folder / "ten", ignore=shutil.ignore_patterns("proj*")))


def show(app: AppTest, **parameters: str) -> AppTest:
    app.run()
    for name, value in parameters.items():
        app.query_params[name] = value
    app.switch_page("../pages/map.py").run()
    assert not app.exception
    return app


def html(app: AppTest) -> str:
    return "\n".join(e.proto.body for e in app.get("html") if not e.proto.body.startswith("<style>"))


def given(app: AppTest) -> dict[str, Any]:
    """What the map was given."""

    def walk(block: Any) -> Any:
        for element in block:
            if hasattr(element, "children"):
                yield from walk(element.children.values())
            elif hasattr(getattr(element, "proto", None), "component_name"):
                yield element.proto

    found = {proto.json for proto in walk(app.main) if proto.component_name == "elbo_room_map"}
    assert len(found) == 1
    return json.loads(found.pop())


def test_a_plane_for_two_dimensions_pca_for_more(app: AppTest, demo: Path, wide: Path) -> None:
    two = given(show(app, run="two"))
    assert (two["run"], two["k"], two["problem"]) == ("two", 2, "")
    assert two["methods"][:2] == ["plane", "tsne"]
    assert two["view"] == {"method": "plane", "i": 0, "j": 1, "colour": "label", "part": "test"}
    app.query_params["run"] = "ten"
    ten = given(app.run())
    assert ten["methods"][0] == "pca"
    assert ten["methods"][-1] == "dims"
    assert ten["view"]["method"] == "pca"


def test_the_address_is_the_view(app: AppTest, wide: Path) -> None:
    view = given(show(app, run="ten", method="dims", i="3", j="7", colour="z9", part="train"))["view"]
    assert view == {"method": "dims", "i": 3, "j": 7, "colour": "z9", "part": "train"}


def test_what_the_address_cannot_mean_is_left_out_and_said(app: AppTest, demo: Path) -> None:
    show(app, run="two", method="pca", colour="z2", i="-1", j="nan", part="../x", evil="<b>")
    assert given(app)["view"] == {"method": "plane", "i": 0, "j": 1, "colour": "label", "part": "test"}
    page = html(app)
    assert "(method, i, j, colour, part)" in page
    assert "does not know (evil)" in page
    assert set(app.query_params) == {"run"}


def test_a_changed_view_goes_into_the_address(app: AppTest, wide: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = {"run": "ten", "method": "dims", "i": 1, "j": 4, "colour": "rate", "part": "test"}
    monkeypatch.setattr(map_component, "_map", lambda **_: {"view": changed})
    show(app, run="ten")
    assert {name: app.query_params[name] for name in ("method", "i", "j", "colour")} == {
        "method": "dims",
        "i": "1",
        "j": "4",
        "colour": "rate",
    }


def test_wishes_reach_the_processes(
    app: AppTest, wide: Path, monkeypatch: pytest.MonkeyPatch, no_processes: list[tuple[str, ...]]
) -> None:
    for action in ("start", "stop"):
        wish = {"action": action, "run": "ten", "method": "tsne", "part": "test"}
        monkeypatch.setattr(map_component, "_map", lambda wish=wish, **_: {"fit": wish})
        show(app, run="ten")
        assert no_processes[-1] == (action, "ten", "tsne", "test")


def test_a_fit_that_cannot_start_is_explained(app: AppTest, wide: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given_data: list[dict[str, Any]] = []

    def component(data: dict[str, Any], **_: Any) -> dict[str, Any]:
        given_data.append(data)
        return (
            {"fit": {"action": "start", "run": "ten", "method": "tsne", "part": "test"}} if len(given_data) < 2 else {}
        )

    monkeypatch.setattr(map_component, "_map", component)
    monkeypatch.setattr(map_fits, "start_fit", lambda *_: "two maps are being computed already")
    show(app, run="ten")
    assert given_data[-1]["problem"] == "two maps are being computed already"


def test_without_runs_or_with_a_wrong_one_there_is_a_way_on(app: AppTest, runs_folder: Path) -> None:
    assert "Nothing to explore yet" in html(show(app))
    app.query_params["run"] = "../../etc"
    app.run()
    assert not app.exception
    assert "There is no run named" in html(app)


@pytest.mark.parametrize(
    "sent",
    [
        None,
        {"run": "other", "method": "pca"},
        {"run": "ten", "method": "pca", "colour": "z10"},
        {"run": "ten", "method": "dims", "i": 2, "j": 2},
        {"run": "ten", "method": ["pca"]},
        "pca",
    ],
)
def test_only_views_of_this_run_are_taken_from_a_browser(sent: object) -> None:
    assert read_changed(sent, "ten", 10) is None


def test_only_wishes_that_can_be_met_are_taken_from_a_browser() -> None:
    good = {"run": "ten", "action": "start", "method": "tsne", "part": "train"}
    assert read_wish(good, "ten", 10) == FitWish("start", "tsne", "train")
    for name, value in (("run", "two"), ("action", "rm"), ("method", "pca"), ("method", "../x"), ("part", "all")):
        assert read_wish({**good, name: value}, "ten", 10) is None
    assert read_wish(good, "ten", 1) is None  # one dimension needs no t-SNE
    assert methods_for(1) == ["line"]
    assert read_view({"method": "tsne"}, 1) == (MapView("line", 0, 0), ["method"])


# ---- figure and table


@pytest.fixture
def fresh() -> Any:
    codes_routes._kept.clear()
    yield
    codes_routes._kept.clear()


def test_places_are_those_of_the_page(fresh: None, demo: Path, wide: Path) -> None:
    codes = codes_of(load_run(demo))
    np.testing.assert_array_equal(places_of(demo, MapView("plane"))[0], codes.loc)
    places, _, axes = places_of(wide, MapView("dims", 7, 2))
    np.testing.assert_array_equal(places, codes_of(load_run(wide)).loc[:, [7, 2]])
    assert axes == ("z7", "z2")
    with pytest.raises(RunError, match="t-SNE is not computed yet"):
        places_of(demo, MapView("tsne"))
    folder = request_fit(demo, "tsne", weights_sha(demo), codes.loc)
    (folder / "stop").touch()
    fit(folder)
    assert places_of(demo, MapView("tsne"))[0].shape == (360, 2)


def test_the_figure_shows_every_class_or_a_scale(fresh: None, demo: Path, wide: Path) -> None:
    figure = map_figure(demo, MapView("plane"))
    assert [trace.name for trace in figure.data] == list("0123456789")
    assert sum(len(trace.x) for trace in figure.data) == 360
    assert len({trace.marker.color for trace in figure.data}) == 10
    by_rate = map_figure(wide, MapView("pca", colour="rate"))
    (trace,) = by_rate.data
    assert len(trace.x) == 2000
    assert trace.marker.colorbar.title.text == "rate, nats"
    assert "of the variance" in by_rate.layout.xaxis.title.text
    (by_z,) = map_figure(wide, MapView("pca", colour="z3")).data
    np.testing.assert_array_equal(by_z.marker.color, codes_of(load_run(wide)).loc[:, 3])


def test_the_table_holds_every_image(fresh: None, demo: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(map_table(demo, MapView("plane")))))
    codes = codes_of(load_run(demo))
    assert len(rows) == 360
    assert [row["label"] for row in rows] == [str(label) for label in codes.labels]
    assert float(rows[5]["y"]) == pytest.approx(float(codes.loc[5, 1]), rel=1e-4)
    assert float(rows[5]["distortion"]) == pytest.approx(float(codes.distortion[5]), rel=1e-4)


def test_the_static_figure_is_on_the_page_when_asked_for(fresh: None, app: AppTest, demo: Path) -> None:
    show(app, run="two")
    assert not app.get("plotly_chart")
    app.toggle(key="map-static").set_value(True).run()
    assert not app.exception
    assert len(app.get("plotly_chart")) == 1
    assert len(app.get("download_button")) == 2
